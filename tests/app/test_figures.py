"""The colours of ranks."""

from __future__ import annotations

import itertools

import numpy as np
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
