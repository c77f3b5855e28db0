"""What cards say was measured, as tables of words: one column a checkpoint, for the screen and for a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from l2ltr_core.evaluation.calibration import FALSE_REJECTIONS, SURROUNDINGS_M
from l2ltr_core.evaluation.corruptions import CORRUPTIONS, LEVELS
from l2ltr_core.evaluation.evaluate import LISTED, REPORTED_DISTANCES_M
from l2ltr_core.evaluation.held_out import HeldOut
from l2ltr_core.evaluation.intervals import bootstrap_difference
from l2ltr_core.evaluation.real import SURE
from l2ltr_core.evaluation.recall import COLUMN_DEG, REAL_HEADING_WITHIN_DEG
from l2ltr_core.evaluation.report import AIM, FIELDS_DEG
from l2ltr_core.evaluation.walks import FARTHEST_M, LENGTHS, NEAREST_M
from l2ltr_core.localization import ESTIMATE_RADIUS_M, RADIUS_SHARES
from l2ltr_core.model.config import CheckpointCard

NOT_MEASURED = "–"
NOT_TOLD = "cannot be told"
SELF_CROSS, PLAIN = "self-cross", "self"
SEED = 0
Cards = Sequence[CheckpointCard]
Rows = list[tuple[str, Callable[[CheckpointCard], str]]]


@dataclass(frozen=True)
class Table:
    """Rows of words under a head; `about` says what was measured on what."""

    title: str
    about: str
    head: list[str]
    rows: list[list[str]]

    def to_markdown(self) -> str:
        """As a section of a page."""
        lines = [" | ".join(row) for row in (self.head, ["---"] * len(self.head), *self.rows)]
        return "\n".join([f"## {self.title}", "", self.about, "", *(f"| {line} |" for line in lines)])


def report_tables(cards: Cards, records: Mapping[str, HeldOut | None]) -> list[Table]:
    """Everything that the cards hold of a report; `records` are the photos one by one, by checkpoint.

    Only what was measured on a card's own weights counts, and a table without numbers is left out.
    """
    own = [_own(card) for card in cards]
    makers = (
        _trained,
        _places,
        _walks,
        _heading,
        _field,
        _corruptions,
        _elsewhere,
        _confidence,
        _not_here,
        _layers,
        _real,
    )
    current = {
        card.name: record
        for card in cards
        if (record := records.get(card.name)) is not None and record.checkpoint == card.fingerprint
    }
    made = [*(make(own) for make in makers), _attention(own, current)]
    return [table for table in made if {cell for row in table.rows for cell in row[1:]} - {NOT_MEASURED}]


def _own(card: CheckpointCard) -> CheckpointCard:
    """The card without what was measured on other weights."""
    measured = {name: _get(card, name, "measured", "checkpoint") for name in card.results}
    strange = {name for name, weights in measured.items() if weights not in (None, card.fingerprint)}
    return replace(card, results={name: card.results[name] for name in card.results if name not in strange})


def _trained(cards: Cards) -> Table:
    def learned_from(card: CheckpointCard) -> str:
        data = card.training.get("data", {})
        cities = dict.fromkeys(name.partition("-")[0] for name in data)
        return f"{sum(data.values()):,} photos of {', '.join(cities)}" if data else NOT_MEASURED

    return _table(
        "The checkpoints",
        "What tells them apart.",
        cards,
        [
            ("attention", lambda card: card.model.attention),
            (
                "layers, heads, width",
                lambda card: f"{card.model.depth}, {card.model.heads}, {card.model.width}",
            ),
            ("learned from", learned_from),
            ("steps of the layers", _number("training", "main_steps")),
            ("fingerprint", lambda card: card.fingerprint),
        ],
    )


def _places(cards: Cards) -> Table:
    rows: Rows = [(f"recall@{k}", _recall("places", f"recall_at_{k}")) for k in (1, 5, 10)]
    rows += [(f"recall@{k}, CLS alone", _recall("places", "by_cls", f"recall_at_{k}")) for k in (1, 5, 10)]
    rows += [(f"recall@{k}, different answers", _recall("places", f"recall_at_{k}_apart")) for k in LISTED]
    rows += [
        (f"first match within {m} m", _recall("places", f"recall_within_{m}m")) for m in REPORTED_DISTANCES_M
    ]
    rows.append(("median error of the first match", _number("places", "median_error_m", unit=" m")))
    rows += [(f"paired recall@{k}", _recall("paired", f"recall_at_{k}")) for k in (1, 5, 10)]
    rows.append(("paired recall@1, CLS alone", _recall("paired", "by_cls", "recall_at_1")))
    rows.append(("paired, first match within 25 m", _recall("paired", "recall_within_25m")))
    rows.append(("paired, photos apart, recall@1", _recall("paired", "recall_at_1_apart")))
    rows.append(("validation photos, recall@1", _recall("validation_photos", "recall_at_1")))
    about = (
        f"{_of(cards, 'places', 'queries')} photos, searched among all {_of(cards, 'places', 'gallery_size')} "
        "places of the gallery; found is what lies within 25 m. CLS alone: as in the paper, without comparing "
        "places column by column. Different answers: as the page lists them, each the place around which "
        "(25 m) most of the probability lies that no better one covers. Paired: each photo looks for its own tile "
        "among those of all photos, as on CVUSA, where no two are as near as many here; photos apart: the same for "
        f"{_of(cards, 'paired', 'queries_apart')} of them, no two of which lie within 25 m. In brackets the 95 % "
        "bootstrap interval over photos."
    )
    return _table("Held-out photos", about, cards, rows)


def _walks(cards: Cards) -> Table:
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
            (f"{walks}, {how}, located", _percent("walks", str(length), how, "photos_found"))
            for how in ("alone", "together")
        ]
        rows += [
            (f"{walks}, {how}, whole walks", _percent("walks", str(length), how, "walks_found"))
            for how in ("alone", "together")
        ]
        median = _number("walks", str(length), "together", "median_error_m", unit=" m")
        rows.append((f"{walks}, together, median error", median))
        rows.append((f"{walks}, confidence told", _percent("walks", str(length), "confidence", "mean_told")))
        rows.append((f"{walks}, calibration error", _percent("walks", str(length), "confidence", "error")))
    return _table("Walks", about, cards, rows)


def _heading(cards: Cards) -> Table:
    about = (
        f"recall@1 of {_of(cards, 'unknown_heading', 'photos')} of the photos. Searched: each photo is encoded once, "
        "as if it looked north, and its columns are compared with every place under every turn (circular "
        "cross-correlation); a checkpoint without columns encodes 32 views. Right is a heading at most a column "
        f"({COLUMN_DEG:g}°) off. Random: the photo is taken to look anywhere."
    )
    rows: Rows = [
        (f"heading {name}", _recall("unknown_heading", name, "recall_at_1"))
        for name in ("known", "searched", "random")
    ]
    rows.append(("right heading found", _percent("unknown_heading", "searched", "heading_right")))
    return _table("Unknown heading", about, cards, rows)


def _field(cards: Cards) -> Table:
    about = (
        f"recall@1 of {_of(cards, 'field_of_view', 'photos')} of the photos, each left so much of the circle in "
        "a random direction that is known; only the columns that it shows are compared."
    )
    rows: Rows = [
        (f"{field_deg}°", _recall("field_of_view", str(field_deg), "recall_at_1"))
        for field_deg in (360, *FIELDS_DEG)
    ]
    return _table("Field of view", about, cards, rows)


def _corruptions(cards: Cards) -> Table:
    about = (
        f"recall@1 of {_of(cards, 'corruptions', 'photos')} of the photos under the sixteen corruptions of "
        f"CVUSA-C, mean of {len(LEVELS)} levels (in brackets level 1 and level 5), applied at the model's own "
        "size, where blur and noise weigh more than on the benchmark's larger photos."
    )
    rows: Rows = [
        ("none", _percent("corruptions", "clean", "recall_at_1")),
        ("mean of the sixteen", _percent("corruptions", "mean", "recall_at_1")),
    ]
    for group, names in CORRUPTIONS.items():
        rows += [(f"{group}: {name.replace('_', ' ')}", _levels(name)) for name in names]
    return _table("Corruptions", about, cards, rows)


def _elsewhere(cards: Cards) -> Table:
    about = (
        f"{_of(cards, 'elsewhere', 'queries')} photos of {_of(cards, 'elsewhere', 'dataset')}, each looking for "
        f"its own tile among {_of(cards, 'elsewhere', 'gallery_size')}."
    )
    rows: Rows = [(f"recall@{k}", _recall("elsewhere", f"recall_at_{k}")) for k in (1, 5, 10)]
    rows += [(f"within {m} m", _recall("elsewhere", f"recall_within_{m}m")) for m in REPORTED_DISTANCES_M]
    rows.append(("learned from that dataset", _yes_or_no("elsewhere", "in_training")))
    return _table("Another city", about, cards, rows)


def _confidence(cards: Cards) -> Table:
    """How true the confidences are and how well the radii hold, with the heading known and searched."""
    about = (
        f"The confidence says how often a photo was taken within {ESTIMATE_RADIUS_M:g} m of the estimate (or within "
        "the gallery's own spacing, where that is wider). Expected calibration error, ten bins: on validation photos, "
        "each half judged by what the other half chose, and on held-out photos, which chose nothing. By chance: what "
        "confidences that are exactly right would show on so few photos. Radii: how many held-out photos lie within "
        "the radius that should hold 68 % of them, and 95 %. Surroundings left out: held-out photos in the gallery "
        f"without the places within {SURROUNDINGS_M:g} m, where every answer is wrong. "
        "Searched: the same of some of the photos with their headings unknown, by a calibration of its own."
    )
    rows: Rows = []
    for heading, path in {"known": ("calibration",), "searched": ("calibration", "searched")}.items():
        of = f"heading {heading}"
        for role, name in (("validation", "validation photos"), ("held_out", "held-out photos")):
            rows.append((f"{of}, {name}, error", _recall(*path, role, "error", alone="interval")))
            rows.append((f"{of}, {name}, by chance", _percent(*path, role, "by_chance")))
            rows.append((f"{of}, {name}, mean told", _percent(*path, role, "mean_told")))
            rows.append((f"{of}, {name}, came true", _percent(*path, role, "came_true")))
        rows += [
            (
                f"{of}, held-out photos within the {share:.0%} radius",
                _recall(*path, "radii_held_out", f"{share:.0%}", "share", alone="interval"),
            )
            for share in RADIUS_SHARES
        ]
        rows += [
            (f"{of}, {label}", _recall(*path, *entry, "share", alone="interval"))
            for label, entry in {
                "held-out photos rejected": ("false_rejections",),
                "surroundings left out, rejected": ("surroundings_left_out", "rejected"),
                f"surroundings left out, told {SURE:.0%} or more": (
                    "surroundings_left_out",
                    "told_nine_tenths",
                ),
            }.items()
        ]
    return _table("Confidence", about, cards, rows)


def _not_here(cards: Cards) -> Table:
    about = (
        "Out-of-gallery rejection. A decoy is the photo with east and west exchanged, of a place that does not exist: "
        "the best score of the decoy, over all places and headings, is what a photo gets by chance. The excess is how "
        "far the photo's own best score stands above that; below the threshold, which all but "
        f"{FALSE_REJECTIONS['rendered']:.0%} of the validation photos reach ({FALSE_REJECTIONS['real']:.0%} of real "
        "ones), a photo is rejected as probably not taken in the gallery. False rejections are held-out photos of the "
        "gallery's own city. The last row tells how well both kinds can be told apart, at the same share of false "
        "rejections for every checkpoint; no threshold was chosen there."
    )

    def elsewhere(card: CheckpointCard) -> str:
        found = _get(card, "not_in_gallery", "rejected")
        if found is None:
            return NOT_MEASURED
        known = ", which it learned from" if _get(card, "not_in_gallery", "in_training") else ""
        return f"{_with_interval(found['share'], found['interval'])} of {found['photos']} of {found['dataset']}{known}"

    rows: Rows = [
        ("threshold of the excess", _number("not_in_gallery", "least_excess")),
        (
            "false rejections, held-out photos",
            _recall("not_in_gallery", "false_rejections_held_out", "share", alone="interval"),
        ),
        ("photos from elsewhere rejected", elsewhere),
        (
            f"the same at {AIM:.0%} false rejections of held-out photos",
            _recall("not_in_gallery", "rejected_at_the_aim", "share", alone="interval"),
        ),
    ]
    return _table("Probably not in this gallery", about, cards, rows)


def _layers(cards: Cards) -> Table:
    about = (
        f"How alike the ground branch's layers are, on {_of(cards, 'layers', 'photos')} photos: the mean over all "
        "pairs of depths, and between a layer's input and output from the first layer to the last."
    )

    def neighbours(name: str) -> Callable[[CheckpointCard], str]:
        def cell(card: CheckpointCard) -> str:
            values = _get(card, "layers", name)
            return NOT_MEASURED if values is None else " ".join(f"{value:.2f}" for value in values)

        return cell

    rows: Rows = [
        ("cosine, all pairs", _number("layers", "cosine")),
        ("cosine, neighbours", neighbours("cosine_of_neighbours")),
        ("CKA, all pairs", _number("layers", "cka")),
        ("CKA, neighbours", neighbours("cka_of_neighbours")),
    ]
    return _table("Layers", about, cards, rows)


def _real(cards: Cards) -> Table:
    """Retrieval among the own set and in one gallery, what was said with the answers, each set's own recall, and what
    the calibration rests on."""
    rows: Rows = []
    for scope, label in {"own_set": "own set", "together": "one gallery"}.items():
        if any(_get(card, "real", scope) for card in cards):
            path = ("real", scope, "pooled")
            rows += [*_retrieval_rows(label, path), *_statement_rows(label, path)]
    for name in dict.fromkeys(name for card in cards for name in _get(card, "real", "sets") or ()):
        own = ("real", "own_set", "by_set", name)
        rows += [
            (f"{name}, heading known, recall@{k}", _recall(*own, "known", f"recall_at_{k}")) for k in (1, 5)
        ]
        rows.append((f"{name}, heading searched, recall@1", _recall(*own, "searched", "recall_at_1")))
    for heading in ("known", "searched"):
        of = f"calibration, heading {heading}"
        rows += [
            (f"{of}, photos", _number("real_calibration", heading, "photos")),
            (f"{of}, most that is ever told", _percent("real_calibration", heading, "ceiling")),
            (f"{of}, threshold of the excess", _number("real_calibration", heading, "least_excess")),
        ]
    return _table("Real photos", _about_real(cards), cards, rows)


def _retrieval_rows(label: str, path: tuple[str, ...]) -> Rows:
    rows: Rows = []
    for heading in ("known", "searched"):
        how = f"{label}, heading {heading}"
        rows += [(f"{how}, recall@{k}", _recall(*path, heading, f"recall_at_{k}")) for k in (1, 5)]
        rows.append((f"{how}, mean percentile", _recall(*path, heading, "mean_percentile")))
    rows.append(
        (f"{label}, right heading found", _share(*path, "searched", "heading_right", of_none=NOT_MEASURED))
    )
    return rows


def _statement_rows(label: str, path: tuple[str, ...]) -> Rows:
    came_true = _recall(*path, "confidence", "came_true", alone="came_true_interval")
    return [
        (f"{label}, mean confidence", _percent(*path, "confidence", "mean_told")),
        (f"{label}, answers that were right", came_true),
        (f"{label}, calibration error", _recall(*path, "confidence", "error", alone="interval")),
        (
            f"{label}, wrong answers with {SURE:.0%} or more",
            _share(*path, "confidence", "wrong_yet_sure", of_none="none was wrong"),
        ),
        (
            f"{label}, own tile there, rejected all the same",
            _share(*path, "false_rejections", of_none=NOT_TOLD),
        ),
        (f"{label}, own tile removed, rejected", _share(*path, "rejected_without_tile", of_none=NOT_TOLD)),
    ]


def _about_real(cards: Cards) -> str:
    measured = [card for card in cards if _get(card, "real") is not None]

    def told(sentence: Callable[[dict[str, Any]], str]) -> str:
        return " or ".join(dict.fromkeys(sentence(_get(card, "real")) for card in measured))

    sets = told(lambda real: ", ".join(f"{count} of {name}" for name, count in real["sets"].items()))
    tiles = told(
        lambda real: (
            f"{real['together']['tiles']:,} tiles, {real['distractors']:,} of them without a photo"
            if real["together"]
            else "the same tiles"
        )
    )
    imagery = told(lambda real: real["imagery"].rstrip(".") or "not stated")
    return (
        f"{_of(cards, 'real', 'pairs')} real photos ({sets}), each taken in the middle of its aerial tile and "
        "located by itself, as `l2ltr localize` does it. Own set: among the tiles of its set; one gallery: among "
        f"{tiles}. Mean percentile: the share of the other tiles that rank behind the photo's own, 50 % by chance. A "
        f"searched heading is right within {REAL_HEADING_WITHIN_DEG:g}°. Confidence and rejection are those with the "
        "heading known; their calibration was chosen on these same photos, which flatters them. Rejected is a photo "
        "that is said not to be in the gallery, counted where that can be told. In brackets the 95 % interval, "
        "Wilson's for shares: so few photos leave much to chance. Whose imagery it "
        f"was: {imagery}."
    )


def _attention(cards: Cards, records: Mapping[str, HeldOut]) -> Table:
    """Self-cross against plain self-attention: runs of each kind, and each pair that saw the same photos."""
    final = [card for card in cards if _is_final(card) and _get(card, "places", "recall_at_1") is not None]
    plain = [card for card in final if card.model.attention == PLAIN]
    taught = [card.training.get("data") for card in plain]
    cross = [
        card for card in final if card.model.attention == SELF_CROSS and card.training.get("data") in taught
    ]
    kinds = {SELF_CROSS: cross, PLAIN: plain}
    measured = {
        "recall@1": ("places", "recall_at_1"),
        "recall@1 under corruptions": ("corruptions", "mean", "recall_at_1"),
        "cosine of layers, all pairs": ("layers", "cosine"),
        "CKA of layers, all pairs": ("layers", "cka"),
    }
    rows = [["runs", *(str(len(of)) for of in kinds.values())]]
    for label, path in measured.items():
        found = [[value for card in of if (value := _get(card, *path)) is not None] for of in kinds.values()]
        rows.append([label, *(_spread(values) for values in found)])
    about = (
        "The paper's own comparison, of runs that learned from the same photos: the mean of each kind, lowest and "
        "highest in brackets where there are several."
    )
    for first, second in product(cross, plain):
        about += _difference(first.name, second.name, records)
    return Table("Self-cross against self-attention", about, ["", *kinds], rows if cross and plain else [])


def _is_final(card: CheckpointCard) -> bool:
    """Not a snapshot of another run, which carries that run's name."""
    return card.training.get("configuration", {}).get("name", card.name) == card.name


