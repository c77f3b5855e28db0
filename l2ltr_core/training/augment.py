"""How one view is varied without changing what it shows. Images are (B, 3, H, W), levels 0..255."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from l2ltr_core.training.config import AugmentConfig

CUTOUT_PART = 0.25
"""Largest part of the height, and of the width, that a cut-out covers."""
NOISY_PART = 0.5
"""Part of the images that get sensor noise."""
GRAIN_TAPE = 1 << 21
FIELDS_DEG = (70.0, 300.0)
"""Of a narrow photo, from the least to the most."""


def mirror_columns(panorama: Tensor) -> Tensor:
    """East and west exchanged. North is the edge between the two middle columns, so it stays."""
    return panorama.flip(3)


def roll_columns(panoramas: Tensor, columns: NDArray[np.int64] | Sequence[int]) -> Tensor:
    """Each panorama turned by its own number of columns to the right."""
    width = panoramas.shape[3]
    source = (torch.arange(width)[None, :] - torch.as_tensor(columns)[:, None]) % width  # (B, W)
    return panoramas.gather(3, source[:, None, None, :].expand_as(panoramas))


def narrow_fields(panoramas: Tensor, share: float, rng: np.random.Generator) -> Tensor:
    """That share of the panoramas with part of their circle in the mean colour of the rest, as `ground_view`
    fills what a photo does not show; float, changed in place."""
    width = panoramas.shape[3]
    for index in np.flatnonzero(rng.random(len(panoramas)) < share):
        first, shown = int(rng.integers(width)), round(rng.uniform(*FIELDS_DEG) / 360 * width)
        here = (torch.arange(width) - first) % width < shown
        photo = panoramas[index]
        photo[:, :, ~here] = photo[:, :, here].mean(dim=(1, 2))[:, None, None]
    return panoramas


def vary_colours(images: Tensor, amount: AugmentConfig, rng: np.random.Generator) -> Tensor:
    """Exposure, colour cast, offset, sensor noise, now and then grey, blurred or with a cut-out: each image its own."""
    count = len(images)
    gain = np.exp(rng.uniform(-amount.gain, amount.gain, (count, 1, 1, 1)))
    colour = np.exp(rng.uniform(-amount.colour, amount.colour, (count, 3, 1, 1)))
    offset = rng.uniform(-amount.offset, amount.offset, (count, 1, 1, 1))
    varied = (images * _tensor(gain * colour)).add_(_tensor(offset))
    if amount.grey:
        grey = rng.random(count) < amount.grey
        varied[grey] = varied[grey].mean(dim=1, keepdim=True).expand_as(varied[grey])
    for index in np.flatnonzero(rng.random(count) < NOISY_PART):
        varied[index] += _grain(varied.shape[1:], rng) * float(rng.uniform(0, amount.noise))
    blurred = rng.random(count) < amount.blur
    if blurred.any():
        varied[blurred] = _blur(varied[blurred])
    for index in np.flatnonzero(rng.random(count) < amount.cutout):
        _cut_out(varied[index], rng)
    return varied.clamp_(0, 255)


def _grain(shape: torch.Size, rng: np.random.Generator) -> Tensor:
    """Normal noise of standard deviation 1: a random stretch of a fixed tape, much faster than fresh."""
    first = rng.integers(GRAIN_TAPE - shape.numel())
    return _grain_tape()[first : first + shape.numel()].view(shape)


@lru_cache(maxsize=1)
def _grain_tape() -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal(GRAIN_TAPE, np.float32))


def _blur(images: Tensor) -> Tensor:
    """A 3 x 3 binomial kernel; azimuth goes round."""
    wrapped = F.pad(F.pad(images, (1, 1, 0, 0), mode="circular"), (0, 0, 1, 1), mode="replicate")
    across = wrapped[..., :-2] / 4 + wrapped[..., 1:-1] / 2 + wrapped[..., 2:] / 4
    return across[:, :, :-2] / 4 + across[:, :, 1:-1] / 2 + across[:, :, 2:] / 4


def _cut_out(image: Tensor, rng: np.random.Generator) -> None:
    """Paint a rectangle in the image's mean colour, in place."""
    height, width = image.shape[1:]
    rows, columns = (max(1, int(side * rng.uniform(0.3, 1) * CUTOUT_PART)) for side in (height, width))
    top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
    image[:, top : top + rows, left : left + columns] = image.mean(dim=(1, 2))[:, None, None]


def _tensor(values: NDArray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
