"""The benchmark, run small: a benchmark that no longer runs is noticed here."""

from __future__ import annotations

from benchmarks.localization import measure
from tests.benchmarks.conftest import Tiny


def test_every_step_is_timed_and_the_index_finds_what_the_plain_product_finds(tiny: Tiny) -> None:
    rows = list(measure(tiny.checkpoint, tiny.gallery, tiny.photo, repeats=1))
    assert [row.case for row in rows] == [
        "first localization, all loaded from disk",
        "localization, heading known",
        "localization, heading searched",
        "read the photo",
        "turn and crop",
        "encode one ground view",
        "cut an aerial chip",
        "encode aerial chips in a batch",
        "compare columns, heading known",
        "compare columns, heading searched",
        rows[-1].case,
    ]
    assert rows[2].note == "8 headings from one encoding"
    assert [[target.text for target in row.targets] for row in rows[1:3]] == [["ms <= 300"]] * 2
    assert all(row.ours > 0 for row in rows)
    assert "100.0% of top 10 the same" in rows[-1].note
