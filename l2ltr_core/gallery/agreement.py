"""Re-ranking: how far a photo and a tile agree, direction by direction.

Of the places whose CLS descriptors are most alike, those are put first whose columns are. A bus or a tree in
one direction hides what the tile shows there, but should not speak against the rest.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from l2ltr_core.errors import CheckpointError
from l2ltr_core.types import Descriptors

SHORTLIST = 200
"""So many of the best places are compared direction by direction."""
HIDDEN_AGREEMENT = 0.015
"""A direction that agrees much less counts as hidden, one that agrees much more by what exceeds this. All directions
of a column descriptor with itself sum to 1. This, the softness and the temperature were chosen on validation photos."""
SOFTNESS = 0.015
"""How gradually a direction begins to count."""
LOOKS_TEMPERATURE = 0.03
"""At which the looks at a place have a say together, in the unit of agreement."""

Columns: TypeAlias = NDArray[np.float32]
"""(..., w, d): what is seen in each of w azimuths, south first, by west; as one row of length 1."""


def agreement_by_direction(ground: Columns, aerial: Columns) -> NDArray[np.float32]:
    """(w, d) of a photo and (N, w, d) of tiles -> (N, w): the parts of their cosine similarity.

    Raises CheckpointError for columns that are not numbers.
    """
    parts = np.einsum("wd,nwd->nw", ground, aerial, optimize=True)
    if not np.isfinite(parts).all():
        raise CheckpointError(
            "The columns hold values that are not numbers, so nothing can be compared direction by direction; the "
            "checkpoint's weights are damaged or its training diverged."
        )
    return parts


def agreement(ground: Columns, aerial: Columns) -> NDArray[np.float32]:
    """(w, d) of a photo and (N, w, d) of tiles -> (N,) above 0: what exceeds the hidden, softly, summed up."""
    exceeding = (agreement_by_direction(ground, aerial) - HIDDEN_AGREEMENT) / SOFTNESS
    return np.asarray(SOFTNESS * np.logaddexp(0, exceeding).sum(axis=1), np.float32)


def agreement_of_looks(each: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, looks) agreement of a photo with each look at N places -> (N,) with the places.

    The logarithm of the mean of exponentials: where in its cell a photo stands is not known, and a place with which
    it agrees from several points is likelier than one with which it agrees from one. Between the mean and the
    best; of one look the agreement itself.
    """
    best = each.max(axis=1)
    odds = np.exp((each - best[:, None]) / LOOKS_TEMPERATURE).mean(axis=1)
    return np.asarray(best + LOOKS_TEMPERATURE * np.log(odds), np.float32)


def split(rows: Descriptors, columns: tuple[int, int] | None) -> tuple[Descriptors, Columns | None]:
    """(N, D + w * d) as an encoder gives them with columns -> (N, D) CLS descriptors and (N, w, d) columns."""
    if columns is None:
        return rows, None
    numbers = columns[0] * columns[1]
    return rows[:, :-numbers], rows[:, -numbers:].reshape(-1, *columns)
