from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from l2ltr_core.errors import ImageError
from l2ltr_core.geometry.geodesy import distance_between_m
from l2ltr_core.metadata import read_metadata
from l2ltr_core.notes import Note
from l2ltr_core.photo import load_panorama, write_panorama
from l2ltr_core.types import Location
from tests.photos import encoded, jpeg, pixels, position


def test_a_photo_twice_as_wide_as_high_is_the_whole_sphere() -> None:
    panorama = load_panorama(jpeg(pixels(64, 128)))
    assert (panorama.horizontal_field_deg, panorama.top_deg, panorama.bottom_deg) == (360, 90, -90)
    assert panorama.heading_deg is None and panorama.location is None
    assert panorama.notes == ()


def test_a_very_wide_photo_is_a_strip_around_the_horizon_and_says_so() -> None:
    panorama = load_panorama(jpeg(pixels(112, 616)))  # CVUSA's 224 x 1232
    assert panorama.horizontal_field_deg == 360
    assert (panorama.top_deg, panorama.bottom_deg) == pytest.approx((32.727, -32.727), abs=0.01)
    assert [note.kind for note in panorama.notes] == ["strip_assumed"]


def test_a_strip_with_gpano_tags_lies_where_they_say() -> None:
    gpano = {
        "FullPanoWidthPixels": 1000,
        "FullPanoHeightPixels": 500,
        "CroppedAreaImageWidthPixels": 1000,
        "CroppedAreaImageHeightPixels": 125,
        "CroppedAreaLeftPixels": 0,
        "CroppedAreaTopPixels": 125,
    }
    panorama = load_panorama(jpeg(pixels(50, 400), gpano=gpano))
    assert (panorama.horizontal_field_deg, panorama.top_deg, panorama.bottom_deg) == (360, 45, 0)
    assert panorama.notes == ()


def test_an_ordinary_photo_shows_a_part_of_the_circle_and_says_so() -> None:
    panorama = load_panorama(jpeg(pixels(75, 100)))
    assert panorama.horizontal_field_deg == pytest.approx(67.0, abs=0.1)
    assert panorama.top_deg == -panorama.bottom_deg
    assert panorama.notes == (Note("part_of_the_circle", (100, 75, 67.0, "a guess")),)


def test_a_portrait_photo_is_refused_with_what_was_expected() -> None:
    with pytest.raises(ImageError, match="75 x 100 px, higher than wide; a 360 degree panorama"):
        load_panorama(jpeg(pixels(100, 75)))


def test_the_field_of_an_ordinary_photo_comes_from_its_focal_length() -> None:
    exif = Image.Exif()
    exif[0x8769] = {0x920A: 4.0, 0xA405: 18}  # a focal length of 4 mm, 18 mm on 35 mm film
    photo = encoded(Image.fromarray(pixels(100, 150)), "JPEG", exif=exif)
    assert load_panorama(photo).horizontal_field_deg == pytest.approx(90, abs=1)


def test_the_notes_of_pixels_and_metadata_come_along() -> None:
    cmyk = encoded(Image.new("CMYK", (64, 32)), "JPEG")
    assert load_panorama(cmyk).notes == (Note("printing_colours"),)
    assert load_panorama(jpeg(gps=position(0, 0))).notes == (Note("position_without_a_fix"),)


@settings(max_examples=30)
@given(
    latitude=st.floats(-89, 89),
    longitude=st.floats(-179.9, 179.9).filter(lambda degrees: abs(degrees) > 0.001),  # (0, 0) is no fix
    heading_deg=st.floats(-720, 720),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, latitude: float, longitude: float, heading_deg: float
) -> None:
    path = tmp_path_factory.mktemp("photo") / "panorama.jpg"
    place = Location(latitude, longitude)
    write_panorama(path, pixels(), location=place, heading_deg=heading_deg)
    panorama = load_panorama(path)
    assert panorama.location is not None and panorama.heading_deg is not None
    assert distance_between_m(panorama.location, place) < 0.02
    assert abs((panorama.heading_deg - heading_deg + 180) % 360 - 180) < 0.001
    assert (panorama.horizontal_field_deg, panorama.top_deg, panorama.bottom_deg) == (360, 90, -90)
    assert panorama.notes == ()


def test_a_written_strip_keeps_its_elevations(tmp_path: Path) -> None:
    path = tmp_path / "strip.jpg"
    write_panorama(
        path, pixels(64, 256), location=Location(60, 25), heading_deg=10, top_deg=45, bottom_deg=-45
    )
    panorama = load_panorama(path)
    assert (panorama.horizontal_field_deg, panorama.top_deg, panorama.bottom_deg) == (360, 45, -45)
    assert np.abs(panorama.pixels.astype(int) - pixels(64, 256)).mean() < 4


def test_a_written_photo_carries_the_heading_in_exif_and_in_gpano(tmp_path: Path) -> None:
    path = tmp_path / "panorama.jpg"
    write_panorama(path, pixels(), location=Location(60, 25), heading_deg=123.4, software="a test")
    data = path.read_bytes()
    exif = Image.open(path).getexif()
    assert float(exif.get_ifd(0x8825)[17]) == pytest.approx(123.4)
    assert exif[0x0131] == "a test"
    assert b'GPano:PoseHeadingDegrees="123.400"' in data
    assert read_metadata(data).equirectangular
