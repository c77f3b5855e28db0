"""A dataset at hand for training: every ground view, and each map as pixels in metres, or the ready tiles.

The frame of a world is flat: metres east and north of one corner, Web Mercator units times the cosine
of the latitude in the middle (5 mm off at the edge of a chip, in a city one kilometre wide).
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from l2ltr_core.datasets.geotagged import GeotaggedDataset
from l2ltr_core.datasets.paired import PairedDataset, Query
from l2ltr_core.datasets.registry import open_dataset
from l2ltr_core.errors import DatasetError
from l2ltr_core.files import atomic_write
from l2ltr_core.geometry.geodesy import mercator_units_per_m, to_mercator
from l2ltr_core.geometry.panorama import ground_view
from l2ltr_core.model.config import ModelConfig, ViewConfig
from l2ltr_core.training.aerial import GroundMap, Tiles
from l2ltr_core.types import RGB, Progress

APART_M = 1000.0
"""Distance in metres between tiles of a dataset without positions: far enough that each is a negative for all
others."""


@dataclass(frozen=True)
class World:
    """Ground views (N, H, W, 3) uint8, maybe read-only, their positions (N, 2) metres east and north, and what shows
    the world from above, maybe in several pictures."""

    name: str
    views: NDArray[np.uint8]
    positions_m: NDArray[np.float64]
    aerial: tuple[GroundMap, ...] | tuple[Tiles]
    simulated: bool = False

    def __len__(self) -> int:
        return len(self.views)


def load_world(
    spec: str | Path, model: ModelConfig, view: ViewConfig, cache: Path, progress: Progress | None = None
) -> World:
    """Read a geotagged dataset, or the train split of a benchmark; prepared ground views are kept in `cache`.

    Raises DatasetError when a photo lacks a heading or, beside a map, a position.
    """
    dataset = open_dataset(spec, "train")
    views = _ground_views(dataset, str(spec), model, view, cache, progress)
    if not isinstance(dataset, GeotaggedDataset):
        return _with_tiles(dataset, views, view)
    places = [query.location for query in dataset.queries]
    degrees = np.array([(place.latitude, place.longitude) for place in places if place is not None])
    x, y = to_mercator(degrees[:, 0], degrees[:, 1])
    units_per_m = mercator_units_per_m(float(degrees[:, 0].mean()))
    origin = (float(np.min(x)), float(np.min(y)))
    positions = np.stack([x - origin[0], y - origin[1]], axis=1) / units_per_m
    maps = tuple(_read_map(source, origin, units_per_m) for source in dataset.maps)
    return World(dataset.name, views, positions, maps, dataset.simulated)


def _with_tiles(dataset: PairedDataset, views: NDArray[np.uint8], view: ViewConfig) -> World:
    """Positions stand for what is known: photos of the same tile are at one place, others are far apart."""
    tile = np.array([query.tile for query in dataset.queries])
    positions = np.stack([tile * APART_M, np.zeros(len(tile))], axis=1)

    def read(place: int) -> RGB:
        return dataset.aerial(int(tile[place]), view.chip_m)

    return World(dataset.name, views, positions, (Tiles(read, positions, view.chip_m),), dataset.simulated)


def _ground_views(
    dataset: PairedDataset,
    spec: str,
    model: ModelConfig,
    view: ViewConfig,
    cache: Path,
    progress: Progress | None,
) -> NDArray[np.uint8]:
    """(N, H, W, 3) uint8 north-centred views."""
    path = cache / f"{dataset.name}-{_signature(dataset, spec, model, view)}.views.npy"
    if path.exists():
        return _kept_views(path)

    def read(query: Query) -> RGB:
        if query.heading_deg is None:
            raise DatasetError(f"The photo '{query.name}' of '{spec}' lacks a heading: training needs it.")
        return ground_view(
            query.load(), query.heading_deg, view.ground_vertical_field_deg, model.ground_size_px
        )

    cache.mkdir(parents=True, exist_ok=True)
    shape = (len(dataset.queries), *model.ground_size_px, 3)
    with atomic_write(path) as partial, ThreadPoolExecutor(2) as pool:
        views = np.lib.format.open_memmap(partial, "w+", np.uint8, shape)
        for i, pixels in enumerate(pool.map(read, dataset.queries)):
            views[i] = pixels
            if progress:
                progress(i + 1, len(views))
        views.flush()
    return _kept_views(path)


def _kept_views(path: Path) -> NDArray[np.uint8]:
    """Left on disk until a batch asks for them: many cities need little memory, and runs side by side share it."""
    views: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return views


def _signature(dataset: PairedDataset, spec: str, model: ModelConfig, view: ViewConfig) -> str:
    """Changes when a photo is added or removed or, beside a map, rewritten, and when the view is another."""
    files: list[Any]
    if isinstance(dataset, GeotaggedDataset):
        folder = str(dataset.folder.resolve())
        files = [(p.name, (s := p.stat()).st_size, s.st_mtime_ns) for p in dataset.photos]
    else:
        folder, files = str(Path(spec.partition(":")[2]).resolve()), [query.name for query in dataset.queries]
    wanted = (folder, model.ground_size_px, view.ground_vertical_field_deg, files)
    return hashlib.sha256(repr(wanted).encode()).hexdigest()[:16]


def _read_map(source: str, origin: tuple[float, float], units_per_m: float) -> GroundMap:
    try:
        with (
            rasterio.open(source) as raster,
            WarpedVRT(raster, crs="EPSG:3857", resampling=Resampling.bilinear) as mercator,
        ):
            pixels = np.ascontiguousarray(mercator.read((1, 2, 3)).transpose(1, 2, 0))
            transform = mercator.transform
    except (rasterio.errors.RasterioError, IndexError) as error:
        raise DatasetError(f"'{source}' cannot be read as an RGB map: {error}.") from error
    if pixels.dtype != np.uint8:
        raise DatasetError(f"'{source}' holds {pixels.dtype} values; training needs an 8-bit RGB map.")
    west, north = (transform.c - origin[0]) / units_per_m, (transform.f - origin[1]) / units_per_m
    return GroundMap(pixels, west, north, transform.a / units_per_m)
