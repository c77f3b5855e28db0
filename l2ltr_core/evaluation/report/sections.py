"""The parts of a report: what each measures, and the data it cannot do without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from l2ltr_core.evaluation.real import calibrate_real, measure_real, weigh_layers_of_real
from l2ltr_core.evaluation.report.certainty import calibration, layers_weight, not_in_gallery
from l2ltr_core.evaluation.report.context import EvaluationContext
from l2ltr_core.evaluation.report.result import SectionResult
from l2ltr_core.evaluation.report.retrieval import (
    corruptions,
    elsewhere,
    field_of_view,
    layers,
    paired,
    places,
    unknown_heading,
    validation_photos,
    walks,
)
from l2ltr_core.types import Progress


@dataclass(frozen=True)
class Section:
    """A part of the report and the datasets it cannot do without."""

    title: str
    measure: Callable[[EvaluationContext, Progress | None], SectionResult]
    needs: tuple[str, ...] = ("held_out",)


def real_layers_weight(context: EvaluationContext, progress: Progress | None) -> SectionResult:
    """How much the layers' part of the columns counts on real imagery."""
    weighed = weigh_layers_of_real(context.measured_pairs(), context.encoder, progress)
    return SectionResult(weighed.to_dict(), layers_weight={"real": weighed.best})


def real_calibration(context: EvaluationContext, progress: Progress | None) -> SectionResult:
    """What scores are worth on real imagery."""
    chosen = calibrate_real(context.measured_pairs(), context.encoder, progress)
    return SectionResult({heading: each.to_dict() for heading, each in chosen.items()}, {"real": chosen})


def real(context: EvaluationContext, progress: Progress | None) -> SectionResult:
    """Real photos among the tiles of real pairs."""
    return SectionResult(measure_real(context.measured_pairs(), context.encoder, progress))


SECTIONS = {
    "layers_weight": Section("What the layers add", layers_weight, ("validation",)),
    "real_layers_weight": Section("What the layers add on real photos", real_layers_weight, ("pairs",)),
    "calibration": Section("Calibration", calibration, ("validation", "held_out")),
    "places": Section("Held-out photos, the city's places", places),
    "paired": Section("Held-out photos, own tiles", paired),
    "walks": Section("Walks of held-out photos", walks),
    "validation_photos": Section("Validation photos", validation_photos, ("validation",)),
    "not_in_gallery": Section(
        "Photos from elsewhere", not_in_gallery, ("validation", "held_out", "elsewhere")
    ),
    "layers": Section("Layers", layers),
    "field_of_view": Section("Field of view", field_of_view),
    "elsewhere": Section("Another city", elsewhere, ("elsewhere",)),
    "unknown_heading": Section("Unknown heading", unknown_heading),
    "corruptions": Section("Corruptions", corruptions),
    "real_calibration": Section("Certainty of real photos", real_calibration, ("pairs",)),
    "real": Section("Real photos", real, ("pairs",)),
}
"""Sections in the order in which they are measured, by their key in the card's results."""
