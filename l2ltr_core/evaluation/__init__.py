"""Measure checkpoints: recall with ties against the model, distances, calibration."""

from l2ltr_core.evaluation.evaluate import Evaluation, evaluate, measure
from l2ltr_core.evaluation.held_out import (
    HeldOut,
    aligned,
    found_only_by,
    read_held_out,
    searched_fingerprint,
    write_held_out,
)
from l2ltr_core.evaluation.intervals import bootstrap_difference, bootstrap_interval, error_curve
from l2ltr_core.evaluation.recall import CORRECT_WITHIN_M, recalls

__all__ = [
    "CORRECT_WITHIN_M",
    "Evaluation",
    "HeldOut",
    "aligned",
    "bootstrap_difference",
    "bootstrap_interval",
    "error_curve",
    "evaluate",
    "found_only_by",
    "measure",
    "read_held_out",
    "recalls",
    "searched_fingerprint",
    "write_held_out",
]
