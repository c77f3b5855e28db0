"""What the figures of attention draw: where the heat lies, in which colours, and what stands beside it."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from l2ltr_core import figures
from l2ltr_core.figures.style import ACCENT, TURQUOISE

HEAT = np.array([[0, 1, 2, 3], [4, 5, 0, np.nan]], np.float32)
VIEW = np.full((64, 256, 3), 90, np.uint8)


def test_heat_lies_on_the_whole_strip_with_its_values_in_times_the_average() -> None:
    _, heat = figures.heat_strip(VIEW, HEAT, None).axes[0].images
    np.testing.assert_array_equal(heat.get_array().filled(np.nan), HEAT)
    assert heat.get_extent() == [-180, 180, 0, 64]
    assert heat.get_clim() == (0, figures.HEAT_TOP)


@pytest.mark.parametrize(("azimuth", "at"), [(0, 0), (90, 90), (270, -90)])
def test_a_line_on_the_strip_shows_the_direction(azimuth: float, at: float) -> None:
    lines = figures.heat_strip(VIEW, HEAT, azimuth).axes[0].lines
    (line,) = [line for line in lines if line.get_color() == TURQUOISE]
    assert list(line.get_xdata()) == [at, at]


def test_heat_on_the_tile_is_in_metres_and_the_line_goes_from_the_centre_to_its_edge() -> None:
    axes = figures.heat_tile(np.zeros((40, 40, 3), np.uint8), np.ones((8, 8)), 60.0, azimuth_deg=90).axes[0]
    assert axes.images[1].get_extent() == [-30, 30, -30, 30]
    (line,) = [line for line in axes.lines if line.get_color() == TURQUOISE]
    np.testing.assert_allclose([line.get_xdata(), line.get_ydata()], [[0, 30], [0, 0]], atol=1e-9)


def test_pixels_of_heat_have_the_figures_colours_and_let_through_what_is_less_than_an_even_share() -> None:
    pixels = figures.heat_pixels(HEAT)
    assert pixels.shape == (2, 4, 4)
    assert pixels[0, 0, 3] == 0
    assert pixels[1, 3, 3] == 0  # nothing was seen there
    assert pixels[1, 0, 3] == pixels[1, 1, 3] == round(0.8 * 255)
    np.testing.assert_allclose(pixels[0, 2, :3] / 255, figures.HEAT(0.5)[:3], atol=0.01)


def test_a_colour_bar_names_the_even_share_at_one() -> None:
    axes = figures.heat_strip(VIEW, HEAT, None).axes[1]
    ticks = dict(zip(axes.get_xticks(), [label.get_text() for label in axes.get_xticklabels()], strict=True))
    assert ticks[1] == "even share"
    assert ticks[figures.HEAT_TOP] == "4x +"


def test_the_contact_sheet_has_a_map_for_each_layer_and_head_and_frames_the_chosen_one() -> None:
    heats = np.random.default_rng(0).random((2, 3, 2, 4))
    notes = np.array([["a", "b", "c"], ["d", "e", "f"]])
    panels = figures.contact_sheet(heats, notes, (1, 2)).axes
    assert [panel.get_xlabel() for panel in panels] == list("abcdef")
    assert [panel.get_title() for panel in panels[:3]] == ["head 1", "head 2", "head 3"]
    assert [panels[0].get_ylabel(), panels[3].get_ylabel()] == ["layer 1", "layer 2"]
    np.testing.assert_array_equal(panels[4].images[0].get_array(), heats[1, 1])
    framed = [panel.spines["left"].get_edgecolor() == to_rgba(ACCENT) for panel in panels]
    assert framed == [False] * 5 + [True]


def test_occlusion_sensitivity_shows_falls_and_shares_in_their_directions_with_their_correlation() -> None:
    falls, share = np.array([0.1, -0.05, 0.0, 0.2]), np.array([0.1, 0.2, 0.3, 0.4])
    upper, lower = figures.occlusion(falls, share, 0.25).axes
    assert [bar.get_height() for bar in upper.patches] == pytest.approx(falls)
    assert [bar.get_height() for bar in lower.patches] == pytest.approx(100 * share)
    assert [bar.get_x() + bar.get_width() / 2 for bar in upper.patches] == [-135, -45, 45, 135]
    assert upper.get_title(loc="left") == "rank correlation of the two: +0.25"
    assert (upper.get_ylabel(), lower.get_ylabel()) == ("score falls by", "attention, %")
    assert [label.get_text() for label in lower.get_xticklabels()][::4] == ["S", "N", "S"]
