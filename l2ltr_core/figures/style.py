"""One look for every figure, in light and dark, and the parts that several share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from l2ltr_core.types import RGB

WINDS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")

ACCENT = "#ffb000"
"""Colour of the camera's heading, on photos and maps alike; distinct from grey and blue for colour-blind readers."""

CHECKPOINT_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7")
"""Colours of checkpoints side by side (palette of Okabe and Ito, distinct for colour-blind readers)."""

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


def ink_on(colour: str) -> str:
    """Black or white, whichever reads better on `colour`."""
    red, green, blue = matplotlib.colors.to_rgb(colour)
    return "#10131a" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "#ffffff"


def grey(pixels: RGB) -> RGB:
    """Softened grey, for colours to lie on."""
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    return np.repeat((40 + luma * 0.8).astype(np.uint8)[..., None], 3, axis=2)


def halo() -> list[patheffects.AbstractPathEffect]:
    """A dark edge that keeps light lines and letters readable on any photo."""
    return [patheffects.withStroke(linewidth=5, foreground="#10131acc")]


def scale_bar(axes: Axes, left: float, bottom: float, width_m: float, units_per_m: float) -> None:
    """A white bar with its length, a little above the lower left corner."""
    dark = halo()
    bar_m, margin = scale_bar_m(width_m), 0.03 * width_m * units_per_m
    start, low = left + margin, bottom + margin
    axes.plot(
        [start, start + bar_m * units_per_m],
        [low, low],
        color="#ffffff",
        lw=4,
        solid_capstyle="butt",
        path_effects=dark,
    )
    axes.text(start, low + margin * 0.6, f"{bar_m:g} m", color="#ffffff", fontsize=12, path_effects=dark)


def scale_bar_m(width_m: float) -> float:
    """The longest of 1, 2, 5 x 10^n metres that fits a third of `width_m`."""
    power = 10.0 ** np.floor(np.log10(width_m / 3))
    return float(max(step for step in (power, 2 * power, 5 * power) if step <= width_m / 3))


def ink_axes(axes: Axes, look: Look) -> None:
    """The theme's ink on ticks, labels and frame."""
    axes.set_facecolor("none")
    axes.tick_params(colors=look.ink)
    axes.xaxis.label.set_color(look.ink)
    axes.yaxis.label.set_color(look.ink)
    axes.spines[:].set_color(look.faint)


def colour_bar(figure: Figure, drawn: AxesImage, axes: Axes | Sequence[Axes], label: str, look: Look) -> None:
    """The scale of what was drawn, beside its axes, with its unit."""
    bar = figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.02)
    bar.set_label(label, color=look.ink)
    bar.ax.tick_params(colors=look.ink)
    bar.outline.set_visible(False)
