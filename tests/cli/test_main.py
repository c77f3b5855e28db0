from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app import toy
from tests.cli.run import Run, refused


def test_the_module_prints_the_same_as_the_command(
    capsys: pytest.CaptureFixture[str], sample: str, assets: Path
) -> None:
    arguments = ["localize", sample, "--gallery", toy.GALLERY, "--top-k", "3", "--json"]
    process = subprocess.run(
        [sys.executable, "-m", "l2ltr_core", *arguments],
        env={**os.environ, "L2LTR_ASSETS": str(assets)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout) == json.loads(Run(capsys, *arguments).out)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(capsys, "--help")
    assert run.code == 0
    for command in ("localize", "evaluate", "train", "gallery", "checkpoint", "twin"):
        assert command in run.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["localize"], "Missing"),
        (["localize", "nothing.jpg"], "no file nothing.jpg"),
        (["localize", "SAMPLE", "--gallery", "atlantis"], "no gallery atlantis"),
        (
            ["localize", "SAMPLE", "--gallery", toy.GALLERY, "--checkpoint", "unknown"],
            "no checkpoint 'unknown'",
        ),
        (["localize", "SAMPLE", "--gallery", toy.GALLERY, "--heading", "north"], "heading is 'north'"),
        (["localize", "SAMPLE", "--gallery", toy.GALLERY, "--heading", "nan"], "heading is 'nan'"),
        (["localize", "SAMPLE", "--gallery", toy.GALLERY, "--top-k", "0"], "number of matches is 0"),
        (["localize", "SAMPLE", "--gallery", toy.GALLERY, "--top-k", "ten"], "--top-k"),
        (["locate", "SAMPLE"], "No such command"),
        (["localize", "SAMPLE", "--gps"], "No such option"),
        (["gallery", "info", "atlantis"], "no gallery atlantis"),
        (["gallery", "build", "--out", "x", "--imagery", "nothing.tif"], "no imagery at nothing.tif"),
        (["gallery", "build", "--out", "x", "--bbox", "1", "2", "3"], "bbox"),
        (["gallery", "build", "--out", "x", "--index", "tree"], "tree"),
        (["checkpoint", "info", "unknown"], "no checkpoint 'unknown'"),
        (["checkpoint", "import", "no.pth", "--out", "x", "--name", "y"], "no file no.pth"),
        (["evaluate", "--dataset", "nowhere"], "No dataset at 'nowhere'"),
        (["train", "--dataset", "nowhere", "--config", "no.toml", "--out", "x"], "'no.toml' cannot be read"),
        (["twin", "build", "--city", "atlantis", "--out", "x"], "atlantis"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    sample: str,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Run(capsys, *[sample if argument == "SAMPLE" else argument for argument in arguments])
    assert words in refused(run)
    assert list(tmp_path.iterdir()) == []


def test_a_bug_stays_visible(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, sample: str
) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("l2ltr_core.photo.load_panorama", bug)
    with pytest.raises(ZeroDivisionError):
        Run(capsys, "localize", sample)


def test_an_interruption_is_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, sample: str
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("l2ltr_core.photo.load_panorama", interrupted)
    run = Run(capsys, "localize", sample)
    assert run.code == 130
    assert "interrupted" in run.err and "Traceback" not in run.err
