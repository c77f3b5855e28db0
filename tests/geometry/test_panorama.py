from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2ltr_core.geometry.panorama import align, between_deg, crop_field, ground_view, shown_columns
from l2ltr_core.types import RGB, Panorama


def compass(width: int = 360, height: int = 180, centre_heading_deg: float = 0.0) -> RGB:
    """A panorama whose red channel is half the heading of its column, green half the row."""
    headings = (np.arange(width) + 0.5 - width / 2) / width * 360 + centre_heading_deg
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.floor(headings % 360 / 2)
    pixels[..., 1] = np.arange(height)[:, None] * 180 // height
    return pixels


@pytest.mark.parametrize(
    ("first_deg", "second_deg", "between"), [(350, 10, 20), (10, 350, 20), (90, -90, 180), (720, 0, 0)]
)
def test_directions_differ_by_the_shorter_way_round(
    first_deg: float, second_deg: float, between: float
) -> None:
    assert between_deg(first_deg, second_deg) == between


@given(st.integers(0, 359))
def test_a_turned_panorama_is_turned_back_to_north(heading: int) -> None:
    turned = Panorama(compass(centre_heading_deg=heading))
    assert np.array_equal(align(turned, heading).pixels, compass())


def test_headings_grow_to_the_right_of_north_in_the_centre() -> None:
    view = ground_view(Panorama(compass(centre_heading_deg=200)), 200, 180, (90, 360))
    assert view[45, 180, 0] == 0  # north in the centre column
    assert view[45, 270, 0] == pytest.approx(45, abs=1)  # east, half of 90
    assert view[45, 90, 0] == pytest.approx(135, abs=1)  # west, half of 270


def test_the_view_keeps_the_middle_rows() -> None:
    view = ground_view(Panorama(compass()), 0, 90, (90, 360))
    assert view[0, 0, 1] == pytest.approx(45, abs=1)
    assert view[-1, 0, 1] == pytest.approx(134, abs=1)


def test_a_strip_of_the_wanted_field_is_only_resized() -> None:
    strip = compass()[45:135]
    view = ground_view(Panorama(strip, top_deg=45, bottom_deg=-45), 0, 90, (90, 360))
    assert np.array_equal(view, strip)


def test_rows_that_a_strip_lacks_get_the_mean_colour_of_what_it_shows() -> None:
    strip = np.full((30, 360, 3), 200, np.uint8)
    strip[:15] = 100
    view = ground_view(Panorama(strip, top_deg=30, bottom_deg=0), 0, 90, (90, 360))
    assert (view[:15] == 150).all() and (view[45:] == 150).all()
    assert (view[16:29] == 100).all() and (view[32:44] == 200).all()


def test_a_photo_that_shows_nothing_of_the_view_gives_its_mean_colour() -> None:
    sky = np.full((10, 360, 3), 90, np.uint8)
    assert (ground_view(Panorama(sky, top_deg=90, bottom_deg=60), 0, 90, (45, 180)) == 90).all()


def test_an_ordinary_photo_is_placed_where_it_looks_and_the_rest_is_its_mean_colour() -> None:
    photo = np.zeros((45, 60, 3), np.uint8)
    photo[:, :30], photo[:, 30:] = 50, 150
    panorama = Panorama(photo, horizontal_field_deg=60, top_deg=45, bottom_deg=-45)
    view = ground_view(panorama, 90, 90, (45, 360))
    assert (view[:, 242:268] == 50).all() and (view[:, 272:298] == 150).all()
    assert (view[:, :235] == 100).all() and (view[:, 305:] == 100).all()


def test_an_ordinary_photo_may_look_across_the_seam() -> None:
    photo = np.full((45, 60, 3), 200, np.uint8)
    photo[:, ::2] = 0
    view = ground_view(Panorama(photo, 60, 45, -45), 180, 90, (45, 360))
    assert len(np.unique(view[:, :25])) > 1 and len(np.unique(view[:, -25:])) > 1
    assert (view[:, 60:300] == 100).all()


@given(st.floats(-400, 400), st.sampled_from([(64, 256), (128, 512), (45, 91)]))
def test_the_view_has_the_size_asked_for(heading_deg: float, size_px: tuple[int, int]) -> None:
    for field_deg in (360.0, 77.7):
        view = ground_view(Panorama(compass(90, 45), field_deg), heading_deg, 90, size_px)
        assert view.shape == (*size_px, 3) and view.dtype == np.uint8


@given(st.floats(-400, 400), st.integers(1, 64))
def test_a_full_circle_shows_every_column(heading_deg: float, count: int) -> None:
    assert shown_columns(Panorama(compass(8, 4)), heading_deg, count).all()


def test_columns_are_shown_where_the_photo_looks_south_first_by_west() -> None:
    photo = Panorama(compass(8, 4), horizontal_field_deg=90)
    shown = {heading: shown_columns(photo, heading, 8).nonzero()[0].tolist() for heading in (0, 90, -90, 450)}
    assert shown == {0: [3, 4], 90: [5, 6], -90: [1, 2], 450: [5, 6]}


def test_shown_columns_wrap_around_the_south() -> None:
    photo = Panorama(compass(8, 4), horizontal_field_deg=90)
    assert shown_columns(photo, 180, 8).tolist() == [True, False, False, False, False, False, False, True]


@given(st.floats(1, 360), st.floats(-180, 180), st.integers(4, 64))
def test_as_many_columns_are_shown_as_the_field_is_wide(
    field_deg: float, heading_deg: float, count: int
) -> None:
    shown = shown_columns(Panorama(compass(8, 4), horizontal_field_deg=field_deg), heading_deg, count)
    wide = field_deg / 360 * count
    assert max(1, wide - 1 - 1e-6) <= shown.sum() <= max(2, wide + 1 + 1e-6)


@given(st.floats(1, 360), st.integers(-180, 180), st.integers(0, 31))
def test_a_photo_turned_by_whole_columns_shows_as_many_columns_on(
    field_deg: float, heading_deg: int, turn: int
) -> None:
    photo = Panorama(compass(8, 4), horizontal_field_deg=field_deg + 1e-6)
    turned = shown_columns(photo, heading_deg + turn * 11.25, 32)
    assert np.array_equal(turned, np.roll(shown_columns(photo, heading_deg, 32), turn))


def test_a_photo_narrower_than_a_column_shows_the_one_it_looks_at() -> None:
    photo = Panorama(compass(8, 4), horizontal_field_deg=2)
    assert shown_columns(photo, 40, 8).nonzero()[0].tolist() == [4]


def test_a_cropped_field_knows_where_it_looks() -> None:
    panorama = Panorama(compass(centre_heading_deg=350), heading_deg=350)
    crop = crop_field(panorama, 30, 90)
    assert crop.pixels.shape == (180, 90, 3)
    assert (crop.horizontal_field_deg, crop.heading_deg) == (90, 20)
    assert crop.pixels[0, 45, 0] == 10


def test_the_crop_of_a_full_circle_alone_makes_sense() -> None:
    with pytest.raises(ValueError, match="full circle"):
        crop_field(Panorama(compass(), 180), 0, 90)


def test_the_photo_itself_is_left_alone() -> None:
    pixels = compass()
    ground_view(Panorama(pixels), 77, 90, (64, 256))
    assert np.array_equal(pixels, compass())
