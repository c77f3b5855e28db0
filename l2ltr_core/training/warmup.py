"""The start that stands in for ImageNet pre-training.

A transformer from scratch spends most of its time finding out where each token is. Three things spare it
that: a stem that already sees both views alike (warmed up under a head that keeps direction), positional
embeddings that begin with structure at the scale of the tokens, and branches that begin equal.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.model.columns import ColumnHead
from l2ltr_core.model.config import CheckpointCard, ModelConfig
from l2ltr_core.model.encoder import Encoder
from l2ltr_core.model.network import L2LTR, Branch
from l2ltr_core.model.stem import Stem
from l2ltr_core.training.config import TrainConfig
from l2ltr_core.training.stem import features

COLUMN_WIDTH = 64
"""Of the warm-up's heads where the network itself has no columns."""
AZIMUTH_WAVES = 8
ROW_WAVES = 3
POSITION_SEED = 3
BEFORE, AFTER = "before training", "after training"


class ColumnNetwork(nn.Module):
    """Both branches' stems, shared with the network they come from, each under a column head."""

    def __init__(self, network: L2LTR) -> None:
        super().__init__()
        self.ground_stem, self.aerial_stem = network.ground.stem, network.aerial.stem
        self.config = network.config
        self.columns = network.ground.grid[1]
        self.ground_head = _head(network.ground)
        self.aerial_head = _head(network.aerial)

    @property
    def width(self) -> int:
        """Numbers in a column descriptor."""
        return self.columns * column_width(self.config)

    def of(self, side: Literal["ground", "aerial"]) -> tuple[Stem, nn.Module]:
        """The stem and the head of one side."""
        ground, aerial = (self.ground_stem, self.ground_head), (self.aerial_stem, self.aerial_head)
        return ground if side == "ground" else aerial

    def ground(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) normalised -> (B, w * width) unit rows."""
        return self.ground_head(features(self.ground_stem, images))

    def aerial(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) normalised -> (B, w * width) unit rows."""
        return self.aerial_head(features(self.aerial_stem, images))


def warmed_up(network: L2LTR) -> ColumnNetwork:
    """The stems of a network that has columns, under heads that say what its columns say of them."""
    stems = ColumnNetwork(network)
    for branch, head in ((network.ground, stems.ground_head), (network.aerial, stems.aerial_head)):
        assert branch.columns is not None
        head.go_on_from(branch.columns.of_stem)
    return stems


def new_network(config: TrainConfig) -> L2LTR:
    """A network at its start: structured positions, and branches equal but for their stems."""
    network = L2LTR(config.model)
    if config.position_std:
        for branch in (network.ground, network.aerial):
            positions = structured_positions(branch.grid, config.model.width, config.position_std)
            branch.positional_embedding.data[0, 1:] = positions
    own = ("stem.", "columns.")
    start = {k: v for k, v in network.ground.state_dict().items() if not k.startswith(own)}
    if network.ground.grid != network.aerial.grid:
        del start["positional_embedding"]
    network.aerial.load_state_dict(start, strict=False)
    return network


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


def _is_of(told: Any, model: ModelConfig) -> bool:
    """Whether a card's training tells of that architecture; settings that it does not name are as always."""
    try:
        return isinstance(told, dict) and ModelConfig.from_dict(told) == model
    except ConfigurationError:
        return False


def positions_before_and_after(
    encoder: Encoder, side: Literal["ground", "aerial"]
) -> dict[str, NDArray[np.float32]]:
    """(1 + N, D) positional embeddings of a checkpoint `AFTER` training, and `BEFORE` it where the card tells."""
    start = initial_positions(encoder.card, side)
    return ({} if start is None else {BEFORE: start}) | {AFTER: encoder.positional_embedding(side)}


def column_width(config: ModelConfig) -> int:
    """Numbers that each column of a `ColumnNetwork` becomes."""
    return config.column_width or COLUMN_WIDTH


def _head(branch: Branch) -> ColumnHead:
    return ColumnHead(int(branch.stem.channels), branch.grid[0], column_width(branch.config))
