from __future__ import annotations

import pytest

from benchmarks.evaluation import measure, plain, random_pairs
from l2ltr_core.evaluation import recalls


def test_the_plain_way_counts_the_same_where_nothing_ties() -> None:
    ground, aerial = random_pairs(300)
    counted = plain(ground, aerial)
    assert 0 < counted[0] < counted[2] < 1
    assert list(recalls(ground, aerial).values()) == pytest.approx(counted)


def test_the_small_benchmark_gives_a_row() -> None:
    row = measure(200, rounds=1)
    assert row.ours > 0
    assert row.note == "recalls differ by 0e+00"
    assert row.targets[0].met
