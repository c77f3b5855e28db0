"""What the figures of several checkpoints draw."""

from __future__ import annotations

import numpy as np
import pytest

from l2ltr_core import figures


def test_a_line_joins_only_places_that_both_lists_hold() -> None:
    figure = figures.rank_moves({"a": [5, 6, 7], "b": [7, 8, 9]})
    joins = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
    assert [list(line.get_ydata()) for line in joins] == [[2, 0]]


def test_layer_lines_carry_the_numbers_and_the_names() -> None:
    figure = figures.layer_lines({"x": np.array([0.5, 0.7])}, "cosine")
    (line,) = figure.axes[0].lines
    assert list(line.get_xdata()) == [1, 2]
    assert list(line.get_ydata()) == [0.5, 0.7]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["x"]


def test_plain_self_attention_is_dashed_whatever_its_place() -> None:
    lines = {name: np.array([0.5, 0.7]) for name in ("a", "b", "c")}
    figure = figures.layer_lines(lines, "cosine", dashed=["b"])
    assert [line.get_linestyle() for line in figure.axes[0].lines] == ["-", "--", "-"]
    assert len({line.get_color() for line in figure.axes[0].lines}) == 3


def test_a_square_matrix_has_a_bar_in_its_unit() -> None:
    figure = figures.square_matrix(np.eye(3), "x", "layer", (0, 1), unit="cosine similarity")
    assert figure.axes[1].get_ylabel() == "cosine similarity"
    assert [text.get_text() for text in figure.axes[0].texts][:2] == ["1.00", "0.00"]


def test_an_error_curve_is_drawn_in_percent_and_ends_at_all_photos() -> None:
    curve = (np.array([0.5, 20.0, 300.0]), np.array([1, 2, 3]) / 3)
    figure = figures.error_curves({"x": curve})
    (line,) = figure.axes[0].lines
    assert list(line.get_xdata()) == [1, 1, 20, 300, 300]
    assert line.get_ydata() == pytest.approx([0, 100 / 3, 200 / 3, 100, 100])
    assert figure.axes[0].get_xlabel() == "distance of the first match, m"


def test_a_place_that_is_right_has_a_ring() -> None:
    figure = figures.rank_moves({"a": [5, 6], "b": [7, 6]}, right={6})
    rings = [line for line in figure.axes[0].lines if line.get_color() == "none"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in rings] == [(0, 1), (1, 1)]
