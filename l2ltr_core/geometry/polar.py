"""The polar transform of an aerial square, and its inverse for showing results on the map.

Shi et al., "Spatial-Aware Feature Aggregation for Cross-View Image based Geo-Localization" (SAFA),
NeurIPS 2019, section 3.2. In the polar view column 0 looks south, W/4 west, W/2 north, 3W/4 east; the
bottom row is the camera's own place and the top row half a square away.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float32]


def to_polar(aerial: NDArray, size_px: tuple[int, int]) -> Floats:
    """North-up (S, S, C) -> (H, W, C) float32 in the same units, bilinear, zero outside the square."""
    side = aerial.shape[0]
    if aerial.ndim != 3 or aerial.shape[1] != side:
        raise ValueError(f"expected an aerial square (S, S, C), found {aerial.shape}")
    return _resampled(_polar_plan(side, size_px), np.pad(aerial, ((0, 1), (0, 1), (0, 0))), size_px)


def from_polar(polar: NDArray, side_px: int) -> Floats:
    """Polar (H, W, C) -> north-up (S, S, C) float32 in the same units, bilinear, zero outside the circle.

    Where `to_polar` squeezed many pixels into one, near the edge, the way back is smooth: a picture that
    goes there and back keeps its layout and loses detail.
    """
    height, width = polar.shape[:2]
    wrapped = np.pad(polar, ((0, 1), (0, 0), (0, 0)))
    wrapped = np.concatenate([wrapped, wrapped[:, :1]], axis=1)  # heading goes round
    return _resampled(_aerial_plan(side_px, (height, width)), wrapped, (side_px, side_px))


@lru_cache(maxsize=8)
def _polar_plan(side: int, size_px: tuple[int, int]) -> csr_array:
    height, width = size_px
    radius = side / 2 / height * (height - 1 - np.arange(height))[:, None]  # pixels from the camera
    angle = 2 * np.pi / width * np.arange(width)  # radians from south by west
    return _plan(side / 2 + radius * np.cos(angle), side / 2 - radius * np.sin(angle), (side, side))


@lru_cache(maxsize=8)
def _aerial_plan(side: int, size_px: tuple[int, int]) -> csr_array:
    height, width = size_px
    south = np.arange(side)[:, None] - side / 2
    west = side / 2 - np.arange(side)
    row = height - 1 - np.hypot(south, west) * 2 * height / side
    column = np.arctan2(west, south) * width / (2 * np.pi) % width
    return _plan(row, column, (height, width))


def _plan(row: NDArray, column: NDArray, size_px: tuple[int, int]) -> csr_array:
    """Where to look, in an array padded by one row below and one column to the right, and how much to take.

    Returns the linear map from the pixels of the padded array to the points asked for, (N, (H + 1)(W + 1)), four
    entries a row; a neighbour outside the array has weight zero. SciPy applies it in one pass, several times faster
    than NumPy gathers the four neighbours.
    """
    height, width = size_px
    row, column = np.broadcast_arrays(row, column)
    top, left = np.floor(row), np.floor(column)
    indices, weights = [], []
    for down in (0, 1):
        for right in (0, 1):
            r, c = top + down, left + right
            weight = (1 - np.abs(row - r)) * (1 - np.abs(column - c))
            inside = (r >= 0) & (r <= height) & (c >= 0) & (c <= width)
            indices.append(np.where(inside, r * (width + 1) + c, 0).astype(np.int32).ravel())
            weights.append(np.where(inside, weight, 0).astype(np.float32).ravel())
    entries = np.stack(weights, axis=1).ravel(), np.stack(indices, axis=1).ravel()
    first_of_row = 4 * np.arange(row.size + 1, dtype=np.int32)
    return csr_array((*entries, first_of_row), shape=(row.size, (height + 1) * (width + 1)))


def _resampled(plan: csr_array, padded: NDArray, size_px: tuple[int, int]) -> Floats:
    channels = padded.shape[2]
    return (plan @ padded.reshape(-1, channels).astype(np.float32)).reshape(*size_px, channels)
