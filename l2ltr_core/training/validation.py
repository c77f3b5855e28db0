"""What is measured while training, on a dataset kept for that: never on the held-out test part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from l2ltr_core.evaluation.recall import CORRECT_WITHIN_M, first_match_m, ranks_of_own, recall_at
from l2ltr_core.model.encoder import Side
from l2ltr_core.training.stages import Stage
from l2ltr_core.training.views import Views
from l2ltr_core.training.worlds import World

QUERIES = 512
PLACES = 1500
CHUNK = 32
TURN_DEG = 90.0


@dataclass(frozen=True)
class Measured:
    """Fractions in [0, 1]; a good `heading_blindness` is low."""

    paired_recall_at_1: float
    """Recall at 1 of the own tile among the tiles of all queries, ties counted as misses."""
    places_recall_within_25m: float
    """Share of queries whose first match on a regular grid over the dataset's extent lies within 25 m."""
    median_error_m: float
    heading_blindness: float
    """Mean cosine of a panorama with itself turned by 90 degrees."""

    def to_dict(self) -> dict[str, float]:
        """Plain values for CSV and cards."""
        return asdict(self)


@dataclass(frozen=True)
class Validator:
    """A fixed set of queries and places of one world that a map shows."""

    world: World
    views: Views

    def measure(self, stage: Stage) -> Measured:
        """Encode queries, their tiles and the grid, and compare: by columns where there are any, else by CLS."""
        chosen = np.linspace(0, len(self.world) - 1, min(QUERIES, len(self.world))).round().astype(int)
        places = _grid(self.world.positions_m)
        photos = self.world.views[chosen]
        turned = np.roll(photos, round(TURN_DEG / 360 * photos.shape[2]), axis=2)
        queries = self._ground(stage, photos)
        tiles = self._aerial(stage, self.world.positions_m[chosen])
        away_m = np.hypot(*(self.world.positions_m[chosen][:, None] - places).transpose(2, 0, 1))
        error_m = first_match_m(queries @ self._aerial(stage, places).T, away_m)
        ranks = ranks_of_own(queries @ tiles.T, np.arange(len(chosen)))
        return Measured(
            paired_recall_at_1=recall_at(ranks, 1),
            places_recall_within_25m=float((error_m <= CORRECT_WITHIN_M).mean()),
            median_error_m=float(np.median(error_m)),
            heading_blindness=float((queries * self._ground(stage, turned)).sum(axis=1).mean()),
        )

    def _ground(self, stage: Stage, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._encode(stage, "ground", lambda part: self.views.ground(photos[part]), len(photos))

    def _aerial(self, stage: Stage, points_m: NDArray[np.float64]) -> NDArray[np.float32]:
        def prepare(part: slice) -> Tensor:
            points = points_m[part]
            return self.views.aerial(self.world, np.arange(len(points)), points)

        return self._encode(stage, "aerial", prepare, len(points_m))

    @torch.no_grad()
    def _encode(
        self, stage: Stage, side: Side, prepare: Callable[[slice], Tensor], count: int
    ) -> NDArray[np.float32]:
        parts = []
        for start in range(0, count, CHUNK):
            output = stage.encode(side, prepare(slice(start, start + CHUNK)))
            parts.append((output.cls if output.columns is None else output.columns).cpu())
        return torch.cat(parts).numpy()


def _grid(positions_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """About `PLACES` points at equal spacing over the extent of the positions, (P, 2) metres."""
    low, high = positions_m.min(axis=0), positions_m.max(axis=0)
    size = np.maximum(high - low, 1.0)
    spacing = max(10.0, float(np.sqrt(size.prod() / PLACES)))
    east, north = (
        np.arange(a + spacing / 2, a + s + spacing / 2, spacing) for a, s in zip(low, size, strict=True)
    )
    return np.stack(np.meshgrid(east, north), axis=-1).reshape(-1, 2)
