"""Checkpoints side by side: their rankings of places, their errors."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from l2ltr_core.figures.style import ACCENT, CHECKPOINT_COLOURS, LIGHT, Look, ink_axes, ink_on

NEAREST_M = 1.0
"""Lower end in metres of the axis of errors: a place of the gallery is hardly ever nearer."""


def rank_moves(ranks: dict[str, list[int]], look: Look = LIGHT, right: Collection[int] = ()) -> Figure:
    """Lists of place ids, best on top, one column a checkpoint; a line joins a place that two neighbours share.

    Places that are `right` have a ring.
    """
    longest = max(len(each) for each in ranks.values())
    figure = Figure(figsize=(0.6 + 1.9 * len(ranks), 5.0), dpi=128, facecolor="none")
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
        for rank, place in enumerate(places):
            if place in right:
                axes.plot(column, rank, "o", ms=26, color="none", mec=look.ink, mew=2)
            axes.plot(column, rank, "o", ms=19, color=colour, mec=look.paper, mew=2)
            axes.text(
                column,
                rank,
                str(rank + 1),
                ha="center",
                va="center",
                color=ink_on(colour),
                fontsize=9,
                weight="bold",
            )
        axes.text(column, -0.75, name, ha="center", va="bottom", color=look.ink, fontsize=10)
    axes.set(xlim=(-0.6, len(lists) - 0.4), ylim=(longest - 0.4, -0.7))
    axes.axis("off")
    return figure


def error_curves(curves: dict[str, tuple[NDArray, NDArray]], look: Look = LIGHT) -> Figure:
    """One curve a checkpoint: which share of photos has its first match within so many metres.

    `curves` is name -> (distances in metres, rising; fractions), as `error_curve` of the evaluation gives.
    """
    figure = Figure(figsize=(6.4, 3.8), dpi=150, facecolor="none", layout="constrained")
    axes = figure.subplots()
    farthest = max(float(distances.max()) for distances, _ in curves.values())
    for number, (name, (distances, fractions)) in enumerate(curves.items()):
        axes.step(
            np.r_[NEAREST_M, np.maximum(distances, NEAREST_M), farthest],
            np.r_[0, fractions, 1] * 100,
            where="post",
            color=CHECKPOINT_COLOURS[number % 4],
            ls=("-", "--", "-.", ":")[number % 4],
            lw=2.5,
            label=name,
        )
    axes.set(xscale="log", xlim=(NEAREST_M, max(farthest, 10 * NEAREST_M)), ylim=(0, 100))
    axes.set(xlabel="distance of the first match, m", ylabel="photos within it, %")
    axes.xaxis.set_major_formatter("{x:g}")
    ink_axes(axes, look)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, labelcolor=look.ink)
    return figure
