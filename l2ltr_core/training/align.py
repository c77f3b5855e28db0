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
from torch import Tensor, nn

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

    @property
    def of_ground(self) -> tuple[Tensor, Tensor]:
        """Mean (F,) and covariance (F, F) of the ground features."""
        return self.g / self.count, self.gg / self.count - torch.outer(self.g, self.g) / self.count**2

    @property
    def of_aerial(self) -> tuple[Tensor, Tensor]:
        """Mean (F,) and covariance (F, F) of the aerial features."""
        return self.a / self.count, self.aa / self.count - torch.outer(self.a, self.a) / self.count**2


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
    (mean_g, gg), (mean_a, aa) = moments.of_ground, moments.of_aerial
    ga = moments.ga / moments.count - torch.outer(mean_g, mean_a)
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
    """Set the stem columns, and what tokens begin as, by what the stems see of the pairs of each world."""
    total = Moments.zero(stem_columns(network.ground).own.in_features * 2)
    for number, world in enumerate(features):
        if number % ranks.count == ranks.rank:
            total += _moments(world, config.align, device)
    total = Moments(*(ranks.sum(getattr(total, f.name)) for f in fields(total)))
    found = canonical_maps(total, config.model.stem_column_width, config.align)
    for branch, side, seen in (
        (network.ground, found.ground, total.of_ground),
        (network.aerial, found.aerial, total.of_aerial),
    ):
        set_columns(stem_columns(branch), side)
        set_projection(branch, side, *seen)
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


@torch.no_grad()
def set_projection(branch: Branch, side: Map, mean: Tensor, covariance: Tensor) -> None:
    """Let tokens begin as what photo and tile have in common: the columns' directions, of each band by itself.

    From features as they are, CLS of all pictures is alike, and a contrastive loss hardly gets it apart. Of a width
    below bands x directions the first are taken, of a larger one the rest stays as it was. `mean` (F,) and
    `covariance` (F, F) are those of the columns' features; each number of a token has variance 1 in its own band.
    """
    projection = branch.projection
    if not isinstance(projection, nn.Conv2d):
        return
    channels, own = projection.in_channels, side.weight.shape[1] // 2
    weights = side.weight[:, :own].unflatten(1, (channels, STEM_BANDS)).double()  # (K, C, bands)
    row = 0
    for band in range(STEM_BANDS):
        features = torch.arange(channels) * STEM_BANDS + band
        spread = covariance[features][:, features]
        of_band = weights[:, :, band]
        of_band = (
            of_band
            / torch.einsum("kc,cd,kd->k", of_band, spread, of_band).clamp_min(SMALLEST_STD).sqrt()[:, None]
        )
        count = min(len(of_band), projection.out_channels - row)
        projection.weight[row : row + count, :, 0, 0].copy_(of_band[:count])
        projection.bias[row : row + count].copy_(-(of_band @ mean[features])[:count])  # type: ignore[index]
        row += count


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
