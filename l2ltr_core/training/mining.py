"""Cross-batch memory and hard negatives: descriptors of earlier batches, negatives that cost no encoding.

They serve twice: as further negatives of every batch (Wang et al., Cross-Batch Memory, CVPR 2020), and to find
hard negatives, places that the network takes for each other though they are far apart. Those of places not seen
for a while are a little out of date.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from l2ltr_core.model.runtime import CPU
from l2ltr_core.training.batches import Batch
from l2ltr_core.training.losses import MemoryNegatives
from l2ltr_core.training.worlds import World

HARD_NEGATIVES = 8
"""Number of hard negatives kept for each place."""
FAR_M = 60.0
"""Least distance in metres of a hard negative: a nearer place is a neighbour, not a mistake worth mining."""
CHUNK = 1024
NEVER = -(1 << 60)


class Memory:
    """The last descriptors of every place, of the worlds as they are and of the mirrored ones."""

    def __init__(self, worlds: Sequence[World], width: int, device: torch.device = CPU) -> None:
        self.worlds, self.device = worlds, device
        self.ground, self.aerial = self._empty(width), self._empty(width)
        self.seen_at = [torch.full((len(rows),), NEVER) for rows in self.ground]
        self.tables: list[NDArray[np.int64]] | None = None
        """For each world (N, `HARD_NEGATIVES`) indices, -1 where there is none; None before the first `refresh`."""

    def _empty(self, width: int) -> list[Tensor]:
        """World after world, each followed by itself mirrored."""
        return [torch.zeros(len(w), width, dtype=torch.float16) for w in self.worlds for _ in range(2)]

    def remember(self, batch: Batch, ground: Tensor, aerial: Tensor, step: int) -> None:
        """Keep the (B, D) descriptors of a batch's places."""
        slot = 2 * batch.world + batch.mirrored
        self.ground[slot][batch.places] = ground.detach().half().cpu()
        self.aerial[slot][batch.places] = aerial.detach().half().cpu()
        self.seen_at[slot][batch.places] = step

    def in_city_negatives(self, batch: Batch, step: int, steps: int, nearest_m: float) -> MemoryNegatives:
        """What the last `steps` steps saw of the batch's world, without the batch's own places."""
        slot = 2 * batch.world + batch.mirrored
        recent = self.seen_at[slot] >= step - steps
        recent[batch.places] = False
        positions = torch.from_numpy(self.worlds[batch.world].positions_m)
        negative_mask = torch.cdist(positions[batch.places], positions[recent]) > nearest_m
        return self._memory_negatives(self.ground[slot][recent], self.aerial[slot][recent], negative_mask)

    def cross_city_negatives(self, batch: Batch, step: int, steps: int, count: int) -> MemoryNegatives:
        """`count` places, at most, of what the last `steps` steps saw of other worlds, drawn evenly."""
        slots = [slot for slot in range(len(self.seen_at)) if slot // 2 != batch.world]
        recent = [(self.seen_at[slot] >= step - steps).nonzero()[:, 0] for slot in slots]
        sizes = [len(rows) for rows in recent]
        drawn = np.zeros(sum(sizes), bool)
        drawn[np.random.default_rng(step).permutation(len(drawn))[:count]] = True
        chosen = [rows[mask] for rows, mask in zip(recent, torch.from_numpy(drawn).split(sizes), strict=True)]

        def rows_of(side: list[Tensor]) -> Tensor:
            return torch.cat(
                [side[0][:0], *(side[slot][rows] for slot, rows in zip(slots, chosen, strict=True))]
            )

        negative_mask = torch.ones(len(batch.places), sum(map(len, chosen)), dtype=torch.bool)
        return self._memory_negatives(rows_of(self.ground), rows_of(self.aerial), negative_mask)

    def _memory_negatives(self, ground: Tensor, aerial: Tensor, negative_mask: Tensor) -> MemoryNegatives:
        ground, aerial, negative_mask = (each.to(self.device) for each in (ground, aerial, negative_mask))
        return MemoryNegatives(ground.float(), aerial.float(), negative_mask)

    def refresh(self) -> None:
        """Find, for each place seen so far, the far places whose aerial view its ground view scores highest."""
        self.tables = [
            _most_alike(world, ground.float(), aerial.float())
            for world, ground, aerial in zip(self.worlds, self.ground[::2], self.aerial[::2], strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """Plain tensors, for the run's state."""
        tables = None if self.tables is None else [torch.from_numpy(table) for table in self.tables]
        return {"ground": self.ground, "aerial": self.aerial, "seen_at": self.seen_at, "tables": tables}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What `state_dict` gave for the same worlds; anything else raises ValueError."""
        if [len(rows) for rows in state["ground"][::2]] != [len(world) for world in self.worlds]:
            raise ValueError("the descriptors in memory are of other worlds")
        self.ground, self.aerial, self.seen_at = state["ground"], state["aerial"], state["seen_at"]
        self.tables = None if state["tables"] is None else [table.numpy() for table in state["tables"]]


def _most_alike(world: World, ground: Tensor, aerial: Tensor) -> NDArray[np.int64]:
    positions = torch.from_numpy(world.positions_m)
    seen = aerial.abs().sum(dim=1) > 0
    count = min(HARD_NEGATIVES, len(world))
    table = np.full((len(world), HARD_NEGATIVES), -1, np.int64)
    for start in range(0, len(world), CHUNK):
        part = slice(start, start + CHUNK)
        scores = ground[part] @ aerial.t()
        usable = (torch.cdist(positions[part], positions) > FAR_M) & seen & seen[part, None]
        scores.masked_fill_(~usable, float("-inf"))
        best, found = scores.topk(count, dim=1)
        table[part, :count] = found.masked_fill(best == float("-inf"), -1).numpy()
    return table
