"""Figures as files."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from l2ltr_core import figures
from l2ltr_core.errors import ConfigurationError


def test_a_saved_figure_lies_on_the_paper_of_its_theme(tmp_path: Path) -> None:
    for look, paper in ((figures.LIGHT, (255, 255, 255, 255)), (figures.DARK, (15, 23, 32, 255))):
        figures.save(Figure(figsize=(1, 1), facecolor="none"), tmp_path / "figure.png", look)
        with Image.open(tmp_path / "figure.png") as image:
            assert image.convert("RGBA").getpixel((5, 5)) == paper


def test_a_figure_that_fails_to_be_written_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "figure.png"
    figures.save(Figure(figsize=(1, 1)), out)
    before = out.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ConfigurationError, match=r"figure\.png cannot be written: No space left"):
        figures.save(Figure(figsize=(2, 2)), out)
    assert list(tmp_path.iterdir()) == [out]
    assert out.read_bytes() == before
