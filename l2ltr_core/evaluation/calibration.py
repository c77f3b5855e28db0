"""What scores are worth: confidences that come true, radii that hold, and when a photo is not in the gallery at all.

Everything is chosen on validation photos. What it is worth is measured on photos that chose nothing: the other
half of the validation photos, or held-out ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import beta, rice

from l2ltr_core.errors import DatasetError
from l2ltr_core.gallery import Gallery
from l2ltr_core.geometry.geodesy import distance_between_m, distance_m
from l2ltr_core.localization import (
    ESTIMATE_PLACES,
    RADIUS_SHARES,
    Calibration,
    Candidates,
    Circles,
    EncodedPhoto,
    circle_radius_m,
    compare,
    log_odds,
    match_probabilities,
)
from l2ltr_core.model.protocol import EncoderLike
from l2ltr_core.types import Location

SURE = 0.9
"""Confidence from which on a wrong answer misleads."""
TEMPERATURES = np.geomspace(0.005, 0.5, 41)
FALSE_REJECTIONS = {"rendered": 0.03, "real": 0.1}
"""Share of the photos taken in a gallery whose excess lies below `least_excess`."""
SURROUNDINGS_M = 100.0
"""Places so near to a photo are left out where it is to count as taken elsewhere."""
ABSENT_WEIGHT = 0.2
"""How much a photo whose place was left out counts beside one whose place is there: visitors mostly choose a gallery
that holds their photo."""
RIGHT_AT_95_PERCENT = 0.05
POSITION_STDS_M = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 14.0)
RADIUS_TEMPERATURES = np.geomspace(0.4, 6, 14)
"""Tried for the radii, as multiples of the temperature of the confidence."""
LEAST_PHOTOS = 20
BINS = 10
RESAMPLES = 1000

Fit = Callable[["Judged"], Calibration]


@dataclass(frozen=True)
class Judged:
    """What (Q,) photos got in one gallery, at each of `TEMPERATURES` (Q, T).

    `mass` is the probability in the heaviest circle and `holds` whether the photo was taken within its radius
    of the estimate; `excess` (Q,) is how far the best score stands above the best decoy. `absent_mass` and
    `absent_excess` are the same with the photo's surroundings left out. `best` are the places found, `truth` where each
    photo was taken.
    """

    mass: NDArray[np.float64]
    holds: NDArray[np.bool_]
    excess: NDArray[np.float64]
    absent_mass: NDArray[np.float64]
    absent_excess: NDArray[np.float64]
    best: tuple[Candidates, ...]
    truth: tuple[Location, ...]

    def __len__(self) -> int:
        return len(self.excess)

    def __getitem__(self, photos: NDArray) -> Judged:
        chosen = np.arange(len(self))[photos]
        return Judged(
            self.mass[photos],
            self.holds[photos],
            self.excess[photos],
            self.absent_mass[photos],
            self.absent_excess[photos],
            tuple(self.best[photo] for photo in chosen),
            tuple(self.truth[photo] for photo in chosen),
        )

    @classmethod
    def joined(cls, parts: Sequence[Judged]) -> Judged:
        """Photos of several galleries, one after the other."""
        return cls(
            np.concatenate([part.mass for part in parts]),
            np.concatenate([part.holds for part in parts]),
            np.concatenate([part.excess for part in parts]),
            np.concatenate([part.absent_mass for part in parts]),
            np.concatenate([part.absent_excess for part in parts]),
            tuple(best for part in parts for best in part.best),
            tuple(truth for part in parts for truth in part.truth),
        )


def judge(
    photos: Iterable[EncodedPhoto],
    locations: Sequence[Location],
    gallery: Gallery,
    encoder: EncoderLike,
    *,
    search: bool = False,
) -> Judged:
    """Estimate where each photo was taken among the places of `gallery`, as localization does."""
    latitudes, longitudes = gallery.places["latitude"].to_numpy(), gallery.places["longitude"].to_numpy()
    radius_m, rows, kept = circle_radius_m(gallery), [], []
    for photo, truth in zip(photos, locations, strict=True):
        compared = compare(photo, encoder, gallery, search=search)
        best = compared.best(ESTIMATE_PLACES)
        near = distance_m(latitudes, longitudes, truth.latitude, truth.longitude) <= SURROUNDINGS_M
        mass, holds = _masses(best, latitudes, longitudes, radius_m, truth)
        absent = best if near.all() else compared.best(ESTIMATE_PLACES, near)
        absent_mass, _ = _masses(absent, latitudes, longitudes, radius_m, truth)
        rows.append((mass, holds, best.excess, absent_mass, absent.excess))
        kept.append(replace(best, heading_scores=None))
    mass, holds, excess, absent_mass, absent_excess = (np.array(each) for each in zip(*rows, strict=True))
    return Judged(mass, holds, excess, absent_mass, absent_excess, tuple(kept), tuple(locations))


def calibrate(
    judged: Judged, measured_on: str, false_rejections: float, *, radii_in: Gallery | None = None
) -> Calibration:
    """What makes the scores of (Q,) photos come true: see `Calibration`.

    Of the temperatures under which about the most answers are right, the one whose confidences have the lowest log loss
    on a line, photos whose surroundings were left out counting `ABSENT_WEIGHT`; the ceiling that the surer half of the
    answers supports with 95 % confidence (Clopper and Pearson's bound); the excess that all but `false_rejections` of
    the photos reach; and, with the gallery they were judged in, radii. Raises DatasetError with fewer than 20 photos.
    """
    if len(judged) < LEAST_PHOTOS:
        raise DatasetError(
            f"There are {len(judged)} photos to calibrate on; give at least {LEAST_PHOTOS}, and twice as many "
            "for a report, in which each half vouches for the other."
        )
    fits = [_logistic(judged, column) for column in range(len(TEMPERATURES))]
    chosen = int(np.where(_about_the_best(judged), [loss for loss, _ in fits], np.inf).argmin())
    slope, excess_slope, offset = fits[chosen][1]
    calibration = Calibration(
        temperature=float(TEMPERATURES[chosen]),
        slope=slope,
        excess_slope=excess_slope,
        offset=offset,
        least_excess=float(np.quantile(judged.excess, false_rejections)),
        photos=len(judged),
        measured_on=measured_on,
    )
    calibration = replace(calibration, ceiling=_ceiling(*confidences(judged, calibration)))
    if radii_in is not None:
        calibration = _with_radii(judged, calibration, radii_in)
    return Calibration(**calibration.to_dict())


def confidences(judged: Judged, calibration: Calibration) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """What each photo (Q,) would be told, and whether it came true."""
    column = _column(calibration)
    return calibration.confidence(judged.mass[:, column], judged.excess), judged.holds[:, column]


def absent_confidences(judged: Judged, calibration: Calibration) -> NDArray[np.float64]:
    """What each photo (Q,) would be told with its surroundings left out, when nothing can come true."""
    return calibration.confidence(judged.absent_mass[:, _column(calibration)], judged.absent_excess)


def coverage(judged: Judged, calibration: Calibration, gallery: Gallery) -> NDArray[np.float64]:
    """(Q,) which share of the probability lies nearer to the estimate than the truth: a radius that holds a share holds
    the photos below it. Raises DatasetError for a calibration without radii."""
    if calibration.radius_temperature is None or calibration.position_std_m is None:
        raise DatasetError("This calibration has no radii to check; calibrate in a gallery.")
    found = _around_estimates(judged, calibration, gallery)
    within = _within(found, calibration.position_std_m)
    return _covered(found, within, calibration.radius_temperature)


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


def _masses(
    best: Candidates, latitudes: NDArray, longitudes: NDArray, radius_m: float, truth: Location
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(T,) the heaviest circle's probability at each temperature, and whether it holds the truth."""
    circles = Circles.around(latitudes[best.place_ids], longitudes[best.place_ids], radius_m)
    found = [circles.heaviest(match_probabilities(best.scores, each)) for each in TEMPERATURES]
    holds = [distance_between_m(truth, place) <= radius_m for place, _ in found]
    return np.array([mass for _, mass in found]), np.array(holds)


def _column(calibration: Calibration) -> int:
    return int(np.abs(np.log(TEMPERATURES / calibration.temperature)).argmin())


def _about_the_best(judged: Judged) -> NDArray[np.bool_]:
    """(T,) under which temperatures as many answers are right as under the best, but for one standard error.

    Which answer is given depends on the temperature, and one that is surely wrong has a low log loss, too.
    """
    right = judged.holds.mean(axis=0)
    most = right.max()
    return np.asarray(right >= most - np.sqrt(most * (1 - most) / len(judged)))


def _logistic(judged: Judged, column: int) -> tuple[float, tuple[float, float, float]]:
    """Log loss at one temperature, and slope, slope of the excess and offset of the logistic regression.

    A weak belief in slope 1 and nothing else keeps them finite where every photo came true, or none.
    """
    odds = np.concatenate([log_odds(judged.mass[:, column]), log_odds(judged.absent_mass[:, column])])
    excess = np.concatenate([judged.excess, judged.absent_excess])
    right = np.concatenate([judged.holds[:, column], np.zeros(len(judged), bool)])
    weight = np.concatenate([np.ones(len(judged)), np.full(len(judged), ABSENT_WEIGHT)])
    scale = max(float(excess.std()), 1e-6)

    def loss(line: NDArray) -> float:
        scores = line[0] * odds + line[1] * excess / scale + line[2]
        belief = ((line[0] - 1) ** 2 + line[1] ** 2 + line[2] ** 2) / 2
        return float((weight * np.logaddexp(0, np.where(right, -scores, scores))).sum() + belief)

    fitted = minimize(loss, np.array([1.0, 0.0, 0.0]))
    slope, excess_slope, offset = (float(value) for value in fitted.x)
    return float(fitted.fun), (slope, excess_slope / scale, offset)


def _ceiling(told: NDArray[np.float64], came_true: NDArray[np.bool_]) -> float:
    """The most that may be told: the lower 95 % bound of how often the surer half of the answers came true."""
    surer = np.argsort(-told, kind="stable")[: max(1, len(told) // 2)]
    right = int(came_true[surer].sum())
    return float(beta.ppf(RIGHT_AT_95_PERCENT, right, len(surer) - right + 1)) if right else 0.0


def _with_radii(judged: Judged, calibration: Calibration, gallery: Gallery) -> Calibration:
    """The settings whose radii hold as many of the photos as `RADIUS_SHARES` say."""
    found = _around_estimates(judged, calibration, gallery)

    best, chosen = np.inf, (calibration.temperature, POSITION_STDS_M[0])
    for std_m in POSITION_STDS_M:
        within = _within(found, std_m)
        for times in RADIUS_TEMPERATURES:
            temperature = float(times * calibration.temperature)
            covered = _covered(found, within, temperature)
            off = sum(abs(float((covered <= share).mean()) - share) for share in RADIUS_SHARES)
            if off < best:
                best, chosen = off, (temperature, std_m)
    return replace(calibration, radius_temperature=chosen[0], position_std_m=chosen[1])


def _around_estimates(
    judged: Judged, calibration: Calibration, gallery: Gallery
) -> list[tuple[NDArray[np.float32], NDArray[np.float64], float]]:
    """Of each photo the scores of its best places, their distances from its estimate, and that of the truth."""
    latitudes, longitudes = gallery.places["latitude"].to_numpy(), gallery.places["longitude"].to_numpy()
    around = []
    for best, truth in zip(judged.best, judged.truth, strict=True):
        where = latitudes[best.place_ids], longitudes[best.place_ids]
        circles = Circles.around(*where, circle_radius_m(gallery))
        place, _ = circles.heaviest(match_probabilities(best.scores, calibration.temperature))
        away_m = distance_m(*where, place.latitude, place.longitude)
        around.append((best.scores, away_m, distance_between_m(truth, place)))
    return around


def _within(
    found: list[tuple[NDArray[np.float32], NDArray[np.float64], float]], std_m: float
) -> list[NDArray[np.float64]]:
    """How likely a photo that stands at each of its best places is nearer to the estimate than the truth, (K,) each."""
    return [rice.cdf(error_m / std_m, away_m / std_m) for _, away_m, error_m in found]


def _covered(
    found: list[tuple[NDArray[np.float32], NDArray[np.float64], float]],
    within: list[NDArray[np.float64]],
    temperature: float,
) -> NDArray[np.float64]:
    return np.array(
        [
            match_probabilities(scores, temperature) @ each
            for (scores, _, _), each in zip(found, within, strict=True)
        ]
    )
