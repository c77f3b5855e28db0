"""What a model looks at, and whether that is what it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from l2ltr_core.geometry.polar import from_polar
from l2ltr_core.types import RGB, Descriptors

Floats = NDArray[np.float32]


def attention_rollout(maps: Sequence[NDArray], residual: float = 0.5) -> Floats:
    """How much each input token contributes to each output token, through all layers.

    `maps` are the attention weights of every layer from the first on, each (heads, T, T) with rows that
    sum to 1 (`Encoder.attention`); the result is (T, T), rows sum to 1, row 0 is what CLS is made of.
    `residual` in [0, 1] is the share of the skip connection.

    Rollout (Abnar and Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020, section 3) takes
    weights as constants and follows the content. Here is what that means for self-cross attention. With
    x_l the input of layer l, its output before the MLP is, for token i,

        y_i = x_l,i + sum_j A_l[i, j] v(x_l,j),   A_l[i, .] = softmax_j(q(x_l,i) . k(x_{l-1},j))

    so the previous layer's input decides the weights through its keys, but what is passed on is the value
    of token j of the layer's *own* input. With A_l held constant the keys drop out of the sum, the MLP
    and the linear maps act on each token alone, and the mixing of one layer is

        M_l = residual I + (1 - residual) mean over heads of A_l,   R_l = M_l R_{l-1},   R_{-1} = I.

    This is the recursion of plain self-attention: column j of every M_l stands for the same token in both.
    What it cannot show is influence through the keys: a token that changes only where others look
    counts for nothing, under self-cross attention by way of the layer before.
    """
    if len(maps) == 0:
        raise ValueError("expected the attention of at least one layer, found none")
    if not 0 <= residual <= 1:
        raise ValueError(f"expected 0 <= residual <= 1, found {residual}")
    tokens = maps[0].shape[-1]
    rollout = np.eye(tokens)
    for weights in maps:
        if weights.ndim != 3 or weights.shape[1:] != (tokens, tokens):
            raise ValueError(f"expected (heads, {tokens}, {tokens}) for each layer, found {weights.shape}")
        mixing = (1 - residual) * weights.mean(axis=0, dtype=np.float64)
        mixing[np.diag_indices(tokens)] += residual
        rollout = mixing @ rollout
    return rollout.astype(np.float32)


def rollout_of(maps: Sequence[NDArray], token: int, residual: float = 0.5) -> Floats:
    """The row of `attention_rollout` that says what one token is made of, (T,), without the other rows.

    A row of a product of matrices needs vectors alone when it is taken from the last layer down.
    """
    share = np.zeros(maps[0].shape[-1], np.float32)
    share[token] = 1
    for weights in reversed(maps):
        share = residual * share + (1 - residual) * (share @ weights).mean(axis=0)
    return share.astype(np.float32)


def cls_map(weights: NDArray, grid: tuple[int, int]) -> Floats:
    """The CLS row of (T, T) weights or of a rollout, laid on the image: (rows, columns), sums to 1."""
    expected = 1 + grid[0] * grid[1]
    if weights.shape != (expected, expected):
        raise ValueError(f"expected ({expected}, {expected}) for the grid {grid}, found {weights.shape}")
    patches = weights[0, 1:].astype(np.float64).reshape(grid)
    total = patches.sum()
    return (patches / total if total > 0 else patches).astype(np.float32)


def times_average(weights: NDArray, grid: tuple[int, int]) -> Floats:
    """One row of attention over (1 + N,) tokens, CLS first, on the image's grid; 1 is an even share."""
    patches = weights[1:].astype(np.float64).reshape(grid)
    mean = patches.mean()
    return (patches / mean if mean > 0 else patches).astype(np.float32)


def token_at(azimuth_deg: float, row: int, grid: tuple[int, int]) -> int:
    """The token, CLS being 0, of a north-centred view whose patch in `row` looks towards `azimuth_deg`."""
    columns = grid[1]
    column = int(((azimuth_deg + 180) % 360) / 360 * columns) % columns
    return 1 + row * columns + column


def token_on_square(azimuth_deg: float, row: int, grid: tuple[int, int]) -> int:
    """The token, CLS being 0, of a north-up square that lies towards `azimuth_deg` from its centre.

    `row` counts as in a polar view of as many rows: 0 is half a square away, the last is at the centre.
    """
    rows, columns = grid
    radius, angle = (rows - 0.5 - row) / rows / 2, np.radians(azimuth_deg)
    down = min(rows - 1, int((0.5 - radius * np.cos(angle)) * rows))
    right = min(columns - 1, int((0.5 + radius * np.sin(angle)) * columns))
    return 1 + down * columns + right


