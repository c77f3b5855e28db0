from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from l2ltr_core import assets
from l2ltr_core.datasets import open_dataset
from l2ltr_core.errors import DatasetError
from l2ltr_core.imagery import open_imagery
from tests.training.tiny_world import CHIP_M, LATITUDE, blobs, write_map, write_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("datasets") / "town", 3)


@pytest.fixture
def folder(world: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    copy = tmp_path / "town"
    (copy / "panoramas").mkdir(parents=True)
    for path in [world / "orthophoto.tif", *(world / "panoramas").iterdir()]:
        (copy / path.relative_to(world)).write_bytes(path.read_bytes())
    return copy


def test_a_folder_of_geotagged_photos_beside_a_map_is_a_dataset(world: Path) -> None:
    dataset = open_dataset(world)
    assert (dataset.name, dataset.tile_count, dataset.gallery_name, dataset.simulated) == (
        "town",
        3,
        None,
        False,
    )
    assert [query.name for query in dataset.queries] == ["0000", "0001", "0002"]
    assert all(q.location and abs(q.location.latitude - LATITUDE) < 0.01 for q in dataset.queries)


def test_a_query_loads_the_photo_it_describes(world: Path) -> None:
    query = open_dataset(world).queries[1]
    photo = query.load()
    assert (photo.heading_deg, photo.location) == (query.heading_deg, query.location)
    assert photo.top_deg == pytest.approx(45, abs=1) and photo.pixels.shape == (64, 128, 3)


def test_the_aerial_square_lies_around_the_photo(world: Path) -> None:
    dataset = open_dataset(world)
    place = dataset.queries[2].location
    assert place is not None
    expected = open_imagery(str(world / "orthophoto.tif")).chip(place, CHIP_M, None)
    assert np.array_equal(dataset.aerial(2, CHIP_M), expected)


def test_dataset_json_names_imagery_gallery_and_credit(folder: Path) -> None:
    (folder / "orthophoto.tif").rename(folder / "summer.tif")
    write_map(folder / "winter.tif", blobs(9))
    settings = {
        "imagery": ["summer.tif", "winter.tif"],
        "gallery": "g",
        "attribution": "me",
        "simulated": True,
    }
    (folder / "dataset.json").write_text(json.dumps(settings))
    dataset = open_dataset(folder)
    assert (dataset.gallery_name, dataset.attribution, dataset.simulated) == ("g", "me", True)
    place = dataset.queries[0].location
    assert place is not None
    expected = open_imagery(str(folder / "summer.tif")).chip(place, CHIP_M, None)
    assert np.array_equal(dataset.aerial(0, CHIP_M), expected)


def test_a_bundled_dataset_is_found_by_its_name(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bundled := world.parent / "assets" / "datasets").mkdir(parents=True)
    (bundled / "bundled").symlink_to(world)
    monkeypatch.setattr(assets, "ASSETS", bundled.parent)
    assert open_dataset("bundled").tile_count == 3


@pytest.mark.parametrize("spec", ["nowhere", "cvusa:nowhere", "unknown:nowhere"])
def test_what_is_not_there_is_refused_with_the_known_forms(spec: str) -> None:
    with pytest.raises(DatasetError, match="cvusa:DIR, cvact:DIR, vigor:DIR"):
        open_dataset(spec)


def test_a_folder_without_photos_is_refused(folder: Path) -> None:
    for photo in (folder / "panoramas").iterdir():
        photo.unlink()
    with pytest.raises(DatasetError, match="holds no JPEG"):
        open_dataset(folder)


def test_a_folder_without_a_map_is_refused(folder: Path) -> None:
    (folder / "orthophoto.tif").unlink()
    with pytest.raises(DatasetError, match=r"no orthophoto\*.tif"):
        open_dataset(folder)


@pytest.mark.parametrize("text", ["{", "[]", '{"imagery": 3}', '{"imagery": []}'])
def test_a_dataset_json_of_another_form_is_refused(folder: Path, text: str) -> None:
    (folder / "dataset.json").write_text(text)
    with pytest.raises(DatasetError, match=r"dataset\.json"):
        open_dataset(folder)


def test_a_photo_without_a_position_is_refused_by_name(folder: Path) -> None:
    Image.new("RGB", (64, 32)).save(folder / "panoramas" / "0009.jpg")
    with pytest.raises(DatasetError, match=r"0009\.jpg' carries no GPS position"):
        _ = open_dataset(folder).queries
