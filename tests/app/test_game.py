"""The game: which photos it has, what an answer is worth, and how it goes on."""

from __future__ import annotations

import itertools
import math

import pytest

from app.game import APART_M, PHOTOS, Play, Round, draw, points, squares, winner, within
from l2ltr_core.geometry.geodesy import distance_between_m, offset
from l2ltr_core.types import Location, LocationEstimate

HERE = Location(60.17, 24.94)
ALONG = {f"{number:02d}.jpg": offset(HERE, 0, 40 * number) for number in range(60)}
"""Photos every 40 m of a street."""


def test_everybody_who_has_its_number_gets_the_photos_of_a_game() -> None:
    assert draw(ALONG, 7) == draw(dict(reversed(ALONG.items())), 7)
    assert draw(ALONG, 7) == ("30.jpg", "55.jpg", "04.jpg", "34.jpg", "18.jpg")


def test_another_game_has_other_photos() -> None:
    assert len({draw(ALONG, game) for game in range(1, 21)}) == 20


@pytest.mark.parametrize("game", range(1, 40))
def test_no_two_photos_of_a_game_tell_of_each_other(game: int) -> None:
    drawn = draw(ALONG, game)
    assert len(drawn) == PHOTOS
    assert all(
        distance_between_m(ALONG[one], ALONG[other]) >= APART_M
        for one, other in itertools.combinations(drawn, 2)
    )


def test_where_there_are_fewer_photos_a_game_is_shorter() -> None:
    near = {name: ALONG[name] for name in ("00.jpg", "01.jpg", "10.jpg")}
    assert {len(draw(near, game)) for game in range(1, 20)} == {2}
    assert draw({}, 1) == ()


@pytest.mark.parametrize(
    ("off_m", "worth"), [(None, 0), (0.0, 1000), (25.0, 1000), (25.1, 904), (250.0, 368), (2500.0, 0)]
)
def test_points_fall_with_the_distance_and_are_all_there_within_25_m(off_m: float | None, worth: int) -> None:
    assert points(off_m) == worth


def test_a_pin_becomes_the_answer_and_then_stays() -> None:
    elsewhere = offset(HERE, 100, 0)
    pinned = Play().point(elsewhere).point(HERE)
    assert (pinned.pin, pinned.answered) == (HERE, False)
    answered = pinned.answer()
    assert (answered.guesses, answered.pin, answered.answered) == ((HERE,), None, True)
    assert answered.point(elsewhere) == answered
    assert answered.answer() == answered


def test_the_next_photo_begins_without_a_pin_and_only_after_an_answer() -> None:
    assert Play().go_on() == Play()
    second = Play().point(HERE).answer().go_on()
    assert (second.shown, second.pin, second.answered) == (1, None, False)
    assert second.go_on() == second


def test_who_has_no_idea_gives_no_answer_even_with_a_pin() -> None:
    assert Play().point(HERE).give_up().guesses == (None,)
    answered = Play().point(HERE).answer()
    assert answered.give_up() == answered


def played(your_m: float | None, model_m: float) -> Round:
    estimate = offset(HERE, 0, model_m)
    return Round(
        "a.jpg",
        HERE,
        None if your_m is None else offset(HERE, your_m, 0),
        LocationEstimate(estimate.latitude, estimate.longitude, 25.0, 0.9),
    )


@pytest.mark.parametrize(
    ("your_m", "model_m", "verdict"),
    [
        (240, 3, "The model is nearer"),
        (30, 400, "You are nearer!"),
        (20, 3, "Both within 25 m"),
        (20, 30, "You are nearer!"),
        (None, 700, "This one goes to the model"),
    ],
)
def test_who_is_nearer(your_m: float | None, model_m: float, verdict: str) -> None:
    found = played(your_m, model_m)
    assert found.verdict == verdict
    assert found.model_m == pytest.approx(model_m, abs=0.1)
    assert found.your_m == (None if your_m is None else pytest.approx(your_m, abs=0.1))


def test_a_game_at_a_glance() -> None:
    offs_m = [3.0, 240.0, 260.0, None, 25.0]
    assert squares(offs_m) == "🟩🟨🟥🟥🟩"
    assert within(offs_m) == 2


@pytest.mark.parametrize(
    ("you", "model", "told"), [(9, 8, "You beat the model!"), (8, 9, "The model wins"), (8, 8, "A draw")]
)
def test_how_a_game_ends(you: int, model: int, told: str) -> None:
    assert winner(you, model) == told


def test_points_halve_over_the_same_distance_wherever_that_is() -> None:
    half_m = 250 * math.log(2)
    assert points(100 + half_m) == pytest.approx(points(100) / 2, abs=1)
    assert points(400 + half_m) == pytest.approx(points(400) / 2, abs=1)
