"""The page of positional embeddings and its numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import explain

PAGE = "views/positional_embeddings.py"
GRID = (4, 16)


def waves(rows: float, columns: float) -> np.ndarray:
    """(1 + 64, 3) embeddings made of one wave around the circle and a ramp by row."""
    row, column = np.divmod(np.arange(64), 16)
    angle = 2 * np.pi * column / 16
    ramp = (row - 1.5) * rows
    return np.vstack(
        [np.zeros(3), np.stack([columns * np.cos(angle), columns * np.sin(angle), ramp], axis=1)]
    )


def test_the_page_opens_and_shows_each_way_of_comparing(open_app: Callable[..., AppTest]) -> None:
    app = open_app(PAGE)
    assert not app.exception
    for view in ("aerial", "both", "ground"):
        app.segmented_control(key="positions_view").set_value(view).run()
        assert not app.exception
        assert not app.error
    assert len(app.dataframe[0].value) == 2


def test_a_wave_around_the_circle_is_all_direction_and_has_no_seam() -> None:
    found = explain.structure(waves(0, 1), GRID)
    assert found.by_column == pytest.approx(1)
    assert found.by_row == pytest.approx(0, abs=1e-9)
    assert found.periodic == pytest.approx(1)
    assert found.seam == pytest.approx(found.neighbours)


def test_a_ramp_by_row_is_no_direction() -> None:
    found = explain.structure(waves(1, 1e-6), GRID)
    assert found.by_row == pytest.approx(1, abs=1e-6)


def test_a_ramp_by_column_has_a_seam() -> None:
    ramp = np.zeros((65, 2))
    ramp[1:, 0] = np.arange(64) % 16
    assert explain.structure(ramp, GRID).seam < 0


def test_similarity_across_views_is_one_for_the_same_direction() -> None:
    a = waves(1, 3)
    assert np.diag(explain.across(a, 2 * a)) == pytest.approx(np.ones(64))


def test_colours_follow_the_main_components() -> None:
    colours = explain.principal_colours(waves(1, 5), GRID)
    assert colours.shape == (4, 16, 3)
    assert (colours[:, 0] != colours[:, 8]).any()
