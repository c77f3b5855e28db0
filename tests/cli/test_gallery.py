from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.app import toy
from tests.cli.run import Run, refused


def test_a_gallery_is_built_checked_and_described(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, assets: Path
) -> None:
    out = tmp_path / "gallery"
    built = Run(
        capsys, "gallery", "build", "--imagery", assets / "town.tif", "--out", out, "--checkpoint", "toy-a",
        "--spacing-m", "80", "--name", "small", "--licence", "none", "--simulated",
    )  # fmt: skip
    assert built.code == 0, built.err
    assert Run(capsys, "gallery", "verify", out).code == 0
    values = json.loads(Run(capsys, "gallery", "info", out, "--json").out)
    assert (values["name"], values["spacing_m"], values["simulated"]) == ("small", 80, True)
    assert [index["checkpoint"] for index in values["indexes"]] == ["toy-a"]
    added = Run(capsys, "gallery", "build", "--out", out, "--checkpoint", "toy-b")
    assert added.code == 0, added.err
    assert "toy-a" in added.out and "toy-b" in added.out
    assert Run(capsys, "gallery", "verify", out).code == 0
    assert "toy-b" in Run(capsys, "gallery", "info", out).out
    again = Run(
        capsys, "gallery", "build", "--imagery", assets / "town.tif", "--out", out, "--checkpoint", "toy-a"
    )
    assert "already holds a gallery" in refused(again)


def test_a_gallery_may_be_built_of_listed_places(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, assets: Path
) -> None:
    (tmp_path / "places.csv").write_text(
        f"latitude,longitude\n{toy.CENTRE.latitude},{toy.CENTRE.longitude}\n"
    )
    arguments = ["gallery", "build", "--imagery", assets / "town.tif", "--checkpoint", "toy-a"]
    run = Run(capsys, *arguments, "--out", tmp_path / "listed", "--places", tmp_path / "places.csv")
    assert run.code == 0, run.err
    assert "1 places" in run.out
    (tmp_path / "places.csv").write_text("latitude,longitude\n10,20\n")
    run = Run(capsys, *arguments, "--out", tmp_path / "away", "--places", tmp_path / "places.csv")
    assert "outside the imagery" in refused(run)


def test_a_box_may_lie_west_of_greenwich(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, assets: Path
) -> None:
    run = Run(
        capsys, "gallery", "build", "--imagery", assets / "town.tif", "--out", tmp_path / "out", "--checkpoint",
        "toy-a", "--bbox", "-2.5", "-1", "-2", "1",
    )  # fmt: skip
    assert "-2.50000 -1.00000 -2.00000 1.00000 is outside the imagery" in refused(run)


def test_a_damaged_gallery_is_refused_everywhere(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, assets: Path, sample: str
) -> None:
    copy = Path(shutil.copytree(assets / "galleries" / toy.GALLERY, tmp_path / "copy"))
    (copy / "places.parquet").unlink()
    for arguments in (
        ["gallery", "verify", copy],
        ["gallery", "info", copy],
        ["localize", sample, "--gallery", copy, "--checkpoint", "toy-a"],
    ):
        assert "places.parquet is missing" in refused(Run(capsys, *arguments))


def test_a_gallery_without_the_checkpoints_index_says_how_to_build_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, sample: str, assets: Path
) -> None:
    out = tmp_path / "gallery"
    arguments = ["gallery", "build", "--imagery", assets / "town.tif", "--out", out, "--spacing-m", "100"]
    assert Run(capsys, *arguments, "--checkpoint", "toy-a").code == 0
    line = refused(Run(capsys, "localize", sample, "--gallery", out, "--checkpoint", "toy-b"))
    assert f"l2ltr gallery build --out {out} --checkpoint toy-b" in line
