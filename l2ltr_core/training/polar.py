"""Polar aerial views of many places at once.

The same picture, within the error of interpolation, as cutting a chip and calling `geometry.polar.to_polar`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from l2ltr_core.training.aerial import Squares

Each = NDArray[np.float64] | float
"""A number (B,) for each view, or one for all."""


@dataclass(frozen=True)
class PolarSampler:
    """Polar views of `size_px` (H, W) that reach `chip_m` / 2 from each place."""

    size_px: tuple[int, int]
    chip_m: float

    def sample(
        self, squares: Squares, scale: Each = 1.0, turn_deg: Each = 0.0, mirrored: bool = False
    ) -> Tensor:
        """(B, 3, H, W) float32 in 0..255 around the centres of B squares.

        `scale` stretches the reach, `turn_deg` turns what is seen clockwise. `mirrored` swaps east and west of the
        world around each place, which keeps north at the column W/2. Beyond a square its edge goes on.
        """
        count, side = squares.pixels.shape[:2]
        reach_px = self.chip_m / 2 / squares.pixel_m * _column(scale, count)
        east, south = self._directions(_column(turn_deg, count))
        x = east * reach_px + 0.5  # the transform counts from S/2, half a pixel past the chip's centre
        y = south * reach_px + 0.5
        if mirrored:
            x = -x
        centres = torch.from_numpy(squares.centres_px).float()[..., None, None]
        grid = torch.stack([x + centres[:, 0], y + centres[:, 1]], dim=-1) * (2 / side) - 1
        pictures = torch.from_numpy(squares.pixels).permute(0, 3, 1, 2).float()
        return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)

    def _directions(self, turn_deg: Tensor) -> tuple[Tensor, Tensor]:
        """East and south, (B, H, W) each, in parts of the reach."""
        height, width = self.size_px
        radius = (height - 1 - torch.arange(height, dtype=torch.float32))[:, None] / height
        angle = 2 * math.pi / width * torch.arange(width, dtype=torch.float32) - torch.deg2rad(turn_deg)
        return -radius * torch.sin(angle), radius * torch.cos(angle)  # from south by west


def _column(values: Each, count: int) -> Tensor:
    return torch.from_numpy(np.broadcast_to(np.asarray(values, np.float32), count).copy())[:, None, None]
