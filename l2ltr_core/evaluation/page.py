"""The page about checkpoints: written from their cards, so that no number is typed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from l2ltr_core.evaluation.held_out import HeldOut
from l2ltr_core.evaluation.tables import report_tables
from l2ltr_core.figures import reliability_diagram, save
from l2ltr_core.files import atomic_write
from l2ltr_core.model.config import CheckpointCard

HEAD = """# The checkpoints, measured

`l2ltr report` measured every number on this page and wrote it on the checkpoint's card; `l2ltr report --show --page
docs/checkpoints.md` wrote the page from the cards. Nothing was chosen on the held-out photos: what had to be chosen
(temperature, confidence, threshold of rejection, radii) was chosen on validation photos,
and for real imagery on the real pairs themselves."""
BINS_OF = {"validation": "validation", "held_out": "held out"}


def report_page(cards: Sequence[CheckpointCard], records: Mapping[str, HeldOut | None]) -> str:
    """The page in Markdown, with links to the diagrams that `write_page` draws beside it."""
    pictures = [
        f"![Confidence against truth: {card.name}]({_diagram(card)})" for card in cards if _bins(card)
    ]
    sections = [table.to_markdown() for table in report_tables(cards, records)]
    if pictures:
        sections.append("\n".join(["## Does the confidence come true?", "", *pictures]))
    return "\n\n".join([HEAD, *sections]) + "\n"


def write_page(path: Path, cards: Sequence[CheckpointCard], records: Mapping[str, HeldOut | None]) -> None:
    """Write the page, and beside it one reliability diagram a checkpoint. Raises ConfigurationError."""
    for card in cards:
        if bins := _bins(card):
            save(reliability_diagram(bins, card.name), path.parent / _diagram(card))
    with atomic_write(path) as file:
        file.write_text(report_page(cards, records), encoding="utf-8")


def _diagram(card: CheckpointCard) -> str:
    return f"reliability-{card.name}.png"


def _bins(card: CheckpointCard) -> dict[str, list[list[float]]]:
    measured = card.results.get("calibration", {})
    return {name: measured[role]["bins"] for role, name in BINS_OF.items() if role in measured}
