from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.run import Run


def test_the_twin_is_handed_what_was_typed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import citysim

    calls = []
    monkeypatch.setattr(citysim, "build_city", lambda *args, **options: calls.append((args, options)))
    run = Run(capsys, "twin", "build", "--city", "helsinki", "--out", tmp_path / "city", "--seed", "7")
    assert run.code == 0, run.err
    assert calls[0][0] == ("helsinki", tmp_path / "city")
    assert calls[0][1]["seed"] == 7 and calls[0][1]["size_px"] == (64, 256)


def test_where_the_simulated_city_is_missing_one_sentence_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "citysim", None)
    run = Run(capsys, "twin", "build", "--city", "helsinki", "--out", tmp_path / "city")
    assert run.code == 2
    assert "pip install -e '.[citysim]'" in run.err and run.err.count("\n") == 1
