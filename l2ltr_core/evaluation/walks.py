"""How much better photos of one walk are found together than each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from l2ltr_core.errors import DatasetError
from l2ltr_core.evaluation.calibration import calibration_summary
from l2ltr_core.gallery import Gallery
from l2ltr_core.geometry.geodesy import distance_between_m, local_m
from l2ltr_core.localization import (
    DEFAULT_TEMPERATURE,
    Calibration,
    EncodedPhoto,
    circle_radius_m,
    estimate_among,
    rank_places,
)
from l2ltr_core.model.protocol import EncoderLike
from l2ltr_core.types import Location
from l2ltr_core.walks import WALK_PLACES, estimates_along

LENGTHS = (2, 3, 5)
"""Numbers of photos in a walk."""
NEAREST_M, FARTHEST_M = 15.0, 40.0
"""Range in metres from one photo of a walk to the next; none is nearer than the first of these to any before it."""
MOST_WALKS = 200
"""Largest number of walks of each length, spread over all that can be taken."""


def measure_walks(
    photos: Sequence[EncodedPhoto],
    locations: Sequence[Location],
    gallery: Gallery,
    encoder: EncoderLike,
    calibration: Calibration | None,
    seed: int = 0,
) -> dict[str, Any]:
    """By number of photos: the share found within the circle's radius `alone` and `together`, of all photos and of
    whole walks, the median errors in metres, and how true the confidences of the walks are.

    `photos` were taken at `locations`. Raises DatasetError where no walk can be made of them.
    """
    found = [rank_places(photo, encoder, gallery, WALK_PLACES) for photo in photos]
    temperature = DEFAULT_TEMPERATURE if calibration is None else calibration.temperature
    radius_m = circle_radius_m(gallery)
    alone_m = np.array(
        [
            distance_between_m(place, estimate_among(photo, gallery, calibration).location)
            for photo, place in zip(found, locations, strict=True)
        ]
    )
    measured: dict[str, Any] = {}
    for length in LENGTHS:
        walks = walks_among(locations, length, seed)
        if not walks:
            continue
        together_m, confidence = [], []
        for walk in walks:
            estimates = estimates_along([found[photo] for photo in walk], gallery, temperature)
            together_m.append(
                [
                    distance_between_m(locations[photo], where.location)
                    for photo, where in zip(walk, estimates, strict=True)
                ]
            )
            confidence.append([where.confidence for where in estimates])
        right = np.array(together_m) <= radius_m
        measured[str(length)] = {
            "walks": len(walks),
            "alone": _summary(alone_m[np.array(walks)], radius_m),
            "together": _summary(np.array(together_m), radius_m),
            "confidence": calibration_summary(np.array(confidence).ravel(), right.ravel()),
        }
    if not measured:
        raise DatasetError(
            f"No two photos lie {NEAREST_M:g} to {FARTHEST_M:g} m apart, so no walk can be made of them."
        )
    return measured


def walks_among(locations: Sequence[Location], photos: int, seed: int = 0) -> list[list[int]]:
    """Walks of so many of the photos, each from another first one, on to a random one that lies 15 to 40 m away.

    None of a walk's photos is nearer than 15 m to any before it. A walk that comes to a dead end is left out.
    """
    first = locations[0]
    where = np.stack(
        local_m([each.latitude for each in locations], [each.longitude for each in locations], first), axis=1
    )
    around = cKDTree(where).query_ball_point(where, FARTHEST_M)
    random = np.random.default_rng(seed)
    walks = []
    for start in range(len(where)):
        walk = [start]
        while len(walk) < photos:
            ahead = [
                photo
                for photo in sorted(around[walk[-1]])
                if np.hypot(*(where[walk] - where[photo]).T).min() >= NEAREST_M
            ]
            if not ahead:
                break
            walk.append(int(random.choice(ahead)))
        if len(walk) == photos:
            walks.append(walk)
    chosen = np.linspace(0, len(walks) - 1, min(MOST_WALKS, len(walks))).round().astype(int)
    return [walks[number] for number in chosen]


def _summary(errors_m: NDArray[np.float64], radius_m: float) -> dict[str, float]:
    """Of (W, T) errors."""
    right = errors_m <= radius_m
    return {
        "photos_found": float(right.mean()),
        "walks_found": float(right.all(axis=1).mean()),
        "median_error_m": round(float(np.median(errors_m)), 2),
    }
