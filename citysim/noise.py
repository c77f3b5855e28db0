"""Repeatable randomness: lattice noise that tiles, and a hash from integers to [0, 1)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE = 1024


@lru_cache(maxsize=8)
def fractal(seed: int, octaves: int = 7, base: int = 4) -> NDArray[np.float32]:
    """(SIZE, SIZE) float32 in [0, 1], tiling, features from SIZE/base cells downwards."""
    rng = np.random.default_rng(seed)
    total = np.zeros((SIZE, SIZE), np.float32)
    strength = 1.0
    for octave in range(octaves):
        cells = base * 2**octave
        lattice = np.pad(rng.random((cells, cells), np.float32), ((0, 1), (0, 1)), mode="wrap")
        position = np.arange(SIZE) * cells / SIZE
        low = position.astype(int)
        part = (position - low).astype(np.float32)
        part = part * part * (3 - 2 * part)
        rows = lattice[low] * (1 - part[:, None]) + lattice[low + 1] * part[:, None]
        total += strength * (rows[:, low] * (1 - part) + rows[:, low + 1] * part)
        strength *= 0.55
    total -= total.min()
    return total / total.max()


@lru_cache(maxsize=8)
def white(seed: int) -> NDArray[np.float32]:
    """(SIZE, SIZE) float32 of independent numbers in [0, 1)."""
    return np.random.default_rng(seed).random((SIZE, SIZE), np.float32)


def sample(noise: NDArray[np.float32], u: Any, v: Any) -> NDArray[np.float32]:
    """The cell of a tiling noise at (u, v), in cells."""
    return noise.ravel().take(_wrapped(v) * SIZE + _wrapped(u))


def _wrapped(position: Any) -> NDArray[np.int32]:
    """The cell, counted modulo `SIZE`, a power of two."""
    return np.floor(position).astype(np.int32) & (SIZE - 1)


def hashed(*values: Any) -> NDArray[np.float32]:
    """A number in [0, 1) from integers (arrays broadcast), the same on every machine."""
    state: Any = np.uint64(0x9E3779B97F4A7C15)
    with np.errstate(over="ignore"):
        for value in values:
            state = (state ^ np.asarray(value).astype(np.int64).astype(np.uint64)) * np.uint64(
                0xBF58476D1CE4E5B9
            )
            state = state ^ (state >> np.uint64(29))
        state = state * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(32))
    return np.asarray((state & np.uint64(0xFFFFFF)) / float(0x1000000), np.float32)


def blended(noise: NDArray[np.float32], u: Any, v: Any) -> NDArray[np.float32]:
    """A tiling noise at (u, v), in cells, without steps from one cell to the next."""
    low_u, low_v = np.floor(u), np.floor(v)
    part_u, part_v = np.asarray(u - low_u, np.float32), np.asarray(v - low_v, np.float32)
    left, down = low_u.astype(np.int32) & (SIZE - 1), (low_v.astype(np.int32) & (SIZE - 1)) * SIZE
    right, up = (left + 1) & (SIZE - 1), (down + SIZE) & (SIZE * SIZE - 1)
    flat = noise.ravel()
    low, high = flat.take(down + left), flat.take(up + left)
    low += (flat.take(down + right) - low) * part_u
    high += (flat.take(up + right) - high) * part_u
    return low + (high - low) * part_v
