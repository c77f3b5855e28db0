"""What a model has learned of where things are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l2ltr_core.inspection.vectors import unit_rows
from l2ltr_core.model.config import ModelConfig
from l2ltr_core.types import RGB

Floats = NDArray[np.float32]


def position_similarity(embedding: NDArray, grid: tuple[int, int]) -> Floats:
    """Cosine similarity between every two positions: (rows, columns, rows, columns), in [-1, 1].

    `embedding` is (1 + N, D) as `Encoder.positional_embedding` gives it; CLS is left out. Entry [r, c] is
    the map of similarity to the position (r, c), as in the paper's Figure 3.
    """
    rows, columns = grid
    if embedding.ndim != 2 or embedding.shape[0] != 1 + rows * columns:
        raise ValueError(f"expected ({1 + rows * columns}, D) for the grid {grid}, found {embedding.shape}")
    unit = unit_rows(embedding[1:])
    return (unit @ unit.T).clip(-1, 1).reshape(rows, columns, rows, columns).astype(np.float32)


def across(ground: NDArray, aerial: NDArray, model: ModelConfig) -> Floats:
    """Cosine of every ground with every aerial position: (1 + N, D), (1 + M, D) -> both grids of `model`, (r, c, R, C).

    CLS is left out, as in `position_similarity`.
    """
    alike = unit_rows(ground[1:]) @ unit_rows(aerial[1:]).T
    return alike.clip(-1, 1).reshape(*model.ground_grid, *model.aerial_grid).astype(np.float32)


@dataclass(frozen=True)
class Structure:
    """How a grid of positional embeddings is built: shares of its variance, in [0, 1]."""

    by_column: float
    by_row: float
    neither: float
    periodic: float
    """Share of the part by column that the two slowest waves around the circle explain."""
    neighbours: float
    """Mean cosine similarity of neighbouring columns about the overall mean, in [-1, 1]."""
    seam: float
    """Cosine similarity of the last column and the first about the overall mean, in [-1, 1]."""


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


def moved(embedding: NDArray, start: NDArray) -> float:
    """How far (1 + N, D) embeddings are from their start, as a share of the start's own length; CLS left out."""
    length = float(np.linalg.norm(start[1:]))
    return float(np.linalg.norm(embedding[1:] - start[1:])) / max(length, 1e-12)


def principal_colours(embedding: NDArray, grid: tuple[int, int], by: NDArray | None = None) -> RGB:
    """The grid with its three main directions of variance as red, green and blue: (rows, columns, 3) uint8.

    The directions and the range of colours are those of `by`, (1 + M, D), so that two sets of embeddings can
    be compared by eye; of the embeddings themselves without it.
    """
    reference = (embedding if by is None else by)[1:].astype(np.float64)
    middle = reference.mean(axis=0)
    directions = np.linalg.svd(reference - middle, full_matrices=False)[2][:3]
    spread = (reference - middle) @ directions.T
    low, high = (np.asarray(np.percentile(spread, share, axis=0), np.float64) for share in (2, 98))
    main = (embedding[1:] - middle) @ directions.T
    colours = (main - low) / np.maximum(high - low, 1e-12) * 255
    return colours.clip(0, 255).astype(np.uint8).reshape(*grid, 3)
