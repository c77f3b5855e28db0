"""What the figures of photos and squares draw."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.patches import Polygon, Wedge
from PIL import Image

from l2ltr_core import figures


@pytest.mark.parametrize(("heading", "name"), [(0, "N"), (44, "NE"), (181, "S"), (359, "N"), (-90, "W")])
def test_winds_are_named_for_the_nearest_eighth(heading: float, name: str) -> None:
    assert figures.wind(heading) == name


def test_the_compass_has_north_in_the_middle_and_south_at_both_ends() -> None:
    figure = figures.compass_strip(np.zeros((64, 256, 3), np.uint8), None)
    labels = {text.get_text().strip(): [] for text in figure.axes[0].texts}
    for text in figure.axes[0].texts:
        labels[text.get_text().strip()].append(text.get_position()[0])
    assert labels["N"] == [0]
    assert labels["E"] == [90]
    assert labels["W"] == [-90]
    assert sorted(labels["S"]) == [-180, 180]


def test_the_photos_own_centre_is_marked_at_its_heading() -> None:
    figure = figures.compass_strip(np.zeros((64, 256, 3), np.uint8), 270.0)
    (mark,) = [patch for patch in figure.axes[0].patches if isinstance(patch, Polygon)]
    assert mark.get_xy()[2, 0] == pytest.approx(-90)


def test_the_strip_keeps_the_pixels_where_they_are() -> None:
    view = np.zeros((64, 256, 3), np.uint8)
    view[:, 64:128] = (255, 0, 0)  # south-west to north, west in its middle
    picture = np.asarray(
        Image.open(BytesIO(figures.to_png(figures.compass_strip(view, None)))).convert("RGB")
    )
    row = picture[picture.shape[0] // 3]
    assert tuple(row[round(0.375 * len(row))]) == (255, 0, 0)
    assert tuple(row[round(0.6 * len(row))]) == (0, 0, 0)


@given(st.floats(1, 100_000))
def test_a_scale_bar_is_a_round_number_and_fits(width_m: float) -> None:
    bar = figures.scale_bar_m(width_m)
    assert width_m / 10 <= bar <= width_m / 3 * 1.0001
    assert str(f"{bar:.0e}")[0] in "125"


def test_the_wedge_on_a_tile_opens_to_the_cameras_heading() -> None:
    figure = figures.place_tile(np.zeros((40, 40, 3), np.uint8), 60.0, heading_deg=90)
    (wedge,) = [patch for patch in figure.axes[0].patches if isinstance(patch, Wedge)]
    assert (wedge.theta1 + wedge.theta2) / 2 == 0  # matplotlib counts from east
