"""Measure checkpoints: recall with ties against the model, distances, calibration."""

from l2ltr_core.evaluation.evaluate import evaluate
from l2ltr_core.evaluation.recall import recalls

__all__ = ["evaluate", "recalls"]
