"""What the frozen stems see of every pair: looked at a few times, kept on disk, learned from by all that follows.

A stem that stands still costs about as much as the layers over it. So each pair is looked at `batches.views` times, as
it is and then varied, every other time mirrored; the alignment and the steps of the layers draw from these views, photo
and tile each from one of its own.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.files import atomic_write
from l2ltr_core.model.encoder import Side
from l2ltr_core.model.inference import InferenceStem
from l2ltr_core.model.network import L2LTR
from l2ltr_core.training.config import TrainConfig
from l2ltr_core.training.device import Device
from l2ltr_core.training.ranks import Ranks
from l2ltr_core.training.views import Views
from l2ltr_core.training.worlds import World

PAIRS_AT_ONCE = 32
SIDES: tuple[Side, Side] = ("ground", "aerial")

Advance = Callable[[int, int], bool]
"""Is told how many views of pairs are done and how many there are; says whether to go on."""


class StoppedError(Exception):
    """The run was told to stop between two batches."""


@dataclass(frozen=True)
class Features:
    """Of the N pairs of a world in V views: (V, N, C, h, w) float16 on disk; views of odd number are mirrored."""

    ground: NDArray[np.float16]
    aerial: NDArray[np.float16]

    def of(self, view: int, places: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Photo and tile of the `places` (B,) in one view, (B, C, h, w) float32 each."""
        return _loaded(self.ground[view, places]), _loaded(self.aerial[view, places])

    def drawn(
        self, places: NDArray[np.int64], mirrored: bool, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """As `of`, photo and tile each in a view of its own."""
        views = np.arange(int(mirrored), len(self.ground), 2)
        ground, aerial = (rng.choice(views, len(places)) for _ in SIDES)
        return _loaded(self.ground[ground, places]), _loaded(self.aerial[aerial, places])


def _loaded(features: NDArray[np.float16]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(features)).float()


def see(
    network: L2LTR,
    worlds: list[World],
    config: TrainConfig,
    cache: Path,
    device: Device,
    ranks: Ranks,
    advance: Advance,
) -> list[Features]:
    """Of each world what the stems see, from `cache` where it is there; worlds are shared among processes.

    Raises StoppedError when `advance` says to stop; worlds that are done stay.
    """
    made_by = _signature(network, config)
    paths = [cache / f"{world.name}-{made_by(world)}" for world in worlds]
    seen, views = 0, config.batches.views * sum(map(len, worlds))
    for number, (world, path) in enumerate(zip(worlds, paths, strict=True)):
        start = seen
        seen += config.batches.views * len(world)
        if number % ranks.count != ranks.rank or _file(path, "aerial").exists():
            continue

        def report(done: int, start: int = start) -> None:
            if not advance(start + done, views):
                raise StoppedError

        _write(network, world, config, path, device, report)
    ranks.meet()  # all features are there before any are opened
    return [_open(path) for path in paths]


def _file(path: Path, side: Side) -> Path:
    return path.with_name(f"{path.name}.{side}.npy")


def _open(path: Path) -> Features:
    try:
        return Features(*(np.load(_file(path, side), mmap_mode="r") for side in SIDES))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"'{_file(path, 'aerial')}' cannot be read; delete the files beside it that begin alike, and they are made "
            "anew. Several machines need one folder that all of them see."
        ) from error


def _write(
    network: L2LTR,
    world: World,
    config: TrainConfig,
    path: Path,
    device: Device,
    report: Callable[[int], None],
) -> None:
    model, channels = config.model, network.ground.stem.channels
    path.parent.mkdir(parents=True, exist_ok=True)
    count = (config.batches.views, len(world), channels)
    with atomic_write(_file(path, "aerial")) as aerial, atomic_write(_file(path, "ground")) as ground:
        files = [
            np.lib.format.open_memmap(partial, "w+", np.float16, (*count, *grid))
            for partial, grid in ((ground, model.ground_grid), (aerial, model.aerial_grid))
        ]
        for done, (view, places, seen) in enumerate(_looks(network, world, config, device), 1):
            for file, features in zip(files, seen, strict=True):
                file[view, places] = features.half().cpu().numpy()
            report(min(done * PAIRS_AT_ONCE, config.batches.views * len(world)))
        for file in files:
            file.flush()


@torch.no_grad()
def _looks(
    network: L2LTR, world: World, config: TrainConfig, device: Device
) -> Iterator[tuple[int, NDArray[np.int64], list[Tensor]]]:
    """View, places and both sides' features, batch by batch; the next is prepared while one is looked at."""
    dtype = device.dtype(config.run.precision)
    stems = [InferenceStem(branch, device.kind, dtype) for branch in (network.ground, network.aerial)]
    stream = _pictures(world, config)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, stream, None)
        while (found := waiting.result()) is not None:
            waiting = pool.submit(next, stream, None)
            view, places, pair = found
            yield view, places, [stem(device.put(each)) for stem, each in zip(stems, pair, strict=True)]


def _pictures(
    world: World, config: TrainConfig
) -> Iterator[tuple[int, NDArray[np.int64], tuple[Tensor, Tensor]]]:
    """The pairs of a world as they are, then varied; parts of the circle are for the layers alone."""
    views = Views(config.model, config.view)
    for view in range(config.batches.views):
        rng = np.random.default_rng([config.seed, view, zlib.crc32(world.name.encode())])
        amount = (
            config.augment if view >= config.align.variants else replace(config.augment, narrow_share=0.0)
        )
        for places in np.array_split(np.arange(len(world)), -(-len(world) // PAIRS_AT_ONCE)):
            if view:
                yield view, places, views.varied(world, places, amount, rng, mirrored=view % 2 == 1)
            else:
                yield view, places, views.plain(world, places)


def _signature(network: L2LTR, config: TrainConfig) -> Callable[[World], str]:
    """What a world's features depend on, as 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for branch in (network.ground, network.aerial):
        for tensor in branch.stem.state_dict().values():
            digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    model = config.model
    about = (
        asdict(config.augment),
        config.align.variants,
        config.batches.views,
        config.seed,
        config.view.to_dict(),
        (model.ground_size_px, model.aerial_size_px),
    )
    digest.update(repr(about).encode())

    def of(world: World) -> str:
        own = digest.copy()
        own.update(repr((len(world), world.positions_m.tolist())).encode())
        return own.hexdigest()[:16]

    return of
