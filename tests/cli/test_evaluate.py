from __future__ import annotations

import json
from pathlib import Path

import pytest

from l2ltr_core.checkpoints import load_card
from l2ltr_core.evaluation import read_held_out
from tests.cli.run import Run


def test_a_checkpoint_is_measured_in_the_documented_entries(
    capsys: pytest.CaptureFixture[str], dataset: Path
) -> None:
    run = Run(capsys, "evaluate", "--dataset", dataset, "--checkpoint", "toy-a", "--json")
    assert run.code == 0, run.err
    values = json.loads(run.out)
    assert (values["protocol"], values["queries"], values["gallery_size"]) == ("places", 4, 64)
    for name in ("recall_at_1", "recall_at_5", "recall_at_10", "recall_at_1_percent"):
        assert 0 <= values[name] <= 1
    for name in (
        "recall_within_5m",
        "recall_within_10m",
        "recall_within_25m",
        "recall_within_50m",
        "median_error_m",
    ):
        assert values[name] >= 0
    paired = json.loads(Run(capsys, "evaluate", "--dataset", dataset, "--protocol", "paired", "--checkpoint",
                            "toy-b", "--json").out)  # fmt: skip
    assert (paired["protocol"], paired["gallery_size"], paired["checkpoint"]) == ("paired", 4, "toy-b")


def test_the_checkpoint_defaults_to_the_gallerys_first(
    capsys: pytest.CaptureFixture[str], dataset: Path
) -> None:
    values = json.loads(Run(capsys, "evaluate", "--dataset", dataset, "--json").out)
    assert values["checkpoint"] == "toy-a"
    assert "recall_at_1" in Run(capsys, "evaluate", "--dataset", dataset).out


def test_the_measurement_is_written_on_the_card_by_the_program(
    capsys: pytest.CaptureFixture[str], dataset: Path, own: Path
) -> None:
    run = Run(
        capsys,
        "evaluate",
        "--dataset",
        dataset,
        "--checkpoint",
        own,
        "--write-card",
        "--json",
    )
    assert run.code == 0, run.err
    measured, written = json.loads(run.out), load_card(own).results
    assert list(written) == ["walk places"]
    assert written["walk places"]["recall_at_1"] == measured["recall_at_1"]
    Run(capsys, "evaluate", "--dataset", dataset, "--checkpoint", own, "--write-card", "--heading",
        "search", "--fov-deg", "90")  # fmt: skip
    assert list(load_card(own).results) == ["walk places", "walk places search 90 degrees"]
    record = read_held_out(own)  # of the whole circle, not of the 90 degrees
    assert record is not None and len(record.photos) == measured["queries"]
    assert (record.photos["rank"] <= 10).mean() == measured["recall_at_10"]
    assert record.photos["error_m"].median() == pytest.approx(measured["median_error_m"], abs=0.01)
