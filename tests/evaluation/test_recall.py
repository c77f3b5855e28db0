from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from l2ltr_core.errors import CheckpointError
from l2ltr_core.evaluation import recalls
from l2ltr_core.evaluation.recall import (
    first_match_m,
    one_percent,
    ranks_of_best_right,
    ranks_of_own,
    recall_at,
)
from l2ltr_core.types import Descriptors

GOLDEN = Path(__file__).parents[1] / "golden" / "retrieval.npz"
NAMES = ("recall_at_1", "recall_at_5", "recall_at_10", "recall_at_1_percent")


def counted_as_the_authors_do(ground: Descriptors, aerial: Descriptors) -> dict[str, float]:
    """Only strictly smaller distances stand before the right one: every tie is a hit."""
    distances = 2 - 2 * aerial @ ground.T
    ranks = (distances < np.diag(distances)[None]).sum(axis=0)
    cuts = (1, 5, 10, len(aerial) // 100)
    return {name: float((ranks < cut).mean()) for name, cut in zip(NAMES, cuts, strict=True)}


def test_the_authors_numbers_are_met() -> None:
    golden = np.load(GOLDEN)
    expected = {name: float(golden[name]) for name in NAMES}
    assert counted_as_the_authors_do(golden["ground"], golden["aerial"]) == expected
    assert recalls(golden["ground"], golden["aerial"]) == pytest.approx(expected)


def test_a_duplicate_in_the_gallery_is_a_hit_for_the_authors_and_none_here() -> None:
    golden = np.load(GOLDEN)
    aerial = golden["aerial"]
    assert np.array_equal(aerial[10], aerial[11])
    ground = aerial.copy()  # photos that match their own squares exactly
    assert counted_as_the_authors_do(ground, aerial)["recall_at_1"] == pytest.approx(1)
    assert recalls(ground, aerial)["recall_at_1"] == pytest.approx(498 / 500)
    assert recalls(ground, aerial)["recall_at_5"] == 1


def test_a_collapsed_model_finds_nothing_though_the_authors_count_says_everything() -> None:
    same = np.tile(np.array([[0.6, 0.8]], np.float32), (200, 1))
    assert counted_as_the_authors_do(same, same)["recall_at_1"] == 1
    assert recalls(same, same)["recall_at_1"] == 0
    assert recalls(same, same)["recall_at_10"] == 0


def test_a_collapse_hidden_by_rounding_finds_nothing_either() -> None:
    noise = np.random.default_rng(0).normal(0, 1e-8, (200, 64))
    same = (0.125 + noise).astype(np.float32)
    assert recalls(same, same)["recall_at_1"] == 0


@pytest.mark.parametrize("side", ["ground", "aerial"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_a_number_is_refused(side: str, value: float) -> None:
    descriptors = {name: np.eye(4, dtype=np.float32) for name in ("ground", "aerial")}
    descriptors[side][2, 1] = value
    with pytest.raises(CheckpointError, match=f"{side} descriptors hold values that are not numbers"):
        recalls(**descriptors)


def test_photos_and_squares_need_not_be_in_the_same_order() -> None:
    aerial = np.eye(6, dtype=np.float32)
    truth = np.array([3, 1, 5])
    assert recalls(aerial[truth], aerial, truth)["recall_at_1"] == 1
    assert recalls(aerial[truth], aerial, truth[::-1].copy())["recall_at_1"] == pytest.approx(1 / 3)


def test_one_percent_is_rounded_down_but_at_least_one() -> None:
    assert [one_percent(size) for size in (1, 99, 100, 500, 8884, 92802)] == [1, 1, 1, 5, 88, 928]


def test_the_best_of_several_right_places_counts() -> None:
    scores = np.array([[0.9, 0.8, 0.7, 0.6]], np.float32)
    assert ranks_of_best_right(scores, np.array([[False, True, False, True]])).tolist() == [1]


def test_right_places_that_tie_with_each_other_do_not_stand_in_each_others_way() -> None:
    scores = np.array([[0.9, 0.9, 0.9, 0.6]], np.float32)
    assert ranks_of_best_right(scores, np.array([[True, True, False, False]])).tolist() == [1]


def test_a_photo_without_a_right_place_is_never_found() -> None:
    scores = np.array([[0.9, 0.8]], np.float32)
    assert ranks_of_best_right(scores, np.zeros((1, 2), bool)).tolist() == [3]


def test_one_right_place_is_the_best_of_one() -> None:
    scores = np.round(np.random.default_rng(0).normal(size=(50, 40)), 1).astype(np.float32)  # with ties
    own = np.random.default_rng(1).integers(0, 40, 50)
    right = own[:, None] == np.arange(40)
    assert ranks_of_own(scores, own).tolist() == ranks_of_best_right(scores, right).tolist()


def test_of_matches_that_tie_for_the_first_the_farthest_counts() -> None:
    scores = np.array([[0.9, 0.9 - 1e-7, 0.5], [0.1, 0.8, 0.2]], np.float32)
    away_m = np.array([[3.0, 40.0, 90.0], [3.0, 40.0, 90.0]])
    assert first_match_m(scores, away_m).tolist() == [40, 40]


def test_recall_is_the_share_of_ranks_below_k() -> None:
    assert recall_at(np.array([0, 0, 1, 4]), 1) == 0.5
    assert recall_at(np.array([0, 0, 1, 4]), 5) == 1
