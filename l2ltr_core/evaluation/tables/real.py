"""The table of real photos."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from l2ltr_core.evaluation.calibration import SURE
from l2ltr_core.evaluation.recall import REAL_HEADING_WITHIN_DEG
from l2ltr_core.evaluation.tables.cells import (
    NOT_MEASURED,
    Cards,
    Rows,
    Table,
    agreed,
    get,
    number,
    percent,
    recall,
    share,
    table_of,
)

NOT_TOLD = "cannot be told"


def real(cards: Cards) -> Table:
    """Retrieval among the own set and in one gallery, what was said with the answers, each set's own recall, and what
    the calibration rests on."""
    rows: Rows = []
    for scope, label in {"own_set": "own set", "together": "one gallery"}.items():
        if any(get(card, "real", scope) for card in cards):
            path = ("real", scope, "pooled")
            rows += [*_retrieval_rows(label, path), *_statement_rows(label, path)]
    for name in dict.fromkeys(name for card in cards for name in get(card, "real", "sets") or ()):
        own = ("real", "own_set", "by_set", name)
        rows += [
            (f"{name}, heading known, recall@{k}", recall(*own, "known", f"recall_at_{k}")) for k in (1, 5)
        ]
        rows.append((f"{name}, heading searched, recall@1", recall(*own, "searched", "recall_at_1")))
    for heading in ("known", "searched"):
        of = f"calibration, heading {heading}"
        rows += [
            (f"{of}, photos", number("real_calibration", heading, "photos")),
            (f"{of}, most that is ever told", percent("real_calibration", heading, "ceiling")),
            (f"{of}, threshold of the excess", number("real_calibration", heading, "least_excess")),
        ]
    return table_of("Real photos", _about_real(cards), cards, rows)


def _retrieval_rows(label: str, path: tuple[str, ...]) -> Rows:
    rows: Rows = []
    for heading in ("known", "searched"):
        how = f"{label}, heading {heading}"
        rows += [(f"{how}, recall@{k}", recall(*path, heading, f"recall_at_{k}")) for k in (1, 5)]
        rows.append((f"{how}, mean percentile", recall(*path, heading, "mean_percentile")))
    rows.append(
        (f"{label}, right heading found", share(*path, "searched", "heading_right", of_none=NOT_MEASURED))
    )
    return rows


def _statement_rows(label: str, path: tuple[str, ...]) -> Rows:
    came_true = recall(*path, "confidence", "came_true", alone="came_true_interval")
    return [
        (f"{label}, mean confidence", percent(*path, "confidence", "mean_told")),
        (f"{label}, answers that were right", came_true),
        (f"{label}, calibration error", recall(*path, "confidence", "error", alone="interval")),
        (
            f"{label}, wrong answers with {SURE:.0%} or more",
            share(*path, "confidence", "wrong_yet_sure", of_none="none was wrong"),
        ),
        (
            f"{label}, own tile there, rejected all the same",
            share(*path, "false_rejections", of_none=NOT_TOLD),
        ),
        (f"{label}, own tile removed, rejected", share(*path, "rejected_without_tile", of_none=NOT_TOLD)),
    ]


def _about_real(cards: Cards) -> str:
    measured = [card for card in cards if get(card, "real") is not None]

    def told(sentence: Callable[[dict[str, Any]], str]) -> str:
        return " or ".join(dict.fromkeys(sentence(get(card, "real")) for card in measured))

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
        f"{agreed(cards, 'real', 'pairs')} real photos ({sets}), each taken in the middle of its aerial tile and "
        "located by itself, as `l2ltr localize` does it. Own set: among the tiles of its set; one gallery: among "
        f"{tiles}. Mean percentile: the share of the other tiles that rank behind the photo's own, 50 % by chance. A "
        f"searched heading is right within {REAL_HEADING_WITHIN_DEG:g}°. Confidence and rejection are those with the "
        "heading known; their calibration was chosen on these same photos, which flatters them. Rejected is a photo "
        "that is said not to be in the gallery, counted where that can be told. In brackets the 95 % interval, "
        "Wilson's for shares: so few photos leave much to chance. Whose imagery it "
        f"was: {imagery}."
    )
