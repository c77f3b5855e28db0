"""Matches on the map, and what the map reports back."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import folium
import numpy as np
import pytest
from folium.raster_layers import ImageOverlay

from app import maps
from app.game import Round
from app.offline import BaseImage
from l2ltr_core.geometry.geodesy import (
    distance_between_m,
    distance_m,
    mercator_units_per_m,
    offset,
    to_mercator,
)
from l2ltr_core.localization import Localization
from l2ltr_core.types import Bounds, Location, LocationEstimate, Match
from l2ltr_core.walks import Walk

PLACE = Location(60.17, 24.94)
CITY = Bounds(24.90, 60.15, 25.00, 60.20)
EDGE = Bounds(24.90, 60.1695, 24.945, 60.20)
"""Of a city that ends near `PLACE`, south and east."""
MATCHES = [Match(rank, rank, 60.17 + rank / 1000, 24.94, 1 - rank / 20) for rank in range(1, 11)]
ESTIMATE = LocationEstimate(60.17, 24.94, 25.0, 0.7)


def html(layer: folium.FeatureGroup) -> str:
    figure = folium.Map(tiles=None)
    layer.add_to(figure)
    return figure.get_root().render()


def test_the_base_map_asks_for_nothing_outside_but_the_two_layers_it_offers() -> None:
    image = BaseImage("../../app/static/galleries/x.jpg", Bounds(24.9, 60.1, 25.0, 60.2), "drawn by <a test>")
    page = maps.base_map(image, maps.whole(image.bounds)).get_root().render()
    hosts = {part.split("/")[0] for part in page.split("https://")[1:]}
    assert hosts == {"tile.openstreetmap.org", "server.arcgisonline.com", "www.openstreetmap.org"}
    assert "../../app/static/leaflet/leaflet.js" in page
    assert '"../../app/static/galleries/x.jpg"' in page
    assert "drawn by <a test>" not in page


def test_every_match_has_a_numbered_pin_and_one_is_selected() -> None:
    page = html(maps.match_layer(MATCHES, ESTIMATE, selected_rank=3))
    assert page.count("l2ltr-pin") == 10
    assert page.count("pin selected") == 1
    assert 'pin selected\\" data-rank=\\"3' in page or 'pin selected" data-rank="3' in page


def test_the_true_place_is_drawn_only_where_it_is_known() -> None:
    assert "l2ltr-truth" not in html(maps.match_layer(MATCHES, ESTIMATE, selected_rank=1))
    assert "l2ltr-truth" in html(maps.match_layer(MATCHES, ESTIMATE, selected_rank=1, truth=PLACE))


def circles(estimate: LocationEstimate) -> list[tuple[float, str]]:
    """The radii that are drawn, and what is said of them."""
    drawn = maps.match_layer(MATCHES, estimate, selected_rank=1)._children.values()
    return [
        (each.options["radius"], "".join(tip.text for tip in each._children.values()))
        for each in drawn
        if isinstance(each, folium.Circle)
    ]


def test_the_radii_of_an_estimate_are_drawn_and_told_where_they_were_measured() -> None:
    measured = circles(replace(ESTIMATE, radius_m=9.0, radius_95_m=40.0))
    assert {radius for radius, _ in measured} == {9.0, 40.0}
    assert measured[-1][1] == "68 of 100 such answers lie within 9 m, 95 within 40 m"
    assert {radius for radius, _ in circles(replace(ESTIMATE, radius_m=9.0, radius_95_m=4000.0))} == {9.0}


def test_an_estimate_whose_radii_were_not_measured_says_so() -> None:
    drawn = circles(replace(ESTIMATE, confidence=None))
    assert {radius for radius, _ in drawn} == {25.0}
    assert "was not measured" in drawn[-1][1]


def test_the_fan_is_drawn_only_where_somebody_knows_the_heading() -> None:
    def fans(fan: tuple[float, float] | None) -> int:
        drawn = maps.match_layer(MATCHES, ESTIMATE, selected_rank=1, fan=fan)._children.values()
        return sum(type(each) is folium.Polygon for each in drawn)

    assert (fans((90.0, 20.0)), fans(None)) == (1, 0)


@pytest.mark.parametrize(
    ("tooltip", "rank"),
    [("Place 7 · 12 m off", 7), (" Place 10", 10), ("True position", None), (None, None), ("", None)],
)
def test_a_click_is_read_from_the_tooltip_of_what_was_clicked(tooltip: str | None, rank: int | None) -> None:
    assert maps.clicked("Place", tooltip) == rank


def test_the_wedge_opens_towards_the_heading() -> None:
    corners = maps.heading_wedge(PLACE, 90.0, 100.0, 20.0)
    middle = corners[1 + len(corners[1:]) // 2]
    assert middle.latitude == pytest.approx(PLACE.latitude, abs=1e-6)
    assert middle.longitude > PLACE.longitude
    assert distance_between_m(PLACE, middle) == pytest.approx(100, rel=1e-3)


def test_the_view_holds_all_places_and_no_closer_view_would() -> None:
    places = [Location(60.16, 24.93), Location(60.18, 24.95)]
    view = maps.view_of(places, size_px=(640, 480))
    x, y = to_mercator([p.latitude for p in places], [p.longitude for p in places])

    def fits(zoom: float) -> bool:
        pixel = 2 * math.pi * 6_378_137 / 256 / 2**zoom
        return abs(x[1] - x[0]) / pixel <= 0.85 * 640 and abs(y[1] - y[0]) / pixel <= 0.85 * 480

    assert fits(view.zoom)
    assert not fits(view.zoom + 0.25)
    assert view.center == pytest.approx((60.17, 24.94))


def test_a_single_place_is_shown_from_close_by() -> None:
    assert maps.view_of([PLACE], closest=18).zoom == 18


def test_a_true_place_in_another_country_does_not_shrink_the_pins_to_one() -> None:
    pins = [Location(60.16, 24.93), Location(60.18, 24.95)]
    assert maps.overview(pins, Location(47.4, 8.5)) == maps.overview(pins, None)
    assert maps.overview(pins, Location(60.19, 24.97)) != maps.overview(pins, None)


def test_a_sure_answer_is_shown_from_close_by_and_the_true_place_with_it() -> None:
    pins = [Location(60.16, 24.93), Location(60.18, 24.95)]
    answer = LocationEstimate(60.16, 24.93, 25.0, 0.9, 9.0, 40.0)
    near = maps.overview(pins, None, answer)
    assert near.zoom > maps.overview(pins, None).zoom
    assert near.center == pytest.approx((60.16, 24.93), abs=1e-5)
    assert maps.overview(pins, offset(pins[0], 2000, 0), answer).zoom < near.zoom
    assert maps.overview(pins, None, replace(answer, radius_95_m=250.0)).zoom < near.zoom


@pytest.fixture
def pixel() -> float:
    """EPSG:3857 units at zoom 17."""
    return 2 * math.pi * 6_378_137 / 256 / 2**17


def test_a_view_near_the_edge_shows_the_map_and_not_the_paper_beyond(pixel: float) -> None:
    (west, east), (south, north) = to_mercator([60.15, 60.20], [24.90, 25.00])
    for place in (Location(60.1512, 24.9022), Location(60.1988, 24.9978)):  # 200 pixels from two edges
        seen = maps.kept_inside(maps.view_of([place], closest=17), CITY, (560, 500))
        x, y = to_mercator(*seen.center)
        assert seen.zoom == 17
        assert x - 280 * pixel >= west - 1e-6 and x + 280 * pixel <= east + 1e-6
        assert y - 250 * pixel >= south - 1e-6 and y + 250 * pixel <= north + 1e-6
    far = maps.kept_inside(maps.view_of([PLACE], closest=17), CITY)
    assert far.center == pytest.approx((PLACE.latitude, PLACE.longitude))


def test_a_view_at_the_edge_moves_no_farther_than_a_telephone_shows(pixel: float) -> None:
    corner = Location(60.1501, 24.9001)
    seen = maps.kept_inside(maps.view_of([corner], closest=17), CITY)
    x, y = to_mercator(*seen.center)
    at_x, at_y = to_mercator(corner.latitude, corner.longitude)
    assert ((x - at_x) / pixel, (y - at_y) / pixel) == pytest.approx((130, 130))


def test_a_view_larger_than_the_map_has_it_in_the_middle() -> None:
    village = Bounds(24.94, 60.17, 24.95, 60.18)
    seen = maps.kept_inside(maps.view_of([PLACE], closest=10), village)
    assert seen.center == pytest.approx((60.175, 24.945), abs=1e-4)


def test_attention_lies_on_the_map_where_its_tile_is_and_as_large() -> None:
    place = Location(60.17, 24.95)
    box = maps.square_bounds(place, 80.0)
    assert distance_m(box.south, 24.95, box.north, 24.95) == pytest.approx(80, rel=2e-3)
    assert distance_m(60.17, box.west, 60.17, box.east) == pytest.approx(80, rel=2e-3)
    group = maps.attention_layer(place, 80.0, "data:image/png;base64,AA", 0.6, 90.0, "the tile of place 1")
    (overlay,) = [child for child in group._children.values() if isinstance(child, ImageOverlay)]
    assert overlay.bounds == [[box.south, box.west], [box.north, box.east]]
    assert overlay.url == "data:image/png;base64,AA"
    assert overlay.options["opacity"] == 0.6


def test_the_line_of_sight_on_the_map_goes_from_the_tiles_centre_to_its_edge() -> None:
    place = Location(60.17, 24.95)
    group = maps.attention_layer(place, 80.0, "", 1.0, 90.0, "the tile of place 1")
    *_, line = [child for child in group._children.values() if isinstance(child, folium.PolyLine)]
    (start, end) = line.locations
    assert start == [60.17, 24.95]
    assert end[0] == pytest.approx(60.17)
    assert distance_m(*start, *end) == pytest.approx(40, rel=1e-3)
    assert end[1] > start[1]


def walk(alone_m: list[float], together_m: list[float], known: bool = True) -> Walk:
    """Photos 40 m apart to the east, each put so many metres north of its place alone, and with the others."""
    alone, estimates = [], []
    for number, (lone, fused) in enumerate(zip(alone_m, together_m, strict=True)):
        truth = offset(PLACE, 40.0 * number, 0)
        put = [offset(truth, 0, off_m) for off_m in (lone, fused)]
        by_itself, together = (LocationEstimate(p.latitude, p.longitude, 25.0, 0.7) for p in put)
        view = np.zeros((1, 1, 3), np.uint8)
        alone.append(
            Localization(
                "g",
                "c",
                0.0,
                "exif",
                by_itself,
                (),
                truth if known else None,
                view,
                "",
                "rendered",
                "rendered",
            )
        )
        estimates.append(together)
    return Walk(50.0, tuple(alone), tuple(estimates))


def markers(group: folium.FeatureGroup, kind: str) -> dict[int, folium.Marker]:
    """The pins of a kind, by the number of their photo."""
    found = {}
    for child in group._children.values():
        icon = getattr(child, "icon", None)
        if icon is not None and icon.options["class_name"] == kind:
            found[int(re.findall(r'data-photo="(\d+)"', icon.options["html"])[0])] = child
    return found


def lines(group: folium.FeatureGroup, colour: str) -> list[folium.PolyLine]:
    drawn = [child for child in group._children.values() if isinstance(child, folium.PolyLine)]
    return [line for line in drawn if line.options["color"] == colour]


def test_every_stop_of_a_walk_is_numbered_along_one_line() -> None:
    stops = markers(maps.walk_layer(walk([0, 300, 0], [5, 5, 5]), 2), "l2ltr-stop")
    assert list(stops) == [1, 2, 3]
    assert [number for number, stop in stops.items() if "stop selected" in stop.icon.options["html"]] == [2]
    (line,) = lines(maps.walk_layer(walk([0, 300, 0], [5, 5, 5])), maps.TURQUOISE)
    assert line.locations == [pytest.approx(stop.location) for stop in stops.values()]


def test_a_lone_answer_is_drawn_and_tied_to_its_stop_only_where_it_lies_elsewhere() -> None:
    group = maps.walk_layer(walk([0, 300, 20], [5, 5, 5]))
    lone = markers(group, "l2ltr-lone")
    assert list(lone) == [2]
    (dashes,) = lines(group, maps.WRONG)
    stop = markers(group, "l2ltr-stop")[2]
    assert dashes.locations == [pytest.approx(lone[2].location), pytest.approx(stop.location)]


def test_a_lone_answer_is_red_where_it_is_known_to_be_wrong() -> None:
    def pin(shown: Walk) -> str:
        return markers(maps.walk_layer(shown), "l2ltr-lone")[2].icon.options["html"]

    assert maps.WRONG in pin(walk([0, 300, 0], [5, 5, 5]))
    assert maps.WRONG not in pin(walk([0, 3, 0], [5, 300, 5]))  # the walk has led it astray
    assert maps.WRONG not in pin(walk([0, 300, 0], [5, 5, 5], known=False))


def test_a_stop_that_is_known_to_be_wrong_has_a_red_rim() -> None:
    stops = markers(maps.walk_layer(walk([0, 0, 0], [5, 300, 5])), "l2ltr-stop")
    assert [number for number, stop in stops.items() if maps.WRONG in stop.icon.options["html"]] == [2]


def test_the_true_way_is_drawn_only_where_it_is_known() -> None:
    def dots(shown: Walk) -> int:
        children = maps.walk_layer(shown)._children.values()
        return sum(isinstance(child, folium.CircleMarker) for child in children)

    assert dots(walk([0, 0], [0, 0])) == 2
    assert dots(walk([0, 0], [0, 0], known=False)) == 0


def test_a_walk_is_seen_whole_and_never_from_so_far_that_its_stops_melt() -> None:
    near = maps.walk_overview(walk([0, 250, 0], [0, 0, 0]), CITY)
    alone = maps.walk_overview(walk([0, 0, 0], [0, 0, 0]), CITY)
    assert near.zoom < alone.zoom
    assert maps.walk_overview(walk([0, 3000, 0], [0, 0, 0]), CITY) == alone
    assert near.zoom >= maps.WALK_ZOOM


@pytest.mark.parametrize("away_m", [0, 150, 250, 400])
@pytest.mark.parametrize("bounds", [CITY, EDGE], ids=["within", "at an edge"])
def test_a_telephone_shows_every_stop_of_a_walk(away_m: float, bounds: Bounds) -> None:
    shown = walk([0, away_m, 0, 0, -away_m], [0] * 5)
    stops = [estimate.location for estimate in shown.estimates]
    assert maps.in_sight(stops, maps.walk_overview(shown, bounds), maps.NARROW_PX)


def test_a_lone_answer_far_aside_is_in_sight_of_a_wide_map() -> None:
    shown = walk([0, 380, 0], [0, 0, 0])
    view = maps.walk_overview(shown, CITY)
    assert maps.in_sight([shown.alone[1].estimate.location], view, maps.SIZE_PX)
    assert not maps.in_sight([shown.alone[1].estimate.location], view, (340, 340))


def test_a_view_that_holds_places_moves_no_farther_than_it_must() -> None:
    start = maps.view_of([PLACE], closest=17)
    near, far = offset(PLACE, 20, 30), offset(PLACE, 200, 0)
    assert maps.holding([near], start, (340, 520)).center == pytest.approx(start.center)
    moved = maps.holding([near, far], start, (340, 520))
    assert maps.in_sight([near, far], moved, (340, 520))
    assert not maps.in_sight([offset(far, 1, 0)], moved, (340, 520))
    assert moved.center[0] == pytest.approx(start.center[0])


def test_in_sight_is_what_the_map_holds() -> None:
    view = maps.view_of([PLACE], closest=17)
    half_m = 100 * maps.PIXEL_AT_ZOOM_0 / 2**17 / mercator_units_per_m(PLACE.latitude)
    assert maps.in_sight([PLACE, offset(PLACE, 0.98 * half_m, 0)], view, (200, 100))
    assert not maps.in_sight([PLACE, offset(PLACE, 1.02 * half_m, 0)], view, (200, 100))
    assert not maps.in_sight([PLACE, offset(PLACE, 0, 0.98 * half_m)], view, (200, 100))


@pytest.mark.parametrize(
    ("tooltip", "number"),
    [
        ("Photo 7 with the walk: 6 m off", 7),
        (" Photo 12 alone: 575 m off", 12),
        ("True position", None),
        (None, None),
    ],
)
def test_a_click_on_a_walks_map_is_read_from_the_tooltip(tooltip: str | None, number: int | None) -> None:
    assert maps.clicked("Photo", tooltip) == number


def test_the_tooltip_of_every_pin_of_a_walk_names_its_photo() -> None:
    group = maps.walk_layer(walk([0, 300, 0], [5, 5, 5]))
    for kind in ("l2ltr-stop", "l2ltr-lone"):
        for number, marker in markers(group, kind).items():
            (told,) = [
                each.text for each in marker._children.values() if isinstance(each, folium.map.Tooltip)
            ]
            assert maps.clicked("Photo", told) == number


def played(guess: Location | None, estimate: Location) -> Round:
    return Round("a.jpg", PLACE, guess, LocationEstimate(estimate.latitude, estimate.longitude, 25.0, 0.9))


def tags(group: folium.FeatureGroup) -> list[str]:
    """The words on a map's tags."""
    icons = [icon for each in group._children.values() if (icon := getattr(each, "icon", None))]
    found = [re.search(r'class="tag".*>(\w+)<', icon.options["html"]) for icon in icons]
    return [tag.group(1) for tag in found if tag]


