from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from l2ltr_core.errors import DatasetError
from l2ltr_core.evaluation.calibration import (
    SURROUNDINGS_M,
    TEMPERATURES,
    CalibrationSamples,
    absent_confidences,
    calibrate,
    calibration_error,
    calibration_summary,
    confidences,
    coverage,
    reliability,
    score_for_calibration,
    spatial_cross_validation,
)
from l2ltr_core.gallery import Gallery, build_gallery
from l2ltr_core.geometry.geodesy import distance_between_m, distance_m, offset
from l2ltr_core.localization import (
    ESTIMATE_PLACES,
    Calibration,
    Candidates,
    Discs,
    EncodedPhoto,
    compare,
    encode_photos,
    estimate_among,
    log_odds,
    match_probabilities,
)
from l2ltr_core.types import Location
from tests.town import CENTRE, DirectionEncoder, photo_of

ENCODER = DirectionEncoder()
ON = "validation photos"
NOBODY = Candidates(np.zeros(1, np.int64), np.zeros(1, np.float32), np.zeros(1))
PLACES_APART_M = 20.0
GRID = [
    offset(CENTRE, PLACES_APART_M * east, PLACES_APART_M * north) for east in range(20) for north in range(20)
]
TOWN: Any = SimpleNamespace(
    name="town",
    manifest=SimpleNamespace(spacing_m=PLACES_APART_M),
    places=pd.DataFrame(
        {name: [getattr(place, name) for place in GRID] for name in ("latitude", "longitude")}
    ),
)


def boasting(photos: int, slope: float = 2.0, seed: int = 0, absent: float = 0.02) -> CalibrationSamples:
    """Masses whose odds are the true odds to the power of `slope`, at every temperature alike; `absent` is what a
    photo gets with its surroundings left out."""
    random = np.random.default_rng(seed)
    truth = random.uniform(0.02, 0.98, photos)
    mass = 1 / (1 + np.exp(-slope * log_odds(truth)))
    holds = random.random(photos) < truth
    wide = np.ones(len(TEMPERATURES))
    return CalibrationSamples(
        np.outer(mass, wide),
        np.outer(holds, wide) > 0,
        random.uniform(0, 1, photos),
        np.full((photos, len(TEMPERATURES)), absent),
        random.uniform(0, 1, photos),
        (NOBODY,) * photos,
        (CENTRE,) * photos,
    )


def standing_around(
    photos: int, std_m: float = 5.0, temperature: float = 0.05, seed: int = 0
) -> CalibrationSamples:
    """Photos of the grid whose place is drawn with the probability that the softmax of their scores gives it, and who
    stand around it with a normal error."""
    random = np.random.default_rng(seed)
    latitudes, longitudes = (TOWN.places[name].to_numpy() for name in ("latitude", "longitude"))
    found, truths, masses, holds = [], [], [], []
    for _ in range(photos):
        scores = np.sort(random.normal(0, 0.15, 30).astype(np.float32))[::-1]
        best = Candidates(random.choice(len(GRID), 30, replace=False), scores, np.zeros(30))
        truth = GRID[random.choice(best.place_ids, p=match_probabilities(scores, temperature))]
        truth = offset(truth, *random.normal(0, std_m, 2))
        discs = Discs.around(latitudes[best.place_ids], longitudes[best.place_ids], 25.0)
        densest = [discs.densest(match_probabilities(scores, each)) for each in TEMPERATURES]
        found.append(best)
        truths.append(truth)
        masses.append([mass for _, mass in densest])
        holds.append([distance_between_m(truth, place) <= 25 for place, _ in densest])
    samples = boasting(photos, 1.0, seed)
    return replace(
        samples,
        probability_mass=np.array(masses),
        is_correct=np.array(holds),
        best=tuple(found),
        truth=tuple(truths),
    )


