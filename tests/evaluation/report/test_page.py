from __future__ import annotations

from pathlib import Path

from l2ltr_core.checkpoints import load_card
from l2ltr_core.evaluation.page import report_page, write_page
from tests.evaluation.report.bench import Bench


def test_the_page_is_written_with_its_diagrams(bench: Bench, tmp_path: Path) -> None:
    bench.write(only=["calibration"])
    cards = [load_card(bench.card)]
    folder = tmp_path / "docs"
    folder.mkdir()
    write_page(folder / "checkpoints.md", cards, {})
    text = (folder / "checkpoints.md").read_text()
    assert text == report_page(cards, {})
    assert "(reliability-toy-a.png)" in text
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoints.md", "reliability-toy-a.png"]
