"""Tables of what is found, and under which circumstances."""

from __future__ import annotations

import numpy as np

from l2ltr_core.evaluation.corruptions import CORRUPTIONS, LEVELS
from l2ltr_core.evaluation.evaluate import LISTED, REPORTED_DISTANCES_M
from l2ltr_core.evaluation.recall import COLUMN_DEG
from l2ltr_core.evaluation.report.retrieval import FIELDS_DEG
from l2ltr_core.evaluation.tables.cells import (
    NOT_MEASURED,
    Cards,
    Cell,
    Rows,
    Table,
    agreed,
    get,
    number,
    percent,
    recall,
    table_of,
    yes_or_no,
)
from l2ltr_core.evaluation.walks import FARTHEST_M, LENGTHS, NEAREST_M
from l2ltr_core.localization import ESTIMATE_RADIUS_M
from l2ltr_core.model.config import CheckpointCard


def places(cards: Cards) -> Table:
    """Recalls and distances of held-out photos."""
    rows: Rows = [(f"recall@{k}", recall("places", f"recall_at_{k}")) for k in (1, 5, 10)]
    rows += [(f"recall@{k}, CLS alone", recall("places", "by_cls", f"recall_at_{k}")) for k in (1, 5, 10)]
    rows += [(f"recall@{k}, different answers", recall("places", f"recall_at_{k}_apart")) for k in LISTED]
    rows += [
        (f"first match within {m} m", recall("places", f"recall_within_{m}m")) for m in REPORTED_DISTANCES_M
    ]
    rows.append(("median error of the first match", number("places", "median_error_m", unit=" m")))
    rows += [(f"paired recall@{k}", recall("paired", f"recall_at_{k}")) for k in (1, 5, 10)]
    rows.append(("paired recall@1, CLS alone", recall("paired", "by_cls", "recall_at_1")))
    rows.append(("paired, first match within 25 m", recall("paired", "recall_within_25m")))
    rows.append(("paired, photos apart, recall@1", recall("paired", "recall_at_1_apart")))
    rows.append(("validation photos, recall@1", recall("validation_photos", "recall_at_1")))
    about = (
        f"{agreed(cards, 'places', 'queries')} photos, searched among all {agreed(cards, 'places', 'gallery_size')} "
        "places of the gallery; found is what lies within 25 m. CLS alone: as in the paper, without comparing "
        "places column by column. Different answers: as the page lists them, each the place around which "
        "(25 m) most of the probability lies that no better one covers. Paired: each photo looks for its own tile "
        "among those of all photos, as on CVUSA, where no two are as near as many here; photos apart: the same for "
        f"{agreed(cards, 'paired', 'queries_apart')} of them, no two of which lie within 25 m. In brackets the 95 % "
        "bootstrap interval over photos."
    )
    return table_of("Held-out photos", about, cards, rows)


def walks(cards: Cards) -> Table:
    """Held-out photos as walks."""
    about = (
        f"Held-out photos as walks, each photo {NEAREST_M:g} to {FARTHEST_M:g} m from the one before: how many of "
        f"them are located to within {ESTIMATE_RADIUS_M:g} m, each by itself and all of a walk together; and of how "
        "many walks every photo. The confidence is that of the photos of a walk, given all of it. Walks share photos, "
        "so these numbers vary more than as many photos of their own would."
    )
    rows: Rows = []
    for length in LENGTHS:
        walks = f"{length} photos"
        rows += [
            (f"{walks}, {how}, located", percent("walks", str(length), how, "photos_found"))
            for how in ("alone", "together")
        ]
        rows += [
            (f"{walks}, {how}, whole walks", percent("walks", str(length), how, "walks_found"))
            for how in ("alone", "together")
        ]
        median = number("walks", str(length), "together", "median_error_m", unit=" m")
        rows.append((f"{walks}, together, median error", median))
        rows.append((f"{walks}, confidence told", percent("walks", str(length), "confidence", "mean_told")))
        rows.append((f"{walks}, calibration error", percent("walks", str(length), "confidence", "error")))
    return table_of("Walks", about, cards, rows)


def heading_table(cards: Cards) -> Table:
    """What an unknown heading costs."""
    about = (
        f"recall@1 of {agreed(cards, 'unknown_heading', 'photos')} of the photos. Searched: each photo is encoded "
        "once, as if it looked north, and its columns are compared with every place under every turn (circular "
        "cross-correlation); a checkpoint without columns encodes 32 views. Right is a heading at most a column "
        f"({COLUMN_DEG:g}°) off. Random: the photo is taken to look anywhere."
    )
    rows: Rows = [
        (f"heading {name}", recall("unknown_heading", name, "recall_at_1"))
        for name in ("known", "searched", "random")
    ]
    rows.append(("right heading found", percent("unknown_heading", "searched", "heading_right")))
    return table_of("Unknown heading", about, cards, rows)


def field_of_view(cards: Cards) -> Table:
    """What a narrow field of view costs."""
    about = (
        f"recall@1 of {agreed(cards, 'field_of_view', 'photos')} of the photos, each left so much of the circle in "
        "a random direction that is known; only the columns that it shows are compared."
    )
    rows: Rows = [
        (f"{field_deg}°", recall("field_of_view", str(field_deg), "recall_at_1"))
        for field_deg in (360, *FIELDS_DEG)
    ]
    return table_of("Field of view", about, cards, rows)


def corruptions(cards: Cards) -> Table:
    """What corrupted pictures cost."""
    about = (
        f"recall@1 of {agreed(cards, 'corruptions', 'photos')} of the photos under the sixteen corruptions of "
        f"CVUSA-C, mean of {len(LEVELS)} levels (in brackets level 1 and level 5), applied at the model's own "
        "size, where blur and noise weigh more than on the benchmark's larger photos."
    )
    rows: Rows = [
        ("none", percent("corruptions", "clean", "recall_at_1")),
        ("mean of the sixteen", percent("corruptions", "mean", "recall_at_1")),
    ]
    for group, names in CORRUPTIONS.items():
        rows += [(f"{group}: {name.replace('_', ' ')}", _levels(name)) for name in names]
    return table_of("Corruptions", about, cards, rows)


def _levels(name: str) -> Cell:
    def cell(card: CheckpointCard) -> str:
        levels = get(card, "corruptions", "recall_at_1", name)
        if levels is None:
            return NOT_MEASURED
        return f"{100 * np.mean(levels):.1f} % ({100 * levels[0]:.0f}, {100 * levels[-1]:.0f})"

    return cell


def elsewhere(cards: Cards) -> Table:
    """Recalls in another city."""
    about = (
        f"{agreed(cards, 'elsewhere', 'queries')} photos of {agreed(cards, 'elsewhere', 'dataset')}, each looking for "
        f"its own tile among {agreed(cards, 'elsewhere', 'gallery_size')}."
    )
    rows: Rows = [(f"recall@{k}", recall("elsewhere", f"recall_at_{k}")) for k in (1, 5, 10)]
    rows += [(f"within {m} m", recall("elsewhere", f"recall_within_{m}m")) for m in REPORTED_DISTANCES_M]
    rows.append(("learned from that dataset", yes_or_no("elsewhere", "in_training")))
    return table_of("Another city", about, cards, rows)