def _difference(first: str, second: str, records: Mapping[str, HeldOut]) -> str:
    one, other = records.get(first), records.get(second)
    if one is None or other is None:
        return ""
    both = one.photos.merge(other.photos, on="photo")
    if len(both) != len(one.photos) or len(both) != len(other.photos):
        return ""
    hits = (both["rank_x"] == 1).to_numpy(), (both["rank_y"] == 1).to_numpy()
    gain = 100 * (hits[0].mean() - hits[1].mean())
    low, high = (100 * each for each in bootstrap_difference(*hits, SEED))
    return (
        f" On the same {len(both)} held-out photos `{first}` finds {abs(gain):.1f} points "
        f"{'more' if gain >= 0 else 'fewer'} at the first guess than `{second}` (95 % interval of the difference "
        f"{low:+.1f} to {high:+.1f}{', so chance may explain it' if low <= 0 <= high else ''})."
    )


def _spread(values: Sequence[float]) -> str:
    if not values:
        return NOT_MEASURED
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _table(title: str, about: str, cards: Cards, rows: Rows) -> Table:
    return Table(
        title,
        about,
        ["", *(card.name for card in cards)],
        [[label, *(cell(card) for card in cards)] for label, cell in rows],
    )


def _get(card: CheckpointCard, *path: str) -> Any:
    """What lies on a path of names through the results (or, for `training`, what was trained), else None."""
    found: Any = {"training": card.training, **card.results}
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _of(cards: Cards, *path: str) -> str:
    """What the cards agree on, such as a number of photos; every value where they do not."""
    values = {_get(card, *path) for card in cards} - {None}
    return " or ".join(f"{value:,}" if isinstance(value, int) else str(value) for value in sorted(values))


