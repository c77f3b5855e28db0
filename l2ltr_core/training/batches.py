"""Batches of pairs, each a pure function of the seed and the step: a resumed run sees the very same ones."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from l2ltr_core.model.config import ModelConfig, ViewConfig
from l2ltr_core.training.augment import vary_photo, vary_picture
from l2ltr_core.training.config import AugmentConfig, BatchConfig
from l2ltr_core.training.views import PolarSampler
from l2ltr_core.training.worlds import World

AHEAD = 2
"""Batches that are prepared while the network works on the present one."""


@dataclass(frozen=True)
class Batch:
    """`ground` and `aerial` (B, 3, H, W) normalised float32; `kept` (B, B) bool, ground against aerial.

    The pairs are the `places` (B,) of the world of that number, `mirrored` or as they are.
    """

    ground: Tensor
    aerial: Tensor
    kept: Tensor
    world: int
    places: NDArray[np.int64]
    mirrored: bool
    turn: int = 0
    """Columns by which both views are turned."""


@dataclass(frozen=True)
class Views:
    """Both views of places of a world, (B, 3, H, W) normalised float32, for a model."""

    model: ModelConfig
    view: ViewConfig

    def plain(self, world: World, places: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """As inference prepares them."""
        return self.ground(world.views[places]), self.aerial(world, places, world.positions_m[places])

    def ground(self, views: NDArray[np.uint8]) -> Tensor:
        """Ground views (B, H, W, 3) as they are."""
        return normalize(torch.from_numpy(np.ascontiguousarray(views)).permute(0, 3, 1, 2).float(), self.view)

    def aerial(self, world: World, places: NDArray[np.int64], points_m: NDArray[np.float64]) -> Tensor:
        """Polar views around `points_m` (B, 2) of the world's first picture; of ready tiles, those of `places`."""
        squares = world.aerial[0].squares(places, points_m, self.view.chip_m / 2)
        return normalize(self._sampler.sample(squares), self.view)

    def varied(
        self,
        world: World,
        places: NDArray[np.int64],
        points_m: NDArray[np.float64],
        amount: AugmentConfig,
        rng: np.random.Generator,
        mirrored: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Photos and tiles each varied by itself, the tiles seen from `points_m` (B, 2)."""
        views = world.views[places][:, :, ::-1] if mirrored else world.views[places]
        field_deg = self.view.ground_vertical_field_deg
        photos = np.stack([vary_photo(photo, field_deg, amount, rng) for photo in views])
        turn = rng.uniform(-amount.tile_heading_deg, amount.tile_heading_deg, len(places))
        scale = np.exp(rng.uniform(-amount.tile_scale, amount.tile_scale, len(places)))
        source = world.aerial[int(rng.integers(len(world.aerial)))]
        squares = source.squares(places, points_m, self.view.chip_m / 2 * float(scale.max()))
        pixels = np.stack([vary_picture(picture, amount, rng) for picture in squares.pixels])
        tiles = self._sampler.sample(replace(squares, pixels=pixels), scale, turn, mirrored)
        return self.ground(photos), normalize(tiles, self.view)

    def turned(self, columns: int, ground: Tensor, aerial: Tensor) -> tuple[Tensor, Tensor]:
        """Both views (B, 3, H, W) rolled to the right by whole columns of tokens."""
        return (
            ground.roll(columns * self.model.ground_patch_px, 3),
            aerial.roll(columns * self.model.aerial_patch_px, 3),
        )

    @property
    def _sampler(self) -> PolarSampler:
        return PolarSampler(self.model.aerial_size_px, self.view.chip_m)


@dataclass
class BatchMaker:
    """Draws pairs from the worlds and prepares both views."""

    worlds: Sequence[World]
    prepare: Views
    batches: BatchConfig
    augment: AugmentConfig
    seed: int
    ignore_within_m: float
    look_alikes: Sequence[NDArray[np.int64]] | None = None
    """For each world (N, K) indices of places that look most like each place, -1 for none; see `mining`."""

    def make(self, step: int) -> Batch:
        """The batch of one step."""
        rng = np.random.default_rng([self.seed, step])
        share = np.sqrt(
            [len(world) for world in self.worlds]
        )  # a small world, too, is a street plan of its own
        which = int(rng.choice(len(self.worlds), p=share / share.sum()))
        world = self.worlds[which]
        chosen = self._choose(rng, which)
        shift = rng.uniform(-self.augment.position_m, self.augment.position_m, (len(chosen), 2))
        centres = world.positions_m[chosen] + shift
        mirrored = bool(rng.random() < self.augment.mirror_share)
        ground, aerial = self.prepare.varied(world, chosen, centres, self.augment, rng, mirrored)
        turn = 0
        if rng.random() < self.augment.turn_share:
            turn = int(rng.integers(1, self.prepare.model.ground_grid[1]))
            ground, aerial = self.prepare.turned(turn, ground, aerial)
        apart = _distances(world.positions_m[chosen], centres) > self.ignore_within_m
        return Batch(ground, aerial, torch.from_numpy(apart), which, chosen, mirrored, turn)

    def stream(self, first_step: int, past_last: int) -> Generator[Batch]:
        """The batches of consecutive steps, prepared in the background."""
        with ThreadPoolExecutor(1) as pool:
            waiting = [
                pool.submit(self.make, step) for step in range(first_step, min(first_step + AHEAD, past_last))
            ]
            for step in range(first_step, past_last):
                batch = waiting.pop(0).result()
                if step + AHEAD < past_last:
                    waiting.append(pool.submit(self.make, step + AHEAD))
                yield batch

    def _choose(self, rng: np.random.Generator, which: int) -> NDArray[np.int64]:
        """Indices of the pairs, all different: a neighbourhood, look-alikes, the rest from anywhere."""
        world, pairs = self.worlds[which], self.batches.pairs
        middle = world.positions_m[rng.integers(len(world))]
        near = np.flatnonzero(np.hypot(*(world.positions_m - middle).T) < self.batches.near_radius_m)
        chosen = rng.permutation(near)[: round(pairs * self.batches.near_fraction)].tolist()
        if self.look_alikes is not None:
            chosen += self._look_alikes(
                rng, self.look_alikes[which], round(pairs * self.batches.hard_fraction)
            )
        chosen = list(dict.fromkeys(chosen))[:pairs]
        others = np.setdiff1d(np.arange(len(world)), chosen)
        return np.array(chosen + rng.choice(others, pairs - len(chosen), replace=False).tolist())

    @staticmethod
    def _look_alikes(rng: np.random.Generator, table: NDArray[np.int64], wanted: int) -> list[int]:
        """About `wanted` places in couples: one at random and one that looks like it."""
        couples: list[int] = []
        for place in rng.integers(len(table), size=wanted // 2).tolist():
            alike = table[place][table[place] >= 0]
            couples += [place, int(rng.choice(alike))] if len(alike) else []
        return couples


def normalize(images: Tensor, view: ViewConfig) -> Tensor:
    """(B, 3, H, W) levels 0..255 -> the model's input."""
    mean = torch.tensor(view.mean).view(3, 1, 1)
    std = torch.tensor(view.std).view(3, 1, 1)
    return (images * (1 / (255 * std))).sub_(mean / std).contiguous()


def _distances(a: NDArray, b: NDArray) -> NDArray:
    return np.hypot(a[:, None, 0] - b[None, :, 0], a[:, None, 1] - b[None, :, 1])
