from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import l2ltr_core
from l2ltr_core.localization import Localization
from l2ltr_core.types import LocationEstimate
from tests.app import toy
from tests.cli.run import Run, refused
from tests.photos import encoded, jpeg, pixels, position

HEADING_DEG = toy.HEADINGS_DEG[0]


def test_the_json_is_the_localization_itself(capsys: pytest.CaptureFixture[str], sample: str) -> None:
    run = Run(capsys, "localize", sample, "--gallery", toy.GALLERY, "--json")
    encoder, gallery = l2ltr_core.load_encoder("toy-a"), l2ltr_core.open_gallery(toy.GALLERY)
    result = l2ltr_core.localize(sample, encoder=encoder, gallery=gallery)
    assert run.code == 0
    assert json.loads(run.out) == {**result.to_dict(), "photo_name": Path(sample).name}
    assert json.loads(run.out)["heading_deg"] == HEADING_DEG


def test_a_person_reads_a_position_a_heading_and_a_ranking(
    capsys: pytest.CaptureFixture[str], sample: str
) -> None:
    run = Run(capsys, "localize", sample, "--gallery", toy.GALLERY)
    assert run.code == 0
    first, own, heading, certainty, about, *table = run.out.splitlines()
    assert first.startswith("perhaps here: 60.1") and "confidence" in first
    assert "m from the estimate" in own
    assert heading.startswith(f"heading {HEADING_DEG:.1f} degrees (exif)")
    assert certainty.startswith("certainty: Measured on 900 photos of")
    assert about == (
        "Random weights, for tests. Photo: rendered; imagery of the gallery: rendered (A town that a test drew)."
    )
    assert len(table) == 11


@pytest.mark.parametrize(
    ("estimate", "excess", "said"),
    [
        (
            LocationEstimate(60.17, 24.94, 25.0, 0.91, 7.2, 41.0), 0.1,
            "almost certainly here: 60.170000, 24.940000  68 % within 7 m, 95 % within 41 m, confidence 91% "
            "(within 25 m)",
        ),
        (
            LocationEstimate(60.17, 24.94, 25.0, 0.7), 0.1,
            "probably here: 60.170000, 24.940000  within 25 m, confidence 70% (within 25 m)",
        ),
        (
            LocationEstimate(60.17, 24.94, 25.0, 0.91), 0.0,
            "probably not taken in this gallery; the best guess: 60.170000, 24.940000",
        ),
        (
            LocationEstimate(60.17, 24.94, 25.0, None), 0.1,
            "best guess, how certain was not measured: 60.170000, 24.940000",
        ),
    ],
)  # fmt: skip
def test_the_first_line_is_the_verdict_with_a_percentage_only_where_there_is_one(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    sample: str,
    estimate: LocationEstimate,
    excess: float,
    said: str,
) -> None:
    find = l2ltr_core.localize

    def found(*photo: Any, **settings: Any) -> Localization:
        return replace(find(*photo, **settings), estimate=estimate, excess=excess, least_excess=0.05)

    monkeypatch.setattr("l2ltr_core.localization.localize", found)
    assert Run(capsys, "localize", sample, "--gallery", toy.GALLERY).out.splitlines()[0] == said


@pytest.mark.parametrize(
    ("heading", "source", "degrees"),
    [("200", "given", 200), ("-90", "given", 270), ("exif", "exif", HEADING_DEG)],
)
def test_the_heading_may_be_given(
    capsys: pytest.CaptureFixture[str], sample: str, heading: str, source: str, degrees: float
) -> None:
    run = Run(capsys, "localize", sample, "--gallery", toy.GALLERY, "--heading", heading, "--json")
    values = json.loads(run.out)
    assert (values["heading_source"], values["heading_deg"]) == (source, degrees)


def test_the_heading_may_be_searched(capsys: pytest.CaptureFixture[str], sample: str) -> None:
    values = json.loads(
        Run(capsys, "localize", sample, "--gallery", toy.GALLERY, "--heading", "search", "--json").out
    )
    assert values["heading_source"] == "search"
    assert 0 <= values["heading_deg"] < 360
    by_views = Run(
        capsys,
        "localize",
        sample,
        "--gallery",
        toy.GALLERY,
        "--checkpoint",
        "toy-b",
        "--heading",
        "search",
        "--json",
    )
    assert json.loads(by_views.out)["heading_deg"] % 11.25 == 0


def test_the_checkpoint_may_be_chosen(capsys: pytest.CaptureFixture[str], sample: str) -> None:
    run = Run(capsys, "localize", sample, "--gallery", toy.GALLERY, "--checkpoint", "toy-b", "--json")
    assert json.loads(run.out)["checkpoint"] == "toy-b"


NOTED = {
    "no heading": (jpeg(), "does not say which way"),
    "16 bits": (
        encoded(Image.fromarray(np.full((64, 128), 30000, np.uint16))),
        "16 bits",
    ),
    "cmyk": (encoded(Image.fromarray(pixels()).convert("CMYK"), "JPEG"), "CMYK"),
    "half transparent": (encoded(Image.fromarray(pixels()).convert("RGBA").rotate(30)), "transparent"),
    "gps at (0, 0)": (jpeg(gps=position(0, 0)), "(0, 0)"),
    "gps out of range": (jpeg(gps=position(95, 200)), "not on the Earth"),
    "heading not a number": (jpeg(gpano={"PoseHeadingDegrees": "north"}), "is not a number"),
}


@pytest.mark.parametrize("case", NOTED)
def test_what_can_be_handled_is_handled_with_a_note(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, case: str
) -> None:
    data, words = NOTED[case]
    (tmp_path / "photo").write_bytes(data)
    run = Run(capsys, "localize", tmp_path / "photo", "--gallery", toy.GALLERY, "--json")
    assert run.code == 0, run.err
    assert any(line.startswith("note: ") and words in line for line in run.err.splitlines())
    assert len(json.loads(run.out)["matches"]) == 10


def test_a_photo_of_another_country_is_told_so_in_kilometres(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").write_bytes(jpeg(gps=position(48.2, 16.4)))
    run = Run(capsys, "localize", tmp_path / "photo.jpg", "--gallery", toy.GALLERY)
    assert "1,4" in run.out and " km from the estimate" in run.out
    assert run.out.startswith("probably not taken in this gallery; the best guess: ")
    assert any("so every match is wrong" in line for line in run.err.splitlines())


REFUSED = {
    "animated": (
        encoded(Image.fromarray(pixels()), "GIF", save_all=True, append_images=[Image.new("RGB", (128, 64))]),
        "2 frames",
    ),
    "portrait": (jpeg(pixels(200, 120)), "higher than wide"),
    "not an image": (b"hello " * 100, "not an image"),
    "empty": (b"", "empty"),
    "truncated": (jpeg(pixels(256, 512))[:3000], "cut short"),
    "1x1": (encoded(Image.new("RGB", (1, 1))), "1 x 1 px"),
    "40,000 px wide": (encoded(Image.new("1", (40_000, 100))), "40000 x 100 px"),
    "contradicting crop": (
        jpeg(
            gpano={
                "FullPanoWidthPixels": 10,
                "CroppedAreaImageWidthPixels": 99,
                "CroppedAreaImageHeightPixels": 5,
            }
        ),
        "contradict",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_photo_that_cannot_be_used_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, case: str
) -> None:
    data, words = REFUSED[case]
    (tmp_path / "photo").write_bytes(data)
    assert words in refused(Run(capsys, "localize", tmp_path / "photo", "--gallery", toy.GALLERY))
