from __future__ import annotations

import numpy as np
import pytest

from l2ltr_core import inspection
from l2ltr_core.inspection import position_similarity
from l2ltr_core.model.config import ModelConfig

RANDOM = np.random.default_rng(0)
GRID = (4, 16)


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


def test_positions_of_another_grid_are_refused() -> None:
    with pytest.raises(ValueError, match="for the grid"):
        position_similarity(np.zeros((7, 4)), (2, 4))


def waves(rows: float, columns: float) -> np.ndarray:
    """(1 + 64, 3) embeddings made of one wave around the circle and a ramp by row."""
    row, column = np.divmod(np.arange(64), 16)
    angle = 2 * np.pi * column / 16
    ramp = (row - 1.5) * rows
    return np.vstack(
        [np.zeros(3), np.stack([columns * np.cos(angle), columns * np.sin(angle), ramp], axis=1)]
    )


def test_a_wave_around_the_circle_is_all_direction_and_has_no_seam() -> None:
    found = inspection.structure(waves(0, 1), GRID)
    assert found.by_column == pytest.approx(1)
    assert found.by_row == pytest.approx(0, abs=1e-9)
    assert found.periodic == pytest.approx(1)
    assert found.seam == pytest.approx(found.neighbours)


def test_a_ramp_by_row_is_no_direction() -> None:
    found = inspection.structure(waves(1, 1e-6), GRID)
    assert found.by_row == pytest.approx(1, abs=1e-6)


def test_a_ramp_by_column_has_a_seam() -> None:
    ramp = np.zeros((65, 2))
    ramp[1:, 0] = np.arange(64) % 16
    assert inspection.structure(ramp, GRID).seam < 0


def test_similarity_across_views_is_one_for_the_same_direction() -> None:
    a, model = waves(1, 3), ModelConfig(ground_size_px=(64, 256), aerial_size_px=(64, 256))
    alike = inspection.across(a, 2 * a, model)
    assert alike.shape == (*GRID, *GRID)
    assert np.einsum("abab->ab", alike) == pytest.approx(np.ones(GRID))


def test_colours_follow_the_main_components() -> None:
    colours = inspection.principal_colours(waves(1, 5), GRID)
    assert colours.shape == (4, 16, 3)
    assert (colours[:, 0] != colours[:, 8]).any()


def test_the_same_vectors_have_the_same_colours_when_seen_by_another_set() -> None:
    trained, start = waves(1, 5), waves(1, 4)
    own, by_trained = (inspection.principal_colours(start, GRID, by) for by in (None, trained))
    np.testing.assert_array_equal(
        inspection.principal_colours(trained, GRID), inspection.principal_colours(trained, GRID, trained)
    )
    assert by_trained.std() < own.std()  # shorter vectors reach less far on the other's scale


def test_how_far_embeddings_moved_is_a_share_of_their_length_and_leaves_cls_out() -> None:
    start = waves(0, 1)
    moved = 1.25 * start
    moved[0] = 9
    assert inspection.moved(moved, start) == pytest.approx(0.25)
    assert inspection.moved(start, start) == 0
