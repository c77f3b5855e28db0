"""Results as matplotlib figures: pure functions, one look in light and dark."""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import pairwise

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Polygon, Rectangle, Wedge
from numpy.typing import NDArray

from l2ltr_core.geometry.geodesy import mercator_units_per_m, to_mercator
from l2ltr_core.types import RGB, Bounds

WINDS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")
RANK_COLOURS = matplotlib.colormaps["plasma"]
ACCENT = "#ffb000"
"""Of the camera's heading, on photos and maps alike; told apart from grey and blue by every kind of eye."""

CHECKPOINT_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7")
"""Of checkpoints side by side (Okabe and Ito's palette, told apart by every kind of eye)."""
TURQUOISE = "#3bc9db"
TURQUOISE_DARK = "#0b8ca3"


@dataclass(frozen=True)
class Look:
    """Ink and paper of a theme."""

    ink: str
    faint: str
    paper: str


LIGHT = Look(ink="#16212b", faint="#8a97a3", paper="#ffffff")
DARK = Look(ink="#e7edf3", faint="#7a8896", paper="#0f1720")


def wind(heading_deg: float) -> str:
    """The nearest of the eight winds, as in 'SW'."""
    return WINDS[round(heading_deg / 45) % 8]


def rank_colour(rank: int, ranks: int = 10) -> str:
    """The colour of a match: bright for the best, dark for the last; equal steps for every kind of eye."""
    part = (rank - 1) / max(1, ranks - 1)
    return matplotlib.colors.to_hex(RANK_COLOURS(0.93 - 0.78 * part))


def ink_on(colour: str) -> str:
    """Black or white, whichever reads better on `colour`."""
    red, green, blue = matplotlib.colors.to_rgb(colour)
    return "#10131a" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "#ffffff"


