"""Batches of pairs, each a pure function of the seed and the step: a resumed run sees the very same ones."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from l2ltr_core.training.config import AugmentConfig, BatchConfig
from l2ltr_core.training.features import Features
from l2ltr_core.training.views import Views
from l2ltr_core.training.worlds import World

AHEAD = 2
"""Number of batches prepared while the network works on the present one."""


@dataclass(frozen=True)
class Batch:
    """`ground` and `aerial`: pictures (B, 3, H, W) normalised or what stems see of them (B, C, h, w), float32.

    `negative_mask` (B, B) bool, ground against aerial. The pairs are the `places` (B,) of the world of that number,
    `mirrored` or as they are.
    """

    ground: Tensor
    aerial: Tensor
    negative_mask: Tensor
    world: int
    places: NDArray[np.int64]
    mirrored: bool
    turn: int = 0
    """Number of columns by which the photos are turned to the right."""


@dataclass
class BatchMaker:
    """Draws pairs from the worlds and prepares both views."""

    worlds: Sequence[World]
    prepare: Views
    batches: BatchConfig
    augment: AugmentConfig
    seed: int
    ignore_within_m: float
    hard_negatives: Sequence[NDArray[np.int64]] | None = None
    """Hard negatives of each world, (N, K) indices of places, -1 for none; see `mining`."""
    features: Sequence[Features] | None = None
    """Features of the frozen stems for each world; without them images are prepared."""

    def make(self, step: int) -> Batch:
        """The batch of one step."""
        rng = np.random.default_rng([self.seed, step])
        share = np.sqrt(
            [len(world) for world in self.worlds]
        )  # a small world, too, is a street plan of its own
        which = int(rng.choice(len(self.worlds), p=share / share.sum()))
        world = self.worlds[which]
        chosen = self._choose(rng, which)
        mirrored = bool(rng.random() < self.augment.mirror_share)
        ground, aerial = self._views(rng, which, chosen, mirrored)
        turn, columns = 0, self.prepare.model.ground_grid[1]
        if self.prepare.model.column_width and rng.random() < self.augment.turn_share:
            turn = int(rng.integers(1, columns))
            ground = ground.roll(turn * (ground.shape[3] // columns), 3)
        apart = _distances(world.positions_m[chosen]) > self.ignore_within_m
        return Batch(ground, aerial, torch.from_numpy(apart), which, chosen, mirrored, turn)

    def _views(
        self, rng: np.random.Generator, which: int, chosen: NDArray[np.int64], mirrored: bool
    ) -> tuple[Tensor, Tensor]:
        if self.features is not None:
            return self.features[which].drawn(chosen, mirrored, rng)
        return self.prepare.varied(self.worlds[which], chosen, self.augment, rng, mirrored)

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
        """Indices of the pairs, all different: a neighbourhood, hard negatives, the rest from anywhere."""
        world, pairs = self.worlds[which], self.batches.pairs
        middle = world.positions_m[rng.integers(len(world))]
        near = np.flatnonzero(np.hypot(*(world.positions_m - middle).T) < self.batches.near_radius_m)
        chosen = rng.permutation(near)[: round(pairs * self.batches.near_fraction)].tolist()
        if self.hard_negatives is not None:
            chosen += self._hard_negatives(
                rng, self.hard_negatives[which], round(pairs * self.batches.hard_fraction)
            )
        chosen = list(dict.fromkeys(chosen))[:pairs]
        others = np.setdiff1d(np.arange(len(world)), chosen)
        return np.array(chosen + rng.choice(others, pairs - len(chosen), replace=False).tolist())

    @staticmethod
    def _hard_negatives(rng: np.random.Generator, table: NDArray[np.int64], wanted: int) -> list[int]:
        """About `wanted` places in couples: one at random and one that looks like it."""
        couples: list[int] = []
        for place in rng.integers(len(table), size=wanted // 2).tolist():
            alike = table[place][table[place] >= 0]
            couples += [place, int(rng.choice(alike))] if len(alike) else []
        return couples


def _distances(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B, 2) -> (B, B)."""
    return np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
