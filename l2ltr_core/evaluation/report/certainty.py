"""How sure one may be of an answer, and what the layers add to it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.evaluation.calibration import (
    FALSE_REJECTIONS,
    SURE,
    CalibrationSamples,
    absent_confidences,
    calibrate,
    calibration_summary,
    confidences,
    coverage,
    score_for_calibration,
    spatial_cross_validation,
)
from l2ltr_core.evaluation.evaluate import encode_known, load_photos
from l2ltr_core.evaluation.report.context import EvaluationContext, spread
from l2ltr_core.evaluation.report.result import SectionResult, in_training, share_of
from l2ltr_core.evaluation.report.retrieval import ELSEWHERE_PHOTOS
from l2ltr_core.evaluation.weighing import weigh_layers
from l2ltr_core.gallery import Gallery
from l2ltr_core.localization import RADIUS_SHARES, Calibration, HeadingKnown, kind_of
from l2ltr_core.types import Progress

WEIGHED_PHOTOS = 300
"""Validation photos on which the weight of the layers is chosen."""
TARGET_FPR = 0.05
"""Share of held-out photos rejected where checkpoints are compared, each at a threshold of its own."""


def layers_weight(context: EvaluationContext, progress: Progress | None) -> SectionResult:
    """How much the layers' part of the columns counts on the gallery's kind of imagery."""
    known, locations = context.encoded_photos("validation", "known", progress)
    turned, _ = context.encoded_photos("validation", "searched", progress)
    weighed = weigh_layers(
        spread(known, WEIGHED_PHOTOS),
        spread(turned, WEIGHED_PHOTOS),
        spread(locations, WEIGHED_PHOTOS),
        context.gallery,
        context.encoder,
    )
    kind = kind_of(context.gallery.simulated)
    return SectionResult(weighed.to_dict(), layers_weight={kind: weighed.best})


def calibration(context: EvaluationContext, progress: Progress | None) -> SectionResult:
    """What scores are worth with the heading known and searched, and how true that is on held-out photos."""
    if context.encoder.columns is None:
        raise ConfigurationError(
            f"The checkpoint {context.encoder.name} has no columns; confidences are measured of checkpoints that have."
        )
    kind = kind_of(context.gallery.simulated)
    measured_on = f"{context.data('validation').name}, in the gallery {context.gallery.name}"
    results: dict[str, Any] = {}
    calibrations: dict[str, Calibration] = {}
    headings: tuple[HeadingKnown, ...] = ("known", "searched")
    for heading in headings:
        validation = context.calibration_samples("validation", heading, progress)
        longitudes = np.array([place.longitude for place in validation.truth])

        def fit(samples: CalibrationSamples) -> Calibration:
            return calibrate(samples, measured_on, FALSE_REJECTIONS[kind], radii_in=context.gallery)

        chosen = calibrations[heading] = fit(validation)
        halves = spatial_cross_validation(validation, longitudes, fit)
        held_out = context.calibration_samples("held_out", heading, progress)
        results[heading] = {
            "validation": calibration_summary(*_joined([confidences(*half) for half in halves])),
            "held_out": calibration_summary(*confidences(held_out, chosen)),
            "radii_held_out": _radii(held_out, chosen, context.gallery),
            "false_rejections": share_of(held_out.excess < _least(chosen)),
            "surroundings_left_out": {
                "rejected": share_of(held_out.absent_excess < _least(chosen)),
                "told_nine_tenths": share_of(
                    (absent_confidences(held_out, chosen) >= SURE)
                    & (held_out.absent_excess >= _least(chosen))
                ),
            },
        }
    return SectionResult({**results["known"], "searched": results["searched"]}, {kind: calibrations})


def _radii(samples: CalibrationSamples, calibration: Calibration, gallery: Gallery) -> dict[str, Any]:
    """How many photos lie within the radii that should hold a given share of them."""
    covered = coverage(samples, calibration, gallery)
    return {f"{share:.0%}": share_of(covered <= share) for share in RADIUS_SHARES}


def not_in_gallery(context: EvaluationContext, progress: Progress | None) -> SectionResult:
    """How many photos of another city are rejected."""
    elsewhere = context.data("elsewhere")
    photos = spread(elsewhere.queries, ELSEWHERE_PHOTOS)
    seen = list(
        encode_known(load_photos(photos, None, progress), context.encoder, kind_of(context.gallery.simulated))
    )
    somewhere = [context.gallery.location(0)] * len(seen)  # where they were taken plays no part
    excess = score_for_calibration(seen, somewhere, context.gallery, context.encoder).excess
    held_out = context.calibration_samples("held_out", "known", progress).excess
    calibration = context.calibration("known")
    if calibration is None:
        raise ConfigurationError("This part of the report needs a calibration; measure that section first.")
    return SectionResult(
        {
            "least_excess": _least(calibration),
            "aim": TARGET_FPR,
            "false_rejections_held_out": share_of(held_out < _least(calibration)),
            "rejected": {"dataset": elsewhere.name, **share_of(excess < _least(calibration))},
            "rejected_at_the_aim": share_of(excess < np.quantile(held_out, TARGET_FPR)),
            "in_training": in_training(context, elsewhere),
        }
    )


def _least(calibration: Calibration) -> float:
    """The excess below which a photo is rejected as out of gallery."""
    if calibration.least_excess is None:
        raise ConfigurationError("This part of the report needs a calibration; measure that section first.")
    return calibration.least_excess


def _joined(
    parts: list[tuple[NDArray[np.float64], NDArray[np.bool_]]],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    confidence, correct = zip(*parts, strict=True)
    return np.concatenate(confidence), np.concatenate(correct)
