"""Both views of places of a world, as a model is given them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from l2ltr_core.model.config import ModelConfig, ViewConfig
from l2ltr_core.training.augment import vary_photo, vary_picture
from l2ltr_core.training.config import AugmentConfig
from l2ltr_core.training.polar import PolarSampler
from l2ltr_core.training.worlds import World


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
        amount: AugmentConfig,
        rng: np.random.Generator,
        mirrored: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Photos and tiles each varied by itself, the tiles a little beside the places, too."""
        points_m = world.positions_m[places] + rng.uniform(
            -amount.position_m, amount.position_m, (len(places), 2)
        )
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

    @property
    def _sampler(self) -> PolarSampler:
        return PolarSampler(self.model.aerial_size_px, self.view.chip_m)


def normalize(images: Tensor, view: ViewConfig) -> Tensor:
    """(B, 3, H, W) levels 0..255 -> the model's input."""
    mean = torch.tensor(view.mean).view(3, 1, 1)
    std = torch.tensor(view.std).view(3, 1, 1)
    return (images * (1 / (255 * std))).sub_(mean / std).contiguous()
