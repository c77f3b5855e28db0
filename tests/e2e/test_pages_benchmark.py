"""The benchmark of the pages, run small: a benchmark that no longer runs is noticed here."""

from __future__ import annotations

import math
from pathlib import Path

from benchmarks import pages


def test_every_page_and_a_change_of_head_are_measured_in_the_browser(toy_assets: Path) -> None:
    with pages.served(L2LTR_ASSETS=str(toy_assets)) as (address, process):
        found = pages.measure(address, process.pid, rounds=1, changes=1)
    cases = [row.case.removeprefix("pages: ") for row in found]
    assert [case.removeprefix("first view of ") for case in cases[:6]] == [
        "Localize",
        *(page.name for page in pages.PAGES),
    ]
    assert cases[6:] == ["another layer or head", "memory of the app"]
    assert all(math.isfinite(row.ours) and row.ours > 0 for row in found)
    assert all(row.targets for row in found[:7])