def test_a_visitors_pin_lets_clicks_through_and_tells_of_nothing_else() -> None:
    assert len(maps.pin_layer(None)._children) == 0
    [pin] = maps.pin_layer(PLACE)._children.values()
    assert tags(maps.pin_layer(PLACE)) == ["You"]
    assert pin.location == [PLACE.latitude, PLACE.longitude]
    assert pin.options["interactive"] is False


def test_both_answers_are_tied_to_the_true_place() -> None:
    guess, estimate = offset(PLACE, 300, 0), offset(PLACE, 0, 40)
    group = maps.rounds_layer([played(guess, estimate)])
    for answer, colour in ((guess, maps.YOU), (estimate, "#3bc9db")):
        [line] = lines(group, colour)
        assert line.options["dashArray"]
        assert line.locations == [[answer.latitude, answer.longitude], [PLACE.latitude, PLACE.longitude]]
    assert sorted(tags(group)) == ["Model", "You"]
    assert html(group).count("l2ltr-truth") == 1


def test_who_had_no_idea_has_no_pin_on_the_map() -> None:
    group = maps.rounds_layer([played(None, PLACE)])
    assert lines(group, maps.YOU) == []
    assert tags(group) == ["Model"]


def test_the_photos_of_a_whole_game_are_told_apart_by_numbers() -> None:
    rounds = [played(offset(PLACE, 300, 0), PLACE), played(None, PLACE), played(PLACE, PLACE)]
    group = maps.rounds_layer(rounds, range(1, 4))
    assert sorted(tags(group)) == ["1", "1", "2", "3", "3"]
    assert html(group).count("l2ltr-truth") == 3


