"""Where aerial squares come from: cut out of a map around any point, or read ready from a benchmark."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from l2ltr_core.types import RGB

TILE_PX = 512
"""Side that ready tiles are brought to."""


@dataclass(frozen=True)
class Squares:
    """North-up pictures around B points, all of one size."""

    pixels: NDArray[np.uint8]
    """(B, S, S, 3)."""
    centres_px: NDArray[np.float64]
    """(B, 2): column and row of each point, counted from the outer edges of the first pixels."""
    pixel_m: float
    """Ground width of a pixel."""


@dataclass(frozen=True)
class GroundMap:
    """One aerial picture: (H, W, 3) uint8, north up; its north-west corner in the world's metres."""

    pixels: RGB
    west_m: float
    north_m: float
    pixel_m: float

    def squares(self, places: NDArray[np.int64], points_m: NDArray[np.float64], reach_m: float) -> Squares:  # noqa: ARG002 - a map has any point
        """What lies within `reach_m` (at least) of each of `points_m` (B, 2) east and north; black outside the map."""
        column = (points_m[:, 0] - self.west_m) / self.pixel_m
        row = (self.north_m - points_m[:, 1]) / self.pixel_m
        half = math.ceil(reach_m / self.pixel_m) + 2
        left, top = np.floor(column).astype(int) - half, np.floor(row).astype(int) - half
        pixels = _cut(self.pixels, top, left, 2 * half + 1)
        return Squares(pixels, np.stack([column - left, row - top], axis=1), self.pixel_m)


@dataclass(frozen=True)
class Tiles:
    """Ready squares, each `chip_m` wide around the photos that belong to it."""

    read: Callable[[int], RGB]
    """The square of a place."""
    positions_m: NDArray[np.float64]
    """(N, 2): the middle of each place's square."""
    chip_m: float

    def squares(self, places: NDArray[np.int64], points_m: NDArray[np.float64], reach_m: float) -> Squares:  # noqa: ARG002 - a tile has its own reach
        """The tiles of `places` (B,), seen from `points_m` (B, 2), which lie in them."""
        pixels = np.stack([_resized(self.read(int(place))) for place in places])
        pixel_m = self.chip_m / TILE_PX
        offset_px = (points_m - self.positions_m[places]) / pixel_m
        return Squares(pixels, TILE_PX / 2 + offset_px * (1, -1), pixel_m)


def _resized(pixels: RGB) -> RGB:
    square = Image.fromarray(pixels).resize((TILE_PX, TILE_PX), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return np.asarray(square)


def _cut(pixels: RGB, top: NDArray, left: NDArray, side: int) -> NDArray[np.uint8]:
    """(B, side, side, 3) squares, black where they reach over the edge."""
    height, width = pixels.shape[:2]
    squares = np.zeros((len(top), side, side, 3), np.uint8)
    for square, first_row, first_column in zip(squares, top, left, strict=True):
        r0, r1 = max(first_row, 0), min(first_row + side, height)
        c0, c1 = max(first_column, 0), min(first_column + side, width)
        if r0 < r1 and c0 < c1:
            part = pixels[r0:r1, c0:c1]
            square[r0 - first_row : r1 - first_row, c0 - first_column : c1 - first_column] = part
    return squares
