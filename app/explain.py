"""Attention and occlusion as numbers to draw: pure functions on arrays that an encoder gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from l2ltr_core.geometry.polar import from_polar
from l2ltr_core.types import RGB, Descriptors

Floats = NDArray[np.float32]


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


def entropy(maps: NDArray) -> Floats:
    """How widely CLS looks, per layer and head: 1 evenly over all patches, 0 at one; (L, H, T, T) -> (L, H)."""
    share = maps[:, :, 0, 1:].astype(np.float64)
    share /= share.sum(-1, keepdims=True)
    logs = np.log(share, out=np.zeros_like(share), where=share > 0)
    return (-(share * logs).sum(-1) / np.log(share.shape[-1])).astype(np.float32)


def mean_distance(maps: NDArray, grid: tuple[int, int]) -> Floats:
    """How far patches look on average, in patches, around the circle; (L, H, T, T) -> (L, H)."""
    rows, columns = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    across = np.abs(columns[:, None] - columns)
    apart = np.hypot(np.minimum(across, grid[1] - across), rows[:, None] - rows)
    share = maps[:, :, 1:, 1:].astype(np.float64)
    return ((share * apart).sum((-1, -2)) / share.sum((-1, -2))).astype(np.float32)


def without_sectors(view: RGB, sectors: int) -> list[RGB]:
    """The north-centred view, each time with another of `sectors` equal ranges of azimuth in its mean colour.

    The first hides the range that starts at south and goes west.
    """
    edges = np.linspace(0, view.shape[1], sectors + 1).round().astype(int)
    hidden = []
    for left, right in pairwise(edges):
        masked = view.copy()
        masked[:, left:right] = view.reshape(-1, 3).mean(axis=0).round()
        hidden.append(masked)
    return hidden


def score_falls(whole: Descriptors, masked: Descriptors, place: Descriptors) -> Floats:
    """By how much the cosine with `place` (D,) falls from `whole` (D,) to each of `masked` (S, D)."""
    return (whole @ place - masked @ place).astype(np.float32)


def by_sector(heat: Floats, sectors: int) -> Floats:
    """Heat (rows, columns) summed over equal ranges of azimuth, as shares that sum to 1."""
    columns = heat.sum(axis=0)
    fine = np.repeat(columns, sectors).reshape(sectors, -1).sum(axis=1)
    return (fine / fine.sum()).astype(np.float32)


@dataclass(frozen=True)
class Structure:
    """How a grid of positional embeddings is built: shares of its variance, in [0, 1]."""

    by_column: float
    by_row: float
    neither: float
    periodic: float
    """Of the part by column: what the two slowest waves around the circle explain."""
    neighbours: float
    """Mean cosine similarity of neighbouring columns, the whole's mean taken off, in [-1, 1]."""
    seam: float
    """The same between the last column and the first."""


def structure(embedding: NDArray, grid: tuple[int, int]) -> Structure:
    """Analysis of variance of (1 + N, D) positional embeddings on their grid, CLS left out."""
    rows, columns = grid
    field = embedding[1:].astype(np.float64).reshape(rows, columns, -1)
    field = field - field.mean(axis=(0, 1))
    column, row = field.mean(axis=0), field.mean(axis=1)
    total = (field**2).sum()
    by_column, by_row = rows * (column**2).sum() / total, columns * (row**2).sum() / total
    power = (np.abs(np.fft.rfft(column, axis=0)) ** 2).sum(axis=1)
    power[1 : (columns + 1) // 2] *= 2
    unit = field / np.maximum(np.linalg.norm(field, axis=-1, keepdims=True), 1e-12)
    near = (unit * np.roll(unit, -1, axis=1)).sum(-1).mean(axis=0)
    return Structure(
        float(by_column),
        float(by_row),
        float(1 - by_column - by_row),
        float(power[1:3].sum() / max(power.sum(), 1e-12)),
        float(near[:-1].mean()),
        float(near[-1]),
    )


def principal_colours(embedding: NDArray, grid: tuple[int, int]) -> RGB:
    """The grid with its three main directions of variance as red, green and blue: (rows, columns, 3) uint8."""
    field = embedding[1:].astype(np.float64)
    field = field - field.mean(axis=0)
    left, sizes, _ = np.linalg.svd(field, full_matrices=False)
    main = left[:, :3] * sizes[:3]
    low, high = np.percentile(main, 2, axis=0), np.percentile(main, 98, axis=0)
    return (
        ((main - low) / np.maximum(high - low, 1e-12) * 255).clip(0, 255).astype(np.uint8).reshape(*grid, 3)
    )


def across(ground: NDArray, aerial: NDArray) -> Floats:
    """Cosine of every ground with every aerial position, CLS left out: (1 + N, D), (1 + M, D) -> (N, M)."""
    a, b = (
        each[1:] / np.maximum(np.linalg.norm(each[1:], axis=1, keepdims=True), 1e-12)
        for each in (ground, aerial)
    )
    return (a @ b.T).astype(np.float32)


def rank_biased_overlap(first: Sequence[int], second: Sequence[int], persistence: float = 0.8) -> float:
    """How alike two rankings of the same length are, in [0, 1], the first ranks counting most.

    Webber, Moffat and Zobel, "A Similarity Measure for Indefinite Rankings", TOIS 2010, equation 7, over the
    ranks given and normalised so that the same ranking gives 1.
    """
    depths = range(1, len(first) + 1)
    weights = np.array([persistence ** (depth - 1) for depth in depths])
    shared = np.array([len(set(first[:depth]) & set(second[:depth])) / depth for depth in depths])
    return float((weights * shared).sum() / weights.sum())


def flat(results: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested named numbers as one row: {"helsinki": {"recall_at_1": .5}} -> {"helsinki recall_at_1": .5}."""
    row: dict[str, Any] = {}
    for name, value in results.items():
        path = f"{above} {name}".strip()
        row |= flat(value, path) if isinstance(value, Mapping) else {path: value}
    return row


def rank_correlation(a: Sequence[float] | NDArray, b: Sequence[float] | NDArray) -> float:
    """Spearman's, in [-1, 1]; NaN when one of them is constant."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(spearmanr(a, b).statistic)
