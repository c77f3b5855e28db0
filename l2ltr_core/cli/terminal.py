"""What the commands write: results to standard output, notes and progress to standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from l2ltr_core import types
from l2ltr_core.notes import Note

BAD_INPUT = 2
INTERRUPTED = 130
"""Exit codes; 0 is done."""


def refuse(message: str) -> int:
    """Say in one line what is wrong with the input; returns the exit code."""
    print("l2ltr: " + " ".join(message.split()), file=sys.stderr)
    return BAD_INPUT


@contextmanager
def progress_bar(label: str) -> Iterator[types.Progress]:
    """A bar on standard error, where that is a screen."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(label, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total or None)


def print_notes(notes: Iterable[Note | str]) -> None:
    """A line each on standard error: what the library notes, and what a command says itself."""
    for note in notes:
        print(f"note: {note if isinstance(note, str) else note.sentence}", file=sys.stderr)


def print_values(values: dict[str, Any]) -> None:
    """A table of names and values."""
    table = Table(show_header=False, box=None)
    for name, value in values.items():
        text = f"{value:.4f}" if isinstance(value, float) else str(value)
        table.add_row(name, text)
    Console().print(table)


def share_text(confidence: float | None) -> str:
    """A fraction as a percentage, a dash for None."""
    return "–" if confidence is None else f"{confidence:.0%}"


def distance_text(metres: float) -> str:
    """Metres, from 1,000 on kilometres."""
    return f"{metres / 1000:,.1f} km" if metres >= 1000 else f"{metres:.1f} m"
