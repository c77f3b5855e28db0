"""A report on the toy town, told section by section."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from l2ltr_core.evaluation.report import EvaluationContext, write_report
from l2ltr_core.photo import write_panorama
from l2ltr_core.types import Location
from tests.app import toy

PHOTOS = 40


CHEAP = ("places", "paired", "calibration", "not_in_gallery", "layers")


def walk(folder: Path, imagery: Path, seed: int) -> Path:
    """Photos in the toy town, from its south to its north."""
    (folder / "panoramas").mkdir(parents=True)
    for number in range(PHOTOS):
        place = Location(toy.CENTRE.latitude + (number - 20) * 5e-5, toy.CENTRE.longitude + number * 1e-5)
        path = folder / "panoramas" / f"{number:02}.jpg"
        write_panorama(path, toy.panorama(seed + number, 32), location=place, heading_deg=15.0 * number)
    (folder / "dataset.json").write_text(json.dumps({"imagery": str(imagery), "gallery": toy.GALLERY}))
    return folder


@dataclass
class Bench:
    """A checkpoint's copy, what to measure it on, and which sections were measured."""

    card: Path
    context: EvaluationContext
    measured: list[str] = field(default_factory=list)

    def write(self, **settings: Any) -> list[str]:
        @contextmanager
        def note(title: str) -> Any:
            yield None
            self.measured.append(title)

        return write_report(self.context, self.card, progress=note, **settings)