@pytest.fixture
def all_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos whose surroundings were left out do not count."""
    monkeypatch.setattr("l2ltr_core.evaluation.calibration.ABSENT_WEIGHT", 0.0)


@pytest.fixture(scope="module")
def known(gallery: Gallery, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    folder = tmp_path_factory.mktemp("columns") / "gallery"
    return build_gallery(gallery.imagery, folder, ENCODER, name="town", spacing_m=10)


def seen(known: Gallery, places: list[int]) -> list[EncodedPhoto]:
    photos = [photo_of(known, place) for place in places]
    return encode_photos(photos, [0.0] * len(photos), ENCODER, "real")


@pytest.mark.parametrize("search", [False, True])
def test_a_photo_is_scored_as_localization_would_answer_it(known: Gallery, search: bool) -> None:
    chosen = [3, 100, 200]
    photos, truth = seen(known, chosen), [known.location(place) for place in chosen]
    samples = score_for_calibration(photos, truth, known, ENCODER, search=search)
    assert samples.probability_mass.shape == samples.is_correct.shape == (3, len(TEMPERATURES))
    calibration = Calibration(temperature=float(TEMPERATURES[20]))
    answers = [compare(each, ENCODER, known, search=search).best(ESTIMATE_PLACES) for each in photos]
    assert samples.excess.tolist() == [each.excess for each in answers]
    confidence = [estimate_among(each, known, calibration).confidence for each in answers]
    assert confidences(samples, calibration)[0] == pytest.approx(confidence)
    assert samples.is_correct[:, 0].all()  # a sharp softmax believes the best match, which is right
    elsewhere = score_for_calibration(photos, [truth[2], truth[0], truth[1]], known, ENCODER, search=search)
    assert not elsewhere.is_correct[:, 0].any()
    assert np.array_equal(elsewhere.probability_mass, samples.probability_mass)
    assert samples.truth == tuple(truth)
    assert [each.place_ids[0] for each in samples.best] == chosen


def test_a_photo_whose_surroundings_are_left_out_counts_as_taken_elsewhere(known: Gallery) -> None:
    photos, truth = seen(known, [0, 255]), [known.location(0), known.location(255)]
    samples = score_for_calibration(photos, truth, known, ENCODER)
    for photo, place, excess in zip(photos, truth, samples.absent_excess, strict=True):
        places = known.places
        near = (
            distance_m(places["latitude"], places["longitude"], place.latitude, place.longitude)
            <= SURROUNDINGS_M
        )
        assert near.any() and not near.all()
        assert excess == compare(photo, ENCODER, known).best(1, near.to_numpy()).excess
    assert (samples.absent_excess < samples.excess).all()


def test_confidences_that_boast_are_brought_down_to_what_comes_true() -> None:
    samples = boasting(4000)
    calibration = calibrate(samples, ON, 0.03)
    assert (calibration.photos, calibration.measured_on) == (4000, ON)
    before = calibration_error(samples.probability_mass[:, 0], samples.is_correct[:, 0])
    fresh = boasting(4000, seed=1)
    after = calibration_error(*confidences(fresh, calibration))
    assert before > 0.1 and after < 0.06


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
def test_confidence_matches_accuracy_within_a_few_points(slope: float, all_there: None) -> None:
    calibration = calibrate(boasting(4000, slope), ON, 0.03)
    assert calibration.slope == pytest.approx(1 / slope, rel=0.1)
    assert calibration.offset == pytest.approx(0, abs=0.1)
    confidence, correct = confidences(boasting(4000, slope, seed=1), replace(calibration, ceiling=1.0))
    for low in (0.0, 0.25, 0.5, 0.75):
        some = (confidence >= low) & (confidence < low + 0.25)
        assert confidence[some].mean() == pytest.approx(correct[some].mean(), abs=0.05)


def test_photos_that_are_not_there_bring_the_confidence_down() -> None:
    alike, unlike = (boasting(2000, 1.0, absent=absent) for absent in (0.6, 0.02))
    of_alike, of_unlike = (calibrate(each, ON, 0.03) for each in (alike, unlike))
    assert of_alike.confidence(0.6, 0.5) < of_unlike.confidence(0.6, 0.5) - 0.05


def test_confidence_is_lower_without_a_photos_surroundings() -> None:
    samples = boasting(2000)
    calibration = calibrate(samples, ON, 0.03)
    confidence, _ = confidences(samples, calibration)
    assert absent_confidences(samples, calibration).mean() < confidence.mean() / 2


def test_an_excess_that_tells_right_from_wrong_is_used() -> None:
    samples = boasting(2000, 1.0)
    telling = replace(samples, excess=samples.is_correct[:, 0] * 0.1, absent_excess=np.zeros(2000))
    assert calibrate(telling, ON, 0.03).excess_slope > 10
    assert abs(calibrate(samples, ON, 0.03).excess_slope) < 1


@pytest.mark.parametrize("share", [0.03, 0.1])
def test_all_but_the_given_share_of_the_photos_reach_the_least_excess(share: float) -> None:
    samples = boasting(1000)
    calibration = calibrate(samples, ON, share)
    assert calibration.least_excess is not None
    assert (samples.excess < calibration.least_excess).mean() == pytest.approx(share, abs=0.002)


@pytest.mark.parametrize(("photos", "ceiling"), [(20, 0.741), (120, 0.951)])
def test_no_confidence_exceeds_what_so_many_photos_support(photos: int, ceiling: float) -> None:
    samples = boasting(photos)
    right = replace(
        samples,
        probability_mass=np.ones_like(samples.probability_mass),
        is_correct=np.ones_like(samples.is_correct),
    )
    calibration = calibrate(right, ON, 0.03)
    assert calibration.ceiling == pytest.approx(ceiling, abs=1e-3)  # 0.05 ** (1 / half the photos)
    assert confidences(right, calibration)[0].max() <= calibration.ceiling


def test_answers_that_are_all_correct_leave_the_line_finite() -> None:
    samples = boasting(50)
    for holds in (np.ones_like(samples.is_correct), np.zeros_like(samples.is_correct)):
        calibration = calibrate(replace(samples, is_correct=holds), ON, 0.03)
        assert np.isfinite([calibration.slope, calibration.excess_slope, calibration.offset]).all()


def test_answers_that_are_never_correct_have_no_confidence() -> None:
    samples = boasting(50)
    assert calibrate(replace(samples, is_correct=np.zeros_like(samples.is_correct)), ON, 0.03).ceiling == 0


def test_too_few_photos_choose_nothing() -> None:
    with pytest.raises(DatasetError, match="5 photos to calibrate on; give at least 20"):
        calibrate(boasting(5), ON, 0.03)


def test_radii_are_chosen_that_hold_68_and_95_of_100_photos(all_there: None) -> None:
    samples, fresh = standing_around(250), standing_around(250, seed=1)
    calibration = calibrate(samples, ON, 0.03, radii_in=TOWN)
    for photos, off in ((samples, 0.03), (fresh, 0.06)):  # of 250 photos, one standard error is 0.03
        covered = coverage(photos, calibration, TOWN)
        for share in (0.68, 0.95):
            assert (covered <= share).mean() == pytest.approx(share, abs=off)


def test_a_photo_is_covered_if_it_lies_within_the_given_radius() -> None:
    samples = standing_around(60)
    calibration = calibrate(samples, ON, 0.03, radii_in=TOWN)
    covered, within = coverage(samples, calibration, TOWN), 0
    for share, best, truth in zip(covered, samples.best, samples.truth, strict=True):
        found = estimate_among(best, TOWN, calibration)
        error_m = distance_m(truth.latitude, truth.longitude, found.latitude, found.longitude)
        for radius_m, holds in ((found.radius_m, 0.68), (found.radius_95_m, 0.95)):
            assert radius_m is not None
            if abs(error_m / radius_m - 1) > 0.03:  # radii are found to within 2 %
                assert (error_m <= radius_m) == (share <= holds)
                within += int(error_m <= radius_m)
    assert 60 < within < 120


def test_a_calibration_without_a_gallery_has_no_radii_to_check() -> None:
    samples = boasting(40)
    calibration = calibrate(samples, ON, 0.03)
    assert (calibration.radius_temperature, calibration.position_std_m) == (None, None)
    with pytest.raises(DatasetError, match="no radii to check; calibrate in a gallery"):
        coverage(samples, calibration, TOWN)


def test_a_temperature_that_makes_answers_surely_wrong_is_not_chosen() -> None:
    samples, half = boasting(200, 1.0), len(TEMPERATURES) // 2
    wrong = replace(samples, is_correct=samples.is_correct & (np.arange(len(TEMPERATURES)) < half))
    assert calibrate(wrong, ON, 0.03).temperature < TEMPERATURES[half]


def test_what_is_chosen_is_what_a_card_gives_back() -> None:
    calibration = calibrate(boasting(60), ON, 0.03)
    assert Calibration(**calibration.to_dict()) == calibration


def test_photos_of_several_galleries_are_one_after_the_other() -> None:
    first, second = boasting(3), boasting(2, seed=1)
    joined = CalibrationSamples.joined([first, second])
    assert len(joined) == 5
    assert joined.excess.tolist() == [*first.excess, *second.excess]
    assert (joined.best, joined.truth) == (first.best + second.best, first.truth + second.truth)


def test_each_half_is_calibrated_on_the_other() -> None:
    samples = replace(boasting(40), truth=tuple(Location(60, 25 - number / 40) for number in range(40)))
    longitudes = np.array([place.longitude for place in samples.truth])
    seen: list[CalibrationSamples] = []

    def fit(half: CalibrationSamples) -> Calibration:
        seen.append(half)
        return Calibration(offset=float(len(seen)))

    (east, of_west), (west, of_east) = spatial_cross_validation(samples, longitudes, fit)
    assert np.array_equal(seen[0].excess, west.excess) and of_west.offset == 1
    assert np.array_equal(seen[1].excess, east.excess) and of_east.offset == 2
    assert np.array_equal(east.excess, samples.excess[19::-1])
    assert east.truth == samples.truth[19::-1]
    assert sorted([*east.excess, *west.excess]) == sorted(samples.excess)


def test_the_calibration_error_weighs_the_gap_of_each_bin_by_its_photos() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.15])
    correct = np.array([True, True, False, False])
    expected = 3 / 4 * (0.95 - 2 / 3) + 1 / 4 * 0.15
    assert calibration_error(confidence, correct) == pytest.approx(expected)
    assert reliability(confidence, correct) == [[0.15, 0, 1], [0.95, 0.6667, 3]]


def test_certainty_falls_into_the_last_bin() -> None:
    assert calibration_error(np.array([1.0, 0.0]), np.array([True, False])) == 0


def test_a_summary_says_what_chance_alone_would_show() -> None:
    random = np.random.default_rng(3)
    confidence = random.uniform(0, 1, 300)
    right = calibration_summary(confidence, random.random(300) < confidence)
    assert right["interval"][0] < right["error"] < right["interval"][1]
    assert right["error"] == pytest.approx(right["by_chance"], abs=0.03)
    wrong = calibration_summary(confidence, random.random(300) < confidence**3)
    assert wrong["error"] > 3 * wrong["by_chance"]
    assert sum(photos for _, _, photos in wrong["bins"]) == wrong["photos"] == 300
