"""Attention as heat over what the model saw, head by head, and beside occlusion sensitivity."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from l2ltr_core.figures.style import ACCENT, LIGHT, TURQUOISE, TURQUOISE_DARK, Look, grey, halo, wind
from l2ltr_core.figures.views import compass_strip, place_tile
from l2ltr_core.types import RGB

STRIP_PX = (256, 1024)
"""Height in pixels of a view under its heat map: finer than the model sees it."""

TILE_PX = 384
"""Side in pixels of the heat map of a square tile."""

HEAT = matplotlib.colormaps["inferno"]

HEAT_TOP = 4.0
"""Upper end of the heat's colours, in times the average share."""

FOOT_INCHES = 0.56


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
        axes.plot([azimuth_deg] * 2, [0, height], color=TURQUOISE, lw=3, path_effects=halo())
    return _with_scale(figure, look)


def heat_tile(
    chip: RGB, heat: NDArray, chip_m: float, azimuth_deg: float | None = None, look: Look = LIGHT
) -> Figure:
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
            [0, half * np.sin(angle)], [0, half * np.cos(angle)], color=TURQUOISE, lw=3, path_effects=halo()
        )
    return _with_scale(figure, look)


def heat_pixels(heat: NDArray) -> NDArray[np.uint8]:
    """(rows, columns) of heat in times the average as (rows, columns, 4) red, green, blue and how opaque.

    The colours of `heat_strip` and `heat_tile`, for whatever draws without a figure.
    """
    coloured = HEAT(np.nan_to_num(heat) / HEAT_TOP, bytes=True)
    coloured[..., 3] = np.rint(255 * _see_through(heat))
    return coloured


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
    """Occlusion sensitivity of each range of azimuth, above its share of attention; north in the middle."""
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


def _with_scale(figure: Figure, look: Look) -> Figure:
    """The colour bar of the heat, with its unit, in a foot below the picture."""
    width, height = figure.get_size_inches()
    whole = height + FOOT_INCHES
    figure.set_size_inches(width, whole)
    figure.axes[0].set_position((0, FOOT_INCHES / whole, 1, height / whole))
    axes = figure.add_axes((0.02, 0.32 / whole, min(0.96, 4.2 / width), 0.14 / whole))
    axes.imshow(np.linspace(0, HEAT_TOP, 256)[None], cmap=HEAT, extent=(0, HEAT_TOP, 0, 1), aspect="auto")
    axes.set(yticks=[], xticks=range(int(HEAT_TOP) + 1))
    axes.set_xticklabels(["0", "even share", "2x", "3x", f"{HEAT_TOP:g}x +"])
    axes.tick_params(colors=look.ink, length=0, labelsize=9)
    axes.get_xticklabels()[0].set_horizontalalignment("left")
    axes.get_xticklabels()[-1].set_horizontalalignment("right")
    axes.spines[:].set_visible(False)
    return figure


def _see_through(heat: NDArray) -> NDArray:
    """Little covers little; NaN nothing."""
    return np.nan_to_num(np.clip((heat - 0.6) / 1.6, 0, 0.8))
