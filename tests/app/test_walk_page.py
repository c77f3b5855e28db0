"""The Walk page, from photos to their places, without a browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

import l2ltr_core as l2
from app.words import WRONG, alone, in_order, numbers, together
from l2ltr_core.photo import write_panorama
from l2ltr_core.types import Location
from l2ltr_core.walks import Walk
from tests.app import toy
from tests.app.test_compare_page import keep
from tests.app.test_localize_page import jpeg, upload

OpenApp = Callable[..., AppTest]
PAGE = "views/walk.py"


def by_the_library(assets: Path, **options: object) -> Walk:
    return l2.localize_walk(
        [assets / "samples" / toy.WALK / f"{number}.jpg" for number in range(1, toy.WALK_PHOTOS + 1)],
        encoder=l2.load_encoder(toy.CHECKPOINTS[0]),
        gallery=l2.open_gallery(toy.GALLERY),
        **options,
    )


def rows(app: AppTest) -> list[str]:
    return [button.label for button in app.button if (button.key or "").startswith("walk_photo_")]


def gain(app: AppTest) -> str:
    [found] = [each.proto.body for each in app.get("html") if "class='gain'" in each.proto.body]
    return found


def upload_all(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    app.file_uploader[0].set_value([(name, data, "image/jpeg") for name, data in files]).run()
    return app


def answers(walk: Walk) -> list[tuple[str, str]]:
    """What a row says of each photo alone, and with the walk."""
    return [
        (by_itself.summary, with_others.summary)
        for by_itself, with_others in zip(alone(walk), together(walk), strict=True)
    ]


def assert_rows_say(app: AppTest, walk: Walk) -> None:
    assert len(rows(app)) == len(walk.alone)
    for number, (row, told) in enumerate(zip(rows(app), answers(walk), strict=True), 1):
        assert row.startswith(f"**{number}** *alone :")
        assert row.index(told[0]) < row.index("with the walk") < row.rindex(told[1])


def test_the_page_opens_with_a_sample_walk_and_says_what_the_library_finds(
    open_app: OpenApp, toy_assets: Path
) -> None:
    app = open_app(PAGE)
    assert not app.exception
    assert not app.error
    walk = by_the_library(toy_assets)
    assert_rows_say(app, walk)
    by_themselves = sum(photo.error_m <= 25 for photo in walk.alone)
    with_others = sum(error_m <= 25 for error_m in walk.errors_m)
    assert gain(app).index(f"{by_themselves} of 3 found") < gain(app).rindex(f"{with_others} of 3 found")
    assert app.caption[0].value.startswith("A test drew it. Found: within 25 m")


def test_another_step_gives_what_the_library_gives(open_app: OpenApp, toy_assets: Path) -> None:
    app = open_app(PAGE)
    before = rows(app)
    app.slider(key="step").set_value(200).run()
    assert_rows_say(app, by_the_library(toy_assets, step_m=200))
    assert rows(app) != before


def test_a_link_restores_walk_step_and_heading(open_app: OpenApp, mine: Path) -> None:
    listed = mine / "samples" / "walks.json"
    first = json.loads(listed.read_text())
    toy.write_walk(mine / "samples", "ramble", "A ramble", 2)
    listed.write_text(json.dumps(first + json.loads(listed.read_text())))
    app = open_app(PAGE, walk="A ramble", step="80", turn="Search for it")
    assert (app.radio(key="walk").value, app.slider(key="step").value) == ("ramble", 80)
    assert app.radio(key="turn").value == "search"
    assert len(rows(app)) == 2
    walk = l2.localize_walk(
        [mine / "samples" / "ramble" / f"{number}.jpg" for number in (1, 2)],
        encoder=l2.load_encoder(toy.CHECKPOINTS[0]),
        gallery=l2.open_gallery(toy.GALLERY),
        heading="search",
        step_m=80,
    )
    assert_rows_say(app, walk)


def test_a_click_on_a_row_selects_its_photo(open_app: OpenApp) -> None:
    app = open_app(PAGE)
    for number in (2, 3):
        app.button(key=f"walk_photo_{number}").click().run()
        assert app.subheader[0].value == f"Photo {number}"
    assert any(caption.value.startswith("A stroll, photo 3;") for caption in app.caption)


def test_one_photo_of_the_walk_can_be_seen_alone_on_localize(open_app: OpenApp) -> None:
    app = open_app(PAGE)
    app.button(key="walk_photo_2").click().run()
    app.button(key="alone").click().run()
    assert not app.exception
    assert app.title[0].value == "Where was this photo taken?"
    assert app.query_params["sample"] == f"{toy.WALK}/2.jpg"
    from app import photo_store, samples

    assert samples.note_of(photo_store.read_sample(f"{toy.WALK}/2.jpg")) == "A test drew it"
    assert samples.note_of(photo_store.read_sample("street-0.jpg")) == "A test drew it"
    again = open_app(sample=f"{toy.WALK}/2.jpg")
    assert not any("There is no" in warning.value for warning in again.warning)
    assert again.query_params["sample"] == f"{toy.WALK}/2.jpg"


def test_the_visitors_photos_come_in_the_order_of_their_names(open_app: OpenApp, toy_assets: Path) -> None:
    folder = toy_assets / "samples" / toy.WALK
    data = {number: (folder / f"{number}.jpg").read_bytes() for number in (1, 2, 3)}
    app = upload_all(open_app(PAGE), ("p10.jpg", data[3]), ("p2.jpg", data[2]), ("P1.jpg", data[1]))
    assert not app.error
    assert app.radio(key="walk").options == ["Your own photos", "A stroll"]
    assert app.radio(key="walk").value == "own"
    assert_rows_say(app, by_the_library(toy_assets))
    app.button(key="walk_photo_3").click().run()
    assert any(caption.value.startswith("p10.jpg;") for caption in app.caption)


def test_a_bad_file_is_named_in_one_sentence_and_the_others_stay(open_app: OpenApp) -> None:
    app = upload_all(
        open_app(PAGE),
        ("a.jpg", jpeg()),
        ("b.jpg", b"#!/bin/sh\necho no photo\n"),
        ("c.jpg", jpeg(toy.panorama(8))),
    )
    assert not app.exception
    assert [error.value.partition(": ")[0] for error in app.error] == ["b.jpg"]
    assert app.error[0].value.count("\n") == 0
    assert len(rows(app)) == 2


def test_one_photo_is_not_a_walk_yet(open_app: OpenApp) -> None:
    app = upload_all(open_app(PAGE), ("a.jpg", jpeg()))
    assert not app.error
    assert app.info[0].value.startswith("a.jpg is one photo; a walk needs a second.")
    assert rows(app) == []
    app.radio(key="walk").set_value(toy.WALK).run()
    assert len(rows(app)) == 3


def test_file_names_are_ordered_by_the_numbers_in_them() -> None:
    assert sorted(["b2.jpg", "a10.jpg", "A9.jpg", "10.jpg", "9.jpg"], key=in_order) == [
        "9.jpg", "10.jpg", "A9.jpg", "a10.jpg", "b2.jpg",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("which", "told"),
    [([4], "4"), ([1, 2], "1 and 2"), ([1, 2, 3], "1 to 3"), ([1, 3, 4, 5, 8, 9], "1, 3 to 5, 8 and 9")],
)
def test_many_numbers_are_told_shortly(which: list[int], told: str) -> None:
    assert numbers(which) == told


def test_of_too_many_photos_the_first_are_used(open_app: OpenApp, monkeypatch: pytest.MonkeyPatch) -> None:
    from app import walk_input

    monkeypatch.setattr(walk_input, "MOST_PHOTOS", 2)
    files = [(f"{number}.jpg", jpeg(toy.panorama(number))) for number in range(3)]
    app = upload_all(open_app(PAGE), *files)
    assert [error.value for error in app.error] == ["There are 3 photos; the first 2 are used."]
    assert len(rows(app)) == 2


def test_photos_that_carry_neither_heading_nor_position_are_told_so(open_app: OpenApp) -> None:
    app = upload_all(open_app(PAGE), ("a.jpg", jpeg()), ("b.jpg", jpeg(toy.panorama(8))))
    assert "Photos 1 and 2 do not say which way they look" in app.warning[0].value
    assert WRONG not in gain(app)
    assert "found" not in gain(app)
    assert all(" off" not in row for row in rows(app))
    app.radio(key="turn").set_value("search").run()
    assert not app.warning


def test_photos_that_lie_farther_apart_than_the_step_are_named(open_app: OpenApp) -> None:
    app = open_app(PAGE)
    assert not any("from the one before" in warning.value for warning in app.warning)
    app.slider(key="step").set_value(35).run()  # they are 40 m apart
    [told] = [warning.value for warning in app.warning if "from the one before" in warning.value]
    assert told.startswith("By their own positions, photos 2 and 3 lie more than 35 m")


def test_photos_from_elsewhere_are_told_so(open_app: OpenApp, tmp_path: Path) -> None:
    for number in (1, 2):
        place = Location(47.37, 8.54)
        write_panorama(tmp_path / f"{number}.jpg", toy.panorama(number), location=place, heading_deg=10.0)
    app = upload_all(
        open_app(PAGE), *((f"{number}.jpg", (tmp_path / f"{number}.jpg").read_bytes()) for number in (1, 2))
    )
    assert not app.exception
    assert any("lie outside the map of Toyville, so every answer is wrong" in w.value for w in app.warning)


def test_a_walk_that_left_the_memory_is_asked_for_again(open_app: OpenApp) -> None:
    from app import photo_store
    from app.memory import results

    app = upload_all(open_app(PAGE), ("a.jpg", jpeg()), ("b.jpg", jpeg(toy.panorama(8))))
    photo_store.files.clear()
    results.clear()
    app.run()
    assert not app.exception
    assert app.error[0].value == "The photo 'a.jpg' is no longer in memory; upload it again."
    app.radio(key="walk").set_value(toy.WALK).run()
    assert not app.error
    assert len(rows(app)) == 3


def test_without_sample_walks_the_page_says_how_to_begin(open_app: OpenApp, mine: Path) -> None:
    (mine / "samples" / "walks.json").unlink()
    app = open_app(PAGE)
    assert not app.exception
    assert app.info[0].value.startswith("Drop two or more 360° panoramas of one walk above to begin")
    assert len(app.radio) == 1  # the heading; there is no walk to choose


def test_a_sample_walk_ends_where_a_photo_is_missing_and_one_photo_is_none(
    open_app: OpenApp, mine: Path
) -> None:
    (mine / "samples" / toy.WALK / "3.jpg").unlink()
    assert len(rows(open_app(PAGE))) == 2
    (mine / "samples" / toy.WALK / "2.jpg").unlink()
    import streamlit as st

    st.cache_data.clear()
    assert rows(open_app(PAGE)) == []


def without_position(number: int) -> bytes:
    """A rendered photo of the sample walk that says which way it looks, not where it was taken."""
    exif = Image.Exif()
    exif[0x0131] = toy.RENDERED
    exif[0x8825] = {16: "T", 17: 90.0}
    return jpeg(toy.panorama(20 + number), exif=exif)


def test_of_photos_that_do_not_say_where_they_were_taken_the_sure_ones_are_counted(open_app: OpenApp) -> None:
    app = upload_all(open_app(PAGE), ("a.jpg", without_position(0)), ("b.jpg", without_position(1)))
    assert gain(app).count(" of 2 sure") == 2
    assert "%" in rows(app)[0]


def test_of_real_photos_in_a_simulated_city_nobody_says_how_sure_the_answers_are(open_app: OpenApp) -> None:
    app = upload_all(open_app(PAGE), ("a.jpg", jpeg()), ("b.jpg", jpeg(toy.panorama(8))))
    assert gain(app).count("Certainty not measured") == 4  # two headings, each with its marks
    assert all(row.count("certainty not measured") == 2 and "%" not in row for row in rows(app))
    assert any("the photo is a real photograph" in caption.value for caption in app.caption)


def test_localize_points_here_where_its_answer_is_not_called_found(open_app: OpenApp, mine: Path) -> None:
    def links(app: AppTest) -> list[str]:
        return [each.proto.label for each in app.get("page_link")]

    link = "Try several photos of the same walk"
    toy.calibrate(mine, offset=20.0)  # as sure as can be
    app = open_app()
    assert link not in links(app)
    assert link in links(upload(app, jpeg(), "mine.jpg"))  # a real photo, which nothing was measured with


def test_what_was_measured_on_many_walks_is_told_where_it_was_measured_here(
    open_app: OpenApp, mine: Path
) -> None:
    card = mine / "checkpoints" / f"{toy.CHECKPOINTS[0]}.json"
    values = json.loads(card.read_text())
    alone, together = ({"photos_found": share, "walks_found": share / 2} for share in (0.5, 0.9))
    walks = {"5": {"walks": 200, "alone": alone, "together": together}, "measured": {}}
    card.write_text(json.dumps(values | {"results": {"walks": walks}}))
    assert "held-out photos" not in gain(open_app(PAGE))
    keep(mine, toy.CHECKPOINTS[0])
    told = gain(open_app(PAGE))
    assert "In 200 walks of 5 held-out photos" in told
    assert told.index("50% → 90%") < told.index("25% → 45%")
