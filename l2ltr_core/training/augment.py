"""How one view is varied without changing what it shows. Pictures are (H, W, 3) uint8.

A photo and its tile come from different cameras, so each is varied by itself, and mostly as cameras, lenses and
the software behind them differ. Pillow does what works on pixels: it is fast, and lets torch compute meanwhile.
"""

from __future__ import annotations

import math
from functools import lru_cache
from io import BytesIO

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor

from l2ltr_core.training.config import AugmentConfig
from l2ltr_core.types import RGB

Floats = NDArray[np.float32]
GRAIN_TAPE = 1 << 23
BLURRED_SEAM_PX = (40, 120)
"""Range of the width in pixels of a part that is set off, at 512 columns."""
LENSES = (4, 9)
"""Range of the number of fields that a photo is stitched of, the upper end excluded."""


def vary_photo(view: RGB, field_deg: float, amount: AugmentConfig, rng: np.random.Generator) -> RGB:
    """A ground view around the whole circle, `field_deg` high about the horizon: camera, colours, texture, field."""
    pixels = _bend(view, field_deg, amount, rng)
    _stitch(pixels, amount, rng)
    _darken(pixels, field_deg, amount, rng)
    turn = rng.uniform(-amount.heading_deg, amount.heading_deg)
    pixels = np.roll(pixels, round(turn / 360 * pixels.shape[1]), axis=1)
    varied = vary_picture(np.clip(np.rint(pixels), 0, 255).astype(np.uint8), amount, rng)
    return _hide(varied, field_deg, amount, rng)


def vary_picture(picture: RGB, amount: AugmentConfig, rng: np.random.Generator) -> RGB:
    """Colours and texture, as another camera and other software would give them."""
    image = _recolour(Image.fromarray(picture), amount, rng)
    chance = rng.random()
    if chance < amount.blur_share:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(*amount.blur_px)))
    elif chance < amount.blur_share + amount.sharpen_share:
        percent = round(rng.uniform(*amount.sharpen_percent))
        image = image.filter(ImageFilter.UnsharpMask(rng.uniform(*amount.sharpen_px), percent, 0))
    if rng.random() < amount.coarse_share:
        image = _coarsen(image, rng.uniform(*amount.coarse_scale))
    if rng.random() < amount.grain_share:
        image = _with_grain(image, rng.uniform(*amount.grain_levels), rng)
    if rng.random() < amount.jpeg_share:
        image = _compressed(image, round(rng.uniform(*amount.jpeg_quality)))
    return np.asarray(image)


def _recolour(image: Image.Image, amount: AugmentConfig, rng: np.random.Generator) -> Image.Image:
    """Gamma, then saturation, contrast, hue, gains and an offset as one affine map of RGB."""
    gamma = math.exp(rng.normal(0, amount.gamma_std))
    curve = np.rint(255 * (np.arange(256) / 255) ** gamma).astype(int).tolist()
    image = image.point(curve * 3)
    mean = np.asarray(image.resize((1, 1), Image.Resampling.BOX), np.float64).reshape(3)
    saturation, contrast, gain = np.exp(
        rng.normal(0, (amount.saturation_std, amount.contrast_std, amount.gain_std))
    )
    colour = gain * np.exp(rng.normal(0, amount.colour_std, 3))
    grey = np.full((3, 3), 1 / 3)
    saturate = grey + saturation * (np.eye(3) - grey)
    turn = _hue(math.radians(rng.normal(0, amount.hue_std_deg)))
    after = turn @ np.diag(colour)
    linear = after @ saturate * contrast
    shift = after @ saturate @ mean * (1 - contrast) + rng.normal(0, amount.offset_std)
    return image.convert("RGB", tuple(np.column_stack([linear, shift]).ravel().tolist()))


