"""Positional embeddings as maps of similarity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from l2ltr_core.figures.style import LIGHT, Look, colour_bar, ink_axes, wind
from l2ltr_core.model.config import ViewConfig

SIMILARITY = matplotlib.colormaps["PuOr_r"]


@dataclass(frozen=True)
class GridAxes:
    """What rows and columns of a token grid mean: `rows` from the top, tick labels at fractions of the height."""

    row_ticks: tuple[tuple[float, str], ...]
    row_label: str
    around: bool = True


def axes_of(view: ViewConfig, branch: Literal["ground", "aerial"]) -> GridAxes:
    """What the rows of a branch's grid are: elevations, distances, or metres north."""
    if branch == "ground":
        half = view.ground_vertical_field_deg / 2
        return GridAxes(((0, f"+{half:g}°"), (0.5, "horizon"), (1, f"-{half:g}°")), "elevation")
    far = view.chip_m / 2
    if view.polar:
        return GridAxes(((0, f"{far:g} m"), (0.5, f"{far / 2:g} m"), (1, "camera")), "distance")
    return GridAxes(((0, "north edge"), (0.5, "centre"), (1, "south edge")), "", around=False)


def position_map(
    similarity: NDArray, chosen: tuple[int, int] | None, meaning: GridAxes, title: str, look: Look = LIGHT
) -> Figure:
    """(rows, columns) cosine similarity to one position, framed, with azimuth below and `meaning` at the side."""
    rows, columns = similarity.shape
    figure = Figure(
        figsize=(11, 1.6 + 11 * min(0.5, rows / columns)), dpi=110, facecolor="none", layout="constrained"
    )
    axes = figure.subplots()
    drawn = axes.imshow(
        similarity, cmap=SIMILARITY, vmin=-1, vmax=1, aspect="auto", extent=(0, columns, rows, 0)
    )
    if chosen is not None:
        axes.add_patch(Rectangle((chosen[1], chosen[0]), 1, 1, fill=False, edgecolor="#10131a", lw=3))
    _grid_axes(axes, rows, columns, meaning, look)
    axes.set_title(title, color=look.ink, fontsize=12, loc="left")
    colour_bar(figure, drawn, axes, "cosine similarity", look)
    return figure


def position_sheet(similarities: NDArray, meaning: GridAxes, look: Look = LIGHT) -> Figure:
    """The paper's Figure 3: at each position (rows, columns) the small map of its similarity to all others."""
    rows, columns = similarities.shape[:2]
    figure = Figure(figsize=(11, 0.8 + 11 * min(0.6, rows / columns)), dpi=130, facecolor="none")
    axes = figure.add_axes((0.085, 0.12, 0.91, 0.86))
    gap = 1
    sheet = np.full((rows * (rows + gap), columns * (columns + gap)), np.nan, np.float32)
    for row in range(rows):
        for column in range(columns):
            top, left = row * (rows + gap), column * (columns + gap)
            sheet[top : top + rows, left : left + columns] = similarities[row, column]
    axes.imshow(
        sheet,
        cmap=SIMILARITY,
        vmin=-1,
        vmax=1,
        aspect="auto",
        interpolation="nearest",
        extent=(0, columns, rows, 0),
    )
    _grid_axes(axes, rows, columns, meaning, look)
    return figure


def _grid_axes(axes: Axes, rows: int, columns: int, meaning: GridAxes, look: Look) -> None:
    if meaning.around:
        axes.set_xticks(
            [columns * part / 8 for part in range(9)], [wind(part * 45 + 180) for part in range(9)]
        )
        axes.set_xlabel("azimuth", color=look.ink)
    else:
        axes.set_xticks([0, columns / 2, columns], ["west edge", "centre", "east edge"])
    axes.set_yticks([rows * part for part, _ in meaning.row_ticks], [label for _, label in meaning.row_ticks])
    axes.set_ylabel(meaning.row_label, color=look.ink)
    ink_axes(axes, look)
