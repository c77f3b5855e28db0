from __future__ import annotations

import pytest

from l2ltr_core.inspection import most_apart, overlap_at, rank_biased_overlap


def test_the_same_ranking_overlaps_fully_and_another_not_at_all() -> None:
    assert rank_biased_overlap([1, 2, 3], [1, 2, 3]) == pytest.approx(1)
    assert rank_biased_overlap([1, 2, 3], [4, 5, 6]) == 0


def test_agreement_on_the_first_rank_counts_most() -> None:
    top = rank_biased_overlap([1, 2, 3], [1, 8, 9])
    bottom = rank_biased_overlap([1, 2, 3], [8, 9, 3])
    assert top > bottom > 0


def test_overlap_counts_places_and_not_their_order() -> None:
    assert overlap_at([1, 2, 3], [2, 1, 9], 2) == 1
    assert overlap_at([1, 2, 3], [2, 1, 9], 1) == 0
    assert overlap_at([1, 2, 3], [2, 1, 9], 3) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="k from 1 to 3"):
        overlap_at([1, 2, 3], [2, 1, 9], 4)


def test_the_place_that_falls_farthest_comes_first_and_a_lacking_one_counts_as_beyond() -> None:
    first = {7: 1, 8: 2, 9: 3}
    second = {7: 2, 8: 30, 5: 1, 9: 40}
    assert most_apart([first, second], beyond=100, top=2) == [5, 8, 7]
