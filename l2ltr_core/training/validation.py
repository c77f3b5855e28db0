"""What is measured while training, on a dataset kept for that: never on the held-out test part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from l2ltr_core.model.config import ModelConfig, ViewConfig
from l2ltr_core.training.batches import normalize
from l2ltr_core.training.stages import Stage
from l2ltr_core.training.views import PolarSampler
from l2ltr_core.training.worlds import World

QUERIES = 512
PLACES = 3000
CHUNK = 64
WITHIN_M = 25.0
TURN_DEG = 90.0


@dataclass(frozen=True)
class Measured:
    """Fractions in [0, 1]; a good `heading_blindness` is low."""

    paired_recall_at_1: float
    """Own tile first among the tiles of all queries, ties counted as misses."""
    places_recall_within_25m: float
    """First match of a regular grid over the dataset's extent lies within 25 m."""
    median_error_m: float
    heading_blindness: float
    """Mean cosine of a panorama with itself turned by 90 degrees."""

    def to_dict(self) -> dict[str, float]:
        """Plain values for CSV and cards."""
        return asdict(self)


@dataclass(frozen=True)
class Validator:
    """A fixed set of queries and places of one world."""

    world: World
    model: ModelConfig
    view: ViewConfig

    def measure(self, stage: Stage) -> Measured:
        """Encode queries, their tiles and the grid, and compare."""
        chosen = np.linspace(0, len(self.world) - 1, min(QUERIES, len(self.world))).round().astype(int)
        places = _grid(self.world.positions_m)
        width = self.model.ground_size_px[1]
        turned = np.roll(self.world.views[chosen], round(TURN_DEG / 360 * width), axis=2)
        queries = self._ground(stage, self.world.views[chosen])
        tiles = self._aerial(stage, self.world.positions_m[chosen])
        found = places[(queries @ self._aerial(stage, places).T).argmax(axis=1)]
        error_m = np.hypot(*(found - self.world.positions_m[chosen]).T)
        scores = queries @ tiles.T
        return Measured(
            paired_recall_at_1=float(((scores >= scores.diagonal()[:, None]).sum(axis=1) == 1).mean()),
            places_recall_within_25m=float((error_m <= WITHIN_M).mean()),
            median_error_m=float(np.median(error_m)),
            heading_blindness=float((queries * self._ground(stage, turned)).sum(axis=1).mean()),
        )

    def _ground(self, stage: Stage, views: NDArray[np.uint8]) -> NDArray[np.float32]:
        def prepare(part: slice) -> Tensor:
            return torch.from_numpy(views[part]).permute(0, 3, 1, 2).float()

        return self._encode(stage.ground, prepare, len(views))

    def _aerial(self, stage: Stage, places_m: NDArray[np.float64]) -> NDArray[np.float32]:
        sampler = PolarSampler(self.model.aerial_size_px, self.view.chip_m)
        return self._encode(
            stage.aerial, lambda part: sampler.sample(self.world.maps[0], places_m[part]), len(places_m)
        )

    @torch.no_grad()
    def _encode(
        self, encode: Callable[[Tensor], Tensor], prepare: Callable[[slice], Tensor], count: int
    ) -> NDArray[np.float32]:
        parts = [slice(start, start + CHUNK) for start in range(0, count, CHUNK)]
        return torch.cat([encode(normalize(prepare(part), self.view)) for part in parts]).numpy()


def _grid(positions_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """About `PLACES` points at equal spacing over the extent of the positions, (P, 2) metres."""
    low, high = positions_m.min(axis=0), positions_m.max(axis=0)
    size = np.maximum(high - low, 1.0)
    spacing = max(10.0, float(np.sqrt(size.prod() / PLACES)))
    east, north = (
        np.arange(a + spacing / 2, a + s + spacing / 2, spacing) for a, s in zip(low, size, strict=True)
    )
    return np.stack(np.meshgrid(east, north), axis=-1).reshape(-1, 2)
