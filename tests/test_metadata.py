from __future__ import annotations

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from l2ltr_core.errors import MetadataError
from l2ltr_core.metadata import read_metadata
from l2ltr_core.notes import Note
from l2ltr_core.types import Location
from tests.photos import encoded, jpeg, pixels, position

FULL = {"ProjectionType": "equirectangular"}
STRIP = {
    **FULL,
    "FullPanoWidthPixels": 4000,
    "FullPanoHeightPixels": 2000,
    "CroppedAreaImageWidthPixels": 4000,
    "CroppedAreaImageHeightPixels": 1000,
    "CroppedAreaLeftPixels": 0,
    "CroppedAreaTopPixels": 500,
}


def test_a_photo_without_metadata_says_nothing() -> None:
    found = read_metadata(jpeg())
    assert (found.location, found.heading_deg, found.horizontal_field_deg) == (None, None, None)
    assert found.notes == ()


def test_the_gps_position_has_its_signs() -> None:
    found = read_metadata(jpeg(gps=position(-33.5, -70.25))).location
    assert found is not None
    assert (found.latitude, found.longitude) == pytest.approx((-33.5, -70.25))


@pytest.mark.parametrize("as_elements", [False, True])
def test_gpano_reads_alike_as_attributes_and_as_elements(as_elements: bool) -> None:
    found = read_metadata(jpeg(gpano={**STRIP, "PoseHeadingDegrees": 123.25}, as_elements=as_elements))
    assert found.heading_deg == 123.25
    assert (found.horizontal_field_deg, found.top_deg, found.bottom_deg) == (360, 45, -45)
    assert found.equirectangular


def test_the_heading_of_the_gps_receiver_counts_where_gpano_has_none() -> None:
    found = read_metadata(jpeg(gps={16: "T", 17: 271.5}, gpano=FULL))
    assert found.heading_deg == 271.5


def test_gpano_wins_over_the_gps_receiver_and_a_contradiction_is_noted() -> None:
    found = read_metadata(jpeg(gps={16: "T", 17: 90.0}, gpano={**FULL, "PoseHeadingDegrees": 10}))
    assert found.heading_deg == 10
    assert found.notes == (Note("headings_differ", (10, 90)),)


def test_headings_that_agree_over_north_are_no_contradiction() -> None:
    found = read_metadata(jpeg(gps={16: "T", 17: 359.0}, gpano={**FULL, "PoseHeadingDegrees": 2}))
    assert found.notes == ()


def test_the_initial_view_is_not_the_heading() -> None:
    assert read_metadata(jpeg(gpano={**FULL, "InitialViewHeadingDegrees": 180})).heading_deg is None


def test_the_direction_of_travel_is_not_the_heading() -> None:
    assert read_metadata(jpeg(gps={14: "T", 15: 100.0})).heading_deg is None


def test_a_magnetic_heading_is_noted() -> None:
    found = read_metadata(jpeg(gps={16: "M", 17: 45.0}))
    assert found.heading_deg == 45
    assert found.notes == (Note("heading_magnetic"),)


def test_the_heading_of_a_crop_is_that_of_its_own_centre() -> None:
    quarter = {**STRIP, "CroppedAreaImageWidthPixels": 1000, "CroppedAreaLeftPixels": 3000}
    found = read_metadata(jpeg(gpano={**quarter, "PoseHeadingDegrees": 300}))
    assert found.horizontal_field_deg == 90
    assert found.heading_deg == pytest.approx((300 + 135) % 360)


def test_headings_are_brought_into_one_turn() -> None:
    assert read_metadata(jpeg(gpano={**FULL, "PoseHeadingDegrees": -90})).heading_deg == 270


@pytest.mark.parametrize("value", ["north", "nan", "inf", "1e9"])
def test_a_heading_that_is_no_number_is_ignored_with_a_note(value: str) -> None:
    found = read_metadata(jpeg(gpano={**FULL, "PoseHeadingDegrees": value}))
    assert found.heading_deg is None
    assert all("heading" in note.sentence and "ignored" in note.sentence for note in found.notes)
    assert len(found.notes) == 1


@pytest.mark.parametrize(
    ("latitude", "longitude", "words"),
    [(0.0, 0.0, "(0, 0)"), (95.0, 10.0, "not on the Earth"), (10.0, 200.0, "not on the Earth")],
)
def test_an_impossible_position_is_ignored_with_a_note(latitude: float, longitude: float, words: str) -> None:
    found = read_metadata(jpeg(gps=position(latitude, longitude)))
    assert found.location is None
    [note] = found.notes
    assert words in note.sentence


def test_a_position_that_cannot_be_read_is_ignored_with_a_note() -> None:
    found = read_metadata(jpeg(gps={1: "N", 2: (60.0, 10.0), 3: "E", 4: (24.0, 9.0)}))
    assert found.location is None
    assert found.notes == (Note("position_unreadable"),)


@pytest.mark.parametrize("nothing", [IFDRational(0, 0), IFDRational(1, 0)])
def test_a_position_over_nothing_is_ignored_with_a_note(nothing: IFDRational) -> None:
    found = read_metadata(jpeg(gps={1: "N", 2: (nothing, 10.0, 0.0), 3: "E", 4: (24.0, 9.0, 0.0)}))
    assert found.location is None
    assert found.notes == (Note("position_unreadable"),)


