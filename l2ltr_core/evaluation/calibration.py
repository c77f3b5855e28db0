"""How far a score may be trusted: confidences that come true, and when a photo is not in the gallery at all.

Everything is chosen on validation photos. What it is worth is measured on photos that chose nothing: the other
half of the validation photos, or held-out ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from l2ltr_core.errors import DatasetError
from l2ltr_core.gallery import Checkpoint, Gallery
from l2ltr_core.geometry.geodesy import distance_between_m
from l2ltr_core.localization import (
    ESTIMATE_PLACES,
    Calibration,
    Circles,
    candidates,
    circle_radius_m,
    log_odds,
    match_probabilities,
)
from l2ltr_core.types import Descriptors, Location

TEMPERATURES = np.geomspace(0.005, 0.5, 41)
FALSE_ALARMS = 0.03
"""Share of the validation photos whose evidence lies below `least_evidence`."""
LEAST_PHOTOS = 20
BINS = 10
RESAMPLES = 1000

Fit = Callable[["Judged"], Calibration]


@dataclass(frozen=True)
class Judged:
    """What (Q,) photos got in one gallery, at each of `TEMPERATURES` (Q, T).

    `mass` is the probability in the heaviest circle and `holds` whether the photo was taken within its radius
    of the estimate; `evidence` (Q,) speaks for each being there at all.
    """

    mass: NDArray[np.float64]
    holds: NDArray[np.bool_]
    evidence: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.evidence)

    def __getitem__(self, photos: NDArray) -> Judged:
        return Judged(self.mass[photos], self.holds[photos], self.evidence[photos])


def judge(seen: Descriptors, locations: Sequence[Location], gallery: Gallery, encoder: Checkpoint) -> Judged:
    """Estimate where each photo was taken among the places of `gallery`, as localization does; `seen` is (Q, D), or
    (Q, D + C) of a checkpoint with columns."""
    latitudes, longitudes = gallery.places["latitude"].to_numpy(), gallery.places["longitude"].to_numpy()
    radius_m = circle_radius_m(gallery)
    mass = np.empty((len(seen), len(TEMPERATURES)))
    holds, speaking = np.empty(mass.shape, bool), np.empty(len(seen))
    found = candidates(seen, encoder, gallery, ESTIMATE_PLACES)
    for photo, (best, truth) in enumerate(zip(found, locations, strict=True)):
        speaking[photo] = best.evidence
        circles = Circles.around(latitudes[best.place_ids], longitudes[best.place_ids], radius_m)
        for column, temperature in enumerate(TEMPERATURES):
            place, mass[photo, column] = circles.heaviest(match_probabilities(best.scores, temperature))
            holds[photo, column] = distance_between_m(truth, place) <= radius_m
    return Judged(mass, holds, speaking)


def calibrate(judged: Judged, gallery: Gallery, encoder: Checkpoint) -> Calibration:
    """The temperature under which masses come true best, the line in their log odds that mends the rest, and
    the evidence that 97 % of the photos reach. Raises DatasetError with fewer than 20 photos."""
    if len(judged) < LEAST_PHOTOS:
        raise DatasetError(
            f"There are {len(judged)} photos to calibrate on; give at least {LEAST_PHOTOS}, and twice as many "
            "for a report, in which each half vouches for the other."
        )
    losses = [_log_loss(*at) for at in zip(judged.mass.T, judged.holds.T, strict=True)]
    chosen = int(np.argmin(losses))
    slope, offset = _line(judged.mass[:, chosen], judged.holds[:, chosen])
    return Calibration(
        round(float(TEMPERATURES[chosen]), 4),
        round(slope, 4),
        round(offset, 4),
        round(float(np.quantile(judged.evidence, FALSE_ALARMS)), 4),
        gallery.name,
        len(gallery.places),
        gallery.looks(encoder),
    )


def confidences(judged: Judged, calibration: Calibration) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """What each photo (Q,) would be told, and whether it came true."""
    column = int(np.abs(np.log(TEMPERATURES / calibration.temperature)).argmin())
    return calibration.confidence(judged.mass[:, column]), judged.holds[:, column]


def across_halves(judged: Judged, longitudes: NDArray, fit: Fit) -> list[tuple[Judged, Calibration]]:
    """Each half of the photos, west and east, with what the other half chose: neighbours never vouch."""
    west, east = np.array_split(np.argsort(longitudes, kind="stable"), 2)
    return [(judged[east], fit(judged[west])), (judged[west], fit(judged[east]))]


def reliability(told: NDArray, came_true: NDArray[np.bool_], bins: int = BINS) -> list[list[float]]:
    """Per filled bin of equal width: mean confidence told, share that came true, number of photos."""
    which = np.minimum((told * bins).astype(int), bins - 1)
    groups = [which == each for each in np.unique(which)]
    return [
        [round(float(told[of].mean()), 4), round(float(came_true[of].mean()), 4), int(of.sum())]
        for of in groups
    ]


def calibration_error(told: NDArray, came_true: NDArray[np.bool_], bins: int = BINS) -> float:
    """The expected calibration error in [0, 1]: how far told and true lie apart, weighed by photos."""
    which = np.minimum((told * bins).astype(int), bins - 1)
    gaps = np.bincount(which, weights=told - came_true, minlength=bins)
    return float(np.abs(gaps).sum() / len(told))


def calibration_summary(told: NDArray, came_true: NDArray[np.bool_], seed: int = 0) -> dict[str, Any]:
    """Error with a bootstrap interval, the error that perfect confidences would show by chance, and the bins."""
    random = np.random.default_rng(seed)
    drawn = random.integers(len(told), size=(RESAMPLES, len(told)))
    again = [calibration_error(told[photos], came_true[photos]) for photos in drawn]
    chance = [calibration_error(told, random.random(len(told)) < told) for _ in range(RESAMPLES)]
    return {
        "photos": len(told),
        "error": round(calibration_error(told, came_true), 4),
        "interval": [round(float(each), 4) for each in np.percentile(again, [2.5, 97.5])],
        "by_chance": round(float(np.mean(chance)), 4),
        "mean_told": round(float(told.mean()), 4),
        "came_true": round(float(came_true.mean()), 4),
        "bins": reliability(told, came_true),
    }


def _log_loss(mass: NDArray, holds: NDArray[np.bool_]) -> float:
    odds = log_odds(mass)
    return float(np.logaddexp(0, np.where(holds, -odds, odds)).mean())


def _line(mass: NDArray, holds: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset of Platt's line in the log odds of (Q,) masses.

    One photo's worth of belief in 1 and 0 keeps the line finite where every photo came true, or none.
    """
    odds = log_odds(mass)

    def loss(line: NDArray) -> float:
        scores = line[0] * odds + line[1]
        belief = ((line[0] - 1) ** 2 + line[1] ** 2) / 2
        return float(np.logaddexp(0, np.where(holds, -scores, scores)).sum() + belief)

    slope, offset = minimize(loss, np.array([1.0, 0.0])).x
    return float(slope), float(offset)
