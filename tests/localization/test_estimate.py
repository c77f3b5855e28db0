from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2ltr_core.geometry.geodesy import distance_between_m, offset
from l2ltr_core.localization import (
    ESTIMATE_PLACES,
    Calibration,
    Candidates,
    Discs,
    circle_radius_m,
    coverage_radii_m,
    diversify,
    estimate_among,
    match_probabilities,
    spatial_nms,
)
from l2ltr_core.types import Location, LocationEstimate

ORIGIN = Location(60.17, 24.94)
MEASURED = Calibration(temperature=0.05, radius_temperature=0.05, position_std_m=4.0)
stds_m = st.floats(1, 20)


def gallery_of(*places: Location, spacing_m: float | None = None) -> Any:
    """What an estimate asks of a gallery."""
    table = pd.DataFrame(
        [(each.latitude, each.longitude) for each in places], columns=["latitude", "longitude"]
    )
    return SimpleNamespace(places=table, manifest=SimpleNamespace(spacing_m=spacing_m))


def estimate(
    scores: list[float], places: list[Location], calibration: Calibration | None, excess: float | None = None
) -> LocationEstimate:
    order = np.argsort(-np.array(scores), kind="stable")
    best = Candidates(order, np.array(scores, np.float32)[order], np.zeros(len(scores)), excess)
    return estimate_among(best, gallery_of(*places), calibration)


def test_the_mean_of_a_cluster_beats_a_lone_high_score() -> None:
    near = [offset(ORIGIN, east, 0) for east in (0, 10, 20)]
    found = estimate([0.8, 0.79, 0.79, 0.79], [offset(ORIGIN, 500, 0), *near], MEASURED)
    assert distance_between_m(found.location, near[1]) < 1
    assert found.confidence == pytest.approx(3 * np.exp(-0.2) / (1 + 3 * np.exp(-0.2)), abs=1e-5)
    assert found.within_m == 25


def test_one_place_is_its_own_estimate() -> None:
    found = estimate([0.3], [ORIGIN], MEASURED)
    assert distance_between_m(found.location, ORIGIN) < 0.01
    assert found.confidence == pytest.approx(0.999)  # nothing is surer than that


def test_without_a_calibration_there_is_a_place_but_no_percentage_and_no_radius() -> None:
    near = [offset(ORIGIN, east, 0) for east in (0, 10)]
    measured, unmeasured = (estimate([0.5, 0.4], near, each) for each in (MEASURED, None))
    assert unmeasured.location == measured.location
    assert (unmeasured.confidence, unmeasured.radius_m, unmeasured.radius_95_m) == (None, None, None)
    assert unmeasured.shown_radius_m == unmeasured.within_m == 25


def test_a_calibration_without_radii_tells_a_percentage_alone() -> None:
    found = estimate([0.5], [ORIGIN], Calibration())
    assert found.confidence is not None
    assert (found.radius_m, found.radius_95_m, found.shown_radius_m) == (None, None, 25)


def test_the_excess_over_the_decoys_raises_the_confidence() -> None:
    places = [ORIGIN, offset(ORIGIN, 300, 0)]
    trusting = Calibration(excess_slope=20.0)
    confidence = [
        estimate([0.5, 0.5], places, trusting, excess).confidence for excess in (-0.1, None, 0.0, 0.1)
    ]
    assert confidence == pytest.approx([1 / (1 + np.exp(2)), 0.5, 0.5, 1 / (1 + np.exp(-2))], abs=1e-5)


@pytest.mark.parametrize(("spacing_m", "radius_m"), [(None, 25), (10, 25), (40, 40)])
def test_the_circle_is_never_narrower_than_the_grid(spacing_m: float | None, radius_m: float) -> None:
    assert circle_radius_m(gallery_of(ORIGIN, spacing_m=spacing_m)) == radius_m


def test_places_beyond_the_best_do_not_count() -> None:
    places = [offset(ORIGIN, 100.0 * east, 0) for east in range(ESTIMATE_PLACES + 50)]
    scores = [1.0, *np.full(ESTIMATE_PLACES + 49, 0.9)]
    confidence = estimate(scores, places, Calibration(temperature=0.1)).confidence
    assert confidence == pytest.approx(1 / (1 + (ESTIMATE_PLACES - 1) * np.exp(-1)), abs=1e-5)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20), st.floats(0.005, 5))
