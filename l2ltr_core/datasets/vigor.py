"""VIGOR (Zhu, Yang, Chen 2021), same-area test split, in the layout its authors distribute.

`splits/CITY/satellite_list.txt` names each tile, `splits/CITY/same_area_balanced_test.txt` lists on each
line a panorama and its four tiles with pixel offsets, the positive one first. A panorama's name ends
in `,latitude,longitude,.jpg`; its centre column looks north.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from l2ltr_core.datasets.cvact import load_north_centred
from l2ltr_core.datasets.paired import Query
from l2ltr_core.datasets.tiles import TileDataset
from l2ltr_core.errors import DatasetError
from l2ltr_core.types import Location

TILE_LIST = "satellite_list.txt"
TEST_LIST = "same_area_balanced_test.txt"


def open_vigor(folder: Path) -> TileDataset:
    """Every city under `folder`: all tiles are candidates, also those that no panorama is centred in."""
    cities = sorted(path.parent for path in folder.glob(f"splits/*/{TEST_LIST}"))
    if not cities:
        raise DatasetError(f"'{folder}' is not VIGOR: it has no 'splits/CITY/{TEST_LIST}'.")
    tiles: list[Path] = []
    queries: list[Query] = []
    for city in cities:
        offset = len(tiles)
        names = _lines(city / TILE_LIST)
        tiles += [folder / city.name / "satellite" / name for name in names]
        index = {name: offset + i for i, name in enumerate(names)}
        photos = folder / city.name / "panorama"
        queries += [_query(line, index, photos) for line in _lines(city / TEST_LIST)]
    return TileDataset("vigor", tuple(queries), tuple(tiles), "VIGOR (Zhu et al. 2021)")


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise DatasetError(f"'{path}' cannot be read: VIGOR's splits need it.") from error


def _query(line: str, index: dict[str, int], photos: Path) -> Query:
    """A line is a panorama, then a tile and two offsets, four times; the first tile is the true one."""
    words = line.split()
    if len(words) < 2 or words[1] not in index:
        raise DatasetError(f"'{line[:80]}' in VIGOR's test list names no tile of '{TILE_LIST}'.")
    try:
        _, latitude, longitude, *_ = words[0].split(",")
        location = Location(float(latitude), float(longitude))
    except ValueError as error:
        raise DatasetError(
            f"'{words[0]}' does not carry its position as 'id,latitude,longitude,.jpg'."
        ) from error
    load = partial(load_north_centred, photos / words[0])
    return Query(Path(words[0]).stem, location, 0.0, index[words[1]], load)
