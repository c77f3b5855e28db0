"""Recall: how often the right place is among the first, every tie counted against the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from l2ltr_core.errors import CheckpointError
from l2ltr_core.gallery.agreement import SHORTLIST
from l2ltr_core.types import Descriptors

TIE = 1e-6
"""Cosine similarities closer than this are one number: the order of a sum in float32 changes as much."""
BLOCK_QUERIES = 256
"""Enough for the matrix product's speed, few enough for their distances to all places in double precision."""
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
    return {name: float((ranks < k).mean()) for name, k in recalled.items()}


def one_percent(gallery_size: int) -> int:
    """How many places recall@1 % looks at: a hundredth, rounded down, but at least one."""
    return max(1, gallery_size // 100)


Again: TypeAlias = Callable[[int, NDArray[np.int64]], NDArray[np.float32]]
"""How far a photo, given by its row, agrees with K places direction by direction, each at least 0."""


def score_blocks(
    ground: Descriptors, aerial: Descriptors, looks: int = 1, again: Again | None = None
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Scores of a block of photos at a time: (rows, (B, N)); refuses what is not a number.

    Cosine similarities, with several `looks` at each place, (N * looks, D), that of the best. With `again` the
    first `SHORTLIST` places of each photo score their agreement instead, and all others below 0.
    """
    for name, descriptors in (("ground", ground), ("aerial", aerial)):
        if not np.isfinite(descriptors).all():
            raise CheckpointError(
                f"The {name} descriptors hold values that are not numbers, so nothing can be ranked; "
                "the checkpoint's weights are damaged or its training diverged."
            )
    for first in range(0, len(ground), BLOCK_QUERIES):
        block = slice(first, min(first + BLOCK_QUERIES, len(ground)))
        scores = ground[block] @ aerial.T
        scores = scores if looks == 1 else scores.reshape(len(scores), -1, looks).max(axis=2)
        yield block, scores if again is None else _reranked(scores, first, again)


def _reranked(scores: NDArray[np.float32], first: int, again: Again) -> NDArray[np.float32]:
    """(B, N) cosines of the photos from `first` on -> what they score when the best are looked at again."""
    reranked = scores - 2  # a cosine is at most 1
    for row, mine in enumerate(scores):
        best = np.argpartition(-mine, min(SHORTLIST, len(mine)) - 1)[:SHORTLIST]
        reranked[row, best] = again(first + row, best)
    return reranked


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
