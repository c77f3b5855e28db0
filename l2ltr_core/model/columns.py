"""Column descriptors: what a branch sees in each direction, kept apart.

CLS says everything at once; two places that look alike on the whole may still differ to the west. The columns of
the token grid are azimuths, in both views the same, so what stands in each of them can be compared by itself.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from l2ltr_core.model.config import STEM_BANDS, ModelConfig

HIDDEN = 256
SQUEEZED = 64
"""Width of the bottleneck that the stem's features pass on their way to a column: the weights fit into a megabyte."""


class ColumnHead(nn.Module):
    """Each column of a grid becomes `width` numbers, in order: a descriptor that keeps direction."""

    def __init__(self, channels: int, rows: int, width: int, squeezed: int | None = None) -> None:
        """With `squeezed` the first map is the product of two, with so many numbers between them."""
        super().__init__()
        inputs = channels * rows
        first = (
            [nn.Linear(inputs, HIDDEN)]
            if squeezed is None
            else [nn.Linear(inputs, squeezed, bias=False), nn.Linear(squeezed, HIDDEN)]
        )
        self.mlp = nn.Sequential(*first, nn.GELU(), nn.Linear(HIDDEN, width))

    def forward(self, grid: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, w * width) unit rows, float32."""
        return unit_rows(self.columns(grid))

    def columns(self, grid: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, w, width)."""
        return self.mlp(grid.permute(0, 3, 1, 2).flatten(2))


class TokenColumns(nn.Module):
    """What the stem sees in each column and, added to it, what the layers make of it.

    The layers' part is zero at first: a network begins with the columns that its stem was warmed up under.
    """

    def __init__(self, channels: int, token_width: int, grid: tuple[int, int], width: int) -> None:
        super().__init__()
        self.grid = grid
        self.of_stem = ColumnHead(channels, grid[0], width, SQUEEZED)
        self.of_tokens = ColumnHead(token_width, grid[0], width)
        for parameter in self.of_tokens.mlp[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, seen: Tensor, normed: Tensor) -> Tensor:
        """(B, C, h, w) from the stem, and the tokens (B, 1 + N, D) that the last layer is given, normalised.

        Gives (B, w * width) unit rows, float32.
        """
        tokens = normed[:, 1:].transpose(1, 2).unflatten(2, self.grid)
        return unit_rows(self.of_stem.columns(seen) + self.of_tokens.columns(tokens))


class StemColumns(nn.Module):
    """What the stem sees in each column and in the two beside it, through one linear map.

    The features of a column are its rows averaged to `STEM_BANDS` bands, channel by channel; those of its context are
    the mean of its neighbours' (azimuth goes round). The map is a circular convolution whose side taps are tied.
    """

    def __init__(self, channels: int, width: int, mean_weight: float) -> None:
        super().__init__()
        self.own = nn.Linear(channels * STEM_BANDS, width)
        self.context = nn.Linear(channels * STEM_BANDS, width, bias=False)
        self.mean_weight = mean_weight

    def forward(self, seen: Tensor) -> Tensor:
        """(B, C, h, w) from the stem -> (B, w, width)."""
        pooled = pooled_columns(seen)
        beside = self.context(pooled)
        columns = self.own(pooled) + (beside.roll(1, 1) + beside.roll(-1, 1)) / 2
        return columns - (1 - self.mean_weight) * columns.mean(dim=1, keepdim=True)


class StemAndTokenColumns(nn.Module):
    """What each column says from the stem alone, then what it says from the layers: two descriptors side by side."""

    def __init__(self, channels: int, config: ModelConfig, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid
        self.of_stem = StemColumns(channels, config.stem_column_width, config.column_mean_weight)
        self.of_tokens = ColumnHead(config.width, grid[0], config.column_width)

    def forward(self, seen: Tensor, normed: Tensor) -> Tensor:
        """(B, C, h, w) from the stem, and the tokens (B, 1 + N, D) that the last layer is given, normalised.

        Gives (B, w * (K + T)) unit rows, float32: of each column the stem's K numbers and the layers' T, both parts
        of the same length over the whole row.
        """
        tokens = normed[:, 1:].transpose(1, 2).unflatten(2, self.grid)
        parts = [unit_columns(self.of_stem(seen)), unit_columns(self.of_tokens.columns(tokens))]
        return torch.cat(parts, dim=2).flatten(1) / math.sqrt(2)


def build_columns(
    channels: int, config: ModelConfig, grid: tuple[int, int]
) -> TokenColumns | StemAndTokenColumns | None:
    """The columns that `config` asks for, over a stem of so many `channels` and a `grid` of tokens."""
    if not config.column_width:
        return None
    if config.stem_column_width:
        return StemAndTokenColumns(channels, config, grid)
    return TokenColumns(channels, config.width, grid, config.column_width)


def pooled_columns(seen: Tensor) -> Tensor:
    """(B, C, h, w) from the stem -> (B, w, C * bands), each column's rows averaged to bands; bands run fastest."""
    return seen.unflatten(2, (STEM_BANDS, -1)).mean(dim=3).permute(0, 3, 1, 2).flatten(2)


def split_columns(rows: Tensor, config: ModelConfig) -> tuple[Tensor, Tensor]:
    """(B, w * (K + T)) -> the stem's part (B, w, K) and the layers' (B, w, T), both of length 1."""
    parts = rows.unflatten(1, (-1, config.stem_column_width + config.column_width)) * math.sqrt(2)
    stem, layers = parts.split([config.stem_column_width, config.column_width], dim=2)
    return stem, layers


def unit_columns(columns: Tensor) -> Tensor:
    """(B, w, width) of length 1 as a whole, float32."""
    return F.normalize(columns.flatten(1).float(), dim=1).view(columns.shape)


def unit_rows(columns: Tensor) -> Tensor:
    """(B, w, width) -> (B, w * width), rows of length 1, float32."""
    return F.normalize(columns.flatten(1).float(), dim=1)
