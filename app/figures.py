"""Results as matplotlib figures: pure functions, one look in light and dark."""

from __future__ import annotations

import io
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Wedge
from numpy.typing import NDArray

from l2ltr_core.geometry.geodesy import mercator_units_per_m, to_mercator
from l2ltr_core.types import RGB, Bounds

WINDS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")
RANK_COLOURS = matplotlib.colormaps["plasma"]
ACCENT = "#ffb000"
"""Of the camera's heading, on photos and maps alike; told apart from grey and blue by every kind of eye."""

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
    axes.set_xticklabels(["0", "even share", "2x", "3x", f"{HEAT_TOP:g}x and more"])
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
