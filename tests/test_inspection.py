from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2ltr_core.inspection import (
    attention_rollout,
    cls_map,
    layer_cka,
    layer_similarity,
    linear_cka,
    position_similarity,
)

GOLDEN = np.load(Path(__file__).parent / "golden" / "hybrid_polar.npz")
RANDOM = np.random.default_rng(0)


def random_maps(layers: int, tokens: int, heads: int = 2, seed: int = 0) -> list[np.ndarray]:
    scores = np.random.default_rng(seed).normal(size=(layers, heads, tokens, tokens))
    weights = np.exp(scores)
    return list(weights / weights.sum(axis=-1, keepdims=True))


# ---------------------------------------------------------------- rollout


def test_rollout_is_the_product_of_the_layers_half_mixed_with_the_identity() -> None:
    first, second = random_maps(2, 5)
    half = [0.5 * np.eye(5) + 0.5 * weights.mean(axis=0) for weights in (first, second)]
    np.testing.assert_allclose(attention_rollout([first, second]), half[1] @ half[0], atol=1e-6)


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
    with pytest.raises(ValueError, match="for the grid"):
        position_similarity(np.zeros((7, 4)), (2, 4))


# ---------------------------------------------------------------- positions


def test_similarity_between_positions_is_the_cosine() -> None:
    embedding = RANDOM.normal(size=(7, 5))
    similarity = position_similarity(embedding, (2, 3))
    a, b = embedding[1 + 1], embedding[1 + 5]  # (0, 1) and (1, 2)
    expected = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert similarity[0, 1, 1, 2] == pytest.approx(expected, abs=1e-6)
    assert similarity[1, 2, 0, 1] == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(np.einsum("abab->ab", similarity), 1, atol=1e-6)


def test_cls_has_no_part_in_the_similarity_of_positions() -> None:
    embedding = RANDOM.normal(size=(7, 5))
    changed = embedding.copy()
    changed[0] = 100
    np.testing.assert_array_equal(
        position_similarity(embedding, (2, 3)), position_similarity(changed, (2, 3))
    )


def test_a_position_of_zeros_is_like_no_other() -> None:
    assert np.all(position_similarity(np.zeros((7, 5)), (2, 3)) == 0)


# ---------------------------------------------------------------- layers


def test_layer_similarity_is_the_mean_cosine_of_the_same_token() -> None:
    tokens = RANDOM.normal(size=(3, 10, 4))
    unit = tokens / np.linalg.norm(tokens, axis=-1, keepdims=True)
    similarity = layer_similarity(tokens)
    assert similarity[0, 2] == pytest.approx((unit[0] * unit[2]).sum(axis=-1).mean(), abs=1e-6)
    np.testing.assert_allclose(np.diag(similarity), 1, atol=1e-6)
    np.testing.assert_allclose(similarity, similarity.T, atol=1e-6)


def test_a_scaled_layer_is_the_same_direction_and_a_negated_one_the_opposite() -> None:
    tokens = RANDOM.normal(size=(10, 4))
    similarity = layer_similarity(np.stack([tokens, 3 * tokens, -tokens]))
    np.testing.assert_allclose(similarity[0], [1, 1, -1], atol=1e-6)


@pytest.mark.parametrize("count", [6, 50], ids=["few tokens", "many tokens"])
def test_cka_does_not_feel_rotation_scale_and_shift(count: int) -> None:
    tokens = RANDOM.normal(size=(count, 8))
    rotation, _ = np.linalg.qr(RANDOM.normal(size=(8, 8)))
    assert linear_cka(tokens, 2.5 * tokens @ rotation + 7) == pytest.approx(1)


def test_cka_of_unrelated_representations_is_small() -> None:
    assert linear_cka(RANDOM.normal(size=(4000, 6)), RANDOM.normal(size=(4000, 9))) < 0.01


def test_cka_of_a_known_pair() -> None:
    x = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    y = x[:, :1]  # half of it
    assert linear_cka(x, y) == pytest.approx(4 / (np.sqrt(8) * 2))


def test_both_ways_to_compute_cka_agree() -> None:
    a, b = RANDOM.normal(size=(9, 9)), RANDOM.normal(size=(9, 9))
    padded = np.concatenate([a, np.zeros((9, 1))], axis=1)
    other = np.concatenate([b, np.zeros((9, 1))], axis=1)[:, :8]
    assert linear_cka(padded, b) == pytest.approx(linear_cka(a, b))
    assert linear_cka(a[:, :8], other) == pytest.approx(
        linear_cka(np.pad(a[:, :8], ((0, 0), (0, 9))), np.pad(other, ((0, 0), (0, 9))))
    )


def test_layer_cka_compares_every_two_depths() -> None:
    tokens = RANDOM.normal(size=(3, 40, 4))
    cka = layer_cka(tokens)
    assert cka.shape == (3, 3)
    assert cka[0, 2] == pytest.approx(linear_cka(tokens[0], tokens[2]), abs=1e-6)
    np.testing.assert_allclose(np.diag(cka), 1, atol=1e-6)


def test_a_constant_representation_is_like_nothing() -> None:
    assert linear_cka(np.ones((5, 3)), RANDOM.normal(size=(5, 3))) == 0.0


@pytest.mark.parametrize("function", [layer_similarity, layer_cka])
def test_tokens_without_depths_are_refused(function: object) -> None:
    with pytest.raises(ValueError, match="depths"):
        function(np.zeros((4, 4)))
