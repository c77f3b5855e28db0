"""The toy city as the shipped assets; not to be changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from l2ltr_core.photo import write_panorama
from l2ltr_core.types import Location
from tests.app import toy


@pytest.fixture
def assets(toy_assets: Path) -> Path:
    return toy_assets


@pytest.fixture(autouse=True)
def shipped(assets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("l2ltr_core.assets.ASSETS", assets)


@pytest.fixture
def sample(assets: Path) -> str:
    return str(assets / "samples" / "street-0.jpg")


@pytest.fixture
def dataset(tmp_path: Path, assets: Path) -> Path:
    """Four photos in the toy town, beside its map."""
    folder = tmp_path / "walk"
    (folder / "panoramas").mkdir(parents=True)
    for number in range(4):
        place = Location(toy.CENTRE.latitude + number * 1e-4, toy.CENTRE.longitude)
        write_panorama(
            folder / "panoramas" / f"{number}.jpg",
            toy.panorama(number),
            location=place,
            heading_deg=90.0 * number,
        )
    settings = {"imagery": str(assets / "town.tif"), "gallery": toy.GALLERY, "simulated": True}
    (folder / "dataset.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture
def own(assets: Path, tmp_path: Path) -> Path:
    """The card of a checkpoint that may be written on."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for suffix in (".json", ".safetensors"):
        shutil.copy(assets / "checkpoints" / f"toy-a{suffix}", folder)
    return folder / "toy-a.json"
