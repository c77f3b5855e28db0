from __future__ import annotations

import numpy as np
import pytest

from l2ltr_core.inspection import layer_cka, layer_similarity, linear_cka

RANDOM = np.random.default_rng(0)


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
