from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.run import Run, refused

GOLDEN = Path(__file__).parents[1] / "golden"


def test_the_authors_checkpoint_is_brought_in_and_described(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = Run(
        capsys, "checkpoint", "import", GOLDEN / "hybrid_polar.pth", "--out", tmp_path, "--name", "golden",
        "--ground-size", "64", "256", "--aerial-size", "64", "256", "--heads", "4",
    )  # fmt: skip
    assert run.code == 0, run.err
    values = json.loads(Run(capsys, "checkpoint", "info", tmp_path / "golden.json", "--json").out)
    assert values["name"] == "golden" and values["model"]["depth"] == 3
    assert values["fingerprint"] in run.out
    assert "golden" in Run(capsys, "checkpoint", "info", tmp_path / "golden.json").out


def test_a_checkpoint_of_another_size_is_refused_and_nothing_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = Run(
        capsys, "checkpoint", "import", GOLDEN / "hybrid_polar.pth", "--out", tmp_path, "--name", "golden"
    )
    assert "hybrid_polar.pth" in refused(run)
    assert list(tmp_path.iterdir()) == []
