"""What cameras and their software leave in a picture: seams, vignetting, a covered nadir, colours of their own."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from l2ltr_core.twin.mesh import Floats, f32
from l2ltr_core.types import RGB

_SEAM_PX = 1024
"""A seam is shifted by one pixel of a photo so wide."""


def as_stitched(pixels: RGB, rng: np.random.Generator) -> RGB:
    """(H, W, 3) panorama -> the same as put together from 2 to 6 pictures, by chance with each fault."""
    values = f32(pixels)
    width = values.shape[1]
    count = int(rng.integers(2, 7))
    first = rng.uniform(0, width)
    place = (np.arange(width) - first) / width * count % count
    panel = place.astype(int)
    if rng.random() < 0.6:
        offset = np.round(rng.normal(size=count) * 1.4 * width / _SEAM_PX).astype(int)
        shifted = {int(step): _moved(values, int(step)) for step in set(offset.tolist())}
        for step, moved in shifted.items():
            columns = offset[panel] == step
            values[:, columns] = moved[:, columns]
    if rng.random() < 0.7:
        gain = np.exp(0.05 * rng.normal(size=(count, 1)) + 0.015 * rng.normal(size=(count, 3)))
        values = values * f32(ndimage.gaussian_filter1d(gain[panel], width / 250, axis=0, mode="wrap"))
    if rng.random() < 0.6:
        edge = np.abs(place - panel - 0.5) * 2
        values = values * f32(1 - rng.uniform(0.04, 0.2) * edge**3)[:, None]
    if rng.random() < 0.3:
        values = _with_covered_nadir(values, rng)
    return _as_bytes(developed(values, rng, 0.6))


def as_survey(pixels: RGB, rng: np.random.Generator) -> RGB:
    """(H, W, 3) orthophoto -> the same as another sensor and provider would deliver it."""
    values = f32(pixels)
    blur = float(rng.uniform(0.0, 0.9))
    step = 1024  # rows at once: an orthophoto is large
    out = np.empty_like(pixels)
    seed = int(rng.integers(1 << 30))
    for row in range(0, len(values), step):
        low, high = max(row - 8, 0), min(row + step + 8, len(values))
        band = ndimage.gaussian_filter(values[low:high], (blur, blur, 0))[row - low : row - low + step]
        out[row : row + step] = _as_bytes(developed(band, np.random.default_rng(seed), 1.0))
    return out


def developed(values: Floats, rng: np.random.Generator, strength: float) -> Floats:
    """(H, W, 3) levels of 255 with another exposure, contrast, saturation and white balance."""
    dark = float(np.exp(strength * rng.normal(-0.12, 0.34)))
    gamma = float(np.exp(strength * 0.22 * rng.normal()))
    saturation = float(np.clip(1 + strength * rng.normal(-0.05, 0.35), 0.25, 1.9))
    cast = np.exp(strength * 0.07 * rng.normal(size=3))
    black = float(strength * rng.uniform(-0.05, 0.09))
    linear = np.clip(values / np.float32(255), 0, 1) ** np.float32(gamma)
    linear = linear * f32(dark * cast / cast.mean())
    linear = np.where(
        linear > 0.75, 0.75 + (1 - np.exp(-(linear - 0.75) * 4)) * 0.25, linear
    )  # a soft shoulder
    grey = (linear @ f32([0.3, 0.59, 0.11]))[..., None]
    return (
        f32((grey + (linear - grey) * np.float32(saturation)) * np.float32(1 - black) + np.float32(black))
        * 255
    )


def _with_covered_nadir(values: Floats, rng: np.random.Generator) -> Floats:
    """The lowest rows hidden by the roof of the car, or blurred so that it is not seen."""
    height, width = values.shape[:2]
    wave = rng.uniform(0.01, 0.05) * np.cos(
        np.arange(width) / width * 2 * np.pi * rng.integers(1, 4) + rng.uniform(0, 6)
    )
    edge = (1 - rng.uniform(0.02, 0.12) + wave) * height
    cover = f32(np.clip((np.arange(height)[:, None] - edge) / (0.02 * height), 0, 1))[..., None]
    if rng.random() < 0.5:
        return values * (1 - cover) + f32(rng.uniform(15, 90) * np.exp(0.05 * rng.normal(size=3))) * cover
    soft = f32(
        ndimage.gaussian_filter(values, (0.02 * height, 0.04 * width, 0), mode=("nearest", "wrap", "nearest"))
    )
    return values * (1 - cover) + soft * cover


def _moved(values: Floats, down: int) -> Floats:
    """Shifted by so many rows, the outermost repeated."""
    rows = np.clip(np.arange(len(values)) - down, 0, len(values) - 1)
    return values[rows]


def _as_bytes(values: Floats) -> RGB:
    return (np.clip(values, 0, 255) + 0.5).astype(np.uint8)
