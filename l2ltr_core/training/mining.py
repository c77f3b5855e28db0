"""Look-alikes across a world: places that the network takes for each other though they are far apart.

Descriptors are remembered as training passes over the places, so finding look-alikes costs no encoding;
those of places not seen for a while are a little out of date.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from l2ltr_core.training.batches import Batch
from l2ltr_core.training.worlds import World

LOOK_ALIKES = 8
"""Kept for each place."""
FAR_M = 60.0
"""A look-alike nearer than this is a neighbour, not a mistake worth mining."""
CHUNK = 1024


class LookAlikes:
    """Remembered descriptors of every place, and the table made from them."""

    def __init__(self, worlds: Sequence[World], width: int) -> None:
        self.worlds = worlds
        self.ground = [torch.zeros(len(world), width, dtype=torch.float16) for world in worlds]
        self.aerial = [torch.zeros(len(world), width, dtype=torch.float16) for world in worlds]
        self.tables: list[NDArray[np.int64]] | None = None
        """For each world (N, `LOOK_ALIKES`) indices, -1 where there is none; None before the first `refresh`."""

    def remember(self, batch: Batch, ground: Tensor, aerial: Tensor) -> None:
        """Keep the (B, D) descriptors of a batch's places; those of a mirrored world compare with no other."""
        if batch.mirrored:
            return
        self.ground[batch.world][batch.places] = ground.detach().half()
        self.aerial[batch.world][batch.places] = aerial.detach().half()

    def refresh(self) -> None:
        """Find, for each place seen so far, the far places whose aerial view its ground view scores highest."""
        self.tables = [
            _most_alike(world, ground.float(), aerial.float())
            for world, ground, aerial in zip(self.worlds, self.ground, self.aerial, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """Plain tensors, for the run's state."""
        tables = None if self.tables is None else [torch.from_numpy(table) for table in self.tables]
        return {"ground": self.ground, "aerial": self.aerial, "tables": tables}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What `state_dict` gave for the same worlds; anything else raises ValueError."""
        if [len(rows) for rows in state["ground"]] != [len(world) for world in self.worlds]:
            raise ValueError("the remembered descriptors are of other worlds")
        self.ground, self.aerial = state["ground"], state["aerial"]
        self.tables = None if state["tables"] is None else [table.numpy() for table in state["tables"]]


def _most_alike(world: World, ground: Tensor, aerial: Tensor) -> NDArray[np.int64]:
    positions = torch.from_numpy(world.positions_m)
    seen = aerial.abs().sum(dim=1) > 0
    count = min(LOOK_ALIKES, len(world))
    table = np.full((len(world), LOOK_ALIKES), -1, np.int64)
    for start in range(0, len(world), CHUNK):
        part = slice(start, start + CHUNK)
        scores = ground[part] @ aerial.t()
        usable = (torch.cdist(positions[part], positions) > FAR_M) & seen & seen[part, None]
        scores.masked_fill_(~usable, float("-inf"))
        best, found = scores.topk(count, dim=1)
        table[part, :count] = found.masked_fill(best == float("-inf"), -1).numpy()
    return table
