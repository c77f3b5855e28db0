"""Column descriptors: what a branch sees in each direction, kept apart.

CLS says everything at once; two places that look alike on the whole may still differ to the west. The columns of
the token grid are azimuths, in both views the same, so what stands in each of them can be compared by itself.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HIDDEN = 256
SQUEEZED = 64
"""Numbers that what the stem sees in a column goes through: the weights fit into a megabyte, and find as much."""


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

    @torch.no_grad()
    def begin_with(self, head: ColumnHead) -> None:
        """As nearly what a head that is not squeezed says as this one can: its first map by singular values."""
        down, up, _, last = self.mlp
        first, _, its_last = head.mlp
        left, values, right = torch.linalg.svd(first.weight.float(), full_matrices=False)
        root = values[: len(down.weight)].sqrt()  # type: ignore[arg-type]
        down.weight.copy_(root[:, None] * right[: len(root)])  # type: ignore[operator]
        up.weight.copy_(left[:, : len(root)] * root)  # type: ignore[operator]
        up.bias.copy_(first.bias)  # type: ignore[operator, arg-type]
        last.load_state_dict(its_last.state_dict())

    @torch.no_grad()
    def go_on_from(self, squeezed: ColumnHead) -> None:
        """Just what a squeezed head says, said by this one, which is not: its first two maps as one."""
        first, _, last = self.mlp
        down, up, _, its_last = squeezed.mlp
        first.weight.copy_(up.weight @ down.weight)  # type: ignore[operator]
        first.bias.copy_(up.bias)  # type: ignore[operator, arg-type]
        last.load_state_dict(its_last.state_dict())


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


def unit_rows(columns: Tensor) -> Tensor:
    """(B, w, width) -> (B, w * width), rows of length 1, float32."""
    return F.normalize(columns.flatten(1).float(), dim=1)