def compass_strip(view: RGB, photo_centre_deg: float | None, look: Look = LIGHT) -> Figure:
    """A north-centred (H, W, 3) view above a compass ribbon; a mark shows the photo's own centre."""
    height, width = view.shape[:2]
    ribbon = 0.16 * height
    figure = Figure(figsize=(11, 11 * (height + ribbon) / width), dpi=128, facecolor="none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(view, extent=(-180, 180, 0, height), aspect="auto", interpolation="bilinear")
    axes.set(xlim=(-180, 180), ylim=(-ribbon, height))
    axes.axis("off")
    for degrees in range(-180, 181, 15):
        major = degrees % 45 == 0
        axes.plot(
            [degrees] * 2, [-ribbon * (0.2 if major else 0.12), 0], color=look.ink, lw=2 if major else 1
        )
    for degrees in range(-135, 180, 45):
        cardinal = degrees % 90 == 0
        axes.text(
            degrees,
            -ribbon * 0.26,
            f"{wind(degrees)}",
            ha="center",
            va="top",
            color=look.ink,
            fontsize=19 if cardinal else 12,
            fontweight="bold" if cardinal else "normal",
        )
    for degrees in (-150, -120, -60, -30, 30, 60, 120, 150):
        axes.text(
            degrees, -ribbon * 0.34, f"{degrees % 360}°", ha="center", va="top", color=look.faint, fontsize=10
        )
    for degrees, side in ((-180, "left"), (180, "right")):
        axes.text(
            degrees, -ribbon * 0.26, " S ", ha=side, va="top", color=look.ink, fontsize=19, fontweight="bold"
        )
    if photo_centre_deg is not None:
        _mark_photo_centre(axes, (photo_centre_deg + 180) % 360 - 180, height)
    return figure


def _mark_photo_centre(axes: Axes, degrees: float, height: int) -> None:
    """A triangle at the strip's upper edge, pointing down at the photo's own centre."""
    tip = height * 0.86
    axes.add_patch(
        Polygon(
            [(degrees - 3, height), (degrees + 3, height), (degrees, tip)],
            facecolor=ACCENT,
            edgecolor="#10131a",
            lw=1.2,
            clip_on=True,
        )
    )


def place_tile(chip: RGB, chip_m: float, heading_deg: float | None = None) -> Figure:
    """A north-up aerial square of `chip_m` metres: its centre, a scale bar, north, the camera's view."""
    size = chip.shape[0]
    figure = Figure(figsize=(4.2, 4.2), dpi=128, facecolor="none")
    axes = figure.add_axes((0, 0, 1, 1))
    half = chip_m / 2
    axes.imshow(
        chip, extent=(-half, half, -half, half), interpolation="bilinear" if size < 512 else "antialiased"
    )
    axes.set(xlim=(-half, half), ylim=(-half, half))
    axes.axis("off")
    halo = _halo()
    if heading_deg is not None:
        axes.add_patch(
            Wedge(
                (0, 0),
                half * 0.45,
                90 - heading_deg - 35,
                90 - heading_deg + 35,
                facecolor=ACCENT,
                alpha=0.45,
                edgecolor="#10131a",
                lw=1,
            )
        )
    axes.plot(0, 0, "o", ms=9, mfc="#ffffff", mec="#10131a", mew=2)
    _scale_bar(axes, -half, -half, chip_m, 1.0)
    axes.annotate(
        "N",
        (half * 0.86, half * 0.93),
        (half * 0.86, half * 0.62),
        ha="center",
        color="#ffffff",
        fontsize=14,
        fontweight="bold",
        path_effects=halo,
        arrowprops={"arrowstyle": "-|>", "color": "#ffffff", "lw": 2, "path_effects": halo},
    )
    return figure


def coverage(picture: RGB, bounds: Bounds, latitudes: NDArray, longitudes: NDArray) -> Figure:
    """Places as dots on an aerial picture that covers `bounds` in EPSG:3857, north up, with a scale bar."""
    height, width = picture.shape[:2]
    figure = Figure(figsize=(9, 9 * height / width), dpi=128, facecolor="none")
    axes = figure.add_axes((0, 0, 1, 1))
    left, bottom = to_mercator(bounds.south, bounds.west)
    right, top = to_mercator(bounds.north, bounds.east)
    axes.imshow(picture, extent=(left, right, bottom, top), aspect="auto")
    x, y = to_mercator(latitudes, longitudes)
    axes.scatter(x, y, s=max(2.0, 3e4 / len(latitudes)), c=ACCENT, alpha=0.75, linewidths=0)
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.axis("off")
    units = mercator_units_per_m((bounds.south + bounds.north) / 2)
    _scale_bar(axes, left, bottom, (right - left) / units, units)
    return figure


def _scale_bar(axes: Axes, left: float, bottom: float, width_m: float, units_per_m: float) -> None:
    """A white bar with its length, a little above the lower left corner."""
    halo = _halo()
    bar_m, margin = scale_bar_m(width_m), 0.03 * width_m * units_per_m
    start, low = left + margin, bottom + margin
    axes.plot(
        [start, start + bar_m * units_per_m],
        [low, low],
        color="#ffffff",
        lw=4,
        solid_capstyle="butt",
        path_effects=halo,
    )
    axes.text(start, low + margin * 0.6, f"{bar_m:g} m", color="#ffffff", fontsize=12, path_effects=halo)


HEAT = matplotlib.colormaps["inferno"]
HEAT_TOP = 4.0
"""Times the average share at which the heat's colours end."""


def heat_strip(view: RGB, heat: NDArray, azimuth_deg: float | None, look: Look = LIGHT) -> Figure:
    """A north-centred view, greyed, under `heat` (rows, columns) in times the average; with compass and scale.

    `azimuth_deg` draws a line in that direction.
    """
    height = view.shape[0]
    figure = compass_strip(grey(view), None, look)
    axes = figure.axes[0]
    axes.imshow(
        heat,
        cmap=HEAT,
        vmin=0,
        vmax=HEAT_TOP,
        extent=(-180, 180, 0, height),
        aspect="auto",
        interpolation="nearest",
        alpha=_see_through(heat),
    )
    axes.set(xlim=(-180, 180), ylim=(-0.16 * height, height))
    if azimuth_deg is not None:
        azimuth_deg = (azimuth_deg + 180) % 360 - 180
        axes.plot([azimuth_deg] * 2, [0, height], color=TURQUOISE, lw=3, path_effects=_halo())
    return figure


def heat_tile(chip: RGB, heat: NDArray, chip_m: float, azimuth_deg: float | None = None) -> Figure:
    """A north-up aerial square, greyed, under (S, S) heat in times the average, NaN where nothing was seen."""
    figure = place_tile(grey(chip), chip_m)
    axes, half = figure.axes[0], chip_m / 2
    axes.imshow(
        heat,
        cmap=HEAT,
        vmin=0,
        vmax=HEAT_TOP,
        extent=(-half, half, -half, half),
        interpolation="nearest",
        alpha=_see_through(heat),
        zorder=1.5,
    )
    if azimuth_deg is not None:
        angle = np.radians(azimuth_deg)
        axes.plot(
            [0, half * np.sin(angle)], [0, half * np.cos(angle)], color=TURQUOISE, lw=3, path_effects=_halo()
        )
    return figure


def heat_scale(look: Look = LIGHT) -> Figure:
    """The colour bar of the heat, with its unit."""
    figure = Figure(figsize=(3.4, 0.42), dpi=128, facecolor="none")
    axes = figure.add_axes((0.02, 0.55, 0.96, 0.42))
    axes.imshow(np.linspace(0, HEAT_TOP, 256)[None], cmap=HEAT, extent=(0, HEAT_TOP, 0, 1), aspect="auto")
    axes.set(yticks=[], xticks=range(int(HEAT_TOP) + 1))
    axes.set_xticklabels(["0", "even share", "2x", "3x", f"{HEAT_TOP:g}x +"])
    axes.tick_params(colors=look.ink, length=0, labelsize=9)
    for label, side in ((axes.get_xticklabels()[0], "left"), (axes.get_xticklabels()[-1], "right")):
        label.set_horizontalalignment(side)
    axes.spines[:].set_visible(False)
    return figure


def contact_sheet(
    heats: NDArray, notes: NDArray, chosen: tuple[int, int | None] | None, look: Look = LIGHT
) -> Figure:
    """(layers, heads, rows, columns) of heat as a grid of small maps, `notes` (layers, heads) written below each.

    `chosen` is a layer, and one of its heads or None for all, framed.
    """
    layers, heads, rows, columns = heats.shape
    width, head_room, note_room = 11.7, 0.3, 0.24
    tall = (width - 0.5) / heads * rows / columns
    height = head_room + layers * (tall + note_room)
    figure = Figure(figsize=(width, height), dpi=110, facecolor="none")
    panels = figure.subplots(layers, heads, squeeze=False)
    figure.subplots_adjust(
        left=0.04,
        right=0.998,
        top=1 - head_room / height,
        bottom=note_room / height,
        wspace=0.03,
        hspace=note_room / tall,
    )
    for layer in range(layers):
        panels[layer, 0].set_ylabel(f"layer {layer + 1}", color=look.ink, fontsize=9)
        for head in range(heads):
            axes = panels[layer, head]
            axes.imshow(heats[layer, head], cmap=HEAT, vmin=0, vmax=HEAT_TOP, aspect="auto")
            axes.set(xticks=[], yticks=[])
            axes.set_xlabel(notes[layer][head], color=look.faint, fontsize=7, labelpad=2)
            framed = chosen is not None and chosen[0] == layer and chosen[1] in (None, head)
            axes.spines[:].set(color=ACCENT if framed else look.faint, linewidth=3 if framed else 0.5)
            if layer == 0:
                axes.set_title(f"head {head + 1}", color=look.ink, fontsize=9)
    return figure


def occlusion(falls: NDArray, attention: NDArray, correlation: float, look: Look = LIGHT) -> Figure:
    """How the score falls when a range of azimuth is hidden, above its share of attention; north in the middle."""
    figure = Figure(figsize=(11, 3.4), dpi=110, facecolor="none")
    upper, lower = figure.subplots(2, 1, sharex=True)
    step = 360 / len(falls)
    centres = -180 + step * (np.arange(len(falls)) + 0.5)
    upper.bar(centres, falls, width=step * 0.9, color=TURQUOISE_DARK)
    upper.axhline(0, color=look.faint, lw=1)
    upper.set_ylabel("score falls by", color=look.ink)
    lower.bar(centres, attention * 100, width=step * 0.9, color=ACCENT)
    lower.axhline(100 / len(falls), color=look.ink, lw=1, ls="--")
    lower.set_ylabel("attention, %", color=look.ink)
    lower.set(xlim=(-180, 180), xticks=range(-180, 181, 45))
    lower.set_xticklabels([wind(degrees) for degrees in range(-180, 181, 45)])
    upper.set_title(
        f"rank correlation of the two: {correlation:+.2f}", color=look.ink, fontsize=11, loc="left"
    )
    for axes in (upper, lower):
        axes.set_facecolor("none")
        axes.tick_params(colors=look.ink)
        axes.spines[:].set_color(look.faint)
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    return figure


SIMILARITY = matplotlib.colormaps["PuOr_r"]


@dataclass(frozen=True)
class GridAxes:
    """What rows and columns of a token grid mean: `rows` from the top, tick labels at fractions of the height."""

    row_ticks: tuple[tuple[float, str], ...]
    row_label: str
    around: bool = True


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
    _colour_bar(figure, drawn, axes, "cosine similarity", look)
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


def square_matrix(
    values: NDArray, title: str, axis: str, bounds: tuple[float, float], look: Look = LIGHT
) -> Figure:
    """A symmetric (L, L) table as colours with the numbers written in, axes counted from 0."""
    size = len(values)
    figure = Figure(figsize=(5.2, 4.8), dpi=110, facecolor="none", layout="constrained")
    axes = figure.subplots()
    drawn = axes.imshow(values, cmap="cividis", vmin=bounds[0], vmax=bounds[1])
    for row in range(size):
        for column in range(size):
            share = (values[row, column] - bounds[0]) / (bounds[1] - bounds[0])
            axes.text(
                column,
                row,
                f"{values[row, column]:.2f}",
                ha="center",
                va="center",
                fontsize=9 if size < 9 else 6,
                color="#10131a" if share > 0.6 else "#ffffff",
            )
    axes.set(xticks=range(size), yticks=range(size), xlabel=axis, ylabel=axis)
    axes.set_title(title, color=look.ink, fontsize=12, loc="left")
    _ink(axes, look)
    _colour_bar(figure, drawn, axes, "", look)
    return figure


def layer_lines(lines: dict[str, NDArray], label: str, look: Look = LIGHT) -> Figure:
    """One line a checkpoint over the layers: `lines` name -> (L,) values from the first layer on."""
    figure = Figure(figsize=(8, 3.8), dpi=110, facecolor="none", layout="constrained")
    axes = figure.subplots()
    for number, (name, values) in enumerate(lines.items()):
        axes.plot(
            range(1, len(values) + 1),
            values,
            color=CHECKPOINT_COLOURS[number % 4],
            lw=2.5,
            marker="osD^"[number % 4],
            ls=("-", "--", "-.", ":")[number % 4],
            label=name,
        )
    axes.set(xlabel="layer", ylabel=label, xticks=range(1, 1 + max(len(each) for each in lines.values())))
    _ink(axes, look)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, labelcolor=look.ink)
    return figure


