from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.measure import own_peak_mb, peak_mb, race
from benchmarks.table import Row, Target, report

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="peak memory is read from /proc"
)


def test_the_table_names_the_machine_and_says_which_targets_are_missed() -> None:
    targets = (Target.at_least("ratio", 1.4, 1.5), Target.at_most("MB", 90, 200))
    row = Row("one image", "ms", 5.0, 7.0, (1.3, 1.4, 1.5), 0.5, 200.4, 90.2, targets, "float32")
    machine, _, head, rule, line, *rest = report([row], ["bf16: left out"]).splitlines()
    assert torch.__version__ in machine
    assert head.count("|") == rule.count("|") == line.count("|")
    assert line == (
        "| one image | ms | 7.00 | 5.00 | 1.40 (1.30 to 1.50) | 50% | 200 | 90 "
        "| ratio >= 1.5: **not met**; MB <= 200: met | float32 |"
    )
    assert rest == ["", "bf16: left out"]


def test_what_was_not_measured_stays_empty() -> None:
    line = report([Row("search", "ms a query", 0.0123)]).splitlines()[-1]
    assert line == "| search | ms a query |  | 0.012 |  |  |  |  |  |  |"


def test_a_race_takes_turns() -> None:
    order: list[str] = []
    outcome = race(lambda: order.append("plain"), lambda: order.append("ours"), rounds=2)
    assert order == ["plain", "ours"] * 3
    assert len(outcome.ratios) == 2
    assert outcome.ceiling > 0


@needs_proc
def test_the_peak_of_memory_is_this_processs_own() -> None:
    before = own_peak_mb()
    assert torch.ones(60 * 2**20 // 4).sum() > 0
    assert own_peak_mb() >= before > 50


@needs_proc
def test_the_memory_of_a_call_is_what_it_adds_to_a_process_of_its_own() -> None:
    assert peak_mb(torch.ones, 60 * 2**20 // 4) == pytest.approx(60, abs=5)
