"""What cameras and their software leave in a picture: seams, vignetting, a covered nadir, colours of their own."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from citysim.mesh import Floats, f32
from l2ltr_core.types import RGB

_SEAM_PX = 1024
"""A seam is shifted by one pixel of a photo so wide."""
_BAND = 1024
"""Rows of an orthophoto that are developed at once."""
_GREY = f32([0.3, 0.59, 0.11])


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
    if rng.random() < 0.5:
        gain = np.exp(0.025 * rng.normal(size=(count, 1)) + 0.01 * rng.normal(size=(count, 3)))
        values = values * f32(ndimage.gaussian_filter1d(gain[panel], width / 250, axis=0, mode="wrap"))
    if rng.random() < 0.35:
        edge = np.abs(place - panel - 0.5) * 2
        values = values * f32(1 - rng.uniform(0.02, 0.10) * edge**3)[:, None]
    if rng.random() < 0.3:
        values = _with_covered_nadir(values, rng)
    return _as_bytes(Tone.drawn(values, STREET, rng).applied(values))


def as_survey(pixels: RGB, rng: np.random.Generator) -> RGB:
    """(H, W, 3) orthophoto -> the same as another sensor and provider would deliver it."""
    tone, blur = Tone.drawn(pixels, SURVEY, rng), float(rng.uniform(0.0, 0.9))
    out = np.empty_like(pixels)
    for row in range(0, len(pixels), _BAND):
        low, high = max(row - 8, 0), min(row + _BAND + 8, len(pixels))
        band = ndimage.gaussian_filter(f32(pixels[low:high]), (blur, blur, 0))[row - low : row - low + _BAND]
        out[row : row + _BAND] = _as_bytes(tone.applied(band))
    return out


class Likely(NamedTuple):
    """Mean and standard deviation, over real pictures, of what a picture looks like."""

    mean: tuple[float, float]
    contrast: tuple[float, float]
    """Standard deviation of the grey levels of 255 within a picture."""
    saturation: tuple[float, float]
    """Natural logarithm of the factor by which the simulator's own is changed."""


STREET = Likely((118.0, 14.0), (45.0, 8.0), (0.14, 0.20))
SURVEY = Likely((92.0, 20.0), (36.0, 7.0), (-0.22, 0.25))


class Tone(NamedTuple):
    """A change of exposure, contrast, saturation and white balance."""

    middle: float
    target: float
    gain: float
    saturation: float
    cast: Floats  # (3,)

    @classmethod
    def drawn(cls, pixels: NDArray[Any], likely: Likely, rng: np.random.Generator) -> Tone:
        """What makes (H, W, 3) levels of 255 a picture with likely statistics."""
        grey = f32(pixels[::3, ::3]) @ _GREY
        target, contrast, saturation = (float(rng.normal(*each)) for each in likely)
        gain = float(np.clip(contrast / max(float(grey.std()), 1.0), 0.7, 1.6))
        cast = np.exp(0.03 * rng.normal(size=3))
        return cls(float(grey.mean()), target, gain, float(np.exp(saturation)), f32(cast / cast.mean()))

    def applied(self, values: Floats) -> Floats:
        """(H, W, 3) levels of 255, the brightest and the darkest drawn together rather than cut off."""
        moved = (values - self.middle) * np.float32(self.gain) + np.float32(self.target)
        grey = (moved @ _GREY)[..., None]
        moved = (grey + (moved - grey) * np.float32(self.saturation / self.gain**0.5)) * self.cast
        bright, dark = np.maximum(moved - 200, 0), np.maximum(40 - moved, 0)
        return f32(moved - bright + 55 * (1 - np.exp(-bright / 55)) + dark - 34 * (1 - np.exp(-dark / 34)))


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
