"""How far a score may be trusted: a temperature that makes confidences come true, and a usual score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from l2ltr_core.evaluation.recall import score_blocks
from l2ltr_core.gallery import Gallery
from l2ltr_core.localization import ESTIMATE_PLACES, ESTIMATE_RADIUS_M, circle_masses, match_probabilities
from l2ltr_core.types import Descriptors

TEMPERATURES = np.geomspace(0.005, 0.5, 41)
USUAL_SCORE_PERCENTILE = 5
LEAST_QUERIES = 20


def calibrate(
    ground: Descriptors, aerial: Descriptors, apart_m: NDArray, gallery: Gallery
) -> dict[str, float]:
    """`temperature` and `typical_score` of a checkpoint's scores, {} with fewer than 20 photos.

    The temperature minimises the log loss of "the circle with the most probability holds the photo" over
    the photos (Q, D), whose distances to the places (N, D) are `apart_m` (Q, N). 95 % of the best scores
    that are right are above `typical_score`.
    """
    if len(ground) < LEAST_QUERIES:
        return {}
    radius_m = max(ESTIMATE_RADIUS_M, gallery.manifest.spacing_m or 0.0)
    latitudes, longitudes = gallery.places["latitude"].to_numpy(), gallery.places["longitude"].to_numpy()
    losses = np.zeros(len(TEMPERATURES))
    right_scores = []
    for block, scores in score_blocks(ground, aerial):
        for row, distances in zip(scores, apart_m[block], strict=True):
            best = np.argsort(-row, kind="stable")[:ESTIMATE_PLACES]
            if distances[best[0]] <= radius_m:
                right_scores.append(row[best[0]])
            weights = match_probabilities(row[best][None], TEMPERATURES[:, None])  # (temperatures, places)
            masses = circle_masses(weights, latitudes[best], longitudes[best], radius_m)
            confidences = masses.max(axis=1).clip(1e-3, 1 - 1e-3)
            holds = distances[best[masses.argmax(axis=1)]] <= radius_m
            losses -= np.log(np.where(holds, confidences, 1 - confidences))
    calibration = {"temperature": round(float(TEMPERATURES[losses.argmin()]), 4)}
    if len(right_scores) >= LEAST_QUERIES:
        calibration["typical_score"] = round(float(np.percentile(right_scores, USUAL_SCORE_PERCENTILE)), 4)
    return calibration
