"""How alike layers are: every pair of one checkpoint, neighbours of several."""

from __future__ import annotations

from collections.abc import Collection

from matplotlib.figure import Figure
from numpy.typing import NDArray

from l2ltr_core.figures.style import CHECKPOINT_COLOURS, LIGHT, Look, colour_bar, ink_axes
from l2ltr_core.model.config import CheckpointCard


def checkpoint_label(card: CheckpointCard) -> str:
    """A checkpoint's name with what tells it apart where layers are compared: its kind of attention."""
    return f"{card.name} ({card.model.attention})"


def square_matrix(
    values: NDArray,
    title: str,
    axis: str,
    bounds: tuple[float, float],
    look: Look = LIGHT,
    unit: str = "",
) -> Figure:
    """A symmetric (L, L) table as colours with the numbers written in, axes counted from 0, a bar in `unit`."""
    size = len(values)
    figure = Figure(figsize=(5.2, 4.8), dpi=130, facecolor="none", layout="constrained")
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
    ink_axes(axes, look)
    colour_bar(figure, drawn, axes, unit, look)
    return figure


def layer_lines(
    lines: dict[str, NDArray], label: str, look: Look = LIGHT, dashed: Collection[str] = ()
) -> Figure:
    """One line a checkpoint over the layers: `lines` name -> (L,) values from the first layer on."""
    figure = Figure(figsize=(6, 3.7), dpi=140, facecolor="none", layout="constrained")
    axes = figure.subplots()
    for number, (name, values) in enumerate(lines.items()):
        axes.plot(
            range(1, len(values) + 1),
            values,
            color=CHECKPOINT_COLOURS[number % 4],
            lw=2.5,
            marker="osD^"[number % 4],
            ls="--" if name in dashed else "-",
            label=name,
        )
    axes.set(xlabel="layer", ylabel=label, xticks=range(1, 1 + max(len(each) for each in lines.values())))
    ink_axes(axes, look)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, labelcolor=look.ink)
    return figure