def test_probabilities_sum_to_one_in_the_order_of_the_scores(scores: list[float], temperature: float) -> None:
    likely = match_probabilities(np.array(scores), temperature)
    assert likely.sum() == pytest.approx(1)
    assert (np.diff(likely[np.argsort(scores, kind="stable")]) >= 0).all()


def test_the_densest_disc_gives_its_mean_place_and_its_probability_mass() -> None:
    places = [offset(ORIGIN, east, 0) for east in (0, 20, 40, 300)]
    latitudes, longitudes = (
        np.array([getattr(p, name) for p in places]) for name in ("latitude", "longitude")
    )
    place, held = Discs.around(latitudes, longitudes, 25).densest(np.array([0.1, 0.2, 0.3, 0.4]))
    assert held == pytest.approx(0.6)
    assert distance_between_m(place, offset(ORIGIN, (0.2 * 20 + 0.3 * 40) / 0.6, 0)) < 0.01


@given(stds_m)
def test_the_radii_of_a_single_place_are_those_of_a_rayleigh_distribution(std_m: float) -> None:
    within, within_95 = coverage_radii_m(np.zeros(1), np.ones(1), std_m)
    assert within == pytest.approx(std_m * np.sqrt(-2 * np.log(1 - 0.68)), rel=0.02)
    assert within_95 == pytest.approx(std_m * np.sqrt(-2 * np.log(1 - 0.95)), rel=0.02)


@given(st.floats(50, 3000), st.floats(0, 0.9), st.floats(0.01, 0.1), stds_m)
def test_radii_grow_with_doubt(away_m: float, doubt: float, more: float, std_m: float) -> None:
    distances = np.array([0.0, away_m])
    sure, unsure = (
        coverage_radii_m(distances, np.array([1 - each, each]), std_m) for each in (doubt, doubt + more)
    )
    assert sure[0] <= sure[1] and unsure[0] <= unsure[1]
    assert unsure[0] >= sure[0] and unsure[1] >= sure[1]


@given(st.floats(0.06, 0.3), st.floats(200, 3000))
def test_the_wide_radius_reaches_a_rival_that_is_likelier_than_1_in_20(rival: float, away_m: float) -> None:
    within, within_95 = coverage_radii_m(np.array([0.0, away_m]), np.array([1 - rival, rival]), 3.0)
    assert within < 20 and abs(within_95 - away_m) < 10 + 0.03 * away_m


def test_radii_hold_the_share_of_photos_that_they_promise() -> None:
    random = np.random.default_rng(0)
    away_m, likely, std_m = np.array([0.0, 15.0, 60.0]), np.array([0.6, 0.3, 0.1]), 5.0
    centre = random.choice(away_m, 20_000, p=likely)
    error_m = np.hypot(centre + std_m * random.normal(size=20_000), std_m * random.normal(size=20_000))
    for radius_m, share in zip(coverage_radii_m(away_m, likely, std_m), (0.68, 0.95), strict=True):
        assert (error_m <= radius_m).mean() == pytest.approx(share, abs=0.015)


def test_radii_come_with_the_estimate() -> None:
    found = estimate([0.5], [ORIGIN], MEASURED)
    radii_m = coverage_radii_m(np.zeros(1), np.ones(1), 4.0)
    assert [found.radius_m, found.radius_95_m] == pytest.approx(list(radii_m))
    assert found.shown_radius_m == found.radius_m


def test_a_different_answer_is_where_most_of_the_rest_may_be() -> None:
    # one place scores as high as each of three that stand together
    places = [offset(Location(60, 25), east, 0) for east in (0, 10, 200, 400, 410, 420)]
    latitudes, longitudes = (
        np.array([getattr(place, name) for place in places]) for name in ("latitude", "longitude")
    )
    scores = np.array([0.9, 0.8, 0.7, 0.7, 0.7, 0.7])
    chosen = partial(diversify, scores, latitudes, longitudes, 25.0)
    listed, likely = chosen(0.1, 3)
    assert listed.tolist() == [0, 3, 2]
    weights = np.exp(scores / 0.1)
    assert likely * weights.sum() == pytest.approx([weights[:2].sum(), weights[3:].sum(), weights[2]])
    assert chosen(0.1, 1)[0].tolist() == [0]
    assert chosen(0.1, 99)[0].tolist() == [0, 3, 2]  # there are no more
    assert spatial_nms(latitudes, longitudes, 25.0, 3).tolist() == [0, 2, 3]