def rank_moves(ranks: dict[str, list[int]], look: Look = LIGHT) -> Figure:
    """Lists of place ids, best on top, one column a checkpoint; a line joins a place that two neighbours share."""
    longest = max(len(each) for each in ranks.values())
    figure = Figure(figsize=(1.2 + 1.9 * len(ranks), 5.2), dpi=128, facecolor="none")
    axes = figure.add_axes((0, 0, 1, 0.93))
    lists = list(ranks.values())
    for left, (first, second) in enumerate(pairwise(lists)):
        for rank, place in enumerate(first):
            if place in second:
                same = second.index(place)
                axes.plot(
                    [left, left + 1],
                    [rank, same],
                    color=ACCENT if rank == same == 0 else look.faint,
                    lw=4 if rank == 0 or same == 0 else 2,
                )
    for column, (name, places) in enumerate(ranks.items()):
        colour = CHECKPOINT_COLOURS[column % 4]
        for rank in range(len(places)):
            axes.plot(column, rank, "o", ms=19, color=colour, mec=look.paper, mew=2)
            axes.text(
                column,
                rank,
                rank + 1,
                ha="center",
                va="center",
                color=ink_on(colour),
                fontsize=9,
                weight="bold",
            )
        axes.text(column, -0.75, name, ha="center", va="bottom", color=look.ink, fontsize=9)
    axes.set(xlim=(-0.6, len(lists) - 0.4), ylim=(longest - 0.4, -0.7))
    axes.axis("off")
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
    _ink(axes, look)


