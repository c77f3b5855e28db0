"""Model selection on real pairs that are not trained on; their photos are retrieved without known headings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from l2ltr_core.datasets.pairs import PairSet, open_pairs
from l2ltr_core.evaluation.recall import ranks_of_own, recall_at
from l2ltr_core.evaluation.weighing import TEMPERATURES
from l2ltr_core.geometry.panorama import ground_view
from l2ltr_core.geometry.polar import to_polar
from l2ltr_core.model.columns import split_columns
from l2ltr_core.model.config import ModelConfig, ViewConfig
from l2ltr_core.model.encoder import Side
from l2ltr_core.reading import require
from l2ltr_core.training.stages import Stage
from l2ltr_core.training.views import Views, normalize

CHUNK = 32
CHOSEN_BY = "pairs_both_cross_entropy"
"""Name of the number that decides which weights are kept, the lower the better."""


@dataclass(frozen=True)
class PairsValidator:
    """Real photos and tiles of several sets, ready for a model."""

    model: ModelConfig
    photos: Tensor
    """Photos (Q, 3, H, W), normalised, set after set."""
    tiles: Tensor
    """Polar views (T, 3, H, W), normalised, set after set."""
    own: Tensor
    """Index (Q,) of the tile of each photo."""
    of_same_set: Tensor
    """Mask (Q, T) of the tiles of a photo's own set."""

    @classmethod
    def open(cls, folder: str | Path, model: ModelConfig, view: ViewConfig) -> PairsValidator:
        """The pairs that `pairs.csv` in `folder` lists. Raises DatasetError, and ConfigurationError without columns."""
        require(
            model.stem_column_width > 0,
            "Validation pairs are compared by columns; give model.column_width and model.stem_column_width above 0",
        )
        sets = open_pairs(folder)
        photos = torch.cat([_photos(each, model, view) for each in sets])
        tiles = torch.cat([_tiles(each, model, view) for each in sets])
        first = np.cumsum([0, *(each.tile_count for each in sets)])
        own = [start + query.tile for start, each in zip(first, sets, strict=False) for query in each.queries]
        of_photo, of_tile = (
            torch.repeat_interleave(torch.arange(len(sets)), torch.tensor(counts))
            for counts in ([len(s.queries) for s in sets], [s.tile_count for s in sets])
        )
        return cls(model, photos, tiles, torch.tensor(own), of_photo[:, None] == of_tile)

    def measure(self, stage: Stage) -> dict[str, float]:
        """Numbers by name, for the stem's columns alone, the layers' and both."""
        photos, tiles = (
            self._columns(stage, "ground", self.photos),
            self._columns(stage, "aerial", self.tiles),
        )
        return {
            f"pairs_{part}_{name}": value
            for part in photos
            for name, value in self._judge(best_turn_scores(photos[part], tiles[part])).items()
        }

    def _judge(self, scores: Tensor) -> dict[str, float]:
        """(Q, T): recall and percentile among the tiles of a photo's own set, cross-entropy among all."""
        among = scores.where(self.of_same_set, -torch.inf).numpy()
        ranks = ranks_of_own(among, self.own.numpy())
        others = (self.of_same_set.sum(1) - 1).clamp_min(1).numpy()
        entropy = min(float(F.cross_entropy(scores / t, self.own)) for t in TEMPERATURES)
        return {
            "recall_at_1": recall_at(ranks, 1),
            "recall_at_5": recall_at(ranks, 5),
            "mean_percentile": float((1 - ranks / others).mean()),
            "cross_entropy": entropy,
        }

    @torch.no_grad()
    def _columns(self, stage: Stage, side: Side, images: Tensor) -> dict[str, Tensor]:
        """(N, w, d) unit columns by part."""
        parts = []
        for chunk in images.split(CHUNK):
            columns = stage.encode(side, chunk).columns
            assert columns is not None
            parts.append(columns.cpu())
        rows = torch.cat(parts)
        stem, layers = split_columns(rows, self.model)
        return {"stem": stem, "layers": layers, "both": rows.view(len(rows), stem.shape[1], -1)}


def best_turn_scores(photos: Tensor, tiles: Tensor) -> Tensor:
    """(Q, w, d) and (T, w, d) unit columns -> (Q, T): the cosine similarity at the best turn of the photo."""
    columns = photos.shape[1]
    turned = torch.einsum("qkd,tkd->qtk", torch.fft.rfft(photos, dim=1), torch.fft.rfft(tiles, dim=1).conj())
    return torch.fft.irfft(turned, n=columns, dim=2).amax(dim=2)


def _photos(pairs: PairSet, model: ModelConfig, view: ViewConfig) -> Tensor:
    views = [
        ground_view(
            query.load(), query.heading_deg or 0.0, view.ground_vertical_field_deg, model.ground_size_px
        )
        for query in pairs.queries
    ]
    return Views(model, view).ground(np.stack(views))


def _tiles(pairs: PairSet, model: ModelConfig, view: ViewConfig) -> Tensor:
    polar: Sequence[Tensor] = [
        torch.from_numpy(to_polar(pairs.aerial(tile, view.chip_m), model.aerial_size_px))
        for tile in range(pairs.tile_count)
    ]
    return normalize(torch.stack(list(polar)).permute(0, 3, 1, 2), view)
