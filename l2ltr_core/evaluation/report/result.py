"""The result of a section of a report, and how shares and recalls are written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ltr_core.datasets import PairedDataset
from l2ltr_core.evaluation.evaluate import LISTED, Evaluation
from l2ltr_core.evaluation.intervals import bootstrap_interval
from l2ltr_core.evaluation.report.context import EvaluationContext
from l2ltr_core.localization import Calibration, HeadingKnown

SEED = 0
INTERVALS_OF = (1, 5, 10)


@dataclass(frozen=True)
class SectionResult:
    """The result of a section: numbers for the card, and what else it settles."""

    results: dict[str, Any]
    calibration: dict[str, dict[str, Calibration]] = field(default_factory=dict)
    """Calibration by kind of imagery and way of knowing the heading."""
    layers_weight: dict[str, dict[HeadingKnown, float]] = field(default_factory=dict)
    """Weight by kind of imagery and way of knowing the heading."""
    photos: Evaluation | None = None


def numbers_of(measured: Evaluation) -> dict[str, Any]:
    """A report's entries, and bootstrap intervals of its recalls."""
    ranks, errors_m = measured.photos["rank"].to_numpy(), measured.photos["error_m"].to_numpy()
    hits = {f"recall_at_{k}": ranks <= k for k in INTERVALS_OF}
    if "rank_apart" in measured.photos:
        counted = measured.photos["rank_apart"].dropna().to_numpy()
        hits |= {
            name: counted <= k for k in (1, *LISTED) if (name := f"recall_at_{k}_apart") in measured.report
        }
    hits |= {
        name: errors_m <= float(name.removeprefix("recall_within_").removesuffix("m"))
        for name in measured.report
        if name.startswith("recall_within_")
    }
    numbers = {key: value for key, value in measured.report.items() if key != "checkpoint"}
    return {**numbers, "intervals": {name: bootstrap_interval(hit, SEED) for name, hit in hits.items()}}


def brief(measured: Evaluation) -> dict[str, Any]:
    """Recalls and the median error, for one of several conditions."""
    numbers = numbers_of(measured)
    kept = (*(f"recall_at_{k}" for k in INTERVALS_OF), "median_error_m")
    return {
        **{name: numbers[name] for name in kept if name in numbers},
        "intervals": {"recall_at_1": numbers["intervals"]["recall_at_1"]},
    }


def share_of(hits: NDArray[np.bool_]) -> dict[str, Any]:
    """A share of so many photos, with its bootstrap interval."""
    return {
        "photos": len(hits),
        "share": float(hits.mean()),
        "interval": bootstrap_interval(hits, SEED),
    }


def in_training(context: EvaluationContext, dataset: PairedDataset) -> bool:
    """Whether the checkpoint learned from this very dataset, as far as its card says."""
    return dataset.name in context.encoder.card.training.get("data", {})


def rounded(value: Any) -> Any:
    """Numbers to four places all the way down: cards are read by people."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value
