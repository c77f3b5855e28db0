"""How a run went: its losses, what it found in its batches, and what it found of validation photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from l2ltr_core.figures.style import CHECKPOINT_COLOURS, LIGHT, ink_axes

Rows = Sequence[Mapping[str, str]]
LOSSES = {
    "loss": "all of it",
    "contrastive": "contrastive, of CLS",
    "columns": "contrastive, of columns",
    "teacher": "teacher",
}
BATCH = {"in_batch_recall": "own tile first in the batch"}
VALIDATION = {
    "places_recall_within_25m": "found within 25 m",
    "paired_recall_at_1": "own tile first",
    "heading_blindness": "cosine of a photo with itself,\nturned by 90°",
    "pairs_both_mean_percentile": "percentile of real pairs",
}
SMOOTHED = 15
"""Number of rows in a running mean."""


def training_curves(train: Rows, validation: Rows) -> Figure:
    """Three panels over the minutes of training, from the rows of `train.csv` and `validation.csv`.

    The run's own values are faint, their running mean is not. A dashed line stands where a stage begins.
    """
    figure = Figure(figsize=(11, 9), layout="constrained")
    FigureCanvasAgg(figure)
    losses, batch, judged = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 3))
    _lines(losses, train, LOSSES, smooth=True)
    losses.set_yscale("log")
    losses.set(ylabel="loss", title="Training")
    _lines(batch, train, BATCH, smooth=True)
    batch.set(ylabel="share of a batch")
    _lines(judged, validation, VALIDATION, smooth=False)
    judged.set(
        ylabel="share, cosine",
        title="Validation photos",
        xlabel="minutes of training",
    )
    for axes in (batch, judged):
        axes.set_ylim(min(0.0, axes.get_ylim()[0]), 1.02)
    for axes in (losses, batch, judged):
        ink_axes(axes, LIGHT)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        for minute in _stage_starts(train):
            axes.axvline(minute, color=LIGHT.faint, linestyle="--", linewidth=1)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=9, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _lines(axes: Axes, rows: Rows, names: Mapping[str, str], smooth: bool) -> None:
    for (name, label), colour in zip(names.items(), CHECKPOINT_COLOURS, strict=False):
        points = np.array([(_minutes(row), float(row[name])) for row in rows if row.get(name)])
        if not len(points):
            continue
        if not smooth:
            axes.plot(*points.T, color=colour, label=label, marker="o", markersize=4)
            continue
        axes.plot(*points.T, color=colour, alpha=0.25, linewidth=0.8)
        axes.plot(points[:, 0], _running_mean(points[:, 1]), color=colour, label=label, linewidth=1.8)


def _running_mean(values: np.ndarray) -> np.ndarray:
    """Of `SMOOTHED` values around each, fewer at both ends."""
    weights = np.ones(min(SMOOTHED, len(values)))
    return np.convolve(values, weights, "same") / np.convolve(np.ones(len(values)), weights, "same")


def _stage_starts(train: Rows) -> list[float]:
    """Minutes at which another stage than that before began."""
    return [_minutes(row) for before, row in pairwise(train) if row["stage"] != before["stage"]]


def _minutes(row: Mapping[str, str]) -> float:
    return float(row["seconds"]) / 60
