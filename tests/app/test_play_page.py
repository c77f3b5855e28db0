"""The Play page, from a pin to the end of a game, without a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import l2ltr_core as l2
from app.game import Play, draw, points
from app.words import metres
from l2ltr_core.geometry.geodesy import offset
from l2ltr_core.photo import load_panorama
from l2ltr_core.types import Location
from tests.app import toy
from tests.app.test_compare_page import keep

OpenApp = Callable[..., AppTest]
PAGE = "views/play.py"


@pytest.fixture
def samples(mine: Path) -> Path:
    """The folder of five sample photos that make a game."""
    toy.write_game(mine / "samples")
    return mine / "samples"


def taken_at(samples: Path) -> dict[str, Location]:
    found = {file.name: load_panorama(file).location for file in samples.glob("spot-*.jpg")}
    return {name: place for name, place in found.items() if place is not None}


def photos(samples: Path, game: int = 1) -> tuple[str, ...]:
    return draw(taken_at(samples), game)


def model_m(samples: Path, photo: str, checkpoint: str = toy.CHECKPOINTS[0]) -> float:
    found = l2.localize(
        samples / photo, encoder=l2.load_encoder(checkpoint), gallery=l2.open_gallery(toy.GALLERY)
    )
    assert found.error_m is not None
    return found.error_m


def html(app: AppTest, kind: str) -> str:
    [found] = [each.proto.body for each in app.get("html") if f"class='{kind}'" in each.proto.body]
    return found


def words(markup: str) -> list[str]:
    return [part.strip() for part in re.sub(r"<[^>]*>", "\n", markup).split("\n") if part.strip()]


def scores(app: AppTest) -> list[str]:
    """Which photo it is, and both scores."""
    at, _, you, *_, model = words(html(app, "score"))
    return [at, you, model]


def point(app: AppTest, place: Location, game: int = 1) -> AppTest:
    """What a click on the map does, which only a browser can."""
    plays, key = app.session_state.get("plays", {}), (game, toy.GALLERY)
    app.session_state["plays"] = {**plays, key: plays.get(key, Play()).point(place)}
    return app.run()


def press(app: AppTest, key: str) -> AppTest:
    return app.button(key=key).click().run()


def play_all(app: AppTest, samples: Path, away_m: float = 60.0) -> AppTest:
    """Every photo of game 1, guessed that far off."""
    for photo in photos(samples):
        point(app, offset(taken_at(samples)[photo], away_m, 0))
        press(press(app, "guess"), "next")
    return app


def parts(block: Any) -> Iterator[Any]:
    for each in block.children.values():
        yield each
        if hasattr(each, "children"):
            yield from parts(each)


def all_that_is_sent(app: AppTest) -> str:
    """Of the page itself, without the sidebar."""
    return "\n".join(str(each.proto) for each in parts(app.main) if getattr(each, "proto", None) is not None)


def test_a_game_opens_with_a_photo_and_waits_for_a_pin(open_app: OpenApp, samples: Path) -> None:
    app = open_app(PAGE)
    assert not app.exception
    assert not app.error
    assert scores(app) == ["Photo 1 of 5", "0", "0"]
    assert app.button(key="guess").disabled
    point(app, toy.CENTRE)
    assert not app.button(key="guess").disabled
    assert scores(app) == ["Photo 1 of 5", "0", "0"]


def test_nothing_on_the_page_tells_the_answer_before_the_visitor_has_answered(
    open_app: OpenApp, samples: Path
) -> None:
    photo = photos(samples)[0]
    title = f"Corner {photo[5]}"
    truth = taken_at(samples)[photo]
    app = point(open_app(PAGE), offset(truth, 100, 0))
    secrets = [title, photo, "l2ltr-truth", f"{truth.longitude:.4f}"]
    sent = all_that_is_sent(app)
    assert "feature_group" in sent
    assert [secret for secret in secrets if secret in sent] == []
    sent = all_that_is_sent(press(app, "guess"))
    assert [secret for secret in secrets if secret not in sent] == [photo]


def test_the_answer_shows_how_far_off_both_are_and_what_that_is_worth(
    open_app: OpenApp, samples: Path
) -> None:
    photo = photos(samples)[0]
    app = point(open_app(PAGE), offset(taken_at(samples)[photo], 60, 0))
    press(app, "guess")
    off_m = model_m(samples, photo)
    told = words(html(app, "duel"))
    verdict = "You are nearer!" if off_m > 60 else "The model is nearer"
    assert told[:5] == [verdict, f"Corner {photo[5]}", "You", "60 m off", f"{points(60):,} points"]
    assert told[5:8] == ["Model", toy.CHECKPOINTS[0], f"{metres(off_m)} off"]
    assert told[8].endswith(f" sure · {points(off_m):,} points")
    assert scores(app) == ["Photo 1 of 5", f"{points(60):,}", f"{points(off_m):,}"]


def test_the_model_answers_as_on_the_page_localize(open_app: OpenApp, samples: Path) -> None:
    photo = photos(samples)[0]
    app = press(open_app(PAGE), "no_idea")
    off = words(html(app, "duel"))[-2].removesuffix(" off")
    assert f"<b>Error: {off}</b>" in html(open_app(sample=photo), "verdict")


def test_who_has_no_idea_gets_nothing_and_the_next_photo(open_app: OpenApp, samples: Path) -> None:
    app = press(point(open_app(PAGE), toy.CENTRE), "no_idea")
    told = words(html(app, "duel"))
    assert (told[0], told[3:5]) == ("This one goes to the model", ["no idea", "0 points"])
    press(app, "next")
    assert scores(app)[:2] == ["Photo 2 of 5", "0"]
    assert app.button(key="guess").disabled


def test_the_end_counts_what_both_have_found(open_app: OpenApp, samples: Path) -> None:
    app = play_all(open_app(PAGE), samples)
    assert not app.exception
    offs_m = [model_m(samples, photo) for photo in photos(samples)]
    you, model = 5 * points(60), sum(map(points, offs_m))
    told = words(html(app, "result"))
    assert told[:4] == ["You", f"{you:,}", "of 5,000, the model", f"{model:,}"]
    within = sum(off_m <= 25 for off_m in offs_m)
    assert told[4] == f"Within 25 m: you 0 of 5, the model {within}."
    assert scores(app) == [
        "You beat the model!" if you > model else "The model wins",
        f"{you:,}",
        f"{model:,}",
    ]
    listed = words(html(app, "rounds"))
    for number, (photo, off_m) in enumerate(zip(photos(samples), offs_m, strict=True)):
        assert listed[3 + 6 * number : 9 + 6 * number] == [
            str(number + 1), f"Corner {photo[5]}", "60 m off", f"{points(60)} points", f"{metres(off_m)} off",
            f"{points(off_m):,} points",
        ]  # fmt: skip


def test_the_end_tells_of_held_out_photos_where_they_were_measured_here(
    open_app: OpenApp, samples: Path
) -> None:
    assert "held-out" not in html(play_all(open_app(PAGE), samples), "result")
    keep(samples.parent, toy.CHECKPOINTS[0])  # 2, 12, 40 and 900 m
    told = html(play_all(open_app(PAGE), samples), "result")
    assert "Of 4 held-out photos toy-a puts 50% within 25 m, half within 26 m." in told


def test_a_link_brings_the_photos_of_its_game(open_app: OpenApp, samples: Path) -> None:
    first, third = photos(samples)[0], photos(samples, 3)[0]
    assert first != third
    app = open_app(PAGE, game="3")
    assert app.number_input(key="game").value == 3
    press(app, "no_idea")
    assert f"Corner {third[5]}" in html(app, "duel")
    assert open_app(PAGE).number_input(key="game").value == 1


def test_other_photos_are_another_game_and_the_link_says_so(open_app: OpenApp, samples: Path) -> None:
    app = press(open_app(PAGE), "no_idea")
    assert "game" not in app.query_params
    press(app, "others")
    assert app.query_params["game"] == "2"
    assert scores(app) == ["Photo 1 of 5", "0", "0"]
    app.number_input(key="game").set_value(1).run()
    assert "This one goes to the model" in html(app, "duel")  # what was played is kept


def test_after_the_end_another_game_begins(open_app: OpenApp, samples: Path) -> None:
    app = press(play_all(open_app(PAGE), samples), "again")
    assert app.number_input(key="game").value == 2
    assert scores(app)[0] == "Photo 1 of 5"


def test_another_page_in_between_loses_nothing(open_app: OpenApp, samples: Path) -> None:
    app = open_app(PAGE, game="2")
    press(press(app, "no_idea"), "next")
    point(app, toy.CENTRE, game=2)
    before = scores(app)
    app.switch_page("views/galleries.py").run()
    app.switch_page(PAGE).run()
    assert app.number_input(key="game").value == 2
    assert scores(app) == before
    assert not app.button(key="guess").disabled


def test_another_checkpoint_answers_anew_and_the_guesses_stay(open_app: OpenApp, samples: Path) -> None:
    photo = photos(samples)[0]
    app = point(open_app(PAGE), offset(taken_at(samples)[photo], 60, 0))
    press(app, "guess")
    app.selectbox(key="checkpoint").set_value(toy.CHECKPOINTS[1]).run()
    offs_m = [model_m(samples, photo, name) for name in toy.CHECKPOINTS]
    assert points(offs_m[0]) != points(offs_m[1])
    assert scores(app) == ["Photo 1 of 5", f"{points(60):,}", f"{points(offs_m[1]):,}"]


def test_a_checkpoint_without_descriptors_is_offered_to_build_them(open_app: OpenApp, samples: Path) -> None:
    toy.write_checkpoint(samples.parent / "checkpoints", "toy-c", 3, "self")
    app = open_app(PAGE, checkpoint="toy-c")
    assert not app.exception
    assert app.info[0].value == "toy-c has no descriptors of these places yet."


def test_why_the_model_says_so_is_told_on_the_page_attention(open_app: OpenApp, samples: Path) -> None:
    app = press(press(open_app(PAGE), "no_idea"), "why")
    assert not app.exception
    assert app.title[0].value == "What does the model look at?"
    assert app.query_params["sample"] == photos(samples)[0]


def test_photos_of_the_sample_walks_take_part(open_app: OpenApp, mine: Path) -> None:
    (mine / "samples" / "samples.json").unlink()
    app = press(open_app(PAGE), "no_idea")  # the photos of the walk are 40 m apart: one of them makes a game
    assert scores(app)[0] == "Photo 1 of 1"
    assert re.fullmatch(r"A stroll, photo \d", words(html(app, "duel"))[1])
    assert app.button(key="next").label == "See the result"
    press(app, "next")
    assert "of 1,000, the model" in html(app, "result")


def test_where_no_photo_was_taken_the_page_says_what_is_missing(open_app: OpenApp, samples: Path) -> None:
    elsewhere = Location(47.37, 8.54)
    for file in samples.glob("spot-*.jpg"):
        toy.write_panorama(file, toy.panorama(1), location=elsewhere, heading_deg=0.0)
    app = open_app(PAGE)
    assert not app.exception
    assert app.info[0].value.startswith("No sample photo says that it was taken in Toyville")
    assert not app.button


def test_the_game_is_called_fair_only_where_the_photos_notes_say_so(open_app: OpenApp, samples: Path) -> None:
    def told(app: AppTest) -> bool:
        return any("where the model learned nothing" in caption.value for caption in app.caption)

    assert not told(open_app(PAGE))
    listed = json.loads((samples / "samples.json").read_text())
    noted = [{**each, "note": "Simulated photo, held out from training"} for each in listed]
    (samples / "samples.json").write_text(json.dumps(noted))
    st.cache_data.clear()
    assert told(open_app(PAGE))
