from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2ltr_core import inspection
from l2ltr_core.geometry.polar import to_polar
from l2ltr_core.inspection import AttentionChoice, attention_rollout, cls_map, heat, heat_of_each

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "hybrid_polar.npz")
GRID = (2, 8)


def random_maps(layers: int, tokens: int, heads: int = 2, seed: int = 0) -> list[np.ndarray]:
    scores = np.random.default_rng(seed).normal(size=(layers, heads, tokens, tokens))
    weights = np.exp(scores)
    return list(weights / weights.sum(axis=-1, keepdims=True))


def test_rollout_is_the_product_of_the_layers_half_mixed_with_the_identity() -> None:
    first, second = random_maps(2, 5)
    half = [0.5 * np.eye(5) + 0.5 * weights.mean(axis=0) for weights in (first, second)]
    np.testing.assert_allclose(attention_rollout([first, second]), half[1] @ half[0], atol=1e-6)


def test_rollout_of_two_layers_by_hand() -> None:
    """CLS reads the first patch in the second layer, and in the first layer that patch reads the second.

    Half of each token is its own, so of CLS 1/2 stays; the other half comes from the first patch, which by
    then is half its own and half the second patch: 1/2, 1/4, 1/4.
    """
    first = np.array([[1.0, 0, 0], [0, 0, 1], [0, 0, 1]])
    second = np.array([[0.0, 1, 0], [0, 1, 0], [0, 0, 1]])
    rollout = attention_rollout([first[None], second[None]])
    np.testing.assert_array_equal(rollout, [[0.5, 0.25, 0.25], [0, 0.5, 0.5], [0, 0, 1]])


@given(layers=st.integers(1, 5), tokens=st.integers(2, 9), token=st.integers(0, 8), seed=st.integers(0, 99))
def test_one_row_of_the_rollout_can_be_had_alone(layers: int, tokens: int, token: int, seed: int) -> None:
    maps, token = random_maps(layers, tokens, seed=seed), token % tokens
    np.testing.assert_allclose(
        inspection.rollout_of(maps, token, 0.3), attention_rollout(maps, 0.3)[token], atol=1e-6
    )


def test_rollout_is_the_derivative_of_content_with_respect_to_the_input_under_self_cross_attention() -> None:
    """One head, identity values, weights held constant: exactly the docstring's linear model."""
    rng = np.random.default_rng(1)
    tokens, depth = 6, 3
    start = rng.normal(size=(tokens, 4))

    def softmax(scores: np.ndarray) -> np.ndarray:
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    x = previous_tokens = start
    maps = []
    for _ in range(depth):
        weights = softmax(x @ previous_tokens.T)  # keys from the layer before
        maps.append(weights[None])
        x, previous_tokens = 0.5 * x + 0.5 * weights @ x, x  # values from the layer's own input
    np.testing.assert_allclose(attention_rollout(maps) @ start, x, atol=1e-6)


@given(layers=st.integers(1, 5), tokens=st.integers(2, 9), residual=st.floats(0, 1), seed=st.integers(0, 99))
def test_rollout_shares_out_exactly_one(layers: int, tokens: int, residual: float, seed: int) -> None:
    rollout = attention_rollout(random_maps(layers, tokens, seed=seed), residual)
    assert rollout.min() >= 0
    np.testing.assert_allclose(rollout.sum(axis=1), 1, atol=1e-5)


def test_layers_that_only_look_at_themselves_leave_each_token_alone() -> None:
    np.testing.assert_array_equal(attention_rollout([np.eye(4)[None]] * 3), np.eye(4))


def test_the_order_of_layers_counts() -> None:
    first, second = random_maps(2, 5)
    difference = attention_rollout([first, second]) - attention_rollout([second, first])
    assert np.abs(difference).max() > 1e-3


def test_rollout_of_the_golden_attention_lies_on_the_grid_and_sums_to_1() -> None:
    heat = cls_map(attention_rollout(GOLDEN["ground_attention"][:, 0]), (4, 16))
    assert heat.shape == (4, 16)
    assert heat.sum() == pytest.approx(1)


def test_the_cls_map_is_laid_out_row_by_row() -> None:
    weights = np.zeros((7, 7))
    weights[0] = [0.4, 0.0, 0.0, 0.1, 0.2, 0.0, 0.3]
    np.testing.assert_allclose(cls_map(weights, (2, 3)), np.array([[0, 0, 1], [2, 0, 3]]) / 6, atol=1e-6)


@pytest.mark.parametrize(
    ("maps", "residual", "message"),
    [
        ([], 0.5, "at least one layer"),
        ([np.zeros((4, 4))], 0.5, "heads"),
        ([np.zeros((1, 4, 4)), np.zeros((1, 5, 5))], 0.5, "heads, 4, 4"),
        ([np.zeros((1, 4, 4))], 1.5, "residual"),
    ],
)
def test_what_is_not_attention_is_refused(maps: list[np.ndarray], residual: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        attention_rollout(maps, residual)


def test_a_grid_of_another_number_of_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="for the grid"):
        cls_map(np.zeros((7, 7)), (2, 4))


def test_an_even_share_is_one_everywhere() -> None:
    row = np.full(1 + 16, 1 / 17)
    assert inspection.times_average(row, GRID) == pytest.approx(np.ones(GRID))


