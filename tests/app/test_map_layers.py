"""Answers on the map, and what the map reports back."""

from __future__ import annotations

from dataclasses import replace

import folium
import pytest
from folium.raster_layers import ImageOverlay

from app import map_layers, viewport
from app.offline import BaseImage
from l2ltr_core.geometry.geodesy import distance_between_m, distance_m
from l2ltr_core.types import Bounds, Location, LocationEstimate, Match
from tests.app.drawn import html

PLACE = Location(60.17, 24.94)
MATCHES = [Match(rank, rank, 60.17 + rank / 1000, 24.94, 1 - rank / 20) for rank in range(1, 11)]
ESTIMATE = LocationEstimate(60.17, 24.94, 25.0, 0.7)


def test_the_base_map_asks_for_nothing_outside_but_the_two_layers_it_offers() -> None:
    image = BaseImage("../../app/static/galleries/x.jpg", Bounds(24.9, 60.1, 25.0, 60.2), "drawn by <a test>")
    page = map_layers.base_map(image, viewport.bounds_view(image.bounds)).get_root().render()
    hosts = {part.split("/")[0] for part in page.split("https://")[1:]}
    assert hosts == {"tile.openstreetmap.org", "server.arcgisonline.com", "www.openstreetmap.org"}
    assert "../../app/static/leaflet/leaflet.js" in page
    assert '"../../app/static/galleries/x.jpg"' in page
    assert "drawn by <a test>" not in page


def test_every_match_has_a_numbered_pin_and_one_is_selected() -> None:
    page = html(map_layers.match_layer(MATCHES, ESTIMATE, selected_rank=3))
    assert page.count("l2ltr-pin") == 10
    assert page.count("pin selected") == 1
    assert 'pin selected\\" data-rank=\\"3' in page or 'pin selected" data-rank="3' in page


def test_the_true_place_is_drawn_only_where_it_is_known() -> None:
    assert "l2ltr-truth" not in html(map_layers.match_layer(MATCHES, ESTIMATE, selected_rank=1))
    assert "l2ltr-truth" in html(map_layers.match_layer(MATCHES, ESTIMATE, selected_rank=1, truth=PLACE))


def circles(estimate: LocationEstimate) -> list[tuple[float, str]]:
    """The radii that are drawn, and what is said of them."""
    drawn = map_layers.match_layer(MATCHES, estimate, selected_rank=1)._children.values()
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
        drawn = map_layers.match_layer(MATCHES, ESTIMATE, selected_rank=1, fan=fan)._children.values()
        return sum(type(each) is folium.Polygon for each in drawn)

    assert (fans((90.0, 20.0)), fans(None)) == (1, 0)


@pytest.mark.parametrize(
    ("tooltip", "rank"),
    [("Place 7 · 12 m off", 7), (" Place 10", 10), ("True position", None), (None, None), ("", None)],
)
def test_a_click_is_read_from_the_tooltip_of_what_was_clicked(tooltip: str | None, rank: int | None) -> None:
    assert map_layers.clicked("Place", tooltip) == rank


def test_the_wedge_opens_towards_the_heading() -> None:
    corners = map_layers.heading_wedge(PLACE, 90.0, 100.0, 20.0)
    middle = corners[1 + len(corners[1:]) // 2]
    assert middle.latitude == pytest.approx(PLACE.latitude, abs=1e-6)
    assert middle.longitude > PLACE.longitude
    assert distance_between_m(PLACE, middle) == pytest.approx(100, rel=1e-3)


def test_attention_lies_on_the_map_where_its_tile_is_and_as_large() -> None:
    place = Location(60.17, 24.95)
    box = viewport.square_bounds(place, 80.0)
    group = map_layers.attention_layer(
        place, 80.0, "data:image/png;base64,AA", 0.6, 90.0, "the tile of place 1"
    )
    (overlay,) = [child for child in group._children.values() if isinstance(child, ImageOverlay)]
    assert overlay.bounds == [[box.south, box.west], [box.north, box.east]]
    assert overlay.url == "data:image/png;base64,AA"
    assert overlay.options["opacity"] == 0.6


def test_the_line_of_sight_on_the_map_goes_from_the_tiles_centre_to_its_edge() -> None:
    place = Location(60.17, 24.95)
    group = map_layers.attention_layer(place, 80.0, "", 1.0, 90.0, "the tile of place 1")
    *_, line = [child for child in group._children.values() if isinstance(child, folium.PolyLine)]
    (start, end) = line.locations
    assert start == [60.17, 24.95]
    assert end[0] == pytest.approx(60.17)
    assert distance_m(*start, *end) == pytest.approx(40, rel=1e-3)
    assert end[1] > start[1]
