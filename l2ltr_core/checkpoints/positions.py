"""Positional embeddings on another grid: always from grid to grid, since a token count hides the shape."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from l2ltr_core.errors import CheckpointError
from l2ltr_core.model.config import CheckpointCard, ModelConfig


def resample_positions(embedding: Tensor, grid: tuple[int, int], target: tuple[int, int]) -> Tensor:
    """(1, 1 + h*w, D) on `grid` -> the same on `target`, bilinear with corners aligned; CLS is kept."""
    cls, positions = embedding[:, :1], embedding[:, 1:]
    image = positions.unflatten(1, grid).permute(0, 3, 1, 2)
    resampled = F.interpolate(image.float(), size=target, mode="bilinear", align_corners=True)
    return torch.cat([cls, resampled.flatten(2).transpose(1, 2).to(cls.dtype)], dim=1)


def card_for_sizes(
    card: CheckpointCard,
    ground_size_px: tuple[int, int] | None,
    aerial_size_px: tuple[int, int] | None,
    resample: bool,
) -> CheckpointCard:
    """The card of the same weights at other sizes (None: its own).

    Another size is another encoder: its fingerprint tells the sizes, and what was measured at the old ones
    is gone. Raises CheckpointError when a grid differs and `resample` does not ask for it.
    """
    model = replace(
        card.model,
        ground_size_px=ground_size_px or card.model.ground_size_px,
        aerial_size_px=aerial_size_px or card.model.aerial_size_px,
    )
    if model == card.model:
        return card
    if not resample:
        raise CheckpointError(
            f"The checkpoint {card.name} was trained on {_grids(card.model)}, not on {_grids(model)}; "
            "ask for its positional embeddings to be resampled (resample=True), or keep its sizes."
        )
    sizes = "_".join(f"{height}x{width}" for height, width in (model.ground_size_px, model.aerial_size_px))
    return replace(card, model=model, fingerprint=f"{card.fingerprint}_{sizes}", results={}, calibration={})


def _grids(model: ModelConfig) -> str:
    (a, b), (c, d) = model.ground_grid, model.aerial_grid
    return f"grids of {a} x {b} (ground) and {c} x {d} (aerial) tokens"
