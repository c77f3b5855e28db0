from __future__ import annotations

import json
from pathlib import Path

import pytest

from l2ltr_core.checkpoints import load_card
from tests.cli.run import Run, refused
from tests.pairs import write_distractors, write_pairs


def test_a_report_is_measured_into_the_card_and_shown(
    capsys: pytest.CaptureFixture[str], dataset: Path, own: Path, tmp_path: Path
) -> None:
    sections = ["--only", "places", "--only", "layers", "--only", "calibration"]
    run = Run(capsys, "report", own, "--dataset", dataset, *sections, "--page", tmp_path / "page.md")
    assert run.code == 0, run.err
    assert run.err == "note: toy-a: not measured without --validation, --elsewhere or --pairs: calibration.\n"
    assert "Held-out photos" in run.out and "recall@1" in run.out
    results = load_card(own).results
    assert list(results) == ["places", "layers"]
    assert "| recall@1 |" in (tmp_path / "page.md").read_text()
    assert json.loads(Run(capsys, "report", own, "--show", "--json").out) == {"toy-a": results}


def test_a_report_on_real_pairs_says_whose_imagery_it_was(
    capsys: pytest.CaptureFixture[str], dataset: Path, own: Path, tmp_path: Path
) -> None:
    pairs = write_pairs(tmp_path / "pairs", {"town": (1, 2, 3)})
    others = write_distractors(tmp_path / "others", (4, 5))
    options = ["--pairs", pairs, "--distractors", others, "--pairs-imagery", "A test drew it"]
    run = Run(capsys, "report", own, "--dataset", dataset, "--only", "real", *options)
    assert (run.code, run.err) == (0, "")
    assert "Real photos" in run.out
    assert "Whose imagery it was: A test drew it." in " ".join(run.out.split())
    real = load_card(own).results["real"]
    assert (real["pairs"], real["distractors"], real["imagery"]) == (3, 2, "A test drew it")


def test_pairs_that_cannot_be_read_leave_the_card_as_it_was(
    capsys: pytest.CaptureFixture[str], dataset: Path, own: Path, tmp_path: Path
) -> None:
    arguments = ["report", own, "--dataset", dataset, "--only", "layers"]
    assert "There is no" in refused(Run(capsys, *arguments, "--pairs", tmp_path))
    assert "belong to --pairs" in refused(Run(capsys, *arguments, "--distractors", tmp_path))
    assert load_card(own).results == {}


def test_a_report_without_anything_to_search_is_refused(
    capsys: pytest.CaptureFixture[str], dataset: Path, own: Path
) -> None:
    settings = json.loads((dataset / "dataset.json").read_text())
    del settings["gallery"]
    (dataset / "dataset.json").write_text(json.dumps(settings))
    assert "names no gallery; give --gallery" in refused(Run(capsys, "report", own, "--dataset", dataset))
    assert load_card(own).results == {}