def test_a_position_without_its_longitude_is_ignored_with_a_note() -> None:
    found = read_metadata(jpeg(gps={1: "N", 2: (60.0, 10.0, 0.0)}))
    assert found.location is None
    assert found.notes == (Note("position_unreadable"),)


def test_a_position_without_references_is_north_and_east() -> None:
    found = read_metadata(jpeg(gps={2: (60.0, 30.0, 0.0), 4: (24.0, 15.0, 36.0)}))
    assert found.location == Location(60.5, 24.26)


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [
        ("60,10.5N", "24,57,30W"),
        ("60/1 10/1 30/1", "-24/1 -57/1 -30/1"),
        ("60.175", "-24.95833333333333"),
        ("24070/400", "-2396/96"),
    ],
)
def test_a_position_in_xmp_is_read_in_every_form(latitude: str, longitude: str) -> None:
    found = read_metadata(jpeg(xmp={"GPSLatitude": latitude, "GPSLongitude": longitude})).location
    assert found is not None
    assert (found.latitude, found.longitude) == pytest.approx((60.175, -24.958333), abs=1e-6)


def test_the_references_of_a_position_in_xmp_count() -> None:
    south_west = {"GPSLatitudeRef": "S", "GPSLongitudeRef": "W"}
    found = read_metadata(jpeg(xmp={"GPSLatitude": "33.5", "GPSLongitude": "70.25", **south_west}))
    assert found.location == Location(-33.5, -70.25)


def test_a_position_in_exif_wins_over_one_in_xmp_unless_it_is_unreadable() -> None:
    xmp = {"GPSLatitude": "10", "GPSLongitude": "20"}
    assert read_metadata(jpeg(gps=position(60, 25), xmp=xmp)).location == Location(60, 25)
    assert read_metadata(jpeg(gps={2: (60.0, 10.0)}, xmp=xmp)).location == Location(10, 20)


@pytest.mark.parametrize("latitude", ["north", "60,10.5", "60,10,5,7N", "nan", "1e999999999", "1/0"])
def test_a_position_in_xmp_that_cannot_be_read_is_ignored_with_a_note(latitude: str) -> None:
    found = read_metadata(jpeg(xmp={"GPSLatitude": latitude, "GPSLongitude": "24"}))
    assert found.location is None
    assert found.notes == (Note("position_unreadable"),)


def test_a_photo_names_software_beyond_ascii() -> None:
    exif = Image.Exif()
    exif[0x0131] = "Kamera Ä (simulated)"
    assert read_metadata(encoded(Image.fromarray(pixels()), "JPEG", exif=exif)).rendered


@pytest.mark.parametrize(("focal_mm", "field_deg"), [(18, 90), (27, 67), (0, None), (-5, None)])
def test_the_field_of_a_lens_is_that_of_its_focal_length_on_film(
    focal_mm: int, field_deg: float | None
) -> None:
    exif = Image.Exif()
    exif[0xA405] = focal_mm
    assert read_metadata(encoded(Image.fromarray(pixels()), "JPEG", exif=exif)).lens_field_deg == field_deg


def test_a_heading_of_nothing_over_nothing_is_ignored_with_a_note() -> None:
    found = read_metadata(jpeg(gps={16: "T", 17: IFDRational(0, 0)}))
    assert found.heading_deg is None
    assert [note.kind for note in found.notes] == ["heading_not_a_number"]


def test_a_date_cut_short_is_no_problem() -> None:
    exif = Image.Exif()
    exif[0x8769] = {0x9003: "2022:10:19 08"}
    photo = encoded(Image.fromarray(pixels()), "JPEG", exif=exif)
    assert read_metadata(photo).notes == ()


def test_impossible_gps_does_not_hide_the_heading() -> None:
    found = read_metadata(jpeg(gps={**position(95, 10), 16: "T", 17: 33.0}))
    assert found.heading_deg == 33


@pytest.mark.parametrize(
    "change",
    [
        {"CroppedAreaImageWidthPixels": 5000},
        {"CroppedAreaTopPixels": 1500},
        {"CroppedAreaImageHeightPixels": 0},
        {"CroppedAreaLeftPixels": -5},
        {"FullPanoHeightPixels": "many"},
    ],
)
def test_a_crop_that_cannot_be_is_refused_in_one_sentence(change: dict[str, object]) -> None:
    with pytest.raises(MetadataError, match="GPano"):
        read_metadata(jpeg(gpano={**STRIP, **change}))


def test_a_sphere_is_twice_as_wide_as_high_where_gpano_names_one_side() -> None:
    gpano = {key: value for key, value in STRIP.items() if key != "FullPanoHeightPixels"}
    assert read_metadata(jpeg(gpano=gpano)).top_deg == 45


def test_bytes_that_carry_no_tags_are_no_problem() -> None:
    found = read_metadata(b"GIF89a" + bytes(100))
    assert found.location is None and found.notes == ()
