"""Calibration of scores: confidences, radii of a given coverage, and the threshold of out-of-gallery rejection.

Everything is chosen on validation photos and measured on photos that chose nothing: the other half of the
validation photos (two-fold spatial cross-validation), or held-out ones.
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
    Discs,
    EncodedPhoto,
    circle_radius_m,
    compare,
    log_odds,
    match_probabilities,
)
from l2ltr_core.model.protocol import EncoderLike
from l2ltr_core.types import Location

SURE = 0.9
"""Confidence from which on a wrong answer counts as misleading."""
TEMPERATURES = np.geomspace(0.005, 0.5, 41)
FALSE_REJECTIONS = {"rendered": 0.03, "real": 0.1}
"""Share of the photos taken in a gallery whose excess lies below `least_excess`."""
SURROUNDINGS_M = 100.0
"""Radius in metres within which places are left out to make a photo out of gallery."""
ABSENT_WEIGHT = 0.2
"""Weight of a photo whose place was left out against one whose place is there: visitors mostly choose a gallery that
holds their photo."""
RIGHT_AT_95_PERCENT = 0.05
POSITION_STDS_M = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 14.0)
RADIUS_TEMPERATURES = np.geomspace(0.4, 6, 14)
"""Temperatures tried for the radii, as multiples of that of the confidence."""
LEAST_PHOTOS = 20
BINS = 10
RESAMPLES = 1000

Fit = Callable[["CalibrationSamples"], Calibration]


@dataclass(frozen=True)
class CalibrationSamples:
    """What (Q,) photos scored in one gallery, at each of `TEMPERATURES` (Q, T).

    `probability_mass` is the probability in the densest disc and `is_correct` whether the photo was taken within its
    radius of the estimate; `excess` (Q,), the out-of-gallery score, is how far the best score stands above the best
    decoy. `absent_probability_mass` and `absent_excess` are the same with the photo's surroundings left out. `best` are
    the candidates, `truth` where each photo was taken.
    """

    probability_mass: NDArray[np.float64]
    is_correct: NDArray[np.bool_]
    excess: NDArray[np.float64]
    absent_probability_mass: NDArray[np.float64]
    absent_excess: NDArray[np.float64]
    best: tuple[Candidates, ...]
    truth: tuple[Location, ...]

    def __len__(self) -> int:
        return len(self.excess)

    def __getitem__(self, photos: NDArray) -> CalibrationSamples:
        chosen = np.arange(len(self))[photos]
        return CalibrationSamples(
            self.probability_mass[photos],
            self.is_correct[photos],
            self.excess[photos],
            self.absent_probability_mass[photos],
            self.absent_excess[photos],
            tuple(self.best[photo] for photo in chosen),
            tuple(self.truth[photo] for photo in chosen),
        )

    @classmethod
    def joined(cls, parts: Sequence[CalibrationSamples]) -> CalibrationSamples:
        """Photos of several galleries, one after the other."""
        return cls(
            np.concatenate([part.probability_mass for part in parts]),
            np.concatenate([part.is_correct for part in parts]),
            np.concatenate([part.excess for part in parts]),
            np.concatenate([part.absent_probability_mass for part in parts]),
            np.concatenate([part.absent_excess for part in parts]),
            tuple(best for part in parts for best in part.best),
            tuple(truth for part in parts for truth in part.truth),
        )


def score_for_calibration(
    photos: Iterable[EncodedPhoto],
    locations: Sequence[Location],
    gallery: Gallery,
    encoder: EncoderLike,
    *,
    search: bool = False,
) -> CalibrationSamples:
    """Estimate where each photo was taken among the places of `gallery`, as localization does."""
    latitudes, longitudes = gallery.places["latitude"].to_numpy(), gallery.places["longitude"].to_numpy()
    radius_m, rows, kept = circle_radius_m(gallery), [], []
    for photo, truth in zip(photos, locations, strict=True):
        compared = compare(photo, encoder, gallery, search=search)
        best = compared.best(ESTIMATE_PLACES)
        near = distance_m(latitudes, longitudes, truth.latitude, truth.longitude) <= SURROUNDINGS_M
        mass, correct = _masses(best, latitudes, longitudes, radius_m, truth)
        absent = best if near.all() else compared.best(ESTIMATE_PLACES, near)
        absent_mass, _ = _masses(absent, latitudes, longitudes, radius_m, truth)
        rows.append((mass, correct, best.excess, absent_mass, absent.excess))
        kept.append(replace(best, heading_scores=None))
    mass, correct, excess, absent_mass, absent_excess = (np.array(each) for each in zip(*rows, strict=True))
    return CalibrationSamples(
        mass, correct, excess, absent_mass, absent_excess, tuple(kept), tuple(locations)
    )


def calibrate(
    samples: CalibrationSamples, measured_on: str, false_rejections: float, *, radii_in: Gallery | None = None
) -> Calibration:
    """The calibration that fits the scores of (Q,) photos best: see `Calibration`.

    Of the temperatures under which about the most answers are right, the one whose confidences have the lowest log loss
    on a line, photos whose surroundings were left out counting `ABSENT_WEIGHT`; the ceiling that the surer half of the
    answers supports with 95 % confidence (Clopper and Pearson's bound); the excess that all but `false_rejections` of
    the photos reach; and, with the gallery they were scored in, radii. Raises DatasetError with fewer than 20 photos.
    """
    if len(samples) < LEAST_PHOTOS:
        raise DatasetError(
            f"There are {len(samples)} photos to calibrate on; give at least {LEAST_PHOTOS}, and twice as many "
            "for a report, in which each half vouches for the other."
        )
    fits = [_logistic(samples, column) for column in range(len(TEMPERATURES))]
    chosen = int(
        np.where(_within_one_standard_error_of_best(samples), [loss for loss, _ in fits], np.inf).argmin()
    )
    slope, excess_slope, offset = fits[chosen][1]
    calibration = Calibration(
        temperature=float(TEMPERATURES[chosen]),
        slope=slope,
        excess_slope=excess_slope,
        offset=offset,
        least_excess=float(np.quantile(samples.excess, false_rejections)),
        photos=len(samples),
        measured_on=measured_on,
    )
    calibration = replace(calibration, ceiling=_ceiling(*confidences(samples, calibration)))
    if radii_in is not None:
        calibration = _with_radii(samples, calibration, radii_in)
    return Calibration(**calibration.to_dict())


def confidences(
    samples: CalibrationSamples, calibration: Calibration
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The confidence in the answer of each photo, (Q,), and whether that answer is correct."""
    column = _column(calibration)
    confidence = calibration.confidence(samples.probability_mass[:, column], samples.excess)
    return confidence, samples.is_correct[:, column]


def absent_confidences(samples: CalibrationSamples, calibration: Calibration) -> NDArray[np.float64]:
    """The confidence (Q,) in each answer with the photo's surroundings left out, when no answer can be correct."""
    mass = samples.absent_probability_mass[:, _column(calibration)]
    return calibration.confidence(mass, samples.absent_excess)


def coverage(samples: CalibrationSamples, calibration: Calibration, gallery: Gallery) -> NDArray[np.float64]:
    """(Q,) which share of the probability lies nearer to the estimate than the truth: a radius that holds a share holds
    the photos below it. Raises DatasetError for a calibration without radii."""
    if calibration.radius_temperature is None or calibration.position_std_m is None:
        raise DatasetError("This calibration has no radii to check; calibrate in a gallery.")
    found = _around_estimates(samples, calibration, gallery)
    within = _within(found, calibration.position_std_m)
    return _covered(found, within, calibration.radius_temperature)


def spatial_cross_validation(
    samples: CalibrationSamples, longitudes: NDArray, fit: Fit
) -> list[tuple[CalibrationSamples, Calibration]]:
    """Each half of the photos, west and east, with the calibration fitted on the other: no neighbours in both folds."""
    west, east = np.array_split(np.argsort(longitudes, kind="stable"), 2)
    return [(samples[east], fit(samples[west])), (samples[west], fit(samples[east]))]


def reliability(confidence: NDArray, correct: NDArray[np.bool_], bins: int = BINS) -> list[list[float]]:
    """Per filled bin of equal width: mean confidence, accuracy, number of photos."""
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    groups = [which == each for each in np.unique(which)]
    return [
        [round(float(confidence[of].mean()), 4), round(float(correct[of].mean()), 4), int(of.sum())]
        for of in groups
    ]


def calibration_error(confidence: NDArray, correct: NDArray[np.bool_], bins: int = BINS) -> float:
    """The expected calibration error in [0, 1]: the mean gap of confidence and accuracy, bin by bin."""
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(which, weights=confidence - correct, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def calibration_summary(confidence: NDArray, correct: NDArray[np.bool_], seed: int = 0) -> dict[str, Any]:
    """Expected calibration error with a bootstrap interval, what perfect confidences would show by chance, and bins."""
    random = np.random.default_rng(seed)
    drawn = random.integers(len(confidence), size=(RESAMPLES, len(confidence)))
    again = [calibration_error(confidence[photos], correct[photos]) for photos in drawn]
    chance = [
        calibration_error(confidence, random.random(len(confidence)) < confidence) for _ in range(RESAMPLES)
    ]
    return {
        "photos": len(confidence),
        "error": round(calibration_error(confidence, correct), 4),
        "interval": [round(float(each), 4) for each in np.percentile(again, [2.5, 97.5])],
        "by_chance": round(float(np.mean(chance)), 4),
        "mean_told": round(float(confidence.mean()), 4),
        "came_true": round(float(correct.mean()), 4),
        "bins": reliability(confidence, correct),
    }


def _masses(
    best: Candidates, latitudes: NDArray, longitudes: NDArray, radius_m: float, truth: Location
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(T,) the densest disc's probability mass at each temperature, and whether the estimate is correct."""
    discs = Discs.around(latitudes[best.place_ids], longitudes[best.place_ids], radius_m)
    found = [discs.densest(match_probabilities(best.scores, each)) for each in TEMPERATURES]
    correct = [distance_between_m(truth, place) <= radius_m for place, _ in found]
    return np.array([mass for _, mass in found]), np.array(correct)


def _column(calibration: Calibration) -> int:
    return int(np.abs(np.log(TEMPERATURES / calibration.temperature)).argmin())


def _within_one_standard_error_of_best(samples: CalibrationSamples) -> NDArray[np.bool_]:
    """(T,) under which temperatures as many answers are right as under the best, but for one standard error.

    Which answer is given depends on the temperature, and one that is surely wrong has a low log loss, too.
    """
    right = samples.is_correct.mean(axis=0)
    most = right.max()
    return np.asarray(right >= most - np.sqrt(most * (1 - most) / len(samples)))


def _logistic(samples: CalibrationSamples, column: int) -> tuple[float, tuple[float, float, float]]:
    """Log loss at one temperature, and slope, slope of the excess and offset of the logistic regression.

    A weak belief in slope 1 and nothing else keeps them finite where every answer is correct, or none.
    """
    odds = np.concatenate(
        [log_odds(samples.probability_mass[:, column]), log_odds(samples.absent_probability_mass[:, column])]
    )
    excess = np.concatenate([samples.excess, samples.absent_excess])
    right = np.concatenate([samples.is_correct[:, column], np.zeros(len(samples), bool)])
    weight = np.concatenate([np.ones(len(samples)), np.full(len(samples), ABSENT_WEIGHT)])
    scale = max(float(excess.std()), 1e-6)

    def loss(line: NDArray) -> float:
        scores = line[0] * odds + line[1] * excess / scale + line[2]
        belief = ((line[0] - 1) ** 2 + line[1] ** 2 + line[2] ** 2) / 2
        return float((weight * np.logaddexp(0, np.where(right, -scores, scores))).sum() + belief)

    fitted = minimize(loss, np.array([1.0, 0.0, 0.0]))
    slope, excess_slope, offset = (float(value) for value in fitted.x)
    return float(fitted.fun), (slope, excess_slope / scale, offset)


def _ceiling(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """The highest confidence: the lower 95 % bound of the accuracy of the surer half of the answers."""
    surer = np.argsort(-confidence, kind="stable")[: max(1, len(confidence) // 2)]
    right = int(correct[surer].sum())
    return float(beta.ppf(RIGHT_AT_95_PERCENT, right, len(surer) - right + 1)) if right else 0.0


def _with_radii(samples: CalibrationSamples, calibration: Calibration, gallery: Gallery) -> Calibration:
    """The settings whose radii hold as many of the photos as `RADIUS_SHARES` say."""
    found = _around_estimates(samples, calibration, gallery)

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
    samples: CalibrationSamples, calibration: Calibration, gallery: Gallery
) -> list[tuple[NDArray[np.float32], NDArray[np.float64], float]]:
    """Of each photo the scores of its best places, their distances from its estimate, and that of the truth."""
    latitudes, longitudes = gallery.places["latitude"].to_numpy(), gallery.places["longitude"].to_numpy()
    around = []
    for best, truth in zip(samples.best, samples.truth, strict=True):
        where = latitudes[best.place_ids], longitudes[best.place_ids]
        discs = Discs.around(*where, circle_radius_m(gallery))
        place, _ = discs.densest(match_probabilities(best.scores, calibration.temperature))
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
