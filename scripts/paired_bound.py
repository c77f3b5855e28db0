"""How well the own tile could be told from its neighbours' at all: paired recall@1 of an imagined matcher.

    python scripts/paired_bound.py [DATASET]

Recorded positions are off, and photos stand close together. The matcher knows where each photo was really taken,
but for an error of its own, and names the nearest tile; tiles lie at the recorded positions.
"""

from __future__ import annotations

import sys

import numpy as np

from l2ltr_core.datasets import open_dataset
from l2ltr_core.geometry.geodesy import mercator_units_per_m, to_mercator
from l2ltr_core.twin.shooting import POSITION_ERROR_M

DRAWS = 200
OWN_ERRORS_M = (0.0, 1.0, 2.0, 4.0)


def main(dataset: str = "helsinki") -> None:
    """Print the recall for each error of the matcher, standard deviation east and north, in metres."""
    places = [query.location for query in open_dataset(dataset).queries if query.location is not None]
    degrees = np.array([(place.latitude, place.longitude) for place in places])
    tiles = np.stack(to_mercator(*degrees.T), axis=1) / mercator_units_per_m(float(degrees[:, 0].mean()))
    rng = np.random.default_rng(0)
    own = np.arange(len(tiles))
    for error_m in OWN_ERRORS_M:
        right = []
        for _ in range(DRAWS):
            recorded_off = np.clip(rng.normal(size=tiles.shape), -2, 2) * POSITION_ERROR_M
            believed = tiles + recorded_off + rng.normal(size=tiles.shape) * error_m
            nearest = np.hypot(*(believed[:, None] - tiles[None]).transpose(2, 0, 1)).argmin(axis=1)
            right.append((nearest == own).mean())
        print(f"knows the place to {error_m:.0f} m: {100 * np.mean(right):.1f} % of {len(tiles)} photos")


if __name__ == "__main__":
    main(*sys.argv[1:2])
