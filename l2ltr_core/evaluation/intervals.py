"""How sure a measured recall is, and how errors are spread."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000


def bootstrap_interval(hits: NDArray[np.bool_], seed: int, level: float = 0.95) -> tuple[float, float]:
    """The percentile bootstrap interval of the share of `hits` (Q,): (low, high), fractions.

    Drawing Q of Q yes-or-no outcomes with replacement is one binomial draw, so none is drawn singly. Photos
    count as independent; those along one street are not quite, so the truth is somewhat less sure.
    """
    if hits.ndim != 1 or len(hits) == 0 or not 0 < level < 1:
        raise ValueError(f"expected (Q,) hits and a level between 0 and 1, found {hits.shape} and {level}")
    shares = np.random.default_rng(seed).binomial(len(hits), hits.mean(), RESAMPLES) / len(hits)
    low, high = np.percentile(shares, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def wilson_interval(hits: NDArray[np.bool_], level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of the share of `hits` (Q,): (low, high), fractions (Wilson 1927).

    For a few photos, where a bootstrap of nothing but misses would claim to be certain of them.
    """
    if hits.ndim != 1 or len(hits) == 0 or not 0 < level < 1:
        raise ValueError(f"expected (Q,) hits and a level between 0 and 1, found {hits.shape} and {level}")
    count, share, z = len(hits), float(hits.mean()), NormalDist().inv_cdf((1 + level) / 2)
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * (share * (1 - share) / count + z**2 / (4 * count**2)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def bootstrap_mean(values: NDArray, seed: int, level: float = 0.95) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean of (Q,) values: (low, high)."""
    if values.ndim != 1 or len(values) == 0 or not 0 < level < 1:
        raise ValueError(
            f"expected (Q,) values and a level between 0 and 1, found {values.shape} and {level}"
        )
    random = np.random.default_rng(seed)
    means = [values[random.integers(len(values), size=len(values))].mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def bootstrap_difference(
    first: NDArray[np.bool_], second: NDArray[np.bool_], seed: int, level: float = 0.95
) -> tuple[float, float]:
    """The paired percentile bootstrap interval of share(first) - share(second): (low, high), fractions.

    Both are (Q,) hits of the same photos in the same order. A photo is drawn with both its outcomes, so what
    is hard for both drops out; Q draws of "first only", "second only" or neither are one multinomial draw.
    """
    if first.ndim != 1 or len(first) == 0 or first.shape != second.shape or not 0 < level < 1:
        raise ValueError(
            f"expected (Q,) hits of the same photos and a level between 0 and 1, found {first.shape}, "
            f"{second.shape} and {level}"
        )
    only_first, only_second = (first & ~second).mean(), (second & ~first).mean()
    draws = np.random.default_rng(seed).multinomial(
        len(first), [only_first, only_second, max(0.0, 1 - only_first - only_second)], RESAMPLES
    )
    low, high = np.percentile((draws[:, 0] - draws[:, 1]) / len(first), [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def error_curve(errors_m: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each distance in metres that occurs, rising, and the fraction of (Q,) errors that are within it."""
    if errors_m.ndim != 1 or len(errors_m) == 0 or not np.isfinite(errors_m).all():
        raise ValueError(f"expected (Q,) numbers, found {errors_m.shape}, finite or not")
    distances, counts = np.unique(errors_m.astype(np.float64), return_counts=True)
    return distances, counts.cumsum() / len(errors_m)
