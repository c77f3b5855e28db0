"""Whether confidences come true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from l2ltr_core.figures.style import CHECKPOINT_COLOURS, LIGHT, Look, ink_axes

LARGEST_PT2 = 420.0


def reliability_diagram(
    bins: Mapping[str, Sequence[Sequence[float]]], title: str, look: Look = LIGHT
) -> Figure:
    """Accuracy against confidence, in percent: one line a set of photos; perfect calibration is the diagonal.

    `bins` is name -> (mean confidence, accuracy, number of photos) of each bin, as `reliability`
    of the evaluation gives; a dot is as large as its bin.
    """
    figure = Figure(figsize=(4.8, 4.8), dpi=128, facecolor="none", layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 100], [0, 100], color=look.faint, lw=1.5, ls=":")
    for number, (name, points) in enumerate(bins.items()):
        confidence, accuracy, photos = zip(*points, strict=True)
        colour = CHECKPOINT_COLOURS[number % len(CHECKPOINT_COLOURS)]
        x, y = [100 * each for each in confidence], [100 * each for each in accuracy]
        axes.plot(x, y, color=colour, lw=2, label=f"{name}, {sum(photos):.0f} photos")
        sizes = [LARGEST_PT2 * each / max(photos) for each in photos]
        axes.scatter(x, y, sizes, color=colour, alpha=0.7, linewidths=0)
    axes.set(xlim=(0, 100), ylim=(0, 100), aspect="equal", xlabel="confidence, %", ylabel="accuracy, %")
    axes.set_title(title, color=look.ink, fontsize=12, loc="left")
    ink_axes(axes, look)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, labelcolor=look.ink, loc="upper left")
    return figure
