"""Aerial squares from a folder: georeferenced tiles that make one picture, or one picture a place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from l2ltr_core.errors import ImageryError
from l2ltr_core.geometry.geodesy import distance_m, mercator_units_per_m
from l2ltr_core.imagery.raster import IN_MEMORY_PIXELS, RasterImagery, Square, filled
from l2ltr_core.images import decode_rgb
from l2ltr_core.types import RGB, Bounds, Location

RASTER_SUFFIXES = {".tif", ".tiff", ".vrt", ".jp2"}
LIST_NAME = "tiles.csv"
LIST_COLUMNS = "name,latitude,longitude and, if known, size_m"


def open_folder(folder: Path) -> MosaicImagery | TileListImagery:
    """`tiles.csv` if there is one, else every GeoTIFF of the folder; raises ImageryError."""
    listing = folder / LIST_NAME
    if listing.is_file():
        return TileListImagery(folder, listing)
    rasters = sorted(path for path in folder.iterdir() if path.suffix.lower() in RASTER_SUFFIXES)
    if not rasters:
        raise ImageryError(
            f"The folder {folder} holds no imagery; GeoTIFF tiles were expected, or pictures with a "
            f"{LIST_NAME} of {LIST_COLUMNS}."
        )
    return MosaicImagery(folder, rasters)


class MosaicImagery:
    """Georeferenced tiles side by side; where they overlap, the first by name is on top."""

    places: list[Location] | None = None

    def __init__(self, folder: Path, rasters: list[Path]) -> None:
        self.source = str(folder)
        self._members = [RasterImagery(str(path), in_memory_pixels=0) for path in rasters]
        boxes = [member.bounds for member in self._members]
        self.bounds = Bounds(
            min(box.west for box in boxes),
            min(box.south for box in boxes),
            max(box.east for box in boxes),
            max(box.north for box in boxes),
        )
        self.resolution_m = min(member.resolution_m for member in self._members)
        credits = dict.fromkeys(member.attribution for member in self._members if member.attribution)
        self.attribution = "; ".join(credits)
        pixels = sum(member.pixel_count for member in self._members)
        if pixels <= IN_MEMORY_PIXELS:
            for member in self._members:
                member.hold_in_memory()

    def chip(self, place: Location, size_m: float, size_px: int | None) -> RGB:
        """The (S, S, 3) uint8 square of `size_m` metres around `place`; see `Imagery.chip`."""
        return filled(self._square(place, size_m, size_px), place, self)

    def covers(self, place: Location, size_m: float) -> bool:
        """Whether the whole square is within the tiles, without gaps."""
        return bool(self._square(place, size_m, 32).known.mean() > 0.99)

    def _square(self, place: Location, size_m: float, size_px: int | None) -> Square:
        size = size_px or max(1, round(size_m / self.resolution_m))
        pixels, known = np.zeros((size, size, 3), np.uint8), np.zeros((size, size), bool)
        for member in self._members:
            if not _may_touch(member.bounds, place, size_m):
                continue
            square = member.square(place, size_m, size)
            new = square.known & ~known
            pixels[new] = square.pixels[new]
            known |= new
            if known.all():
                break
        return Square(pixels, known)


def _may_touch(box: Bounds, place: Location, size_m: float) -> bool:
    margin = math.degrees(size_m / 2 / 6.35e6)
    wide = margin * mercator_units_per_m(place.latitude)
    return Bounds(box.west - wide, box.south - margin, box.east + wide, box.north + margin).contains(place)


@dataclass(frozen=True)
class _Tile:
    path: Path
    place: Location
    size_m: float | None


class TileListImagery:
    """Separate north-up square pictures, each around a listed place: a gallery of exactly these places."""

    def __init__(self, folder: Path, listing: Path) -> None:
        self.source = str(folder)
        self._tiles = _read_list(folder, listing)
        self._latitudes = np.array([tile.place.latitude for tile in self._tiles])
        self._longitudes = np.array([tile.place.longitude for tile in self._tiles])
        self.bounds = Bounds(
            float(self._longitudes.min()),
            float(self._latitudes.min()),
            float(self._longitudes.max()),
            float(self._latitudes.max()),
        )
        self.attribution = ""

    @property
    def places(self) -> list[Location] | None:
        """Where the pictures are."""
        return [tile.place for tile in self._tiles]

    @cached_property
    def resolution_m(self) -> float:
        """From the first picture; not a number where the list gives no sizes."""
        first = self._tiles[0]
        return math.nan if first.size_m is None else first.size_m / decode_rgb(first.path).shape[1]

    def chip(self, place: Location, size_m: float, size_px: int | None) -> RGB:
        """The picture nearest to `place`, cut to `size_m` around its middle where the list gives sizes.

        Raises ImageryError when `place` is farther from it than half a chip.
        """
        tile = self._nearest(place, size_m)
        if tile is None:
            raise ImageryError(
                f"The place {place.latitude:.5f}, {place.longitude:.5f} has no picture within "
                f"{size_m / 2:.0f} m in {self.source}; choose one of its {len(self._tiles)} listed places."
            )
        return central_square(decode_rgb(tile.path), tile.size_m, size_m, size_px)

    def covers(self, place: Location, size_m: float) -> bool:
        """Whether one of the pictures is around `place`."""
        return self._nearest(place, size_m) is not None

    def _nearest(self, place: Location, size_m: float) -> _Tile | None:
        distances = distance_m(self._latitudes, self._longitudes, place.latitude, place.longitude)
        nearest = int(np.argmin(distances))
        return self._tiles[nearest] if distances[nearest] <= size_m / 2 else None


def central_square(picture: RGB, tile_m: float | None, size_m: float, size_px: int | None) -> RGB:
    """The middle `size_m` metres of a picture (H, W, 3) that is `tile_m` metres wide, as (S, S, 3) uint8.

    All of its largest square where it shows less than that, or `tile_m` is not known.
    """
    from PIL import Image

    side = min(picture.shape[:2])
    keep = side if tile_m is None else min(float(side), side * size_m / tile_m)
    left, top = (picture.shape[1] - keep) / 2, (picture.shape[0] - keep) / 2
    size = size_px or max(1, round(keep))
    box = (left, top, left + keep, top + keep)
    resized = Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR, box=box)
    return np.asarray(resized)


def _read_list(folder: Path, listing: Path) -> list[_Tile]:
    import pandas as pd

    try:
        table = pd.read_csv(listing).rename(columns={"lat": "latitude", "lon": "longitude"})
    except (ValueError, OSError) as error:
        raise ImageryError(
            f"{listing} is not readable as CSV; expected the columns {LIST_COLUMNS}."
        ) from error
    missing = [name for name in ("name", "latitude", "longitude") if name not in table]
    if missing or table.empty:
        found = "no rows" if not missing else f"the columns {', '.join(map(str, table.columns))}"
        raise ImageryError(f"{listing} has {found}; expected the columns {LIST_COLUMNS}, one row a picture.")
    tiles = []
    for row in table.to_dict("records"):
        path = folder / str(row["name"])
        if not path.is_file():
            raise ImageryError(
                f"{listing} names {row['name']}, which is not in {folder}; add it or its row out."
            )
        try:
            place = Location(float(row["latitude"]), float(row["longitude"]))
            size_m = float(row["size_m"]) if "size_m" in table else None
        except ValueError as error:
            raise ImageryError(
                f"{listing} has a row ({row['name']}) whose numbers cannot be read."
            ) from error
        if not (abs(place.latitude) <= 90 and abs(place.longitude) <= 180) or (
            size_m is not None and not size_m > 0
        ):
            raise ImageryError(f"{listing} has a row ({row['name']}) with an impossible position or size.")
        tiles.append(_Tile(path, place, size_m))
    return tiles
