"""Positional embeddings as maps of similarity and as colours."""

from __future__ import annotations

from collections.abc import Mapping
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
from l2ltr_core.types import RGB

SIMILARITY = matplotlib.colormaps["PuOr_r"]
FRAME = "#10131a"
WIDTH_IN = 9.0
LOWEST, TALLEST = 0.16, 0.5
"""Bounds of a map's height as a share of its width."""


@dataclass(frozen=True)
class GridAxes:
    """What rows and columns of a token grid mean: `rows` from the top, tick labels at fractions of the height."""

    row_ticks: tuple[tuple[float, str], ...]
    row_label: str
    row_values: tuple[float, float]
    """What the upper and the lower edge stand for, in `row_unit`."""
    row_unit: str
    around: bool = True

    def describe(self, position: tuple[int, int], grid: tuple[int, int]) -> str:
        """Where the middle of a (row, column) of a (rows, columns) grid is, in words."""
        down, across = ((index + 0.5) / count for index, count in zip(position, grid, strict=True))
        top, bottom = self.row_values
        row = f"{top + (bottom - top) * down:+.0f}{self.row_unit}"
        if self.around:
            azimuth_deg = (360 * across + 180) % 360
            return f"azimuth {azimuth_deg:.0f}° ({wind(azimuth_deg)}), {self.row_label} {row.lstrip('+')}"
        return f"{row} north, {bottom + (top - bottom) * across:+.0f}{self.row_unit} east of the centre"


def axes_of(view: ViewConfig, branch: Literal["ground", "aerial"]) -> GridAxes:
    """What the rows of a branch's grid are: elevations, distances, or metres north."""
    if branch == "ground":
        half = view.ground_vertical_field_deg / 2
        ticks = ((0, f"+{half:g}°"), (0.5, "horizon"), (1, f"-{half:g}°"))
        return GridAxes(ticks, "elevation", (half, -half), "°")
    far = view.chip_m / 2
    if view.polar:
        ticks = ((0, f"{far:g} m"), (0.5, f"{far / 2:g} m"), (1, "camera"))
        return GridAxes(ticks, "distance", (far, 0), " m")
    ticks = ((0, "north edge"), (0.5, "centre"), (1, "south edge"))
    return GridAxes(ticks, "", (far, -far), " m", around=False)


def position_map(
    maps: Mapping[str, NDArray],
    chosen: tuple[int, int] | None,
    meaning: GridAxes,
    title: str = "",
    look: Look = LIGHT,
) -> Figure:
    """(rows, columns) maps of cosine similarity to the position `chosen`, framed; without a title that says where.

    One map above the other, each under its name.

    Azimuth below, `meaning` at the side. A map that goes round is continued beyond the seam, which is dashed.
    """
    figure, every = _panels(maps, colour_bars=True)
    for axes, (name, similarity) in zip(every, maps.items(), strict=True):
        rows, columns = similarity.shape
        beyond = max(1, columns // 8) if meaning.around else 0
        drawn = axes.imshow(
            np.pad(similarity, ((0, 0), (beyond, beyond)), mode="wrap"),
            cmap=SIMILARITY, vmin=-1, vmax=1, aspect="auto", extent=(-beyond, columns + beyond, rows, 0),
        )  # fmt: skip
        if beyond:
            _seam(axes, rows, columns, beyond, look)
        if chosen is not None:
            axes.add_patch(Rectangle((chosen[1], chosen[0]), 1, 1, fill=False, edgecolor=FRAME, lw=3))
        _grid_axes(axes, rows, columns, meaning, look)
        axes.set_title(name, color=look.ink, fontsize=10, loc="left")
    if chosen is not None and not title:
        title = f"How like the framed position: {meaning.describe(chosen, (rows, columns))}"
    figure.suptitle(title, color=look.ink, fontsize=11, x=0.01, ha="left")
    colour_bar(figure, drawn, every, "cosine similarity", look)
    return figure


def position_sheet(
    similarities: NDArray, meaning: GridAxes, look: Look = LIGHT, chosen: tuple[int, int] | None = None
) -> Figure:
    """The paper's Figure 3: at each position (rows, columns) the small map of its similarity to all others."""
    rows, columns = similarities.shape[:2]
    finer = max(1, columns // rows)  # so that the gaps below are as narrow as those beside
    high, wide = rows * finer + 1, columns + 1
    sheet = np.full((rows * high - 1, columns * wide - 1), np.nan, np.float32)
    for row, column in np.ndindex(rows, columns):
        top, left = row * high, column * wide
        sheet[top : top + high - 1, left : left + columns] = similarities[row, column].repeat(finer, axis=0)
    figure, (axes,) = _panels({"": np.empty((rows, columns))}, colour_bars=True)
    drawn = axes.imshow(
        sheet, cmap=SIMILARITY, vmin=-1, vmax=1, aspect="auto", interpolation="nearest",
        extent=(0, columns, rows, 0),
    )  # fmt: skip
    if chosen is not None:
        axes.add_patch(Rectangle((chosen[1], chosen[0]), 1, 1, fill=False, edgecolor=look.ink, lw=2))
    _grid_axes(axes, rows, columns, meaning, look)
    colour_bar(figure, drawn, axes, "cosine similarity", look)
    return figure


def position_colours(pictures: Mapping[str, RGB], meaning: GridAxes, look: Look = LIGHT) -> Figure:
    """(rows, columns, 3) colours of a grid's positions, one above the other under their names."""
    figure, every = _panels(pictures, width_in=6.0)
    for axes, (name, colours) in zip(every, pictures.items(), strict=True):
        rows, columns = colours.shape[:2]
        axes.imshow(colours, aspect="auto", interpolation="nearest", extent=(0, columns, rows, 0))
        _grid_axes(axes, rows, columns, meaning, look)
        axes.set_title(name, color=look.ink, fontsize=10, loc="left")
    return figure


def _panels(
    named: Mapping[str, NDArray], *, width_in: float = WIDTH_IN, colour_bars: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure with one set of axes for each of the arrays, one above the other, as high as their grids ask."""
    shares = [np.clip(each.shape[0] / each.shape[1], LOWEST, TALLEST) for each in named.values()]
    height_in = sum(share * width_in * (0.85 if colour_bars else 0.9) + 0.75 for share in shares)
    figure = Figure(figsize=(width_in, height_in + 0.2), dpi=130, facecolor="none", layout="constrained")
    return figure, list(figure.subplots(len(named), squeeze=False)[:, 0])


def _seam(axes: Axes, rows: int, columns: int, beyond: int, look: Look) -> None:
    """Where the circle was cut, and the columns beyond it, which are shown a second time, paler."""
    for edge, outside in ((0, -beyond), (columns, columns)):
        axes.axvline(edge, color=FRAME, lw=1.4, ls=(0, (4, 3)))
        veil = Rectangle((outside, 0), beyond, rows, facecolor=look.paper, alpha=0.45, lw=0)
        axes.add_patch(veil)


def _grid_axes(axes: Axes, rows: int, columns: int, meaning: GridAxes, look: Look) -> None:
    if meaning.around:
        axes.set_xticks(
            [columns * part / 8 for part in range(9)], [wind(part * 45 + 180) for part in range(9)]
        )
        axes.set_xlabel("azimuth")
    else:
        axes.set_xticks([0, columns / 2, columns], ["west edge", "centre", "east edge"])
    axes.set_yticks([rows * part for part, _ in meaning.row_ticks], [label for _, label in meaning.row_ticks])
    axes.set_ylabel(meaning.row_label)
    ink_axes(axes, look)
