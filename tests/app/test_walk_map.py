"""A walk on the map."""

from __future__ import annotations

import folium
import numpy as np
import pytest

from app import map_layers, viewport, walk_map
from app.words import WRONG
from l2ltr_core.figures.style import TURQUOISE
from l2ltr_core.geometry.geodesy import offset
from l2ltr_core.localization import Localization
from l2ltr_core.types import Bounds, Location, LocationEstimate
from l2ltr_core.walks import Walk
from tests.app.drawn import lines, markers

PLACE = Location(60.17, 24.94)
CITY = Bounds(24.90, 60.15, 25.00, 60.20)
EDGE = Bounds(24.90, 60.1695, 24.945, 60.20)
"""Of a city that ends near `PLACE`, south and east."""


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


def test_every_stop_of_a_walk_is_numbered_along_one_line() -> None:
    stops = markers(walk_map.walk_layer(walk([0, 300, 0], [5, 5, 5]), 2), "l2ltr-stop")
    assert list(stops) == [1, 2, 3]
    assert [number for number, stop in stops.items() if "stop selected" in stop.icon.options["html"]] == [2]
    (line,) = lines(walk_map.walk_layer(walk([0, 300, 0], [5, 5, 5])), TURQUOISE)
    assert line.locations == [pytest.approx(stop.location) for stop in stops.values()]


def test_a_lone_answer_is_drawn_and_tied_to_its_stop_only_where_it_lies_elsewhere() -> None:
    group = walk_map.walk_layer(walk([0, 300, 20], [5, 5, 5]))
    lone = markers(group, "l2ltr-lone")
    assert list(lone) == [2]
    (dashes,) = lines(group, WRONG)
    stop = markers(group, "l2ltr-stop")[2]
    assert dashes.locations == [pytest.approx(lone[2].location), pytest.approx(stop.location)]


def test_a_lone_answer_is_red_where_it_is_known_to_be_wrong() -> None:
    def pin(shown: Walk) -> str:
        return markers(walk_map.walk_layer(shown), "l2ltr-lone")[2].icon.options["html"]

    assert WRONG in pin(walk([0, 300, 0], [5, 5, 5]))
    assert WRONG not in pin(walk([0, 3, 0], [5, 300, 5]))  # the walk has led it astray
    assert WRONG not in pin(walk([0, 300, 0], [5, 5, 5], known=False))


def test_a_stop_that_is_known_to_be_wrong_has_a_red_rim() -> None:
    stops = markers(walk_map.walk_layer(walk([0, 0, 0], [5, 300, 5])), "l2ltr-stop")
    assert [number for number, stop in stops.items() if WRONG in stop.icon.options["html"]] == [2]


def test_the_true_way_is_drawn_only_where_it_is_known() -> None:
    def dots(shown: Walk) -> int:
        children = walk_map.walk_layer(shown)._children.values()
        return sum(isinstance(child, folium.CircleMarker) for child in children)

    assert dots(walk([0, 0], [0, 0])) == 2
    assert dots(walk([0, 0], [0, 0], known=False)) == 0


def test_a_walk_is_seen_whole_and_never_from_so_far_that_its_stops_melt() -> None:
    near = walk_map.walk_overview(walk([0, 250, 0], [0, 0, 0]), CITY)
    alone = walk_map.walk_overview(walk([0, 0, 0], [0, 0, 0]), CITY)
    assert near.zoom < alone.zoom
    assert walk_map.walk_overview(walk([0, 3000, 0], [0, 0, 0]), CITY) == alone
    assert near.zoom >= walk_map.WALK_ZOOM


@pytest.mark.parametrize("away_m", [0, 150, 250, 400])
@pytest.mark.parametrize("bounds", [CITY, EDGE], ids=["within", "at an edge"])
def test_a_telephone_shows_every_stop_of_a_walk(away_m: float, bounds: Bounds) -> None:
    shown = walk([0, away_m, 0, 0, -away_m], [0] * 5)
    stops = [estimate.location for estimate in shown.estimates]
    assert viewport.fits_viewport(stops, walk_map.walk_overview(shown, bounds), viewport.NARROW_PX)


def test_a_lone_answer_far_aside_is_in_sight_of_a_wide_map() -> None:
    shown = walk([0, 380, 0], [0, 0, 0])
    view = walk_map.walk_overview(shown, CITY)
    assert viewport.fits_viewport([shown.alone[1].estimate.location], view, viewport.SIZE_PX)
    assert not viewport.fits_viewport([shown.alone[1].estimate.location], view, (340, 340))


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
    assert map_layers.clicked("Photo", tooltip) == number


def test_the_tooltip_of_every_pin_of_a_walk_names_its_photo() -> None:
    group = walk_map.walk_layer(walk([0, 300, 0], [5, 5, 5]))
    for kind in ("l2ltr-stop", "l2ltr-lone"):
        for number, marker in markers(group, kind).items():
            (told,) = [
                each.text for each in marker._children.values() if isinstance(each, folium.map.Tooltip)
            ]
            assert map_layers.clicked("Photo", told) == number
