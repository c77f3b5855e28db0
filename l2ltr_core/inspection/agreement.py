"""How far two rankings agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def rank_biased_overlap(first: Sequence[int], second: Sequence[int], persistence: float = 0.8) -> float:
    """How alike two rankings of the same length are, in [0, 1], the first ranks counting most.

    Webber, Moffat and Zobel, "A Similarity Measure for Indefinite Rankings", TOIS 2010, equation 7, over the
    ranks given and normalised so that the same ranking gives 1.
    """
    depths = range(1, len(first) + 1)
    weights = np.array([persistence ** (depth - 1) for depth in depths])
    shared = np.array([len(set(first[:depth]) & set(second[:depth])) / depth for depth in depths])
    return float((weights * shared).sum() / weights.sum())
