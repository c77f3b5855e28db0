"""A world and a moment -> pictures: 360-degree panoramas and the orthophoto."""

from __future__ import annotations

import numpy as np

from l2ltr_core.twin.light import Light
from l2ltr_core.twin.mesh import Floats, f32
from l2ltr_core.twin.shading import shade
from l2ltr_core.twin.world import World
from l2ltr_core.types import RGB, Progress

_RAYS = 300_000
"""Rays shaded at once: bounds the memory to about 200 MB."""


def tone_mapped(colour: Floats, exposure: float) -> Floats:
    """Linear light -> sRGB-like values in [0, 1]: a soft shoulder, a slight lift of contrast."""
    value = np.clip(colour * (exposure * 1.12), 0, None)
    value = value * (1 + value * 0.16) / (1 + value * 0.62)
    value = np.clip(value, 0, 1) ** (1 / 2.2)
    return value + 0.16 * (value - 0.45) * value * (1 - value) * 4 * 0.5


def panorama(
    world: World,
    x_m: float,
    y_m: float,
    light: Light,
    *,
    size_px: tuple[int, int],
    camera_m: float = 2.4,
    heading_deg: float = 0.0,
    top_deg: float = 90.0,
    bottom_deg: float = -90.0,
    samples: int = 2,
) -> RGB:
    """An equirectangular (H, W) photo, centre column at `heading_deg`, `samples` x `samples` rays a pixel."""
    height, width = size_px
    rows, columns = height * samples, width * samples
    elevation = np.radians(top_deg + (np.arange(rows) + 0.5) / rows * (bottom_deg - top_deg))
    azimuth = np.radians(heading_deg) + ((np.arange(columns) + 0.5) / columns - 0.5) * 2 * np.pi
    out = np.empty((rows, columns, 3), np.float32)
    step = max(samples, _RAYS // columns // samples * samples)
    for row in range(0, rows, step):
        e, a = np.meshgrid(elevation[row : row + step], azimuth, indexing="ij")
        direction = (
            np.stack([np.cos(e) * np.sin(a), np.cos(e) * np.cos(a), np.sin(e)], -1)
            .reshape(-1, 3)
            .astype(np.float32)
        )
        origin = np.tile(f32([x_m, y_m, camera_m]), (len(direction), 1))
        out[row : row + step] = tone_mapped(shade(world, origin, direction, light), light.exposure).reshape(
            -1, columns, 3
        )
    return _as_bytes(out.reshape(height, samples, width, samples, 3).mean((1, 3)))


def orthophoto(
    world: World, light: Light, *, pixel_m: float, samples: int = 2, progress: Progress | None = None
) -> RGB:
    """The whole plan from straight above, row 0 = north, (H, W, 3)."""
    plan = world.plan
    rows, columns = round(plan.height_m / pixel_m), round(plan.width_m / pixel_m)
    step = pixel_m / samples
    x = (np.arange(columns * samples) + 0.5) * step
    out = np.empty((rows, columns, 3), np.uint8)
    band = max(1, _RAYS // (columns * samples * samples))
    for row in range(0, rows, band):
        some = min(band, rows - row)
        y = plan.height_m - (np.arange(row * samples, (row + some) * samples) + 0.5) * step
        xs, ys = np.meshgrid(x, y)
        origin = np.stack([xs, ys, np.full_like(xs, 180.0)], -1).reshape(-1, 3).astype(np.float32)
        colour = tone_mapped(
            shade(world, origin, np.tile(f32([0, 0, -1]), (len(origin), 1)), light), light.exposure
        )
        out[row : row + some] = _as_bytes(colour.reshape(some, samples, columns, samples, 3).mean((1, 3)))
        if progress:
            progress(row + some, rows)
    return out


def _as_bytes(values: Floats) -> RGB:
    return (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
