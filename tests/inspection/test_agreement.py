from __future__ import annotations

import pytest

from l2ltr_core.inspection import rank_biased_overlap


def test_the_same_ranking_overlaps_fully_and_another_not_at_all() -> None:
    assert rank_biased_overlap([1, 2, 3], [1, 2, 3]) == pytest.approx(1)
    assert rank_biased_overlap([1, 2, 3], [4, 5, 6]) == 0


def test_agreement_on_the_first_rank_counts_most() -> None:
    top = rank_biased_overlap([1, 2, 3], [1, 8, 9])
    bottom = rank_biased_overlap([1, 2, 3], [8, 9, 3])
    assert top > bottom > 0
