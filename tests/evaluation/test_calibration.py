from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from l2ltr_core.errors import DatasetError
from l2ltr_core.evaluation.calibration import (
    TEMPERATURES,
    Judged,
    across_halves,
    calibrate,
    calibration_error,
    calibration_summary,
    confidences,
    judge,
    reliability,
)
from l2ltr_core.gallery import Gallery
from l2ltr_core.localization import ESTIMATE_PLACES, Calibration, evidence, log_odds
from tests.town import ColourEncoder

ENCODER = ColourEncoder()
GALLERY: Any = SimpleNamespace(name="town", places=range(256), looks=lambda _: 4)


def boasting(photos: int, slope: float = 2.0, seed: int = 0) -> Judged:
    """Masses whose odds are the true odds to the power of `slope`, at every temperature alike."""
    random = np.random.default_rng(seed)
    truth = random.uniform(0.02, 0.98, photos)
    mass = 1 / (1 + np.exp(-slope * log_odds(truth)))
    holds = random.random(photos) < truth
    wide = np.ones(len(TEMPERATURES))
    return Judged(
        np.outer(mass, wide), np.outer(holds, wide) > 0, random.uniform(0, 1, photos).astype(np.float32)
    )


def test_a_photo_is_judged_as_localization_would_answer_it(gallery: Gallery) -> None:
    places = gallery.descriptors(ENCODER)
    chosen = [3, 100, 200]
    judged = judge(places[chosen], [gallery.location(place) for place in chosen], gallery, ENCODER)
    assert judged.mass.shape == judged.holds.shape == (3, len(TEMPERATURES))
    scores, _ = gallery.search(places[chosen], ENCODER, ESTIMATE_PLACES)
    assert judged.evidence == pytest.approx([evidence(row) for row in scores], abs=1e-5)
    assert judged.holds[:, 0].all()  # a sharp softmax believes the best match, which is right
    elsewhere = judge(places[chosen], [gallery.location(place) for place in (200, 3, 100)], gallery, ENCODER)
    assert not elsewhere.holds[:, 0].any()
    assert np.array_equal(elsewhere.mass, judged.mass)


def test_confidences_that_boast_are_brought_down_to_what_comes_true() -> None:
    judged = boasting(4000)
    calibration = calibrate(judged, GALLERY, ENCODER)
    assert calibration.slope == pytest.approx(0.5, abs=0.05)
    assert calibration.offset == pytest.approx(0, abs=0.1)
    before = calibration_error(judged.mass[:, 0], judged.holds[:, 0])
    fresh = boasting(4000, seed=1)
    after = calibration_error(*confidences(fresh, calibration))
    assert before > 0.1 and after < 0.03


def test_97_of_100_photos_reach_the_least_evidence() -> None:
    judged = boasting(1000)
    calibration = calibrate(judged, GALLERY, ENCODER)
    assert calibration.least_evidence is not None
    assert (judged.evidence < calibration.least_evidence).mean() == pytest.approx(0.03, abs=0.002)
    measured_in = (calibration.gallery, calibration.gallery_places, calibration.gallery_looks)
    assert measured_in == ("town", 256, 4)


def test_photos_that_all_came_true_leave_the_line_finite() -> None:
    judged = boasting(50)
    sure = Judged(judged.mass, np.ones_like(judged.holds), judged.evidence)
    calibration = calibrate(sure, GALLERY, ENCODER)
    assert np.isfinite([calibration.slope, calibration.offset]).all()


def test_too_few_photos_choose_nothing() -> None:
    with pytest.raises(DatasetError, match="5 photos to calibrate on; give at least 20"):
        calibrate(boasting(5), GALLERY, ENCODER)


def test_each_half_is_judged_by_what_the_other_chose() -> None:
    judged = boasting(40)
    longitudes = np.linspace(25, 24, 40)
    seen: list[Judged] = []

    def fit(half: Judged) -> Calibration:
        seen.append(half)
        return Calibration(offset=float(len(seen)))

    (east, of_west), (west, of_east) = across_halves(judged, longitudes, fit)
    assert np.array_equal(seen[0].evidence, west.evidence) and of_west.offset == 1
    assert np.array_equal(seen[1].evidence, east.evidence) and of_east.offset == 2
    assert np.array_equal(east.evidence, judged.evidence[19::-1])
    assert sorted([*east.evidence, *west.evidence]) == sorted(judged.evidence)


def test_the_calibration_error_weighs_the_gap_of_each_bin_by_its_photos() -> None:
    told = np.array([0.95, 0.95, 0.95, 0.15])
    came_true = np.array([True, True, False, False])
    expected = 3 / 4 * (0.95 - 2 / 3) + 1 / 4 * 0.15
    assert calibration_error(told, came_true) == pytest.approx(expected)
    assert reliability(told, came_true) == [[0.15, 0, 1], [0.95, 0.6667, 3]]


def test_certainty_falls_into_the_last_bin() -> None:
    assert calibration_error(np.array([1.0, 0.0]), np.array([True, False])) == 0


def test_a_summary_says_what_chance_alone_would_show() -> None:
    random = np.random.default_rng(3)
    told = random.uniform(0, 1, 300)
    right = calibration_summary(told, random.random(300) < told)
    assert right["interval"][0] < right["error"] < right["interval"][1]
    assert right["error"] == pytest.approx(right["by_chance"], abs=0.03)
    wrong = calibration_summary(told, random.random(300) < told**3)
    assert wrong["error"] > 3 * wrong["by_chance"]
    assert sum(photos for _, _, photos in wrong["bins"]) == wrong["photos"] == 300
