from __future__ import annotations

import pytest

from l2ltr_core.training.schedule import fraction_done, learning_rate


def test_the_rate_rises_in_a_line_to_its_peak() -> None:
    assert [learning_rate(1.0, step, 4, 0.0) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_the_rate_falls_by_a_cosine_to_a_hundredth() -> None:
    assert learning_rate(1.0, 100, 4, 0.5) == pytest.approx(0.505)
    assert learning_rate(1.0, 100, 4, 1.0) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("step", "steps", "seconds", "minutes", "expected"),
    [(5, 10, 999.0, 0.0, 0.5), (5, 10, 45.0, 1.0, 0.75), (5, 10, 6.0, 1.0, 0.5), (20, 10, 0.0, 0.0, 1.0)],
)
def test_a_budget_is_used_up_by_steps_or_by_time(step, steps, seconds, minutes, expected) -> None:
    assert fraction_done(step, steps, seconds, minutes) == pytest.approx(expected)
