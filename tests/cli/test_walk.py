from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.app import toy
from tests.cli.run import Run, refused


def test_a_walk_is_told_photo_by_photo(capsys: pytest.CaptureFixture[str], assets: Path) -> None:
    photos = [assets / "samples" / f"street-{number}.jpg" for number in (0, 1)]
    told = Run(capsys, "walk", *photos, "--gallery", toy.GALLERY)
    assert told.code == 0
    assert "2 photos, each at most 50 m from the next" in told.out
    assert [line.split()[0] for line in told.out.splitlines()[-2:]] == ["street-0.jpg", "street-1.jpg"]
    assert "certainty: Measured on 900 photos of" in told.out
    assert all(line.count("%") == 2 for line in told.out.splitlines()[-2:])
    values = json.loads(Run(capsys, "walk", *photos, "--step-m", 80, "--json", "--gallery", toy.GALLERY).out)
    assert (values["step_m"], len(values["photos"])) == (80, 2)
    alone = json.loads(Run(capsys, "localize", photos[1], "--json", "--gallery", toy.GALLERY).out)
    assert values["photos"][1]["alone"] == alone["estimate"]


def test_a_walk_that_cannot_be_used_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], sample: str, tmp_path: Path
) -> None:
    assert "1 photo was given; give 2 to 50" in refused(Run(capsys, "walk", sample, "--gallery", toy.GALLERY))
    assert "step is -1.0 m" in refused(
        Run(capsys, "walk", sample, sample, "--step-m", -1, "--gallery", toy.GALLERY)
    )
    (tmp_path / "notes.jpg").write_text("no photo")
    assert "notes.jpg: " in refused(Run(capsys, "walk", sample, tmp_path / "notes.jpg"))