def test_true_places_and_answers_are_in_sight_on_a_telephone() -> None:
    far = [offset(PLACE, -700, 100), offset(PLACE, 0, 900), PLACE]
    view = maps.rounds_overview([played(far[0], far[1])], CITY)
    assert maps.in_sight(far, view, maps.NARROW_PX)
    assert maps.rounds_overview([played(None, PLACE)], CITY).zoom == maps.CLOSE_ZOOM


def test_the_whole_city_is_in_sight_on_a_telephone_and_fills_the_map() -> None:
    corners = [Location(CITY.south, CITY.west), Location(CITY.north, CITY.east)]
    view = maps.whole(CITY)
    assert maps.in_sight(corners, view, maps.NARROW_PX)
    assert not maps.in_sight(corners, maps.MapView(view.center, view.zoom + 0.25), maps.NARROW_PX)


def test_a_view_told_anew_differs_by_less_than_anybody_sees() -> None:
    view = maps.MapView((60.17, 24.94), 14.5)
    again = maps.anew(view)
    assert again.center[0] != view.center[0] and again.zoom != view.zoom
    assert distance_m(*again.center, *view.center) < 0.001
    assert round(4 * again.zoom) / 4 == view.zoom


def test_a_click_on_the_map_is_read_as_a_place() -> None:
    assert maps.clicked_place({"lat": 60.17, "lng": 24.94}) == PLACE
    assert maps.clicked_place(None) is None
