"""How far a run has come, and the learning rate that belongs there."""

from __future__ import annotations

import math

FINAL_FACTOR = 0.01
"""Factor on the learning rate at the end of the cosine."""


def learning_rate(peak: float, step: int, lr_warmup_steps: int, fraction: float) -> float:
    """Linear rise over the first steps, times a cosine over the run's `fraction` in [0, 1]."""
    rise = min(1.0, (step + 1) / max(1, lr_warmup_steps))
    cosine = (1 + math.cos(math.pi * min(1.0, fraction))) / 2
    return peak * rise * (FINAL_FACTOR + (1 - FINAL_FACTOR) * cosine)


def fraction_done(step: int, steps: int, seconds: float, minutes: float) -> float:
    """The part of a budget that is used, in [0, 1]; `minutes` 0 means that steps alone count."""
    by_steps = step / steps if steps else 1.0
    by_time = seconds / (60 * minutes) if minutes else 0.0
    return min(1.0, max(by_steps, by_time))
