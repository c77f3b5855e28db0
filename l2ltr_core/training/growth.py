"""Going on with finer pictures and farther tiles than before.

Stems and heads (the weights of a `ColumnNetwork`) see at first just what they saw before; the layers after them
(`take_over`) know at once where a new token is.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from l2ltr_core.checkpoints import load_card, load_network
from l2ltr_core.errors import ConfigurationError
from l2ltr_core.model.config import ModelConfig, ViewConfig
from l2ltr_core.model.encoder import Side
from l2ltr_core.model.network import L2LTR

SIDES: tuple[Side, ...] = ("ground", "aerial")
AERIAL_POSITIONS = "aerial.positional_embedding"


def take_over(network: L2LTR, checkpoint: str | Path, stems: bool) -> dict[str, Any]:
    """Give the network the checkpoint's weights, its stems only where asked for; says which checkpoint that was.

    A network whose tiles reach farther, in more rows of tokens, may start from one of smaller tiles: the rows
    beyond are placed where the farthest was. Raises CheckpointError, and ConfigurationError for one of another
    architecture.
    """
    card = load_card(checkpoint)
    weights = load_network(checkpoint).state_dict()
    beyond = rows_beyond(card.model, network.config)
    if beyond:
        cls, positions = weights[AERIAL_POSITIONS].split([1, math.prod(card.model.aerial_grid)], dim=1)
        farthest = positions[:, : card.model.aerial_grid[1]]
        weights[AERIAL_POSITIONS] = torch.cat([cls, farthest.repeat(1, beyond, 1), positions], dim=1)
    if not stems:
        weights = {name: value for name, value in weights.items() if ".stem." not in name}
    wanted = network.state_dict()
    other = [n for n, value in weights.items() if n not in wanted or wanted[n].shape != value.shape]
    if other or card.model.attention != network.config.attention:
        differs = f"its {other[0]} has another shape" if other else f"its attention is {card.model.attention}"
        raise ConfigurationError(
            f"'{card.name}' is of another architecture than the configuration asks for: {differs}."
        )
    network.load_state_dict(weights, strict=False)
    steps = card.training.get("main_steps", 0)
    return {"name": card.name, "fingerprint": card.fingerprint, "main_steps": steps}


def grown(
    weights: dict[str, Tensor],
    before: tuple[ModelConfig, ViewConfig],
    wanted: tuple[ModelConfig, ViewConfig],
) -> tuple[dict[str, Tensor], tuple[ModelConfig, ViewConfig]]:
    """Weights of a `ColumnNetwork`, grown from what they were made for towards what is wanted; what they are for now.

    What cannot grow stays, for the caller to refuse.
    """
    (model, view), (wanted_model, wanted_view) = before, wanted
    for side in SIDES:
        patch, size = f"{side}_patch_px", f"{side}_size_px"
        factor = getattr(wanted_model, patch) // getattr(model, patch)
        finer_px = tuple(factor * length for length in getattr(model, size))
        if factor > 1 and getattr(wanted_model, size) == finer_px:
            weights = with_finer_stem(weights, side, factor)
            model = replace(model, **{patch: getattr(wanted_model, patch), size: finer_px})
    beyond = rows_beyond(model, wanted_model)
    if beyond and view.chip_m < wanted_view.chip_m:
        weights = with_rows_beyond(weights, model.aerial_grid[0], beyond)
        model = replace(model, aerial_size_px=wanted_model.aerial_size_px)
        view = replace(view, chip_m=wanted_view.chip_m)
    return weights, (model, view)


def with_finer_stem(weights: dict[str, Tensor], side: Side, factor: int) -> dict[str, Tensor]:
    """Weights of a `ColumnNetwork` that sees, in pictures `factor` times as large, just what it saw before.

    Each tap of the first layer's filters becomes a square of taps (so a mean over pixels, as standardised
    filters and the norm after them are blind to scale); training goes on from there to the finer detail.
    """
    name = next(n for n in (f"{side}_stem.root.conv.weight", f"{side}_stem.patches.weight") if n in weights)
    taps = weights[name].repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
    return weights | {name: taps / factor**2}


def rows_beyond(before: ModelConfig, after: ModelConfig) -> int:
    """Rows of aerial tokens that `after` has beyond those of `before`; 0 where that is not all that differs."""
    same = before.aerial_patch_px == after.aerial_patch_px and before.aerial_grid[1] == after.aerial_grid[1]
    return max(0, after.aerial_grid[0] - before.aerial_grid[0]) if same else 0


def with_rows_beyond(weights: dict[str, Tensor], rows: int, beyond: int) -> dict[str, Tensor]:
    """Weights of a `ColumnNetwork` with `beyond` more of aerial `rows`, farther off, which do not count yet."""
    name = "aerial_head.mlp.0.weight"
    heads = weights[name].unflatten(1, (-1, rows))  # (256, C, h), the top row being the farthest
    return weights | {name: F.pad(heads, (beyond, 0)).flatten(1)}
