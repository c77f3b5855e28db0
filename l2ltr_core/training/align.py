"""Columns of frozen stems in closed form: what of a photo's direction tells most of the tile's, by linear maps.

Canonical correlation analysis (Hotelling 1936) between the features of corresponding columns, regularised: features
are standardised, each side keeps its largest principal directions, whitened with a ridge, and the directions that
correlate best are kept, scaled by a power of how far they do. What one pass over the pairs leaves is sums, so a run
that was interrupted goes on with the next dataset.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.files import whole
from l2ltr_core.model.columns import StemAndTokenColumns, StemColumns, pooled_columns
from l2ltr_core.model.inference import InferenceStem
from l2ltr_core.model.network import L2LTR, Branch
from l2ltr_core.training.batches import Views
from l2ltr_core.training.config import AlignConfig, TrainConfig
from l2ltr_core.training.device import Device
from l2ltr_core.training.ranks import Ranks
from l2ltr_core.training.worlds import World

PAIRS_AT_ONCE = 32
SMALLEST_STD = 1e-6

Advance = Callable[[int, int], bool]
"""Is told how many views of pairs are done and how many there are; says whether to go on."""


class StoppedError(Exception):
    """The run was told to stop between two batches."""


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
    network: L2LTR,
    worlds: list[World],
    config: TrainConfig,
    cache: Path,
    device: Device,
    ranks: Ranks,
    advance: Advance,
) -> Alignment:
    """Set the network's stem columns by all pairs of all worlds; the sums of each world are kept in `cache`.

    Raises StoppedError when `advance` says to stop.
    """
    total = Moments.zero(2 * _pooled_width(network.ground))
    seen, views = 0, config.align.variants * sum(len(_aligned(world, config)) for world in worlds)
    made_by = _signature(network, config)
    for number, world in enumerate(worlds):
        start = seen
        seen += config.align.variants * len(_aligned(world, config))
        if number % ranks.count != ranks.rank:
            continue

        def told(done: int, start: int = start) -> None:
            if not advance(start + done, views):
                raise StoppedError

        total += _kept_moments(network, world, config, cache / f"{world.name}-{made_by(world)}", device, told)
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


def _kept_moments(
    network: L2LTR, world: World, config: TrainConfig, path: Path, device: Device, told: Callable[[int], None]
) -> Moments:
    path = path.with_suffix(".moments.safetensors")
    if path.exists():
        try:
            return Moments(**load_file(path))
        except (SafetensorError, OSError, TypeError) as error:
            raise ConfigurationError(f"'{path}' is damaged; delete it, and it is made anew.") from error
    moments = _moments(network, world, config, device, told)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as partial:
        save_file({name: value.contiguous() for name, value in vars(moments).items()}, partial)
    return moments


@torch.no_grad()
def _moments(
    network: L2LTR, world: World, config: TrainConfig, device: Device, told: Callable[[int], None]
) -> Moments:
    """Over the pairs of a world, as they are and varied; the next are prepared while these are looked at."""
    dtype = device.dtype(config.run.precision)
    stems = [InferenceStem(branch, device.kind, dtype) for branch in (network.ground, network.aerial)]
    total, done = Moments.zero(2 * _pooled_width(network.ground)), 0
    stream = _varied(world, config)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, stream, None)
        while (pair := waiting.result()) is not None:
            waiting = pool.submit(next, stream, None)
            seen = (stem(device.put(each)) for stem, each in zip(stems, pair, strict=True))
            total += Moments.of(*map(column_features, seen))
            done += len(pair[0])
            told(done)
    return total


def _varied(world: World, config: TrainConfig) -> Iterator[tuple[Tensor, Tensor]]:
    """The pairs of a world in batches: as they are, then varied."""
    views, amount = Views(config.model, config.view), replace(config.augment, narrow_share=0.0)
    chosen = _aligned(world, config)
    for variant in range(config.align.variants):
        rng = np.random.default_rng([config.seed, variant, zlib.crc32(world.name.encode())])
        for first in range(0, len(chosen), PAIRS_AT_ONCE):
            places = chosen[first : first + PAIRS_AT_ONCE]
            if variant:
                shift = rng.uniform(-amount.position_m, amount.position_m, (len(places), 2))
                yield views.varied(world, places, world.positions_m[places] + shift, amount, rng)
            else:
                yield views.plain(world, places)


def _aligned(world: World, config: TrainConfig) -> NDArray[np.int64]:
    """The pairs of a world that are looked at: at most `align.pairs`, at equal steps."""
    count = min(len(world), config.align.pairs)
    return np.linspace(0, len(world) - 1, count).round().astype(np.int64)


def _pooled_width(branch: Branch) -> int:
    return stem_columns(branch).own.in_features


def _signature(network: L2LTR, config: TrainConfig) -> Callable[[World], str]:
    """What a world's sums depend on, as 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for branch in (network.ground, network.aerial):
        for tensor in branch.stem.state_dict().values():
            digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    model = config.model
    sizes = (model.ground_size_px, model.aerial_size_px)
    about = (
        asdict(config.augment),
        config.align.variants,
        config.align.pairs,
        config.seed,
        config.view.to_dict(),
        sizes,
    )
    digest.update(repr(about).encode())

    def of(world: World) -> str:
        own = digest.copy()
        own.update(repr((len(world), world.positions_m.tolist())).encode())
        return own.hexdigest()[:16]

    return of
