"""The Attention page and its numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import explain
from l2ltr_core.geometry.polar import to_polar

PAGE = "views/attention.py"
GRID = (2, 8)


def test_the_page_opens_with_the_first_sample_and_its_best_place(open_app: Callable[..., AppTest]) -> None:
    app = open_app(PAGE)
    assert not app.exception
    assert not app.error
    assert app.title[0].value == "What does the model look at?"
    assert app.selectbox(key="attention_rank").value == 1


def test_any_layer_head_patch_and_place_can_be_chosen(open_app: Callable[..., AppTest]) -> None:
    app = open_app(PAGE)
    app.selectbox(key="attention_layer").set_value("layer 2").run()
    app.selectbox(key="attention_head").set_value("head 2").run()
    app.selectbox(key="attention_rank").set_value(3).run()
    app.selectbox(key="attention_row").select_index(2).run()
    app.slider(key="attention_azimuth").set_value(270).run()
    assert not app.exception
    assert not app.error


def test_an_even_share_is_one_everywhere() -> None:
    row = np.full(1 + 16, 1 / 17)
    assert explain.times_average(row, GRID) == pytest.approx(np.ones(GRID))


@pytest.mark.parametrize(("azimuth", "column"), [(0, 4), (90, 6), (-90, 2), (180, 0), (179, 7), (540, 0)])
def test_a_direction_falls_on_its_column_of_the_north_centred_view(azimuth: float, column: int) -> None:
    assert explain.token_at(azimuth, 1, GRID) == 1 + 8 + column


def test_heat_of_the_polar_view_lies_on_the_tile_in_the_same_direction() -> None:
    tile = np.zeros((96, 96, 1), np.float32)
    tile[20:28, 66:74] = 1  # north-east of the centre
    polar = to_polar(tile, (32, 128))[..., 0]
    coarse = polar.reshape(8, 4, 32, 4).mean(axis=(1, 3))
    back = explain.on_tile(coarse, True, 96)
    row, column = np.unravel_index(np.nanargmax(back), back.shape)
    assert np.degrees(np.arctan2(column - 48, 48 - row)) == pytest.approx(44, abs=12)
    assert np.hypot(column - 48, 48 - row) == pytest.approx(33, abs=8)
    assert np.isnan(back[0, 0])


def test_heat_of_a_square_view_only_grows() -> None:
    heat = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert explain.on_tile(heat, False, 8)[::2, ::2] == pytest.approx(heat)


def test_spread_is_one_for_an_even_head_and_zero_for_a_single_patch() -> None:
    maps = np.zeros((1, 2, 17, 17), np.float32)
    maps[0, 0] = 1 / 17
    maps[0, 1, :, 5] = 1
    assert explain.entropy(maps)[0] == pytest.approx([1, 0], abs=1e-6)


def test_reach_goes_around_the_circle() -> None:
    maps = np.zeros((1, 1, 9, 9), np.float32)
    for column in range(8):
        maps[0, 0, 1 + column, 1 + (column + 7) % 8] = 1  # everyone looks one patch to the left
    assert explain.mean_distance(maps, (1, 8))[0, 0] == pytest.approx(1)


def test_hiding_covers_every_column_once() -> None:
    view = np.random.default_rng(0).integers(0, 255, (8, 50, 3)).astype(np.uint8)
    hidden = np.stack(explain.without_sectors(view, 7))
    assert ((hidden != view).any(axis=(1, 3)).sum(axis=0) == 1).all()


def test_a_score_falls_by_what_was_hidden() -> None:
    whole, place = np.array([1.0, 0.0]), np.array([1.0, 0.0])
    masked = np.array([[1.0, 0.0], [0.6, 0.8]])
    assert explain.score_falls(whole, masked, place) == pytest.approx([0, 0.4])


def test_attention_by_sector_sums_to_one_whatever_the_numbers_of_columns() -> None:
    assert explain.by_sector(np.ones((2, 8), np.float32), 16).sum() == pytest.approx(1)
    assert explain.by_sector(np.ones((2, 8), np.float32), 6) == pytest.approx(np.full(6, 1 / 6))


def test_a_constant_has_no_rank_correlation() -> None:
    assert np.isnan(explain.rank_correlation([1, 1, 1], [1, 2, 3]))
    assert explain.rank_correlation([1, 2, 3], [2, 4, 9]) == pytest.approx(1)
