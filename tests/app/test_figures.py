"""The colours of ranks, and how sharp the peak of a searched heading is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from app import figures


def luminance(colour: str) -> float:
    return float(np.dot((0.2126, 0.7152, 0.0722), to_rgb(colour)))


def test_rank_colours_grow_darker_with_the_rank() -> None:
    shades = [luminance(figures.rank_colour(rank)) for rank in range(1, 11)]
    assert all(better > worse for better, worse in itertools.pairwise(shades))


def test_numbers_on_pins_stand_out_from_their_colour() -> None:
    for rank in range(1, 11):
        colour = figures.rank_colour(rank)
        assert abs(luminance(colour) - luminance(figures.ink_on(colour))) > 0.3


@pytest.mark.parametrize("best", [0, 5, 31])
def test_a_peak_is_as_wide_as_what_is_nearly_as_good(best: int) -> None:
    away = np.minimum(np.arange(32), 32 - np.arange(32))
    scores = np.roll(np.maximum(0.2, 0.9 - 0.35 * away), best).astype(
        np.float32
    )  # falls by half a step of the range
    assert figures.peak_range_deg(scores) == pytest.approx(2 * 0.2 * 11.25, rel=1e-3)


def test_another_peak_does_not_widen_the_first() -> None:
    scores = np.full(16, 0.1, np.float32)
    scores[[2, 10]] = 0.9, 0.89
    assert figures.peak_range_deg(scores) == pytest.approx(2 * 0.1 * 22.5, rel=1e-3)


def test_a_turn_that_is_alike_everywhere_points_nowhere() -> None:
    assert figures.peak_range_deg(np.full(8, 0.5, np.float32)) == 360.0
