"""Polar aerial views of many places at once, straight from a map in memory.

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

from l2ltr_core.training.worlds import GroundMap


@dataclass(frozen=True)
class PolarSampler:
    """Polar views of `size_px` (H, W) that reach `chip_m` / 2 from each place."""

    size_px: tuple[int, int]
    chip_m: float

    def sample(
        self,
        ground_map: GroundMap,
        places_m: NDArray[np.float64],
        radial_scale: NDArray[np.float64] | float = 1.0,
        mirrored: bool = False,
    ) -> Tensor:
        """(B, 3, H, W) float32 in 0..255 around `places_m` (B, 2) east and north; zero outside the map.

        `radial_scale` (B,) stretches the reach. `mirrored` swaps east and west of the world around each
        place, which keeps north at the column W/2.
        """
        scale = np.broadcast_to(np.asarray(radial_scale, np.float64), len(places_m))
        reach_px = self.chip_m / 2 / ground_map.pixel_m
        column = (places_m[:, 0] - ground_map.west_m) / ground_map.pixel_m  # of pixel edges
        row = (ground_map.north_m - places_m[:, 1]) / ground_map.pixel_m
        half = math.ceil(reach_px * float(scale.max())) + 2
        left, top = np.floor(column).astype(int) - half, np.floor(row).astype(int) - half
        side = 2 * half + 1
        windows = _windows(ground_map.pixels, top, left, side)
        east, south = self._directions()
        stretch = torch.from_numpy(scale * reach_px).float()[:, None, None]
        x = east[None] * stretch + 0.5  # the transform counts from S/2, half a pixel past the chip's centre
        y = south[None] * stretch + 0.5
        if mirrored:
            x = -x
        x = x + torch.from_numpy(column - left).float()[:, None, None]
        y = y + torch.from_numpy(row - top).float()[:, None, None]
        grid = torch.stack([x, y], dim=-1) * (2 / side) - 1
        return F.grid_sample(windows, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    def _directions(self) -> tuple[Tensor, Tensor]:
        """East and south, (H, W) each, in parts of the reach."""
        height, width = self.size_px
        radius = (height - 1 - torch.arange(height, dtype=torch.float32))[:, None] / height
        angle = 2 * math.pi / width * torch.arange(width, dtype=torch.float32)  # from south by west
        return -radius * torch.sin(angle), radius * torch.cos(angle)


def _windows(pixels: NDArray[np.uint8], top: NDArray, left: NDArray, side: int) -> Tensor:
    """(B, 3, side, side) float32 squares, zero where they reach over the edge; strided channels-last."""
    height, width = pixels.shape[:2]
    windows = np.zeros((len(top), side, side, 3), np.uint8)
    for window, first_row, first_column in zip(windows, top, left, strict=True):
        r0, r1 = max(first_row, 0), min(first_row + side, height)
        c0, c1 = max(first_column, 0), min(first_column + side, width)
        if r0 < r1 and c0 < c1:
            window[r0 - first_row : r1 - first_row, c0 - first_column : c1 - first_column] = pixels[
                r0:r1, c0:c1
            ]
    return torch.from_numpy(windows).permute(0, 3, 1, 2).float()
