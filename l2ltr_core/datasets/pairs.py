"""Any real pairs as a folder: `pairs.csv` lists ground photos and, for each, the aerial tile of its own place.

The columns are `id`, `dataset` (the set that a pair belongs to), `ground` and `aerial` (files, relative to the
folder), `aerial_span_m` (ground width of the tile in metres; what is not a number leaves the tile whole) and
`centre_heading_deg` (where the photo's centre column looks, degrees clockwise from north); others are left
alone. Every photo was taken in the middle of its tile.
"""

from __future__ import annotations

import csv
import math
import os.path
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PIL import Image

from l2ltr_core.datasets.paired import Query
from l2ltr_core.errors import DatasetError, ImageError, MetadataError
from l2ltr_core.imagery.folder import central_square
from l2ltr_core.images import decode_rgb
from l2ltr_core.photo import load_panorama
from l2ltr_core.types import RGB, Panorama

TABLE = "pairs.csv"
COLUMNS = ("id", "dataset", "ground", "aerial", "aerial_span_m", "centre_heading_deg")
DISTRACTOR_COLUMNS = ("file", "metres_per_pixel")
SOURCE_FILES = ("SOURCES.txt", "README.md")
"""Files whose first line says whose pictures a folder holds, the first that exists."""
STRIP_RATIO = 2.2
"""Width over height above which a ground photo is a strip around the horizon; others are full spheres."""


@dataclass(frozen=True)
class Tile:
    """A north-up aerial picture and the ground width that it shows in metres, None where that is not known."""

    path: Path
    span_m: float | None


@dataclass(frozen=True)
class PairSet:
    """The pairs of one `dataset` value: a paired dataset of ready tiles, without a map around them."""

    name: str
    queries: tuple[Query, ...]
    tiles: tuple[Tile, ...]
    attribution: str
    simulated: bool = False
    imagery: None = None
    gallery_name: None = None

    @property
    def tile_count(self) -> int:
        """Every tile that is listed; two photos may share one."""
        return len(self.tiles)

    def aerial(self, tile: int, chip_m: float) -> RGB:
        """The middle `chip_m` metres of a tile; all of it where it is no wider, or its width is not known."""
        chosen = self.tiles[tile]
        return central_square(decode_rgb(chosen.path), chosen.span_m, chip_m, None)


def open_pairs(folder: str | Path) -> tuple[PairSet, ...]:
    """The sets that `pairs.csv` in `folder` lists, in its order.

    Raises DatasetError for a table that is missing, empty or contradicts itself, and for missing pictures.
    """
    root = Path(folder).expanduser()
    rows = _read_table(root / TABLE, COLUMNS)
    pairs: dict[str, dict[str, tuple[Path, float, Tile]]] = {}
    for row in rows:
        group = pairs.setdefault(row.text("dataset"), {})
        if (name := row.text("id")) in group:
            raise DatasetError(
                f"{row} has the id of another row of '{row.text('dataset')}'; ids must differ."
            )
        tile = Tile(row.file("aerial", root), row.width_or_none("aerial_span_m"))
        group[name] = row.file("ground", root), row.number("centre_heading_deg") % 360, tile
    credit = credit_of(root)
    return tuple(_pair_set(name, group, credit) for name, group in pairs.items())


def open_distractors(folder: str | Path) -> tuple[Tile, ...]:
    """Further tiles without a photo: the pictures in DIR that `DIR.csv` beside it lists.

    Its columns are `file` (relative to DIR) and `metres_per_pixel`; others are left alone. Raises DatasetError.
    """
    root = Path(folder).expanduser().absolute()
    tiles = []
    for row in _read_table(root.with_name(f"{root.name}.csv"), DISTRACTOR_COLUMNS):
        path, pixel_m = row.file("file", root), row.number("metres_per_pixel")
        if pixel_m <= 0:
            raise DatasetError(f"{row} has the metres_per_pixel {pixel_m:g}; a number above 0 was expected.")
        tiles.append(Tile(path, pixel_m * _side_px(path)))
    return tuple(dict.fromkeys(tiles))


