"""What is right, and recall: how often it is among the first, every tie counted against the model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from l2ltr_core.errors import CheckpointError
from l2ltr_core.types import Descriptors

TIE = 1e-6
"""Difference of cosine similarities below which they tie: the order of a sum in float32 changes as much."""
BLOCK_QUERIES = 256
"""Number of queries scored at once: enough for the matrix product's speed, few enough for their distances to all
places in double precision."""
CORRECT_WITHIN_M = 25.0
"""Distance in metres from the truth within which a place of a gallery is correct."""
COLUMN_DEG = 360 / 32
"""Largest error in degrees of a correct searched heading on the simulated city, whose headings are exact: one
column."""
REAL_HEADING_WITHIN_DEG = 12.0
"""Largest error in degrees of a correct searched heading on real photos, as exact as their north alignment."""
RECALLED = {"recall_at_1": 1, "recall_at_5": 5, "recall_at_10": 10}


def recalls(ground: Descriptors, aerial: Descriptors, truth: NDArray | None = None) -> dict[str, float]:
    """recall@1, @5, @10 and @1 % as fractions, for (Q, D) photos in a gallery of (N, D) squares.

    `truth` is the row of `aerial` that belongs to each photo, by default row i to photo i. Raises
    CheckpointError for descriptors that are not numbers.
    """
    rows = np.arange(len(ground)) if truth is None else truth
    ranks = [ranks_of_own(scores, rows[block]) for block, scores in score_blocks(ground, aerial)]
    return recalls_of_ranks(np.concatenate(ranks), len(aerial))


def recalls_of_ranks(ranks: NDArray[np.int64], gallery_size: int) -> dict[str, float]:
    """Fractions of ranks (0 = first) below 1, 5, 10 and one in a hundred of the gallery."""
    recalled = {**RECALLED, "recall_at_1_percent": one_percent(gallery_size)}
    return {name: recall_at(ranks, k) for name, k in recalled.items()}


def recall_at(ranks: NDArray, k: int) -> float:
    """The fraction of ranks (0 = first) below `k`."""
    return float((ranks < k).mean())


def one_percent(gallery_size: int) -> int:
    """How many places recall@1 % looks at: a hundredth, rounded down, but at least one."""
    return max(1, gallery_size // 100)


def score_blocks(ground: Descriptors, aerial: Descriptors) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Cosine similarities of a block of photos at a time: (rows, (B, N)); refuses what is not a number."""
    require_numbers(ground, "ground")
    require_numbers(aerial, "aerial")
    for first in range(0, len(ground), BLOCK_QUERIES):
        block = slice(first, min(first + BLOCK_QUERIES, len(ground)))
        yield block, ground[block] @ aerial.T


def require_numbers(values: NDArray[np.float32], side: str) -> None:
    """Refuse descriptors or scores that are not finite. Raises CheckpointError."""
    if not np.isfinite(values).all():
        raise CheckpointError(
            f"The {side} descriptors hold values that are not numbers, so nothing can be ranked; "
            "the checkpoint's weights are damaged or its training diverged."
        )


def ranks_of_best_right(scores: NDArray[np.float32], right: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rank, from 0, of the best right place of each row, behind every wrong place that scores the same.

    `scores` and `right` are (B, N). A row without any right place ranks behind all.
    """
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    return ((scores >= best - TIE) & ~right).sum(axis=1) + np.where(np.isneginf(best[:, 0]), 1, 0)


def ranks_of_own(scores: NDArray[np.float32], own: NDArray) -> NDArray[np.int64]:
    """The same where each row of `scores` (B, N) has one right place, whose column `own` (B,) gives."""
    right = np.take_along_axis(scores, own[:, None], axis=1)
    return np.count_nonzero(scores >= right - TIE, axis=1) - 1  # the place itself is no rival


def first_match_m(scores: NDArray[np.float32], away_m: NDArray) -> NDArray:
    """(B,) metres from each photo to its first match, of several that tie to the farthest.

    `scores` and `away_m`, the metres from each photo to each place, are (B, N).
    """
    first = scores >= scores.max(axis=1, keepdims=True) - TIE
    return np.where(first, away_m, 0).max(axis=1)
