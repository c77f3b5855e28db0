"""A table, and the words in its cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from l2ltr_core.model.config import CheckpointCard

NOT_MEASURED = "–"
Cards = Sequence[CheckpointCard]
Cell = Callable[[CheckpointCard], str]
Rows = list[tuple[str, Cell]]


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


def table_of(title: str, about: str, cards: Cards, rows: Rows) -> Table:
    """A table with one column a checkpoint."""
    return Table(
        title,
        about,
        ["", *(card.name for card in cards)],
        [[label, *(cell(card) for card in cards)] for label, cell in rows],
    )


def get(card: CheckpointCard, *path: str) -> Any:
    """What lies on a path of names through the results (or, for `training`, what was trained), else None."""
    found: Any = {"training": card.training, **card.results}
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def agreed(cards: Cards, *path: str) -> str:
    """What the cards agree on, such as a number of photos; every value where they do not."""
    values = {get(card, *path) for card in cards} - {None}
    return " or ".join(f"{value:,}" if isinstance(value, int) else str(value) for value in sorted(values))


def number(*path: str, unit: str = "") -> Cell:
    """A number, of a fraction three places, of a measure one."""

    def cell(card: CheckpointCard) -> str:
        value = get(card, *path)
        if value is None:
            return NOT_MEASURED
        return f"{value:,}{unit}" if isinstance(value, int) else f"{value:.{1 if unit else 3}f}{unit}"

    return cell


def percent(*path: str) -> Cell:
    """A fraction in per cent."""

    def cell(card: CheckpointCard) -> str:
        value = get(card, *path)
        return NOT_MEASURED if value is None else f"{100 * value:.1f} %"

    return cell


def recall(*path: str, alone: str | None = None) -> Cell:
    """A share with its interval: the entry `alone` beside it, else that of its name among `intervals`."""

    def cell(card: CheckpointCard) -> str:
        value = get(card, *path)
        beside = (alone,) if alone else ("intervals", path[-1])
        return NOT_MEASURED if value is None else with_interval(value, get(card, *path[:-1], *beside))

    return cell


def share(*path: str, of_none: str) -> Cell:
    """A share of so many photos with its interval; `of_none` is said where there were none to count."""

    def cell(card: CheckpointCard) -> str:
        found = get(card, *path)
        if found is None:
            return NOT_MEASURED
        if not found["photos"]:
            return of_none
        return f"{with_interval(found['share'], found['interval'])} of {found['photos']}"

    return cell


def with_interval(share: float, interval: Sequence[float] | None) -> str:
    """A share in per cent, with its interval in brackets where there is one."""
    if interval is None:
        return f"{100 * share:.1f} %"
    return f"{100 * share:.1f} % ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def yes_or_no(*path: str) -> Cell:
    """A truth value."""

    def cell(card: CheckpointCard) -> str:
        value = get(card, *path)
        return NOT_MEASURED if value is None else "yes" if value else "no"

    return cell
