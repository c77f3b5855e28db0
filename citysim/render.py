"""A world and the light of a capture -> pictures: 360-degree panoramas and the orthophoto."""

from __future__ import annotations

import math

import numpy as np

from citysim import noise
from citysim.light import Light
from citysim.mesh import Floats, f32
from citysim.shading import shade
from citysim.world import World
from l2ltr_core.types import RGB, Progress

_ABOVE_M = 180.0
_RAYS = 300_000
"""Rays shaded at once: bounds the memory to about 200 MB."""


def tone_mapped(colour: Floats, exposure: float) -> Floats:
    """Linear light -> sRGB-like values in [0, 1]: a soft shoulder, a slight lift of contrast."""
    value = np.clip(colour * (exposure * 1.12), 0, None)
    value = value * (1 + value * 0.16) / (1 + value * 0.62)
    value = np.clip(value, 0, 1) ** (1 / 2.2)
    return value + 0.16 * (value - 0.45) * value * (1 - value) * 4 * 0.5


def graded(value: Floats) -> Floats:
    """Values in [0, 1] -> the same with a little more contrast and colour, as a camera's own picture style has."""
    grey = value @ f32([0.2126, 0.7152, 0.0722])
    vivid = np.clip(grey[..., None] + (value - grey[..., None]) * np.float32(1.09), 0, 1)
    return f32(vivid + 0.38 * (vivid - 0.46) * vivid * (1 - vivid))


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
    tilt_deg: tuple[float, float] | None = None,
) -> RGB:
    """An equirectangular (H, W) photo, centre column at `heading_deg`, `samples` x `samples` rays a pixel.

    `tilt_deg` is how far the camera leans towards the south and the west of its horizon: pitch and roll.
    """
    height, width = size_px
    world.look_from(x_m, y_m)
    rows, columns = height * samples, width * samples
    elevation = np.radians(top_deg + (np.arange(rows) + 0.5) / rows * (bottom_deg - top_deg))
    azimuth = np.radians(heading_deg) + ((np.arange(columns) + 0.5) / columns - 0.5) * 2 * np.pi
    around = f32([np.sin(azimuth), np.cos(azimuth), np.zeros(columns)]).T  # (columns, 3)
    out = np.empty((rows, columns, 3), np.float32)
    step = max(samples, _RAYS // columns // samples * samples)
    for row in range(0, rows, step):
        e = elevation[row : row + step]
        direction = f32(np.cos(e))[:, None, None] * around
        direction[..., 2] = f32(np.sin(e))[:, None]
        direction = direction.reshape(-1, 3)
        direction = direction if tilt_deg is None else f32(direction @ _leaning(*tilt_deg).T)
        origin = np.tile(f32([x_m, y_m, camera_m]), (len(direction), 1))
        seen = tone_mapped(shade(world, origin, direction, light), light.exposure).reshape(-1, columns, 3)
        seen = graded(seen) if world.detail.close else seen
        out[row : row + step] = _weathered(seen, e[:, None], azimuth, light, (x_m, y_m))
    return _as_bytes(_averaged(out, samples))


def _leaning(pitch_deg: float, roll_deg: float) -> Floats:
    """(3, 3) rotation about the east axis, then about the north axis."""
    pitch, roll = math.radians(pitch_deg), math.radians(roll_deg)
    about_east = [[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]]
    about_north = [[math.cos(roll), 0, math.sin(roll)], [0, 1, 0], [-math.sin(roll), 0, math.cos(roll)]]
    return f32(np.array(about_north) @ np.array(about_east))


def _weathered(
    seen: Floats, elevation: Floats, azimuth: Floats, light: Light, spot: tuple[float, float]
) -> Floats:
    """(H, W, 3) values in [0, 1] at (H, 1) and (W,) angles, with rain or snow falling before them."""
    shift = (spot[0] * 131 + spot[1] * 57) % noise.SIZE
    across, down = np.degrees(azimuth), np.degrees(elevation)
    for amount, per_degree, steep, bright in (
        (light.rainfall, 5.0, 0.16, 0.30),
        (light.snowfall, 3.2, 3.2, 0.55),
    ):
        for layer in range(3 if amount > 0 else 0):
            size = per_degree * (0.6 + 0.7 * layer)
            drop = noise.sample(
                noise.white(20 + layer), across * size + shift, down * size / per_degree * steep + shift
            )
            fleck = np.clip((drop - (1 - 0.07 * amount)) * 40, 0, 1)[..., None]
            seen = seen + (0.86 - seen) * (fleck * bright)
    return seen.astype(np.float32)


def _averaged(values: Floats, samples: int) -> Floats:
    """(H * samples, W * samples, 3) -> (H, W, 3)."""
    parts = [values[i::samples, j::samples] for i in range(samples) for j in range(samples)]
    return sum(parts[1:], parts[0]) / np.float32(len(parts))


def orthophoto(
    world: World,
    light: Light,
    *,
    pixel_m: float,
    border_m: float = 0.0,
    samples: int = 2,
    off_nadir: tuple[float, float] = (0.0, 0.0),
    progress: Progress | None = None,
) -> RGB:
    """The whole plan from above and `border_m` of its mirror image around it, row 0 = north, (H, W, 3).

    `off_nadir` moves what stands `h` metres high by `h * off_nadir` to the east and north, as in a mosaic of flight
    pictures that were corrected for the terrain only; the ground stays in its place.
    """
    world, plan = world.from_above(), world.plan
    east, north = off_nadir
    rows, columns = (round((side + 2 * border_m) / pixel_m) for side in (plan.height_m, plan.width_m))
    step = pixel_m / samples
    x = (np.arange(columns * samples) + 0.5) * step - border_m
    out = np.empty((rows, columns, 3), np.uint8)
    band = max(1, _RAYS // (columns * samples * samples))
    for row in range(0, rows, band):
        some = min(band, rows - row)
        y = plan.height_m + border_m - (np.arange(row * samples, (row + some) * samples) + 0.5) * step
        xs, ys = np.meshgrid(x, y)
        spots = np.stack([xs - east * _ABOVE_M, ys - north * _ABOVE_M, np.full_like(xs, _ABOVE_M)], -1)
        origin = spots.reshape(-1, 3).astype(np.float32)
        down = f32([east, north, -1]) / np.float32(math.hypot(east, north, 1))
        seen = shade(world, origin, np.tile(down, (len(origin), 1)), light)
        colour = tone_mapped(seen, light.exposure)
        fine = colour.reshape(some * samples, columns * samples, 3)
        out[row : row + some] = _as_bytes(_averaged(fine, samples))
        if progress:
            progress(row + some, rows)
    return out


def _as_bytes(values: Floats) -> RGB:
    return (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
