"""The Localize page, from photo to answer, without a browser."""

from __future__ import annotations

import io
import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

import l2ltr_core as l2
from app.components import mount
from app.state import Photo
from app.words import share
from l2ltr_core import cli
from tests.app import toy

OpenApp = Callable[..., AppTest]


def jpeg(pixels: np.ndarray | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(toy.panorama(7) if pixels is None else pixels).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def with_gps(latitude: float, longitude: float) -> bytes:
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (latitude, 0.0, 0.0), 3: "E", 4: (longitude, 0.0, 0.0)}
    return jpeg(exif=exif)


def with_heading(text: str) -> bytes:
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" '
        f'GPano:ProjectionType="equirectangular" GPano:PoseHeadingDegrees="{text}"/></rdf:RDF></x:xmpmeta>'
    )
    return jpeg(xmp=packet.encode())


def wide_png_header(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def upload(app: AppTest, data: bytes, name: str = "mine.jpg") -> AppTest:
    app.file_uploader[0].set_value((name, data, "image/jpeg")).run()
    return app


def verdict(app: AppTest) -> str:
    [found] = [each.proto.body for each in app.get("html") if "class='verdict'" in each.proto.body]
    return found


def chart(app: AppTest) -> list[str]:
    return [each.proto.body for each in app.get("html") if "class='headings'" in each.proto.body]


def percentages(app: AppTest) -> list[str]:
    """Whatever the page says in per cent of an answer; the widths of bars are no such thing."""
    said = [verdict(app), *ranked(app), *(each.value for each in [*app.caption, *app.warning, *app.markdown])]
    return [text for text in said if "%" in text]


def ranked(app: AppTest) -> list[str]:
    return [button.label for button in app.button if button.key.startswith("place_")]


def test_the_page_opens_with_a_sample_and_its_ten_places(open_app: OpenApp) -> None:
    app = open_app()
    assert not app.exception
    assert not app.error
    assert [label.split()[0] for label in ranked(app)] == [f"**{rank}**" for rank in range(1, 11)]


def test_a_click_opens_the_photo_to_look_around_in(
    open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_app()
    opened: list[dict[str, Any]] = []

    def component(name: str) -> Callable[..., None]:
        return lambda **rest: opened.append(rest["data"]) if name == "look_around" else None

    monkeypatch.setattr(mount, "_component", component)
    app.button(key="look").click().run()
    assert not app.exception
    (data,) = opened
    assert data["picture"].startswith("data:image/jpeg;base64,")
    assert (data["field"], data["top"], data["bottom"]) == (360.0, 90.0, -90.0)


def test_the_page_and_the_library_give_the_same_matches(open_app: OpenApp, toy_assets: Path) -> None:
    app = open_app()
    found = l2.localize(
        toy_assets / "samples" / "street-0.jpg",
        encoder=l2.load_encoder(toy.CHECKPOINTS[0]),
        gallery=l2.open_gallery(toy.GALLERY),
        min_separation_m=25,
    )
    assert found.verdict != "not measured"
    assert [label.split()[1] for label in ranked(app)] == [
        share(match.probability) for match in found.matches
    ]


def test_picking_another_sample_gives_another_answer_and_goes_into_the_link(open_app: OpenApp) -> None:
    app = open_app()
    first = ranked(app)
    app.button(key="sample_1").click().run()
    assert ranked(app) != first
    assert app.query_params["sample"] == "street-1.jpg"


def test_a_link_restores_sample_checkpoint_and_heading(open_app: OpenApp) -> None:
    app = open_app(sample="street-1.jpg", checkpoint="toy-b", heading="123.0")
    assert app.selectbox(key="checkpoint").value == "toy-b"
    assert any("123° SE" in caption.value for caption in app.caption)
    assert app.query_params["heading"] == "123.0"


def test_a_link_restores_the_selected_match(open_app: OpenApp) -> None:
    app = open_app(match="4")
    assert any(text.value.startswith("**Place 4** of 10") for text in app.markdown)
    app.button(key="place_2").click().run()
    assert app.query_params["match"] == "2"


def test_a_link_to_a_sample_that_does_not_exist_says_so_and_shows_the_first(open_app: OpenApp) -> None:
    app = open_app(sample="../../etc/passwd")
    assert "There is no held-out photo ../../etc/passwd here" in app.warning[0].value
    assert app.query_params["sample"] == "street-0.jpg"


def test_clicking_a_row_of_the_list_selects_its_place(open_app: OpenApp) -> None:
    app = open_app()
    app.button(key="place_4").click().run()
    assert any(text.value.startswith("**Place 4** of 10") for text in app.markdown)


def test_an_uploaded_photo_takes_the_place_of_the_sample(open_app: OpenApp) -> None:
    app = upload(open_app(), jpeg(), "my street.jpg")
    assert not app.error
    assert len(ranked(app)) == 10
    assert "sample" not in app.query_params


def test_a_photo_without_heading_says_so_and_offers_to_search(open_app: OpenApp) -> None:
    app = upload(open_app(), jpeg())
    assert any("does not say which way it faces" in warning.value for warning in app.warning)
    assert any("Choose *Search for it*" in warning.value for warning in app.warning)
    app.segmented_control[0].set_value("search").run()
    assert not app.exception
    assert any("Searched: its centre looks" in caption.value for caption in app.caption)
    assert not any("Search for it" in warning.value for warning in app.warning)


def test_a_searched_heading_comes_with_a_chart_of_all_that_were_tried(open_app: OpenApp) -> None:
    app = open_app()
    assert chart(app) == []
    app.segmented_control[0].set_value("search").run()
    [drawn] = chart(app)
    assert drawn.count("title='") == 8 + 1  # south at both ends
    assert drawn.count("class='peak'") in (1, 2)
    [told] = [caption.value for caption in app.caption if caption.value.startswith("Searched")]
    peak = told.split("**")[1]
    assert f">{peak}</b>" in drawn
    assert f", at {peak}; lowest" in drawn


def test_a_sample_says_how_sure_the_answer_is_what_that_rests_on_and_how_far_off_such_answers_are(
    open_app: OpenApp,
) -> None:
    app = open_app()
    assert "% sure to be within 40 m" in verdict(app)  # the toy gallery's own spacing
    assert "There are places far apart that it may be: the list names them" in verdict(app)
    said = [caption.value for caption in app.caption]
    assert "Measured on 900 photos of Toyville." in said
    assert (
        "Here the photo is rendered, compared with simulated imagery. The checkpoint: Random weights, for tests."
        in said
    )


def test_a_real_photo_in_a_simulated_city_is_never_called_found_nor_given_a_percentage(
    open_app: OpenApp, mine: Path
) -> None:
    toy.calibrate(mine, offset=20.0)
    app = upload(open_app(), with_heading("90"), "mine.jpg")
    assert "Best guess: how certain was not measured" in verdict(app)
    assert "Found" not in verdict(app)
    assert percentages(app) == []
    assert all("**" in label and label.count("*") == 4 for label in ranked(app))  # no empty italics
    said = [caption.value for caption in app.caption]
    assert "Not measured: the photo is a real photograph and the gallery's imagery is simulated." in said


def test_a_rejected_photo_is_not_called_found_nor_given_a_percentage(open_app: OpenApp, mine: Path) -> None:
    toy.calibrate(mine, offset=20.0, least_excess=2.0)
    app = open_app()
    assert "Probably not in this gallery" in verdict(app)
    assert "Found" not in verdict(app)
    assert "68 of 100" not in verdict(app)
    assert percentages(app) == []
    assert any("probably not taken in the gallery" in warning.value for warning in app.warning)


def test_an_answer_of_a_checkpoint_that_was_never_measured_says_so(open_app: OpenApp) -> None:
    app = open_app(checkpoint="toy-b")
    assert "how certain was not measured" in verdict(app)
    assert percentages(app) == []
    assert any(
        "this checkpoint was never measured on rendered imagery with a known heading" in caption.value
        for caption in app.caption
    )


def test_files_are_named_after_the_photo_and_the_page() -> None:
    names = {
        "senate-square.jpg": "senate-square",
        "walk/01.jpg": "walk-01",
        "My street (2).JPG": "My-street-2",
        "": "photo",
    }
    assert {name: Photo("k", name).stem for name in names} == names


def test_turning_by_hand_starts_where_the_photo_looks_and_moves_the_answer(open_app: OpenApp) -> None:
    app = open_app()
    before = ranked(app)
    app.segmented_control[0].set_value("hand").run()
    assert app.slider[0].value == round(toy.HEADINGS_DEG[0])
    app.slider[0].set_value(200).run()
    assert any("200° S" in caption.value for caption in app.caption)
    assert ranked(app) != before


REFUSED = {
    "animated": encoded(
        Image.new("RGB", (256, 128)),
        "GIF",
        save_all=True,
        append_images=[Image.new("RGB", (256, 128), "red")],
    ),
    "portrait": jpeg(np.full((300, 200, 3), 120, np.uint8)),
    "not an image": b"#!/bin/sh\necho no photo\n",
    "empty": b"",
    "truncated": jpeg()[:900],
    "1x1": jpeg(np.zeros((1, 1, 3), np.uint8)),
    "40,000 px wide": wide_png_header(40_000, 100),
    "completely transparent": encoded(Image.new("RGBA", (128, 64), (0, 0, 0, 0)), "PNG"),
}
ACCEPTED = {
    "16-bit": encoded(Image.fromarray(np.full((128, 256), 40_000, np.uint16)), "PNG"),
    "CMYK": encoded(Image.new("CMYK", (256, 128), (10, 80, 30, 0)), "JPEG"),
    "half transparent": encoded(Image.new("RGBA", (256, 128), (200, 30, 60, 128)), "PNG"),
    "GPS at (0, 0)": with_gps(0.0, 0.0),
    "GPS out of range": with_gps(95.0, 20.0),
    "heading not a number": with_heading("north-ish"),
}


@pytest.mark.parametrize("kind", ACCEPTED)
def test_an_odd_photo_is_used_with_a_note(open_app: OpenApp, kind: str) -> None:
    app = upload(open_app(), ACCEPTED[kind], "odd.png")
    assert not app.exception
    assert not app.error
    assert len(ranked(app)) == 10
    assert any(caption.value.startswith(":material/info:") for caption in app.caption)


@pytest.mark.parametrize("kind", REFUSED)
def test_a_bad_upload_is_one_sentence_and_the_app_goes_on(open_app: OpenApp, kind: str) -> None:
    app = open_app()
    upload(app, REFUSED[kind], "bad.jpg")
    assert not app.exception
    assert len(app.error) == 1
    assert app.error[0].value.startswith("bad.jpg: ")
    assert app.error[0].value.count("\n") == 0
    assert len(ranked(app)) == 10
    app.button(key="sample_1").click().run()
    assert not app.error


def test_without_gallery_or_checkpoint_the_page_says_what_makes_them(open_app: OpenApp, mine: Path) -> None:
    shutil.rmtree(mine)
    app = open_app()
    assert not app.exception
    assert "`l2ltr gallery build`" in app.error[0].value


def test_a_damaged_gallery_is_one_sentence(open_app: OpenApp, mine: Path) -> None:
    places = mine / "galleries" / toy.GALLERY / "places.parquet"
    places.write_bytes(places.read_bytes()[:-10])
    app = open_app()
    assert not app.exception
    assert "places.parquet" in app.error[0].value


def test_downloads_hold_what_the_command_prints(
    open_app: OpenApp, toy_assets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from app import compute, photo_store

    open_app()
    photo = photo_store.read_sample("street-0.jpg")
    assert photo == Photo(photo.key, "Street 0", "street-0.jpg")
    shown = compute.localized(photo, toy.GALLERY, toy.CHECKPOINTS[0], "exif")
    capsys.readouterr()
    path = str(toy_assets / "samples" / "street-0.jpg")
    options = [
        "--gallery",
        toy.GALLERY,
        "--checkpoint",
        toy.CHECKPOINTS[0],
        "--min-separation-m",
        "25",
        "--json",
    ]
    assert cli.main(["localize", path, *options]) == 0
    assert json.loads(shown.to_json()) == json.loads(capsys.readouterr().out)
    assert json.loads(shown.to_json())["photo_name"] == "street-0.jpg"
    assert all(row.endswith(",street-0.jpg") for row in shown.to_csv().splitlines()[1:])


def test_a_photo_that_left_the_memory_is_asked_for_again_and_a_sample_comes_back_by_itself(
    open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app import photo_store
    from app.memory import Store, size_of
    from l2ltr_core.photo import load_panorama

    monkeypatch.setattr(photo_store, "decoded", Store(4 * size_of(load_panorama(jpeg()))))
    app = upload(open_app(), jpeg(), "mine.jpg")
    for number in range(4):
        photo_store.read_upload(jpeg(toy.panorama(100 + number)), "another")
    app.run()
    assert not app.exception
    assert app.error[0].value == "The photo 'mine.jpg' is no longer in memory; upload it again."
    app.button(key="go_on").click().run()
    assert not app.error
    assert len(ranked(app)) == 10


def test_a_photo_from_elsewhere_is_told_so(open_app: OpenApp, tmp_path: Path) -> None:
    from l2ltr_core.photo import write_panorama
    from l2ltr_core.types import Location

    write_panorama(tmp_path / "far.jpg", toy.panorama(3), location=Location(47.37, 8.54), heading_deg=10.0)
    app = upload(open_app(), (tmp_path / "far.jpg").read_bytes())
    assert any("so every match is wrong" in warning.value for warning in app.warning)
