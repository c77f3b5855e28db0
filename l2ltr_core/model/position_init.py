"""Positional embeddings before training: waves, since a transformer from scratch spends long on where each token is."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.model.config import CheckpointCard, ModelConfig
from l2ltr_core.model.encoder import Encoder

AZIMUTH_WAVES = 8
ROW_WAVES = 3
POSITION_SEED = 3
BEFORE, AFTER = "before training", "after training"


def structured_positions(grid: tuple[int, int], width: int, std: float) -> Tensor:
    """(rows * columns, width) embeddings, row by row: waves around the azimuth and along the rows.

    The waves (amplitude falling with the root of the frequency, so that near columns are alike and the
    last column is beside the first) go through one fixed random matrix.
    """
    rows, columns = grid
    waves = torch.arange(1, AZIMUTH_WAVES + 1, dtype=torch.float64)
    azimuth = 2 * math.pi * waves * (torch.arange(columns, dtype=torch.float64)[:, None] + 0.5) / columns
    around = torch.cat([azimuth.sin(), azimuth.cos()], dim=1) / waves.sqrt().repeat(2)  # (columns, 16)
    steps = torch.arange(1, ROW_WAVES + 1, dtype=torch.float64)
    height = math.pi * steps * (torch.arange(rows, dtype=torch.float64)[:, None] + 0.5) / rows
    along = torch.cat([height.sin(), height.cos()], dim=1)  # (rows, 6)
    features = torch.cat([around.expand(rows, -1, -1), along[:, None].expand(-1, columns, -1)], dim=2)
    generator = torch.Generator().manual_seed(POSITION_SEED)
    matrix = torch.randn(features.shape[2], width, generator=generator, dtype=torch.float64)
    positions = features.flatten(0, 1) @ matrix
    return (positions / positions.std() * std).float()


def initial_positions(card: CheckpointCard, side: Literal["ground", "aerial"]) -> NDArray[np.float32] | None:
    """(1 + N, D) positional embeddings that training began with, remade from the card; the CLS row is zero.

    None where the card does not tell: no training configuration, one of another architecture, or a start
    from random numbers. What `structured_positions` gives must therefore never change.
    """
    configuration = card.training.get("configuration")
    if not isinstance(configuration, dict) or not _is_of(configuration.get("model"), card.model):
        return None
    std = configuration.get("position_std")
    if not isinstance(std, int | float) or std <= 0:
        return None
    grid = card.model.ground_grid if side == "ground" else card.model.aerial_grid
    positions = structured_positions(grid, card.model.width, std).numpy()
    return np.concatenate([np.zeros_like(positions[:1]), positions])


def _is_of(stored: Any, model: ModelConfig) -> bool:
    """Whether a card's training tells of that architecture; settings that it does not name are as always."""
    try:
        return isinstance(stored, dict) and ModelConfig.from_dict(stored) == model
    except ConfigurationError:
        return False


def positions_before_and_after(
    encoder: Encoder, side: Literal["ground", "aerial"]
) -> dict[str, NDArray[np.float32]]:
    """(1 + N, D) positional embeddings of a checkpoint `AFTER` training, and `BEFORE` it where the card tells."""
    start = initial_positions(encoder.card, side)
    return ({} if start is None else {BEFORE: start}) | {AFTER: encoder.positional_embedding(side)}
