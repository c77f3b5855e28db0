"""Comparing photos and tiles azimuth by azimuth.

Each branch says some numbers of every azimuth, a *column*. A photo that is turned is a row of columns that is rolled,
so its heading is found by circular cross-correlation, from one encoding; a photo that shows part of the circle is
compared in the columns that it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from l2ltr_core.errors import CheckpointError
from l2ltr_core.types import Columns

VIEW_POOL_TEMPERATURE = 0.03
"""Temperature of the log-mean-exp pooling over the views of a cell, in units of similarity, chosen on
validation photos."""
LEAST_ENERGY = 1e-6
"""Lower bound of a squared length, against division by zero where a tile's columns vanish."""


@dataclass(frozen=True)
class PhotoColumns:
    """What a photo shows: `columns` (w, d) as if its centre looked north, and which azimuths it shows, `shown` (w,).

    The numbers of a column belong to consecutive `parts`, (how many, weight) each: every part is a cosine similarity
    of its own, and the weights, which sum to 1, say how much each counts.
    """

    columns: Columns
    shown: NDArray[np.bool_]
    parts: tuple[tuple[int, float], ...]

    @property
    def turns(self) -> int:
        """How many headings a whole turn is searched in: one for each column."""
        return len(self.columns)

    def turned(self, by_deg: float) -> PhotoColumns:
        """The photo with its centre looking `by_deg` farther clockwise, to the nearest column."""
        turn = round(by_deg * self.turns / 360)
        return replace(self, columns=np.roll(self.columns, turn, axis=0), shown=np.roll(self.shown, turn))

    def mirrored(self) -> PhotoColumns:
        """The photo with east and west exchanged: a place that nobody has seen, in the same style."""
        return replace(self, columns=self.columns[::-1], shown=self.shown[::-1])


def part_energy(tiles: Columns, parts: Sequence[int]) -> NDArray[np.float32]:
    """(N, P, w) squared length of each of P parts, of so many numbers, of the columns of (N, w, d) tiles."""
    first = np.cumsum([0, *parts[:-1]])
    return np.stack(
        [
            np.einsum("nwd,nwd->nw", tiles[..., start : start + count], tiles[..., start : start + count])
            for start, count in zip(first, parts, strict=True)
        ],
        axis=1,
    )


def similarity(
    photo: PhotoColumns, tiles: Columns, turns: Sequence[int], energy: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """(N, T) cosine similarity, in [-1, 1], of a photo with (N, w, d) tiles, turned by each of T columns.

    Turned by t of w columns, the photo's centre looks t / w of a circle clockwise from north. Only the azimuths that
    it then shows count. `energy` is what `part_energy` gives, where it is known. Raises CheckpointError for columns
    that are not numbers.
    """
    if energy is None:
        energy = part_energy(tiles, [count for count, _ in photo.parts])
    shown = np.stack([np.roll(photo.shown, turn) for turn in turns]).astype(np.float32)
    flat = tiles.reshape(len(tiles), -1)
    total = np.zeros((len(tiles), len(turns)), np.float32)
    first = 0
    for number, (count, weight) in enumerate(photo.parts):
        part = slice(first, first := first + count)
        if not weight:
            continue
        mine = np.zeros_like(photo.columns)
        mine[photo.shown, part] = photo.columns[photo.shown, part]
        mine /= max(float(np.linalg.norm(mine)), LEAST_ENERGY)
        overlap = flat @ _turned(mine, turns).reshape(len(turns), -1).T
        total += weight * overlap / np.sqrt(np.maximum(energy[:, number] @ shown.T, LEAST_ENERGY))
    if not np.isfinite(total).all():
        raise CheckpointError(
            "The columns hold values that are not numbers, so nothing can be compared; the checkpoint's weights are "
            "damaged or its training diverged."
        )
    return total


def similarity_by_azimuth(photo: PhotoColumns, tile: Columns, turn: int) -> NDArray[np.float32]:
    """(w,) what each azimuth adds to the `similarity` of a photo with one tile (w, d), south first, by west."""
    shown = np.roll(photo.shown, turn)
    mine = np.roll(photo.columns, turn, axis=0) * shown[:, None]
    theirs = tile * shown[:, None]
    total, first = np.zeros(len(tile), np.float32), 0
    for count, weight in photo.parts:
        part = slice(first, first := first + count)
        scale = np.linalg.norm(mine[:, part]) * np.linalg.norm(theirs[:, part])
        total += weight * np.einsum("wd,wd->w", mine[:, part], theirs[:, part]) / max(scale, LEAST_ENERGY)
    return total


def pool_views(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, V, T) similarity with V views of each of N cells -> (N, T) with the places: log-mean-exp pooling.

    Where in its cell a photo stands is not known; a place that several views support is likelier than one that a
    single view supports. Between the mean and the best.
    """
    best = scores.max(axis=1, keepdims=True)
    odds = np.exp((scores - best) / VIEW_POOL_TEMPERATURE).mean(axis=1)
    return np.asarray(best[:, 0] + VIEW_POOL_TEMPERATURE * np.log(odds), np.float32)


def peak_heading_deg(scores: NDArray[np.float32]) -> float:
    """Where the photo's centre looks, degrees clockwise from north, in [0, 360), from (w,) scores of a whole turn.

    Between the columns by the parabola through the peak and its two neighbours.
    """
    count, best = len(scores), int(scores.argmax())
    before, top, after = (float(scores[(best + step) % count]) for step in (-1, 0, 1))
    bend = before - 2 * top + after
    offset = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return (best + offset) * 360 / count % 360


def _turned(columns: Columns, turns: Sequence[int]) -> Columns:
    """(T, w, d): the photo's columns under each turn."""
    return np.stack([np.roll(columns, turn, axis=0) for turn in turns])
