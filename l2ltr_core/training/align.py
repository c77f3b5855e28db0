"""Columns of frozen stems in closed form: what of a photo's direction tells most of the tile's, by linear maps.

Canonical correlation analysis (Hotelling 1936) between the features of corresponding columns, regularised: features
are standardised, each side keeps its largest principal directions, whitened with a ridge, and the directions that
correlate best are kept, scaled by a power of how far they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from l2ltr_core.model.columns import StemAndTokenColumns, StemColumns, pooled_columns
from l2ltr_core.model.config import STEM_BANDS
from l2ltr_core.model.network import L2LTR, Branch
from l2ltr_core.training.config import AlignConfig, TrainConfig
from l2ltr_core.training.device import Device
from l2ltr_core.training.features import PAIRS_AT_ONCE, Features
from l2ltr_core.training.ranks import Ranks

SMALLEST_STD = 1e-6


@dataclass(frozen=True)
class Moments:
    """Sums over N corresponding columns of F features, ground g and aerial a: float64."""

    count: Tensor  # ()
    g: Tensor  # (F,)
    a: Tensor  # (F,)
    gg: Tensor  # (F, F)
    aa: Tensor  # (F, F)
    ga: Tensor  # (F, F)

    @classmethod
    def zero(cls, size: int) -> Moments:
        """Of no columns."""
        shapes = ((), (size,), (size,), (size, size), (size, size), (size, size))
        return cls(*(torch.zeros(shape, dtype=torch.float64) for shape in shapes))

    @classmethod
    def of(cls, ground: Tensor, aerial: Tensor) -> Moments:
        """Of (N, F) and (N, F) float32 features, row by row."""
        sums = (ground.sum(0), aerial.sum(0), ground.T @ ground, aerial.T @ aerial, ground.T @ aerial)
        count = torch.tensor(float(len(ground)), dtype=torch.float64)
        return cls(count, *(each.double().cpu() for each in sums))

    def __add__(self, other: Moments) -> Moments:
        return Moments(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class Map:
    """From F features to K numbers: `weight` (K, F) and `bias` (K,), float32."""

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True)
class Alignment:
    """The maps of both sides, and how far their numbers correlate: (K,) in [0, 1], falling."""

    ground: Map
    aerial: Map
    correlations: Tensor


def canonical_maps(moments: Moments, kept: int, settings: AlignConfig) -> Alignment:
    """The `kept` most correlated directions of both sides."""
    n = moments.count
    mean_g, mean_a = moments.g / n, moments.a / n
    gg = moments.gg / n - torch.outer(mean_g, mean_g)
    aa = moments.aa / n - torch.outer(mean_a, mean_a)
    ga = moments.ga / n - torch.outer(mean_g, mean_a)
    std_g, std_a = (each.diagonal().clamp_min(0).sqrt() + SMALLEST_STD for each in (gg, aa))
    white_g = _whitening(gg / std_g[:, None] / std_g, settings)
    white_a = _whitening(aa / std_a[:, None] / std_a, settings)
    left, values, right = torch.linalg.svd(white_g.T @ (ga / std_g[:, None] / std_a) @ white_a)
    scale = values[:kept] ** settings.power
    return Alignment(
        _folded(white_g @ left[:, :kept] * scale, mean_g, std_g),
        _folded(white_a @ right[:kept].T * scale, mean_a, std_a),
        values[:kept],
    )


def _whitening(correlation: Tensor, settings: AlignConfig) -> Tensor:
    """(F, P): the largest principal directions, each divided by its standard deviation."""
    values, vectors = torch.linalg.eigh(correlation)
    return vectors[:, -settings.principal :] / (values[-settings.principal :] + settings.ridge).sqrt()


def _folded(directions: Tensor, mean: Tensor, std: Tensor) -> Map:
    weight = (directions / std[:, None]).T
    return Map(weight.float(), (-weight @ mean).float())


def align(
    network: L2LTR, features: Sequence[Features], config: TrainConfig, device: Device, ranks: Ranks
) -> Alignment:
    """Set the network's stem columns by what its stems see of the pairs of each world."""
    total = Moments.zero(stem_columns(network.ground).own.in_features * 2)
    for number, world in enumerate(features):
        if number % ranks.count == ranks.rank:
            total += _moments(world, config.align, device)
    total = Moments(*(ranks.sum(getattr(total, f.name)) for f in fields(total)))
    found = canonical_maps(total, config.model.stem_column_width, config.align)
    for branch, side in ((network.ground, found.ground), (network.aerial, found.aerial)):
        set_columns(stem_columns(branch), side)
    return found


def stem_columns(branch: Branch) -> StemColumns:
    """The part of a branch's columns that its stem says alone."""
    assert isinstance(branch.columns, StemAndTokenColumns)
    return branch.columns.of_stem


@torch.no_grad()
def set_columns(columns: StemColumns, side: Map) -> None:
    """Give the map of one side to its columns: features of a column, then those of its context."""
    own, context = side.weight.chunk(2, dim=1)
    columns.own.weight.copy_(own)
    columns.own.bias.copy_(side.bias)
    columns.context.weight.copy_(context)


def column_features(seen: Tensor) -> Tensor:
    """(B, C, h, w) from the stem -> (B * w, 2 C bands) float32: each column's own features and its context's."""
    own = pooled_columns(seen.float())
    return torch.cat([own, (own.roll(1, 1) + own.roll(-1, 1)) / 2], dim=2).flatten(0, 1)


def _moments(features: Features, settings: AlignConfig, device: Device) -> Moments:
    """Over at most `pairs` pairs of a world, at equal steps, in its first `variants` views."""
    total, count = Moments.zero(2 * STEM_BANDS * features.ground.shape[2]), features.ground.shape[1]
    chosen = np.linspace(0, count - 1, min(count, settings.pairs)).round().astype(np.int64)
    for view in range(settings.variants):
        for first in range(0, len(chosen), PAIRS_AT_ONCE):
            pair = features.of(view, chosen[first : first + PAIRS_AT_ONCE])
            total += Moments.of(*(column_features(each.to(device.kind)) for each in pair))
    return total
