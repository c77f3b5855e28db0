"""Where a map looks."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from app import viewport
from l2ltr_core.geometry.geodesy import distance_m, mercator_units_per_m, offset, to_mercator
from l2ltr_core.types import Bounds, Location, LocationEstimate

PLACE = Location(60.17, 24.94)
CITY = Bounds(24.90, 60.15, 25.00, 60.20)


def test_the_view_holds_all_places_and_no_closer_view_would() -> None:
    places = [Location(60.16, 24.93), Location(60.18, 24.95)]
    view = viewport.view_of(places, size_px=(640, 480))
    x, y = to_mercator([p.latitude for p in places], [p.longitude for p in places])

    def fits(zoom: float) -> bool:
        pixel = 2 * math.pi * 6_378_137 / 256 / 2**zoom
        return abs(x[1] - x[0]) / pixel <= 0.85 * 640 and abs(y[1] - y[0]) / pixel <= 0.85 * 480

    assert fits(view.zoom)
    assert not fits(view.zoom + 0.25)
    assert view.center == pytest.approx((60.17, 24.94))


def test_a_single_place_is_shown_from_close_by() -> None:
    assert viewport.view_of([PLACE], closest=18).zoom == 18


def test_a_true_place_in_another_country_does_not_shrink_the_pins_to_one() -> None:
    pins = [Location(60.16, 24.93), Location(60.18, 24.95)]
    assert viewport.overview(pins, Location(47.4, 8.5)) == viewport.overview(pins, None)
    assert viewport.overview(pins, Location(60.19, 24.97)) != viewport.overview(pins, None)


def test_a_sure_answer_is_shown_from_close_by_and_the_true_place_with_it() -> None:
    pins = [Location(60.16, 24.93), Location(60.18, 24.95)]
    answer = LocationEstimate(60.16, 24.93, 25.0, 0.9, 9.0, 40.0)
    near = viewport.overview(pins, None, answer)
    assert near.zoom > viewport.overview(pins, None).zoom
    assert near.center == pytest.approx((60.16, 24.93), abs=1e-5)
    assert viewport.overview(pins, offset(pins[0], 2000, 0), answer).zoom < near.zoom
    assert viewport.overview(pins, None, replace(answer, radius_95_m=250.0)).zoom < near.zoom


@pytest.fixture
def pixel() -> float:
    """EPSG:3857 units at zoom 17."""
    return 2 * math.pi * 6_378_137 / 256 / 2**17


def test_a_view_near_the_edge_shows_the_map_and_not_the_paper_beyond(pixel: float) -> None:
    (west, east), (south, north) = to_mercator([60.15, 60.20], [24.90, 25.00])
    for place in (Location(60.1512, 24.9022), Location(60.1988, 24.9978)):  # 200 pixels from two edges
        seen = viewport.clamp_to_bounds(viewport.view_of([place], closest=17), CITY, (560, 500))
        x, y = to_mercator(*seen.center)
        assert seen.zoom == 17
        assert x - 280 * pixel >= west - 1e-6 and x + 280 * pixel <= east + 1e-6
        assert y - 250 * pixel >= south - 1e-6 and y + 250 * pixel <= north + 1e-6
    far = viewport.clamp_to_bounds(viewport.view_of([PLACE], closest=17), CITY)
    assert far.center == pytest.approx((PLACE.latitude, PLACE.longitude))


def test_a_view_at_the_edge_moves_no_farther_than_a_telephone_shows(pixel: float) -> None:
    corner = Location(60.1501, 24.9001)
    seen = viewport.clamp_to_bounds(viewport.view_of([corner], closest=17), CITY)
    x, y = to_mercator(*seen.center)
    at_x, at_y = to_mercator(corner.latitude, corner.longitude)
    assert ((x - at_x) / pixel, (y - at_y) / pixel) == pytest.approx((130, 130))


def test_a_view_larger_than_the_map_has_it_in_the_middle() -> None:
    village = Bounds(24.94, 60.17, 24.95, 60.18)
    seen = viewport.clamp_to_bounds(viewport.view_of([PLACE], closest=10), village)
    assert seen.center == pytest.approx((60.175, 24.945), abs=1e-4)


def test_a_view_pans_to_include_places_no_farther_than_it_must() -> None:
    start = viewport.view_of([PLACE], closest=17)
    near, far = offset(PLACE, 20, 30), offset(PLACE, 200, 0)
    assert viewport.pan_to_include([near], start, (340, 520)).center == pytest.approx(start.center)
    moved = viewport.pan_to_include([near, far], start, (340, 520))
    assert viewport.fits_viewport([near, far], moved, (340, 520))
    assert not viewport.fits_viewport([offset(far, 1, 0)], moved, (340, 520))
    assert moved.center[0] == pytest.approx(start.center[0])


def test_places_fit_the_viewport_up_to_its_edges() -> None:
    view = viewport.view_of([PLACE], closest=17)
    half_m = 100 * viewport.PIXEL_AT_ZOOM_0 / 2**17 / mercator_units_per_m(PLACE.latitude)
    assert viewport.fits_viewport([PLACE, offset(PLACE, 0.98 * half_m, 0)], view, (200, 100))
    assert not viewport.fits_viewport([PLACE, offset(PLACE, 1.02 * half_m, 0)], view, (200, 100))
    assert not viewport.fits_viewport([PLACE, offset(PLACE, 0, 0.98 * half_m)], view, (200, 100))


def test_the_whole_city_is_in_sight_on_a_telephone_and_fills_the_map() -> None:
    corners = [Location(CITY.south, CITY.west), Location(CITY.north, CITY.east)]
    view = viewport.bounds_view(CITY)
    assert viewport.fits_viewport(corners, view, viewport.NARROW_PX)
    assert not viewport.fits_viewport(
        corners, viewport.MapView(view.center, view.zoom + 0.25), viewport.NARROW_PX
    )


def test_a_refreshed_view_differs_by_less_than_anybody_sees() -> None:
    view = viewport.MapView((60.17, 24.94), 14.5)
    again = viewport.refreshed(view)
    assert again.center[0] != view.center[0] and again.zoom != view.zoom
    assert distance_m(*again.center, *view.center) < 0.001
    assert round(4 * again.zoom) / 4 == view.zoom


def test_a_square_fills_a_map_that_is_as_high_as_wide() -> None:
    box = viewport.square_bounds(PLACE, 100.0)
    corners = [Location(box.south, box.west), Location(box.north, box.east)]
    view = viewport.square_view(PLACE, 100.0, 440)
    assert viewport.fits_viewport(corners, view, (440, 440))
    assert not viewport.fits_viewport(corners, viewport.MapView(view.center, view.zoom + 0.5), (440, 440))


def test_a_square_is_as_wide_on_the_ground_as_asked() -> None:
    box = viewport.square_bounds(PLACE, 80.0)
    assert distance_m(box.south, 24.94, box.north, 24.94) == pytest.approx(80, rel=2e-3)
    assert distance_m(60.17, box.west, 60.17, box.east) == pytest.approx(80, rel=2e-3)


def test_a_view_is_clamped_only_as_long_as_a_telephone_keeps_its_places() -> None:
    edge = Bounds(24.90, 60.1695, 24.945, 60.20)
    view = viewport.view_of([PLACE], closest=17)
    assert viewport.clamp_keeping([PLACE], view, edge) == viewport.clamp_to_bounds(view, edge) != view
    below = offset(PLACE, 0, -150)  # at the lower edge of a telephone's map
    assert viewport.fits_viewport([below], view, viewport.NARROW_PX)
    assert viewport.clamp_keeping([below], view, edge) == view
