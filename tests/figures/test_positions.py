"""What the figures of positional embeddings draw."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from l2ltr_core import figures
from l2ltr_core.model.config import ViewConfig

GROUND = figures.axes_of(ViewConfig(chip_m=80.0), "ground")
POLAR = figures.axes_of(ViewConfig(chip_m=80.0), "aerial")
SQUARE = figures.axes_of(ViewConfig(chip_m=80.0, polar=False), "aerial")
RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("meaning", "position", "grid", "said"),
    [
        (GROUND, (0, 8), (4, 16), "azimuth 11° (N), elevation 34°"),
        (GROUND, (3, 0), (4, 16), "azimuth 191° (S), elevation -34°"),
        (POLAR, (3, 12), (4, 16), "azimuth 101° (E), distance 5 m"),
        (SQUARE, (0, 3), (4, 4), "+30 m north, +30 m east of the centre"),
        (SQUARE, (3, 0), (4, 4), "-30 m north, -30 m east of the centre"),
    ],
)
def test_a_position_is_named_by_the_middle_of_its_patch(
    meaning: figures.GridAxes, position: tuple[int, int], grid: tuple[int, int], said: str
) -> None:
    assert meaning.describe(position, grid) == said


def test_each_map_stands_under_its_name_with_the_chosen_position_framed_and_the_seam_continued() -> None:
    maps = {"before training": RANDOM.random((4, 16)), "after training": RANDOM.random((4, 16))}
    figure = figures.position_map(maps, (1, 3), GROUND)
    for axes, (name, similarity) in zip(figure.axes[:2], maps.items(), strict=True):
        assert axes.get_title(loc="left") == name
        assert axes.get_xlabel() == "azimuth"
        drawn = np.asarray(axes.images[0].get_array())
        np.testing.assert_array_equal(drawn[:, 2:18], similarity)
        np.testing.assert_array_equal(drawn[:, :2], similarity[:, -2:])
        np.testing.assert_array_equal(drawn[:, 18:], similarity[:, :2])
        assert [line.get_xdata()[0] for line in axes.lines] == [0, 16]
        frames = [each for each in axes.patches if isinstance(each, Rectangle) and not each.get_fill()]
        assert [frame.get_xy() for frame in frames] == [(3, 1)]
    assert figure.axes[-1].get_ylabel() == "cosine similarity"
    assert figure.get_suptitle() == "How like the framed position: azimuth 259° (W), elevation 11°"


def test_a_square_tile_is_not_continued() -> None:
    figure = figures.position_map({"x": np.zeros((4, 4))}, None, SQUARE, "A title")
    assert figure.axes[0].images[0].get_array().shape == (4, 4)
    assert not figure.axes[0].lines
    assert figure.get_suptitle() == "A title"


def test_the_sheet_holds_each_positions_map_where_the_position_is() -> None:
    similarities = RANDOM.random((2, 6, 2, 6)).astype(np.float32)
    figure = figures.position_sheet(similarities, GROUND, chosen=(1, 2))
    sheet = np.asarray(figure.axes[0].images[0].get_array())
    assert sheet.shape == (2 * 7 - 1, 6 * 7 - 1)
    np.testing.assert_array_equal(sheet[7::3, 14:20], similarities[1, 2])
    assert sheet[6].mask.all() if np.ma.isMaskedArray(sheet) else np.isnan(sheet[6]).all()
    assert figure.axes[-1].get_ylabel() == "cosine similarity"


def test_colours_of_positions_are_drawn_as_they_are() -> None:
    colours = RANDOM.integers(0, 255, (4, 8, 3), np.uint8)
    (axes,) = figures.position_colours({"x": colours}, POLAR).axes
    np.testing.assert_array_equal(axes.images[0].get_array(), colours)
    assert axes.get_ylabel() == "distance"
