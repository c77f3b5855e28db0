from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from l2ltr_core.errors import ImageryError
from l2ltr_core.imagery import open_imagery
from l2ltr_core.types import Location
from tests.town import CENTRE, at, town, write_raster


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    """The town in four GeoTIFFs."""
    for row in (0, 200):
        for column in (0, 200):
            write_raster(
                tmp_path / f"tile-{row}-{column}.tif",
                town()[row : row + 200, column : column + 200],
                at(column + 100, row + 100),
                tags={"ATTRIBUTION": "The town"},
            )
    return tmp_path


def test_tiles_side_by_side_are_one_picture(tiles: Path, tmp_path: Path) -> None:
    mosaic = open_imagery(tiles)
    assert mosaic.attribution == "The town"
    assert mosaic.covers(CENTRE, 100.0)
    chip = mosaic.chip(CENTRE, 40.0, 80).astype(int)
    # each tile is a raster with rounded corners of its own: seams may differ by a fraction of a pixel
    assert np.abs(chip - town()[160:240, 160:240]).mean() < 3


def test_tiles_end_somewhere(tiles: Path) -> None:
    mosaic = open_imagery(tiles)
    assert not mosaic.covers(at(2, 200), 40.0)
    with pytest.raises(ImageryError, match="outside the imagery"):
        mosaic.chip(Location(61, 25), 40.0, 80)


def test_a_folder_without_imagery_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(ImageryError, match=r"holds no imagery; GeoTIFF tiles.*tiles\.csv"):
        open_imagery(tmp_path)


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """Three pictures of 20 m, each around a place."""
    rows = ["name,lat,lon,size_m"]
    for number, column in enumerate((100, 200, 300)):
        place = at(column, 200)
        Image.fromarray(town()[180:220, column - 20 : column + 20]).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,{place.latitude},{place.longitude},20")
    (tmp_path / "tiles.csv").write_text("\n".join(rows))
    return tmp_path


def test_listed_pictures_are_the_places_themselves(listed: Path) -> None:
    imagery = open_imagery(listed)
    assert imagery.places is not None and len(imagery.places) == 3
    assert imagery.resolution_m == 0.5
    assert np.array_equal(imagery.chip(at(200, 200), 20.0, None), town()[180:220, 180:220])


def test_a_listed_picture_is_cut_to_the_metres_asked_for(listed: Path) -> None:
    assert np.array_equal(open_imagery(listed).chip(at(300, 200), 10.0, None), town()[190:210, 290:310])


def test_there_is_no_picture_between_listed_places(listed: Path) -> None:
    imagery = open_imagery(listed)
    assert not imagery.covers(at(250, 200), 20.0)
    with pytest.raises(ImageryError, match="no picture within 10 m"):
        imagery.chip(at(250, 200), 20.0, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not readable"),
        ("name,lat\na.png,1", "expected the columns"),
        ("name,lat,lon", "no rows"),
        ("name,lat,lon\nmissing.png,60,25", r"missing\.png, which is not in"),
        ("name,lat,lon\ntiles.csv,north,25", "numbers cannot be read"),
        ("name,lat,lon\ntiles.csv,95,25", "impossible position"),
        ("name,lat,lon,size_m\ntiles.csv,60,25,0", "impossible position or size"),
    ],
)
def test_a_list_with_a_mistake_is_refused_in_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "tiles.csv").write_text(text)
    with pytest.raises(ImageryError, match=words) as refusal:
        open_imagery(tmp_path)
    assert "\n" not in str(refusal.value)
