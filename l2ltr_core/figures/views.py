"""A photo under its compass and an aerial square with its scale."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Wedge

from l2ltr_core.figures.style import ACCENT, LIGHT, Look, halo, scale_bar, wind
from l2ltr_core.types import RGB


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


def place_tile(chip: RGB, chip_m: float, heading_deg: float | None = None, field_deg: float = 70.0) -> Figure:
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
    dark = halo()
    if heading_deg is not None:
        axes.add_patch(
            Wedge(
                (0, 0),
                half * 0.45,
                90 - heading_deg - field_deg / 2,
                90 - heading_deg + field_deg / 2,
                facecolor=ACCENT,
                alpha=0.45,
                edgecolor="#10131a",
                lw=1,
            )
        )
    axes.plot(0, 0, "o", ms=9, mfc="#ffffff", mec="#10131a", mew=2)
    scale_bar(axes, -half, -half, chip_m, 1.0)
    axes.annotate(
        "N",
        (half * 0.86, half * 0.93),
        (half * 0.86, half * 0.62),
        ha="center",
        color="#ffffff",
        fontsize=14,
        fontweight="bold",
        path_effects=dark,
        arrowprops={"arrowstyle": "-|>", "color": "#ffffff", "lw": 2, "path_effects": dark},
    )
    return figure