def _hue(angle: float) -> NDArray[np.float64]:
    """The rotation of RGB about grey (Rodrigues' formula)."""
    axis = np.array([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    along = np.full((3, 3), 1 / 3)
    return math.cos(angle) * np.eye(3) + (1 - math.cos(angle)) * along + math.sin(angle) * axis


def _coarsen(image: Image.Image, scale: float) -> Image.Image:
    small = [max(8, round(side * scale)) for side in image.size]
    return image.resize((small[0], small[1]), Image.Resampling.BILINEAR).resize(
        image.size, Image.Resampling.BICUBIC
    )


def _with_grain(image: Image.Image, levels: float, rng: np.random.Generator) -> Image.Image:
    """Sensor noise, the same in all channels or in each its own: a stretch of a fixed tape, faster than fresh."""
    pixels = np.asarray(image, np.float32)
    shape = (*pixels.shape[:2], 1 if rng.random() < 0.5 else 3)
    first = rng.integers(GRAIN_TAPE - math.prod(shape))
    grain = _grain_tape()[first : first + math.prod(shape)].reshape(shape)
    return Image.fromarray(np.clip(pixels + levels * grain, 0, 255).astype(np.uint8))


@lru_cache(maxsize=1)
def _grain_tape() -> Floats:
    return np.random.default_rng(0).standard_normal(GRAIN_TAPE, np.float32)


def _compressed(image: Image.Image, quality: int) -> Image.Image:
    with BytesIO() as file:
        image.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("RGB")


def _bend(view: RGB, field_deg: float, amount: AugmentConfig, rng: np.random.Generator) -> Floats:
    """Another height and lean of the camera: each column's rows moved and stretched about the horizon."""
    height, width = view.shape[:2]
    row_deg = field_deg / height
    tilt = rng.uniform(0, amount.tilt_deg) / row_deg * (rng.random() < amount.tilt_share)
    azimuth = 2 * math.pi / width * torch.arange(width) + rng.uniform(0, 2 * math.pi)
    moved = tilt * torch.cos(azimuth) + rng.normal(0, amount.horizon_std_deg) / row_deg
    above, below = np.exp(
        rng.uniform(
            (-amount.stretch_above, -amount.stretch_below), (amount.stretch_above, amount.stretch_below)
        )
    )
    row = torch.arange(height)[:, None] - (height - 1) / 2
    source = torch.where(row < 0, row * above, row * below) + moved
    y = source * (2 / (height - 1))
    x = (2 * torch.arange(width) / (width - 1) - 1).expand(height, width)
    picture = torch.from_numpy(np.array(view, np.float32)).permute(2, 0, 1)[None]
    grid = torch.stack([x, y], dim=-1)[None].float()
    bent: Tensor = F.grid_sample(picture, grid, mode="bilinear", padding_mode="border", align_corners=True)
    return bent[0].permute(1, 2, 0).contiguous().numpy()


def _stitch(pixels: Floats, amount: AugmentConfig, rng: np.random.Generator) -> None:
    """Parts of the circle set off and brighter or darker, in place."""
    if rng.random() >= amount.seam_share:
        return
    width = pixels.shape[1]
    for first in rng.integers(0, width, rng.integers(2, 6)):
        part = (first + np.arange(round(rng.integers(*BLURRED_SEAM_PX) / 512 * width))) % width
        pixels[:, part] = np.roll(pixels[:, part], rng.integers(-2, 3), axis=0) * rng.uniform(0.9, 1.1)


def _darken(pixels: Floats, field_deg: float, amount: AugmentConfig, rng: np.random.Generator) -> None:
    """A tripod or car roof at the bottom, and the vignettes of several lenses, in place."""
    height, width = pixels.shape[:2]
    if rng.random() < amount.nadir_share:
        rows = max(1, round(rng.uniform(*amount.nadir_deg) / field_deg * height))
        cover = np.sqrt(np.linspace(0, 1, rows, dtype=np.float32))[:, None, None]
        pixels[-rows:] += cover * (rng.uniform(10, 120) - pixels[-rows:])
    if rng.random() < amount.vignette_share:
        wave = np.abs(np.sin(np.pi * rng.integers(*LENSES) * np.arange(width, dtype=np.float32) / width))
        pixels *= 1 - np.float32(rng.uniform(0.05, 0.25)) * wave[:, None]


def _hide(photo: RGB, field_deg: float, amount: AugmentConfig, rng: np.random.Generator) -> RGB:
    """What the photo does not show in the mean colour of what it shows, as `ground_view` fills it."""
    height, width = photo.shape[:2]
    shown = np.ones((height, width), bool)
    if rng.random() < amount.strip_share:
        elevation = (np.arange(height) + 0.5) / height * field_deg - field_deg / 2
        shown &= (np.abs(elevation) < rng.uniform(*amount.strip_deg))[:, None]
    if rng.random() < amount.narrow_share:
        first, columns = rng.integers(width), round(rng.uniform(*amount.narrow_deg) / 360 * width)
        shown &= (np.arange(width) - first) % width < columns
    if shown.all():
        return photo
    return np.where(shown[..., None], photo, photo[shown].mean(axis=0).astype(np.uint8))
