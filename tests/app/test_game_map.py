"""The game on the map, and what the map reports back."""

from __future__ import annotations

import re

import folium

from app import game_map, viewport
from app.game import Round
from l2ltr_core.geometry.geodesy import offset
from l2ltr_core.types import Bounds, Location, LocationEstimate
from tests.app.drawn import html, lines

PLACE = Location(60.17, 24.94)
CITY = Bounds(24.90, 60.15, 25.00, 60.20)


def played(guess: Location | None, estimate: Location) -> Round:
    return Round("a.jpg", PLACE, guess, LocationEstimate(estimate.latitude, estimate.longitude, 25.0, 0.9))


def tags(group: folium.FeatureGroup) -> list[str]:
    """The words on a map's tags."""
    icons = [icon for each in group._children.values() if (icon := getattr(each, "icon", None))]
    found = [re.search(r'class="tag".*>(\w+)<', icon.options["html"]) for icon in icons]
    return [tag.group(1) for tag in found if tag]


def test_a_visitors_pin_lets_clicks_through_and_tells_of_nothing_else() -> None:
    assert len(game_map.pin_layer(None)._children) == 0
    [pin] = game_map.pin_layer(PLACE)._children.values()
    assert tags(game_map.pin_layer(PLACE)) == ["You"]
    assert pin.location == [PLACE.latitude, PLACE.longitude]
    assert pin.options["interactive"] is False


def test_both_answers_are_tied_to_the_true_place() -> None:
    guess, estimate = offset(PLACE, 300, 0), offset(PLACE, 0, 40)
    group = game_map.rounds_layer([played(guess, estimate)])
    for answer, colour in ((guess, game_map.YOU), (estimate, "#3bc9db")):
        [line] = lines(group, colour)
        assert line.options["dashArray"]
        assert line.locations == [[answer.latitude, answer.longitude], [PLACE.latitude, PLACE.longitude]]
    assert sorted(tags(group)) == ["Model", "You"]
    assert html(group).count("l2ltr-truth") == 1


def test_who_had_no_idea_has_no_pin_on_the_map() -> None:
    group = game_map.rounds_layer([played(None, PLACE)])
    assert lines(group, game_map.YOU) == []
    assert tags(group) == ["Model"]


def test_the_photos_of_a_whole_game_are_told_apart_by_numbers() -> None:
    rounds = [played(offset(PLACE, 300, 0), PLACE), played(None, PLACE), played(PLACE, PLACE)]
    group = game_map.rounds_layer(rounds, range(1, 4))
    assert sorted(tags(group)) == ["1", "1", "2", "3", "3"]
    assert html(group).count("l2ltr-truth") == 3


def test_true_places_and_answers_are_in_sight_on_a_telephone() -> None:
    far = [offset(PLACE, -700, 100), offset(PLACE, 0, 900), PLACE]
    view = game_map.rounds_overview([played(far[0], far[1])], CITY)
    assert viewport.fits_viewport(far, view, viewport.NARROW_PX)
    assert game_map.rounds_overview([played(None, PLACE)], CITY).zoom == viewport.CLOSE_ZOOM


def test_a_click_on_the_map_is_read_as_a_place() -> None:
    assert game_map.clicked_place({"lat": 60.17, "lng": 24.94}) == PLACE
    assert game_map.clicked_place(None) is None
