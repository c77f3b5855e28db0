"""A folder of geotagged panoramas beside a map: the form any city, real or simulated, takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from l2ltr_core.datasets.paired import Query
from l2ltr_core.errors import DatasetError
from l2ltr_core.imagery import Imagery, open_imagery
from l2ltr_core.metadata import read_metadata
from l2ltr_core.photo import load_panorama
from l2ltr_core.types import RGB

SETTINGS = {"imagery", "gallery", "attribution", "simulated"}
PHOTO_SUFFIXES = {".jpg", ".jpeg"}


@dataclass(frozen=True)
class GeotaggedDataset:
    """Panoramas whose metadata say where and which way, and one or more maps of the same ground.

    `maps` are the same place at different moments; the first is the one that evaluation uses.
    """

    folder: Path
    photos: tuple[Path, ...]
    maps: tuple[str, ...]
    gallery_name: str | None
    attribution: str
    simulated: bool

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.resolve().name

    @cached_property
    def imagery(self) -> Imagery:
        """The first map."""
        return open_imagery(self.maps[0])

    @cached_property
    def queries(self) -> Sequence[Query]:
        """One query a photo, sorted by file name; reads every photo's metadata once."""
        return tuple(_query(path, tile) for tile, path in enumerate(self.photos))

    @property
    def tile_count(self) -> int:
        """One square a photo."""
        return len(self.photos)

    def aerial(self, tile: int, chip_m: float) -> RGB:
        """The square of `chip_m` metres centred on the photo's own position, at the map's resolution."""
        place = self.queries[tile].location
        assert place is not None  # _query refuses photos without one
        return self.imagery.chip(place, chip_m, None)


def open_geotagged(folder: Path) -> GeotaggedDataset:
    """The dataset in `folder`: `panoramas/*.jpg`, and `orthophoto*.tif` or what `dataset.json` names."""
    settings = _settings(folder / "dataset.json")
    photos = tuple(p for p in sorted((folder / "panoramas").glob("*")) if p.suffix.lower() in PHOTO_SUFFIXES)
    if not photos:
        raise DatasetError(f"'{folder / 'panoramas'}' holds no JPEG: put the geotagged panoramas there.")
    gallery = settings.get("gallery")
    return GeotaggedDataset(
        folder=folder,
        photos=photos,
        maps=_maps(folder, settings.get("imagery")),
        gallery_name=None if gallery is None else str(gallery),
        attribution=str(settings.get("attribution", "")),
        simulated=bool(settings.get("simulated", False)),
    )


def _settings(path: Path) -> dict[str, Any]:
    """What `dataset.json` says; other keys are a producer's own notes and are left alone."""
    if not path.exists():
        return {}
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"'{path}' is not readable JSON: {error}.") from error
    if not isinstance(settings, dict):
        raise DatasetError(f"'{path}' must hold one JSON object with the keys {', '.join(sorted(SETTINGS))}.")
    return settings


def _maps(folder: Path, named: object) -> tuple[str, ...]:
    if named is None:
        found = tuple(str(path) for path in sorted(folder.glob("orthophoto*.tif")))
        if not found:
            raise DatasetError(
                f"'{folder}' has no orthophoto*.tif and no dataset.json that names its imagery."
            )
        return found
    specs = [named] if isinstance(named, str) else named
    if not isinstance(specs, list) or not specs or not all(isinstance(spec, str) for spec in specs):
        raise DatasetError(f"\"imagery\" in '{folder / 'dataset.json'}' must be a path or a list of paths.")
    return tuple(spec if "://" in spec else str(folder / spec) for spec in specs)


def _query(path: Path, tile: int) -> Query:
    found = read_metadata(path.read_bytes())
    if found.location is None:
        raise DatasetError(f"'{path}' carries no GPS position: a paired dataset needs one in every photo.")
    return Query(path.stem, found.location, found.heading_deg, tile, partial(load_panorama, path))