def _ink(axes: Axes, look: Look) -> None:
    """The theme's ink on ticks, labels and frame."""
    axes.set_facecolor("none")
    axes.tick_params(colors=look.ink)
    axes.xaxis.label.set_color(look.ink)
    axes.yaxis.label.set_color(look.ink)
    axes.spines[:].set_color(look.faint)


def _colour_bar(figure: Figure, drawn: AxesImage, axes: Axes, label: str, look: Look) -> None:
    bar = figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.02)
    bar.set_label(label, color=look.ink)
    bar.ax.tick_params(colors=look.ink)
    bar.outline.set_visible(False)


def grey(pixels: RGB) -> RGB:
    """Softened grey, for colours to lie on."""
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    return np.repeat((40 + luma * 0.8).astype(np.uint8)[..., None], 3, axis=2)


def _see_through(heat: NDArray) -> NDArray:
    """Little covers little; NaN nothing."""
    return np.nan_to_num(np.clip((heat - 0.6) / 1.6, 0, 0.8))


def _halo() -> list[patheffects.AbstractPathEffect]:
    return [patheffects.withStroke(linewidth=5, foreground="#10131acc")]


def scale_bar_m(width_m: float) -> float:
    """The longest of 1, 2, 5 x 10^n metres that fits a third of `width_m`."""
    power = 10.0 ** np.floor(np.log10(width_m / 3))
    return float(max(step for step in (power, 2 * power, 5 * power) if step <= width_m / 3))


def to_svg(figure: Figure) -> str:
    """The figure as an SVG file."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    return buffer.getvalue()


def to_png(figure: Figure, dpi: int = 128) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()
