"""The same place in other paint, so that a photo and an orthophoto do not share their colours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from citysim import noise
from citysim.buildings import Styles
from citysim.ground import Ground
from citysim.mesh import Floats, f32
from citysim.surfaces import Surface

_GREEN = (Surface.GRASS, Surface.LAWN, Surface.VERGE, Surface.CROP, Surface.FIELD, Surface.EARTH)
_STRAW = f32([0.36, 0.29, 0.15])
_PATCH_M = 90.0


def repainted_ground(ground: Ground, rng: np.random.Generator, strength: float) -> Ground:
    """Each surface class in another tone and hue, changing smoothly from place to place; grass green to yellow."""
    gain = np.exp(
        strength * (0.34 * rng.normal(size=(len(Surface), 1)) + 0.10 * rng.normal(size=(len(Surface), 3)))
    )
    dry = float(rng.uniform(0.2, 0.9)) * (rng.random() < 0.45)
    shift = rng.integers(noise.SIZE, size=2)
    root = np.sqrt(gain).astype(np.float32)
    layers = ground.layers.copy()
    broad = noise.fractal(1)
    columns = _wrapped(np.arange(layers.shape[1]) * ground.cell_m, int(shift[0]))
    for row in range(0, len(layers), 256):
        surface = ground.surface[row : row + 256]
        here = layers[row : row + 256, :, :3] / np.float32(255)
        rows = _wrapped(np.arange(row, row + len(surface)) * ground.cell_m, int(shift[1]))
        patch = broad[np.ix_(rows, columns)] - np.float32(0.5)
        share = np.where(np.isin(surface, _GREEN), np.clip(dry * (1 + 1.2 * patch), 0, 1), 0)[..., None]
        bright = here.mean(2, keepdims=True) / np.float32(0.37)
        here = here * (1 - share) + np.sqrt(_STRAW) * bright * share
        here = here * root[surface] * (1 + np.float32(0.30 * strength) * patch)[..., None]
        layers[row : row + 256, :, :3] = np.clip(here * 255, 12, 248).astype(np.uint8)
    return replace(ground, layers=layers)


def repainted_styles(styles: Styles, rng: np.random.Generator, strength: float) -> Styles:
    """Every roof and facade in a colour of its own near the first one."""
    return replace(
        styles,
        roof=np.clip(styles.roof * _gains(len(styles.roof), rng, strength), 0.03, 0.9),
        facade=np.clip(styles.facade * _gains(len(styles.facade), rng, 0.5 * strength), 0.05, 0.92),
    )


def repainted_trees(colour: Floats, rng: np.random.Generator, strength: float) -> Floats:
    """(T, 3) crowns, all of them and each a little in another green."""
    common = np.exp(strength * (0.30 * rng.normal() + 0.12 * rng.normal(size=3)))
    return f32(np.clip(colour * common * _gains(len(colour), rng, 0.4 * strength), 0.01, 0.6))


def _gains(count: int, rng: np.random.Generator, strength: float) -> Floats:
    return f32(np.exp(strength * (0.38 * rng.normal(size=(count, 1)) + 0.08 * rng.normal(size=(count, 3)))))


def _wrapped(metres: NDArray[Any], shift: int) -> NDArray[np.int64]:
    """The cells of a noise whose features are about `_PATCH_M` large."""
    return ((metres * (256 / _PATCH_M)).astype(np.int64) + shift) % noise.SIZE