def credit_of(folder: Path) -> str:
    """Whose pictures a folder holds: the first line of its SOURCES.txt, else of its README.md, else nothing."""
    for name in SOURCE_FILES:
        if (folder / name).is_file():
            lines = (folder / name).read_text(encoding="utf-8", errors="replace").splitlines()
            return next((words for line in lines if (words := line.strip(" \t#\ufeff"))), "")
    return ""


def load_horizon_photo(path: Path, heading_deg: float) -> Panorama:
    """A strip around the horizon or a full sphere, as its shape says, whatever its metadata say.

    Raises DatasetError, which names the file, for a photo that cannot be used.
    """
    try:
        photo = load_panorama(path)
    except (ImageError, MetadataError) as error:
        raise DatasetError(f"'{path}' cannot be used: {error}") from error
    height, width = photo.pixels.shape[:2]
    top_deg = 180 * height / width if width > STRIP_RATIO * height else 90.0
    return replace(
        photo,
        horizontal_field_deg=360.0,
        top_deg=top_deg,
        bottom_deg=-top_deg,
        heading_deg=heading_deg,
        location=None,
        notes=(),
    )


def _pair_set(name: str, pairs: dict[str, tuple[Path, float, Tile]], credit: str) -> PairSet:
    tiles = tuple(dict.fromkeys(tile for _, _, tile in pairs.values()))
    queries = tuple(
        Query(each, None, heading_deg, tiles.index(tile), partial(load_horizon_photo, ground, heading_deg))
        for each, (ground, heading_deg, tile) in pairs.items()
    )
    return PairSet(name, queries, tiles, credit)


@dataclass(frozen=True)
class _Row:
    """A row of a table, which its errors name."""

    table: Path
    number_from_1: int
    values: dict[str, str]

    def __str__(self) -> str:
        first = next(iter(self.values.values()))
        return f"Row {self.number_from_1} ({first}) of '{self.table}'"

    def text(self, column: str) -> str:
        if not self.values[column]:
            raise DatasetError(f"{self} has no {column}.")
        return self.values[column]

    def number(self, column: str) -> float:
        value = _number(self.text(column))
        if value is None or not math.isfinite(value):
            raise DatasetError(f"{self} has the {column} '{self.values[column]}'; a number was expected.")
        return value

    def width_or_none(self, column: str) -> float | None:
        value = _number(self.values[column])
        if value is None or math.isnan(value):
            return None
        if not 0 < value < math.inf:
            raise DatasetError(f"{self} has the {column} '{self.values[column]}'; a width is above 0.")
        return value

    def file(self, column: str, folder: Path) -> Path:
        named = Path(os.path.normpath(self.text(column)))
        if named.is_absolute() or ".." in named.parts:
            raise DatasetError(f"{self} names {self.values[column]}, which leaves the folder '{folder}'.")
        path = folder / named
        if not path.is_file():
            raise DatasetError(f"{self} names {self.values[column]}, which is not in '{folder}'.")
        return path


def _read_table(path: Path, columns: Sequence[str]) -> list[_Row]:
    """The rows of a CSV file, their `columns` alone, without spaces around; at least one."""
    expected = f"a table with the columns {', '.join(columns)} was expected"
    if not path.is_file():
        raise DatasetError(f"There is no '{path}'; {expected}.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            found, read = reader.fieldnames or (), list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(f"'{path}' is not readable as CSV in UTF-8; {expected}.") from error
    if missing := [name for name in columns if name not in found]:
        raise DatasetError(f"'{path}' lacks the column {', '.join(missing)}; {expected}.")
    if not read:
        raise DatasetError(f"'{path}' has no rows; one for each picture was expected.")
    return [
        _Row(path, number, {name: (row[name] or "").strip() for name in columns})
        for number, row in enumerate(read, 1)
    ]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _side_px(path: Path) -> int:
    """The shorter side of a picture, from its header."""
    try:
        with Image.open(path) as picture:
            return min(picture.size)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DatasetError(f"'{path}' is not a picture that can be read here.") from error
