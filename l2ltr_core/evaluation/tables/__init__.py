"""What cards say was measured, as tables of words: one column a checkpoint, for the screen and for a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from l2ltr_core.evaluation.held_out import HeldOut
from l2ltr_core.evaluation.tables.cells import NOT_MEASURED, Cards, Table, get
from l2ltr_core.evaluation.tables.certainty import confidence, not_here
from l2ltr_core.evaluation.tables.network import attention, layers, trained
from l2ltr_core.evaluation.tables.real import real
from l2ltr_core.evaluation.tables.retrieval import (
    corruptions,
    elsewhere,
    field_of_view,
    heading_table,
    places,
    walks,
)
from l2ltr_core.model.config import CheckpointCard

__all__ = ["NOT_MEASURED", "Table", "report_tables"]


def report_tables(cards: Cards, records: Mapping[str, HeldOut | None]) -> list[Table]:
    """Everything that the cards hold of a report; `records` are the photos one by one, by checkpoint.

    Only what was measured on a card's own weights counts, and a table without numbers is left out.
    """
    own = [_own(card) for card in cards]
    makers = (
        trained,
        places,
        walks,
        heading_table,
        field_of_view,
        corruptions,
        elsewhere,
        confidence,
        not_here,
        layers,
        real,
    )
    current = {
        card.name: record
        for card in cards
        if (record := records.get(card.name)) is not None and record.checkpoint == card.fingerprint
    }
    made = [*(make(own) for make in makers), attention(own, current)]
    return [table for table in made if {cell for row in table.rows for cell in row[1:]} - {NOT_MEASURED}]


def _own(card: CheckpointCard) -> CheckpointCard:
    """The card without what was measured on other weights."""
    measured = {name: get(card, name, "measured", "checkpoint") for name in card.results}
    strange = {name for name, weights in measured.items() if weights not in (None, card.fingerprint)}
    return replace(card, results={name: card.results[name] for name in card.results if name not in strange})
