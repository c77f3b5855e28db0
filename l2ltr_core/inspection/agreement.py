"""How far two rankings agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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


def overlap_at(first: Sequence[int], second: Sequence[int], k: int) -> float:
    """Which share of the first `k` of two rankings is the same, in whatever order: in [0, 1]."""
    if not 1 <= k <= min(len(first), len(second)):
        raise ValueError(f"expected k from 1 to {min(len(first), len(second))}, found {k}")
    return len(set(first[:k]) & set(second[:k])) / k


def most_apart(ranks: Sequence[Mapping[int, int]], beyond: int, top: int) -> list[int]:
    """Places among anyone's first `top`, those first whose ranks (from 1) lie farthest apart.

    Each mapping holds place -> rank of one checkpoint; a place that it lacks counts as `beyond`. Apart is the
    ratio of the worst and the best rank: from 1 to 10 is as far as from 10 to 100.
    """
    asked = sorted({place for each in ranks for place, rank in each.items() if rank <= top})
    found = {place: [each.get(place, beyond) for each in ranks] for place in asked}
    return sorted(asked, key=lambda place: (-max(found[place]) / min(found[place]), min(found[place])))
