"""From scores of places to a position, the radii around it, and diversified answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rice

from l2ltr_core.gallery import Gallery
from l2ltr_core.geometry.geodesy import distance_m, local_m, offset
from l2ltr_core.localization.calibration import DEFAULT_TEMPERATURE, Calibration
from l2ltr_core.localization.ranking import Candidates
from l2ltr_core.types import Location, LocationEstimate

ESTIMATE_PLACES = 200
"""Number of best places that the estimate weighs."""
ESTIMATE_RADIUS_M = 25.0
"""Least radius in metres of the disc that a confidence is about; the gallery's own spacing where that is wider."""
RADIUS_SHARES = (0.68, 0.95)
"""Shares of photos whose true position lies within an estimate's `radius_m` and `radius_95_m`."""
RADIUS_STEPS = 400


@dataclass(frozen=True)
class Discs:
    """Discs of one radius around each of K places: `inside` (K, K), `east_m` and `north_m` of the first."""

    origin: Location
    east_m: NDArray
    north_m: NDArray
    inside: NDArray[np.bool_]

    @classmethod
    def around(cls, latitudes: NDArray, longitudes: NDArray, radius_m: float) -> Discs:
        """Of `radius_m` around (K,) places."""
        away_m = distance_m(latitudes[:, None], longitudes[:, None], latitudes[None], longitudes[None])
        origin = Location(float(latitudes[0]), float(longitudes[0]))
        return cls(origin, *local_m(latitudes, longitudes, origin), away_m <= radius_m)

    def densest(self, weights: NDArray) -> tuple[Location, float]:
        """The mean place of the disc with the largest sum of (K,) weights, and that sum, at most 1."""
        masses = weights @ self.inside
        centre = int(masses.argmax())
        share = np.where(self.inside[centre], weights, 0) / masses[centre]
        place = offset(self.origin, float(share @ self.east_m), float(share @ self.north_m))
        return place, min(1.0, float(masses[centre]))


def circle_radius_m(gallery: Gallery) -> float:
    """The radius in metres of the disc that a confidence is about: never smaller than the gallery's own grid."""
    return max(ESTIMATE_RADIUS_M, gallery.manifest.spacing_m or 0.0)


def estimate_among(best: Candidates, gallery: Gallery, calibration: Calibration | None) -> LocationEstimate:
    """Where a photo was taken, from its best places in a gallery.

    Scores become probabilities by a softmax; the disc around one of the places with the most probability mass wins,
    and the estimate is the mean of the places in it. Without a calibration there is no confidence, and the radii are
    None.
    """
    weighed = gallery.places.iloc[best.place_ids[:ESTIMATE_PLACES]]
    latitudes, longitudes = weighed["latitude"].to_numpy(), weighed["longitude"].to_numpy()
    scores, within_m = best.scores[:ESTIMATE_PLACES], circle_radius_m(gallery)
    temperature = DEFAULT_TEMPERATURE if calibration is None else calibration.temperature
    discs = Discs.around(latitudes, longitudes, within_m)
    place, mass = discs.densest(match_probabilities(scores, temperature))
    if calibration is None:
        return LocationEstimate(place.latitude, place.longitude, within_m, None)
    radii_m: tuple[float, ...] | None = None
    if calibration.radius_temperature is not None and calibration.position_std_m is not None:
        away_m = distance_m(latitudes, longitudes, place.latitude, place.longitude)
        likely = match_probabilities(scores, calibration.radius_temperature)
        radii_m = coverage_radii_m(away_m, likely, calibration.position_std_m)
    return LocationEstimate(
        place.latitude,
        place.longitude,
        within_m,
        float(calibration.confidence(mass, best.excess or 0.0)),
        *(radii_m or (None, None)),
    )


def coverage_radii_m(away_m: NDArray, probabilities: NDArray, position_std_m: float) -> tuple[float, ...]:
    """The radii that cover each of `RADIUS_SHARES` of the probability of (K,) places `away_m` from the estimate.

    A photo stands around its place with a normal error of `position_std_m` east and north, so its distance from the
    estimate follows Rice's distribution.
    """
    farthest_m = float(away_m.max()) + 4 * position_std_m
    radii_m = np.geomspace(0.5, max(farthest_m, 1.0), RADIUS_STEPS)
    counted = probabilities > 1e-4
    within = rice.cdf(radii_m[:, None] / position_std_m, away_m[counted] / position_std_m)
    covered = within @ (probabilities[counted] / probabilities[counted].sum())
    last = len(radii_m) - 1
    return tuple(float(radii_m[min(int(np.searchsorted(covered, share)), last)]) for share in RADIUS_SHARES)


def match_probabilities(scores: NDArray, temperature: float) -> NDArray[np.float64]:
    """Softmax of (K,) scores."""
    weights = np.exp((scores.astype(np.float64) - scores.max()) / temperature)
    return weights / weights.sum()


def diversify(
    scores: NDArray,
    latitudes: NDArray,
    longitudes: NDArray,
    min_separation_m: float,
    temperature: float,
    count: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which of (P,) places, best first, to list as `count` diversified answers, farther than `min_separation_m` from
    each other, and the probability that each adds.

    The best place, then time and again the one around which, within `min_separation_m`, lies most of the probability
    that no answer covers yet (a softmax of the scores at `temperature`): one of them should be right, and three pins in
    the street that the first names would not help. The greedy choice of maximum coverage (Nemhauser et al., 1978).
    Past the `ESTIMATE_PLACES` best, scores alone decide, and nothing is added.
    """
    likely = slice(ESTIMATE_PLACES)
    covers = Discs.around(latitudes[likely], longitudes[likely], min_separation_m).inside
    uncovered = match_probabilities(scores[likely], temperature)
    free, named, added = np.ones(len(covers), bool), [0], np.zeros(len(scores))
    while True:
        around = covers[named[-1]]
        added[named[-1]] = around @ uncovered
        uncovered = np.where(around, 0, uncovered)
        free &= ~around
        if len(named) == count or not free.any():
            break
        named.append(int(np.where(free, covers @ uncovered, -1).argmax()))
    order = np.concatenate([named, np.setdiff1d(np.arange(len(scores)), named)])
    listed = order[spatial_nms(latitudes[order], longitudes[order], min_separation_m, count)]
    return listed, added[listed]


def spatial_nms(
    latitudes: NDArray, longitudes: NDArray, min_separation_m: float, count: int
) -> NDArray[np.int64]:
    """Spatial non-maximum suppression: of (P,) places, best first, the first `count` that are farther than
    `min_separation_m` from every better one."""
    kept: list[int] = []
    left = np.arange(len(latitudes))
    while len(left) and len(kept) < count:
        best = left[0]
        kept.append(int(best))
        left = left[1:]
        away_m = distance_m(latitudes[best], longitudes[best], latitudes[left], longitudes[left])
        left = left[away_m > min_separation_m]
    return np.array(kept, np.int64)
