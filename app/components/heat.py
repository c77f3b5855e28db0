"""Attention as the address of a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.encoding import data_uri, png
from l2ltr_core import figures


def heat_uri(heat: NDArray[np.float32]) -> str:
    """Heat (rows, columns) in times the average, NaN where nothing is seen, as the address of a picture."""
    return data_uri(png(figures.heat_pixels(heat)), "png")


def sprite(heats: NDArray[np.float32]) -> str:
    """(layers, heads, rows, columns) of heat side by side in one picture, a layer below the other."""
    layers, heads, rows, columns = heats.shape
    return heat_uri(heats.transpose(0, 2, 1, 3).reshape(layers * rows, heads * columns))