@dataclass(frozen=True)
class AttentionChoice:
    """Whose attention: `layer`, from 0, None for the rollout through all; `head`, from 0, None for the mean."""

    layer: int | None = None
    head: int | None = None
    azimuth_deg: float = 0.0
    row: int | None = None
    """Of the patch, in the direction `azimuth_deg`, that looks; None for CLS."""


def heat(maps: NDArray, choice: AttentionChoice, grid: tuple[int, int], around: bool = True) -> Floats:
    """What the choice looks at, (rows, columns) in times the average; `maps` is (layers, heads, T, T).

    `around` says that the grid's columns are directions, as of a panorama or a polar view; False for the
    square tile itself.
    """
    token = 0
    if choice.row is not None:
        row = min(choice.row, grid[0] - 1)
        find = token_at if around else token_on_square
        token = find(choice.azimuth_deg, row, grid)
    if choice.layer is None:
        return times_average(rollout_of(list(maps), token), grid)
    rows = maps[choice.layer, :, token]
    return times_average(rows.mean(axis=0) if choice.head is None else rows[choice.head], grid)


def heat_of_each(maps: NDArray, grid: tuple[int, int]) -> Floats:
    """What CLS looks at in times the average: (layers, heads, T, T) -> (layers, 1 + heads, rows, columns).

    The first of each layer is the mean of its heads.
    """
    rows = maps[:, :, 0]
    rows = np.concatenate([rows.mean(axis=1, keepdims=True), rows], axis=1)
    return np.stack([[times_average(row, grid) for row in layer] for layer in rows])


def on_tile(heat: Floats, polar: bool, side_px: int) -> Floats:
    """Heat of the aerial grid as a north-up square: unrolled back where the view was polar, NaN outside."""
    if not polar:
        rows = np.arange(side_px) * heat.shape[0] // side_px
        columns = np.arange(side_px) * heat.shape[1] // side_px
        return heat[np.ix_(rows, columns)]
    scale = max(1, side_px // heat.shape[0] // 2)
    blocks = np.kron(heat, np.ones((scale, scale), np.float32))
    back = from_polar(np.dstack([blocks, np.ones_like(blocks)]), side_px)
    return np.where(back[..., 1] > 0.5, back[..., 0] / np.maximum(back[..., 1], 1e-6), np.nan)


def attention_entropy(maps: NDArray) -> Floats:
    """Entropy of the attention of CLS, per layer and head: 1 even over all patches, 0 at one; (L, H, T, T) -> (L,
    H)."""
    share = maps[:, :, 0, 1:].astype(np.float64)
    share /= share.sum(-1, keepdims=True)
    logs = np.log(share, out=np.zeros_like(share), where=share > 0)
    return (-(share * logs).sum(-1) / np.log(share.shape[-1])).astype(np.float32)


def mean_attention_distance(maps: NDArray, grid: tuple[int, int]) -> Floats:
    """Mean attention distance of patches, in patches, around the circle; (L, H, T, T) -> (L, H)."""
    rows, columns = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    across = np.abs(columns[:, None] - columns)
    apart = np.hypot(np.minimum(across, grid[1] - across), rows[:, None] - rows)
    share = maps[:, :, 1:, 1:].astype(np.float64)
    return ((share * apart).sum((-1, -2)) / share.sum((-1, -2))).astype(np.float32)


def occluded_views(view: RGB, sectors: int) -> list[RGB]:
    """The north-centred view, each time with another of `sectors` equal ranges of azimuth in its mean colour.

    The first occludes the range that starts at south and goes west (Zeiler and Fergus, ECCV 2014).
    """
    edges = np.linspace(0, view.shape[1], sectors + 1).round().astype(int)
    occluded = []
    for left, right in pairwise(edges):
        masked = view.copy()
        masked[:, left:right] = view.reshape(-1, 3).mean(axis=0).round()
        occluded.append(masked)
    return occluded


def occlusion_sensitivity(whole: Descriptors, masked: Descriptors, place: Descriptors) -> Floats:
    """By how much the cosine with `place` (D,) falls from `whole` (D,) to each of `masked` (S, D)."""
    return (whole @ place - masked @ place).astype(np.float32)


def by_sector(heat: Floats, sectors: int) -> Floats:
    """Heat (rows, columns) summed over equal ranges of azimuth, as shares that sum to 1."""
    columns = heat.sum(axis=0)
    fine = np.repeat(columns, sectors).reshape(sectors, -1).sum(axis=1)
    return (fine / fine.sum()).astype(np.float32)


def rank_correlation(a: Sequence[float] | NDArray, b: Sequence[float] | NDArray) -> float:
    """Spearman's, in [-1, 1]; NaN when one of them is constant."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(spearmanr(a, b).statistic)