@pytest.mark.parametrize(("azimuth", "column"), [(0, 4), (90, 6), (-90, 2), (180, 0), (179, 7), (540, 0)])
def test_a_direction_falls_on_its_column_of_the_north_centred_view(azimuth: float, column: int) -> None:
    assert inspection.token_at(azimuth, 1, GRID) == 1 + 8 + column


@pytest.mark.parametrize(
    ("azimuth", "row", "place"),
    [(9, 0, (0, 4)), (99, 0, (4, 7)), (189, 0, (7, 3)), (279, 0, (3, 0)), (9, 6, (3, 4))],
)
def test_a_direction_and_a_distance_fall_on_a_patch_of_the_square(
    azimuth: float, row: int, place: tuple[int, int]
) -> None:
    assert inspection.token_on_square(azimuth, row, (8, 8)) == 1 + 8 * place[0] + place[1]


def test_heat_of_the_polar_view_lies_on_the_tile_in_the_same_direction() -> None:
    tile = np.zeros((96, 96, 1), np.float32)
    tile[20:28, 66:74] = 1  # north-east of the centre
    polar = to_polar(tile, (32, 128))[..., 0]
    coarse = polar.reshape(8, 4, 32, 4).mean(axis=(1, 3))
    back = inspection.on_tile(coarse, True, 96)
    row, column = np.unravel_index(np.nanargmax(back), back.shape)
    assert np.degrees(np.arctan2(column - 48, 48 - row)) == pytest.approx(44, abs=12)
    assert np.hypot(column - 48, 48 - row) == pytest.approx(33, abs=8)
    assert np.isnan(back[0, 0])


def test_heat_of_a_square_view_only_grows() -> None:
    heat = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert inspection.on_tile(heat, False, 8)[::2, ::2] == pytest.approx(heat)


def test_entropy_is_one_for_an_even_head_and_zero_for_a_single_patch() -> None:
    maps = np.zeros((1, 2, 17, 17), np.float32)
    maps[0, 0] = 1 / 17
    maps[0, 1, :, 5] = 1
    assert inspection.attention_entropy(maps)[0] == pytest.approx([1, 0], abs=1e-6)


def test_reach_goes_around_the_circle() -> None:
    maps = np.zeros((1, 1, 9, 9), np.float32)
    for column in range(8):
        maps[0, 0, 1 + column, 1 + (column + 7) % 8] = 1  # everyone looks one patch to the left
    assert inspection.mean_attention_distance(maps, (1, 8))[0, 0] == pytest.approx(1)


def test_occlusion_covers_every_column_once() -> None:
    view = np.random.default_rng(0).integers(0, 255, (8, 50, 3)).astype(np.uint8)
    hidden = np.stack(inspection.occluded_views(view, 7))
    assert ((hidden != view).any(axis=(1, 3)).sum(axis=0) == 1).all()


def test_a_score_falls_by_what_was_hidden() -> None:
    whole, place = np.array([1.0, 0.0]), np.array([1.0, 0.0])
    masked = np.array([[1.0, 0.0], [0.6, 0.8]])
    assert inspection.occlusion_sensitivity(whole, masked, place) == pytest.approx([0, 0.4])


def test_attention_by_sector_sums_to_one_whatever_the_numbers_of_columns() -> None:
    assert inspection.by_sector(np.ones((2, 8), np.float32), 16).sum() == pytest.approx(1)
    assert inspection.by_sector(np.ones((2, 8), np.float32), 6) == pytest.approx(np.full(6, 1 / 6))


def test_a_constant_has_no_rank_correlation() -> None:
    assert np.isnan(inspection.rank_correlation([1, 1, 1], [1, 2, 3]))
    assert inspection.rank_correlation([1, 2, 3], [2, 4, 9]) == pytest.approx(1)


def test_a_choice_is_one_head_of_one_layer() -> None:
    maps = np.stack(random_maps(3, 17, heads=4))
    chosen = inspection.heat(maps, AttentionChoice(layer=1, head=2), GRID)
    assert chosen == pytest.approx(inspection.times_average(maps[1, 2, 0], GRID))


def test_a_choice_without_a_head_is_their_mean_and_without_a_layer_the_rollout() -> None:
    maps = np.stack(random_maps(3, 17, heads=4))
    mean = inspection.heat(maps, AttentionChoice(layer=1), GRID)
    assert mean == pytest.approx(inspection.times_average(maps[1].mean(axis=0)[0], GRID), rel=1e-5)
    rollout = inspection.heat(maps, AttentionChoice(), GRID)
    assert rollout == pytest.approx(inspection.times_average(attention_rollout(list(maps))[0], GRID))


def test_a_choice_may_be_a_patch_that_looks() -> None:
    maps = np.stack(random_maps(1, 17))
    east_below = inspection.heat(maps, AttentionChoice(layer=0, head=0, azimuth_deg=90, row=1), GRID)
    assert east_below == pytest.approx(inspection.times_average(maps[0, 0, 1 + 8 + 6], GRID))


def test_the_sheet_of_all_heads_holds_what_each_choice_shows() -> None:
    rng = np.random.default_rng(0)
    maps = rng.random((2, 3, 9, 9)).astype(np.float32)
    sheet = heat_of_each(maps, (2, 4))
    assert sheet.shape == (2, 4, 2, 4)
    for layer in range(2):
        for head in (None, 0, 1, 2):
            shown = heat(maps, AttentionChoice(layer=layer, head=head), (2, 4))
            np.testing.assert_allclose(sheet[layer, 0 if head is None else head + 1], shown, rtol=1e-6)
