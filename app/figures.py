"""What the app draws: the core's figures, and beside them those that only its own pages need."""

from __future__ import annotations

from typing import TypeAlias

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from l2ltr_core.figures import (
    ACCENT,
    CHECKPOINT_COLOURS,
    DARK,
    LIGHT,
    Look,
    ink_on,
    place_tile,
    to_jpeg,
    to_png,
    to_svg,
    wind,
)
from l2ltr_core.figures.style import scale_bar
from l2ltr_core.geometry.geodesy import mercator_units_per_m, to_mercator
from l2ltr_core.localization import Localization
from l2ltr_core.types import RGB, Bounds

__all__ = [
    "ACCENT",
    "CHECKPOINT_COLOURS",
    "DARK",
    "LIGHT",
    "Fan",
    "Look",
    "coverage",
    "fan",
    "ink_on",
    "peak_range_deg",
    "place_tile",
    "rank_colour",
    "to_jpeg",
    "to_png",
    "to_svg",
    "wind",
]

Fan: TypeAlias = tuple[float, float]
"""A line of sight: its heading and how wide it is drawn, degrees."""
KNOWN_FAN_DEG = 20.0
LEAST_FAN_DEG = 8.0
RANK_COLOURS = matplotlib.colormaps["plasma"]


def rank_colour(rank: int, ranks: int = 10) -> str:
    """The colour of a match: bright for the best, dark for the last; equal steps for every kind of eye."""
    part = (rank - 1) / max(1, ranks - 1)
    return matplotlib.colors.to_hex(RANK_COLOURS(0.93 - 0.78 * part))


def peak_range_deg(scores: NDArray[np.float32], below: float = 0.1) -> float:
    """How wide the peak of (w,) scores over a whole turn is: degrees of the headings around it that are nearly as good.

    Nearly: by at most the share `below` of the range of all scores less; interpolated between the headings tried. A
    turn that scores alike everywhere is one wide peak.
    """
    count, best = len(scores), int(scores.argmax())
    least = float(scores[best]) - below * float(np.ptp(scores))
    width = 0.0
    for side in (-1, 1):
        along = scores[(best + side * np.arange(count // 2 + 1)) % count].astype(float)
        under = np.flatnonzero(along < least)
        if not len(under):
            return 360.0
        out = int(under[0])
        width += out - 1 + (along[out - 1] - least) / (along[out - 1] - along[out])
    return min(360.0, width * 360 / count)


def fan(found: Localization) -> Fan | None:
    """Where a photo's centre looks, and over how wide a range that is nearly as likely; None where nobody knows."""
    if found.heading_source == "assumed":
        return None
    if found.heading_scores is None:
        return found.heading_deg, KNOWN_FAN_DEG
    return found.heading_deg, max(LEAST_FAN_DEG, peak_range_deg(found.heading_scores))


def coverage(picture: RGB, bounds: Bounds, latitudes: NDArray, longitudes: NDArray) -> Figure:
    """Places as dots on an aerial picture that covers `bounds` in EPSG:3857, north up, with a scale bar."""
    height, width = picture.shape[:2]
    figure = Figure(figsize=(9, 9 * height / width), dpi=128, facecolor="none")
    axes = figure.add_axes((0, 0, 1, 1))
    left, bottom = to_mercator(bounds.south, bounds.west)
    right, top = to_mercator(bounds.north, bounds.east)
    axes.imshow(picture, extent=(left, right, bottom, top), aspect="auto")
    x, y = to_mercator(latitudes, longitudes)
    axes.scatter(x, y, s=max(4.0, 8e4 / len(latitudes)), c=ACCENT, alpha=0.75, linewidths=0)
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.axis("off")
    units = mercator_units_per_m((bounds.south + bounds.north) / 2)
    scale_bar(axes, left, bottom, (right - left) / units, units)
    return figure
