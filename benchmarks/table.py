"""The one table that every benchmark adds its rows to."""

from __future__ import annotations

import argparse
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import torch

from benchmarks.measure import processor


@dataclass(frozen=True)
class Target:
    """What a row should reach, in words such as "ratio >= 1.5", and whether it does."""

    text: str
    met: bool

    @classmethod
    def at_least(cls, name: str, value: float, bound: float) -> Target:
        """`name` >= `bound`."""
        return cls(f"{name} >= {bound:g}", value >= bound)

    @classmethod
    def at_most(cls, name: str, value: float, bound: float) -> Target:
        """`name` <= `bound`; where nothing was measured (NaN) it is not met."""
        return cls(f"{name} <= {bound:g}", value <= bound)


@dataclass(frozen=True)
class Row:
    """One measured case; what does not apply stays None.

    `reference` and `ours` are medians of the rounds in `unit`; `ratios` has one number a round, more is better.
    """

    case: str
    unit: str
    """Such as "ms an image"."""
    ours: float
    reference: float | None = None
    ratios: tuple[float, ...] = ()
    of_ceiling: float | None = None
    """Part of the multiplications a second of the machine's float32 matrix product."""
    reference_mb: float | None = None
    ours_mb: float | None = None
    """Peak memory that the work adds to a process."""
    targets: tuple[Target, ...] = ()
    note: str = ""

    @property
    def ratio(self) -> float:
        """The median of `ratios`; NaN without any."""
        return statistics.median(self.ratios) if self.ratios else float("nan")


COLUMNS = (
    ("case", "---"),
    ("unit", "---"),
    ("reference", "---:"),
    ("ours", "---:"),
    ("ratio (spread)", "---"),
    ("of ceiling", "---:"),
    ("peak MB, reference", "---:"),
    ("peak MB, ours", "---:"),
    ("target", "---"),
    ("note", "---"),
)


def report(rows: Iterable[Row], left_out: Sequence[str] = ()) -> str:
    """The rows as a Markdown table under a line that names the machine; then what was left out and why."""
    lines = [
        tuple(title for title, _ in COLUMNS),
        tuple(rule for _, rule in COLUMNS),
        *(_cells(row) for row in rows),
    ]
    table = [f"| {' | '.join(cells)} |" for cells in lines]
    return "\n".join([f"{machine()}.", "", *table, *(["", *left_out] if left_out else [])]) + "\n"


def run(rows: Callable[[int], Iterable[Row]], description: str | None = None) -> None:
    """The command line of one benchmark: measure, then print the table."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=5)
    print(report(rows(parser.parse_args().rounds)), end="")


def machine() -> str:
    """What the numbers were measured on, and when."""
    return (
        f"{processor()}, {platform.system()}, Python {platform.python_version()}, torch {torch.__version__}, "
        f"{date.today():%Y-%m-%d}; one core, two in turns, medians"
    )


def _cells(row: Row) -> tuple[str, ...]:
    spread = f"{row.ratio:.2f} ({min(row.ratios):.2f} to {max(row.ratios):.2f})" if row.ratios else ""
    targets = "; ".join(f"{target.text}: {'met' if target.met else '**not met**'}" for target in row.targets)
    return (
        row.case,
        row.unit,
        _number(row.reference),
        _number(row.ours),
        spread,
        "" if row.of_ceiling is None else f"{row.of_ceiling:.0%}",
        _megabytes(row.reference_mb),
        _megabytes(row.ours_mb),
        targets,
        row.note,
    )


def _number(value: float | None) -> str:
    """Three figures that mean something: 0.123, 1.23, 12.3, 1,234."""
    if value is None:
        return ""
    decimals = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{decimals}f}"


def _megabytes(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
