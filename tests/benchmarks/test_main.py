"""`make bench`: every benchmark in one table, on the screen and as a page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import benchmarks.__main__ as bench
from benchmarks.table import Row, Target
from l2ltr_core.errors import ConfigurationError


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two benchmarks, of which one meets what this machine cannot do."""

    def unable(rounds: int) -> Iterator[Row]:
        yield Row("first", "ms", rounds)
        raise ConfigurationError("This processor has no bfloat16.")

    found = {
        "benchmarks.encoder": SimpleNamespace(rows=unable),
        "benchmarks.training": SimpleNamespace(
            rows=lambda rounds: [Row("second", "ms", 2.0, targets=(Target.at_most("ms", 2.0, 1.0),))]
        ),
    }
    monkeypatch.setattr(bench, "BENCHMARKS", ("encoder", "training"))
    monkeypatch.setattr(bench, "import_module", found.get)


@pytest.mark.usefixtures("modules")
def test_one_table_holds_what_could_be_measured_and_says_what_could_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "benchmarks.md"
    assert bench.main(["--rounds", "3", "--out", str(page)]) == 0
    table = capsys.readouterr().out
    assert table.count("| case |") == 1
    assert "| first | ms |  | 3.00 |" in table
    assert "| second | ms |  | 2.00 |" in table
    assert table.endswith("Left out of encoder: This processor has no bfloat16.\n")
    assert page.read_text(encoding="utf-8") == bench.TITLE + table


@pytest.mark.usefixtures("modules")
def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        bench.main(["nothing"])
    assert "no benchmark 'nothing'" in capsys.readouterr().err


def test_every_benchmark_of_the_list_gives_rows() -> None:
    for name in bench.BENCHMARKS:
        assert callable(bench.import_module(f"benchmarks.{name}").rows), name
