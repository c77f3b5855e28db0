"""Arithmetic that positions and layers share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def unit_rows(rows: NDArray) -> NDArray:
    """Rows of length 1 along the last axis; a row of zeros stays zero."""
    rows = rows.astype(np.float64)
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
