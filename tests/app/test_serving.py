"""Files that the browser loads from the app itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app import offline
from l2ltr_core.gallery import open_gallery
from l2ltr_core.geometry.geodesy import to_mercator
from tests.app import toy


@pytest.fixture(autouse=True)
def static(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(offline, "STATIC", tmp_path)
    return tmp_path


def test_leaflet_comes_from_the_installed_package(static: Path) -> None:
    offline.ensure_leaflet()
    assert "Leaflet 1.9.3" in (static / "leaflet" / "leaflet.js").read_text(encoding="utf-8")[:200]
    assert (static / "leaflet" / "images" / "layers.png").stat().st_size > 0


def test_a_gallerys_picture_lies_where_its_imagery_lies(toy_assets: Path, static: Path) -> None:
    gallery = open_gallery(toy_assets / "galleries" / toy.GALLERY)
    image = offline.base_image(gallery)
    bounds = gallery.imagery.bounds
    for name in ("west", "south", "east", "north"):
        assert getattr(image.bounds, name) == pytest.approx(getattr(bounds, name), abs=1e-5)  # about a pixel
    picture = np.asarray(Image.open(static / "galleries" / image.url.rsplit("/", 1)[1]))
    left, top = to_mercator(image.bounds.north, image.bounds.west)
    right, bottom = to_mercator(image.bounds.south, image.bounds.east)
    assert picture.shape[1] / picture.shape[0] == pytest.approx((right - left) / (top - bottom), rel=0.01)
    place = gallery.location(10)
    x, y = to_mercator(place.latitude, place.longitude)
    column = (x - left) / (right - left) * picture.shape[1]
    row = (top - y) / (top - bottom) * picture.shape[0]
    there = picture[round(row) - 1 : round(row) + 2, round(column) - 1 : round(column) + 2].mean(axis=(0, 1))
    size = gallery.manifest.chip_m
    chip = gallery.chip(10, round(size))
    middle = len(chip) // 2
    assert there == pytest.approx(
        chip[middle - 1 : middle + 2, middle - 1 : middle + 2].mean(axis=(0, 1)), abs=12
    )


def test_the_picture_is_made_once_and_anew_for_another_gallery_of_that_name(
    toy_assets: Path, static: Path
) -> None:
    gallery = open_gallery(toy_assets / "galleries" / toy.GALLERY)
    first = offline.base_image(gallery).url
    file = static / "galleries" / first.rsplit("/", 1)[1]
    made = file.stat().st_mtime_ns
    assert offline.base_image(gallery).url == first
    assert file.stat().st_mtime_ns == made
    assert [path.name for path in file.parent.iterdir()] == [file.name]
