from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2ltr_core.geometry.geodesy import (
    distance_between_m,
    distance_m,
    from_mercator,
    grid,
    grid_size,
    local_m,
    mercator_units_per_m,
    offset,
    to_mercator,
)
from l2ltr_core.types import Bounds, Location

LATITUDES, LONGITUDES = st.floats(-80, 80), st.floats(-179, 179)


def test_a_degree_of_latitude_is_111_kilometres() -> None:
    assert distance_between_m(Location(60, 25), Location(61, 25)) == pytest.approx(111_195, abs=1)


def test_a_degree_of_longitude_halves_at_60_degrees() -> None:
    assert distance_between_m(Location(60, 25), Location(60, 26)) == pytest.approx(55_597, rel=1e-3)


def test_distances_broadcast() -> None:
    assert distance_m(np.zeros((3, 1)), 0, np.zeros(4), np.arange(4)).shape == (3, 4)


@given(LATITUDES, LONGITUDES, st.floats(-500, 500), st.floats(-500, 500))
def test_an_offset_is_as_far_as_it_says(
    latitude: float, longitude: float, east_m: float, north_m: float
) -> None:
    place = Location(latitude, longitude)
    moved = offset(place, east_m, north_m)
    assert distance_between_m(place, moved) == pytest.approx(np.hypot(east_m, north_m), rel=1e-3, abs=0.01)


@given(LATITUDES, LONGITUDES, st.floats(-500, 500), st.floats(-500, 500))
def test_local_metres_undo_an_offset(
    latitude: float, longitude: float, east_m: float, north_m: float
) -> None:
    place = Location(latitude, longitude)
    moved = offset(place, east_m, north_m)
    if abs(moved.longitude - longitude) < 1:  # not around the date line
        assert np.allclose(local_m(moved.latitude, moved.longitude, place), (east_m, north_m), atol=0.01)


@given(LATITUDES, LONGITUDES)
def test_mercator_comes_back(latitude: float, longitude: float) -> None:
    assert np.allclose(from_mercator(*to_mercator(latitude, longitude)), (latitude, longitude), atol=1e-9)


def test_mercator_agrees_with_the_registered_projection() -> None:
    pyproj = pytest.importorskip("pyproj")
    transformer = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True)
    assert np.allclose(to_mercator(60.17, 24.94), transformer.transform(24.94, 60.17), atol=1e-6)


def test_mercator_doubles_a_metre_at_60_degrees() -> None:
    assert mercator_units_per_m(60) == pytest.approx(2)


def test_a_grid_fills_its_box_at_its_spacing() -> None:
    box = Bounds(24.93, 60.16, 24.94, 60.17)
    places = grid(box, 50)
    rows, columns = grid_size(box, 50)
    assert len(places) == rows * columns
    assert all(box.contains(place) for place in places)
    assert distance_between_m(places[0], places[1]) == pytest.approx(50, rel=1e-3)
    assert distance_between_m(places[0], places[columns]) == pytest.approx(50, rel=1e-3)
    assert places[0].latitude > places[-1].latitude and places[0].longitude < places[-1].longitude
