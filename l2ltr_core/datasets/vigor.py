"""VIGOR (Zhu, Yang, Chen 2021), same-area and cross-area splits, in the layout its authors distribute.

`splits/CITY/satellite_list.txt` names each tile. `same_area_balanced_train.txt` and `same_area_balanced_test.txt`
beside it (same-area), or `pano_label_balanced.txt` (cross-area: two cities to learn from, two others to test on)
list on each line a panorama and its four tiles with pixel offsets, the positive one first. A panorama's name
ends in `,latitude,longitude,.jpg`; its centre column looks north.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

from l2ltr_core.datasets.cvact import load_north_centred
from l2ltr_core.datasets.paired import Query, Split
from l2ltr_core.datasets.tiles import TileDataset, split_name
from l2ltr_core.errors import DatasetError
from l2ltr_core.types import Location

TILE_LIST = "satellite_list.txt"
SAME_AREA_LISTS: dict[Split, str] = {
    "train": "same_area_balanced_train.txt",
    "test": "same_area_balanced_test.txt",
}
CROSS_AREA_LIST = "pano_label_balanced.txt"
CROSS_AREA_CITIES: dict[Split, tuple[str, ...]] = {
    "train": ("NewYork", "Seattle"),
    "test": ("Chicago", "SanFrancisco"),
}


def open_vigor(
    folder: Path, split: Split = "test", *, area: Literal["same", "cross"] = "same"
) -> TileDataset:
    """The split's cities under `folder`: all their tiles are candidates, also those that no panorama is centred in."""
    listing = SAME_AREA_LISTS[split] if area == "same" else CROSS_AREA_LIST
    cities = [
        path.parent
        for path in sorted(folder.glob(f"splits/*/{listing}"))
        if area == "same" or path.parent.name in CROSS_AREA_CITIES[split]
    ]
    if not cities:
        among = "" if area == "same" else f" of {' or '.join(CROSS_AREA_CITIES[split])}"
        raise DatasetError(f"'{folder}' is not VIGOR: it has no 'splits/CITY/{listing}'{among}.")
    tiles: list[Path] = []
    queries: list[Query] = []
    for city in cities:
        offset = len(tiles)
        names = _lines(city / TILE_LIST)
        tiles += [folder / city.name / "satellite" / name for name in names]
        index = {name: offset + i for i, name in enumerate(names)}
        photos = folder / city.name / "panorama"
        queries += [_query(line, index, photos) for line in _lines(city / listing)]
    name = split_name("vigor" if area == "same" else "vigor-cross", split)
    return TileDataset(name, tuple(queries), tuple(tiles), "VIGOR (Zhu et al. 2021)")


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise DatasetError(f"'{path}' cannot be read: VIGOR's splits need it.") from error


def _query(line: str, index: dict[str, int], photos: Path) -> Query:
    """A line is a panorama, then a tile and two offsets, four times; the first tile is the true one."""
    words = line.split()
    if len(words) < 2 or words[1] not in index:
        raise DatasetError(f"'{line[:80]}' in VIGOR's list names no tile of '{TILE_LIST}'.")
    try:
        _, latitude, longitude, *_ = words[0].split(",")
        location = Location(float(latitude), float(longitude))
    except ValueError as error:
        raise DatasetError(
            f"'{words[0]}' does not carry its position as 'id,latitude,longitude,.jpg'."
        ) from error
    load = partial(load_north_centred, photos / words[0])
    return Query(Path(words[0]).stem, location, 0.0, index[words[1]], load)