def _number(*path: str, unit: str = "") -> Callable[[CheckpointCard], str]:
    def cell(card: CheckpointCard) -> str:
        value = _get(card, *path)
        if value is None:
            return NOT_MEASURED
        return f"{value:,}{unit}" if isinstance(value, int) else f"{value:.{1 if unit else 3}f}{unit}"

    return cell


def _percent(*path: str) -> Callable[[CheckpointCard], str]:
    def cell(card: CheckpointCard) -> str:
        value = _get(card, *path)
        return NOT_MEASURED if value is None else f"{100 * value:.1f} %"

    return cell


def _recall(*path: str, alone: str | None = None) -> Callable[[CheckpointCard], str]:
    """A share with its interval: the entry `alone` beside it, else that of its name among `intervals`."""

    def cell(card: CheckpointCard) -> str:
        value = _get(card, *path)
        beside = (alone,) if alone else ("intervals", path[-1])
        return NOT_MEASURED if value is None else _with_interval(value, _get(card, *path[:-1], *beside))

    return cell


def _share(*path: str, of_none: str) -> Callable[[CheckpointCard], str]:
    """A share of so many photos with its interval; `of_none` is said where there were none to count."""

    def cell(card: CheckpointCard) -> str:
        found = _get(card, *path)
        if found is None:
            return NOT_MEASURED
        if not found["photos"]:
            return of_none
        return f"{_with_interval(found['share'], found['interval'])} of {found['photos']}"

    return cell


def _with_interval(share: float, interval: Sequence[float] | None) -> str:
    if interval is None:
        return f"{100 * share:.1f} %"
    return f"{100 * share:.1f} % ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def _levels(name: str) -> Callable[[CheckpointCard], str]:
    def cell(card: CheckpointCard) -> str:
        levels = _get(card, "corruptions", "recall_at_1", name)
        if levels is None:
            return NOT_MEASURED
        return f"{100 * np.mean(levels):.1f} % ({100 * levels[0]:.0f}, {100 * levels[-1]:.0f})"

    return cell


def _yes_or_no(*path: str) -> Callable[[CheckpointCard], str]:
    def cell(card: CheckpointCard) -> str:
        value = _get(card, *path)
        return NOT_MEASURED if value is None else "yes" if value else "no"

    return cell
