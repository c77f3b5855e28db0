"""What a run leaves to read: two CSV tables and one picture of the curves."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from l2ltr_core.figures.curves import training_curves
from l2ltr_core.files import atomic_write

Row = dict[str, str]
TABLES = ("train.csv", "validation.csv")
STAGES = ("align", "layers", "joint")


@dataclass(frozen=True)
class Journal:
    """The tables of one run, in its folder."""

    folder: Path

    def write(self, table: str, row: Mapping[str, object]) -> None:
        """Append a row to `train.csv` or `validation.csv`; a new column makes the table be rewritten."""
        path = self.folder / table
        rows = self.read(table)
        values = {key: _text(value) for key, value in row.items()}
        if rows and set(values) <= set(rows[0]):
            with path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, list(rows[0])).writerow(values)
        else:
            self._rewrite(path, [*rows, values])

    def read(self, table: str) -> list[Row]:
        """All rows, as text."""
        path = self.folder / table
        if not path.exists():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def forget_after(self, stage: str, step: int) -> None:
        """Drop what was written after the state that a run resumes from."""
        for table in TABLES:
            rows = self.read(table)
            kept = [
                r for r in rows if (STAGES.index(r["stage"]), int(r["step"])) <= (STAGES.index(stage), step)
            ]
            if len(kept) < len(rows):
                self._rewrite(self.folder / table, kept)

    def draw(self) -> None:
        """Write `curves.png`."""
        figure = training_curves(self.read("train.csv"), self.read("validation.csv"))
        with atomic_write(self.folder / "curves.png") as path:
            figure.savefig(path, dpi=100)

    def _rewrite(self, path: Path, rows: list[Row]) -> None:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        with atomic_write(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
