from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tests.app import toy
from tests.cli.run import Run, refused


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


INSPECTIONS = {
    "rollout of the photo": ["attention", "PHOTO"],
    "one head of the photo": ["attention", "PHOTO", "--layer", "2", "--head", "1"],
    "heading searched": [
        "attention",
        "PHOTO",
        "--layer",
        "1",
        "--heading",
        "search",
        "--gallery",
        "toyville",
    ],
    "best match": ["attention", "PHOTO", "--branch", "aerial", "--rollout", "--gallery", "toyville"],
    "a place": ["attention", "--branch", "aerial", "--place", "5", "--gallery", "toyville"],
    "all positions": ["positions", "--branch", "aerial"],
    "one position": ["positions", "--row", "1", "--column", "8"],
    "one position in the other view": ["positions", "--row", "1", "--column", "8", "--across"],
    "neighbouring layers": ["layers", "PHOTO", "PHOTO", "--checkpoint", "toy-b", "--measure", "cka"],
    "pairs of layers": ["layers", "PHOTO", "--pairs"],
}


@pytest.mark.parametrize("suffix", [".png", ".svg"])
@pytest.mark.parametrize("case", INSPECTIONS)
def test_inspecting_writes_one_whole_figure(
    capsys: pytest.CaptureFixture[str], sample: str, tmp_path: Path, case: str, suffix: str
) -> None:
    arguments = [sample if each == "PHOTO" else each for each in INSPECTIONS[case]]
    out = tmp_path / f"figure{suffix}"
    run = Run(capsys, "inspect", *arguments, "--checkpoint", "toy-a", "--out", out)
    assert run.code == 0, run.err
    assert run.out == f"{out}\n"
    assert list(tmp_path.iterdir()) == [out]
    if suffix == ".svg":
        assert ElementTree.parse(out).getroot().tag.endswith("svg")
    else:
        assert picture(out).std() > 5


def test_the_attention_of_the_best_match_is_that_of_its_place(
    capsys: pytest.CaptureFixture[str], sample: str, tmp_path: Path
) -> None:
    common = ["--checkpoint", "toy-a", "--gallery", toy.GALLERY]
    found = json.loads(Run(capsys, "localize", sample, *common, "--json").out)
    best = str(found["matches"][0]["place_id"])
    aerial = ["inspect", "attention", "--branch", "aerial", *common, "--out"]
    assert Run(capsys, *aerial, tmp_path / "photo.png", sample).code == 0
    assert Run(capsys, *aerial, tmp_path / "place.png", "--place", best).code == 0
    other = "0" if best != "0" else "1"
    assert Run(capsys, *aerial, tmp_path / "other.png", "--place", other).code == 0
    assert (picture(tmp_path / "photo.png") == picture(tmp_path / "place.png")).all()
    assert (picture(tmp_path / "photo.png") != picture(tmp_path / "other.png")).any()


REFUSED_INSPECTIONS = {
    "There is no layer 3; the checkpoint has 1 to 2.": ["attention", "PHOTO", "--layer", "3"],
    "There is no layer 0;": ["attention", "PHOTO", "--layer", "0"],
    "There is no head 9;": ["attention", "PHOTO", "--layer", "1", "--head", "9"],
    "The head is 'all'": ["attention", "PHOTO", "--layer", "1", "--head", "all"],
    "The head '1' belongs to a layer": ["attention", "PHOTO", "--head", "1"],
    "give --layer or --rollout": ["attention", "PHOTO", "--layer", "1", "--rollout"],
    "--place belongs to the aerial": ["attention", "PHOTO", "--place", "1"],
    "Give either a photo or": ["attention"],
    "has no place 999": ["attention", "--branch", "aerial", "--place", "999", "--gallery", "toyville"],
    "There is no column 9;": ["positions", "--row", "1", "--column", "9"],
    "does not tell how its positions began": ["positions", "--before"],
    "--across needs": ["positions", "--across"],
    "give both or neither": ["positions", "--row", "1"],
    "each once": ["layers", "PHOTO", "--checkpoint", "toy-a"],
    "at most 1": ["layers", "PHOTO", "--checkpoint", "toy-b", "--pairs"],
}


@pytest.mark.parametrize("message", REFUSED_INSPECTIONS)
def test_what_cannot_be_inspected_is_refused_and_nothing_written(
    capsys: pytest.CaptureFixture[str], sample: str, tmp_path: Path, message: str
) -> None:
    arguments = [sample if each == "PHOTO" else each for each in REFUSED_INSPECTIONS[message]]
    run = Run(capsys, "inspect", *arguments, "--checkpoint", "toy-a", "--out", tmp_path / "figure.png")
    assert message in refused(run)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("figure.jpg", "ends in .png or .svg"),
        ("figure", "ends in .png or .svg"),
        ("nowhere/figure.png", "cannot be written"),
        ("folder.png", "cannot be written"),
    ],
)
def test_a_figure_that_could_not_be_written_is_refused_before_the_photo_is_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "folder.png").mkdir()
    run = Run(capsys, "inspect", "layers", tmp_path / "no photo", "--out", tmp_path / name)
    assert message in refused(run)
