"""A dataset folder at hand for training: every ground view, and each map as pixels in metres.

The frame of a world is flat: metres east and north of one corner, Web Mercator units times the cosine
of the latitude in the middle (5 mm off at the edge of a chip, in a city one kilometre wide).
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from l2ltr_core.datasets.geotagged import GeotaggedDataset, open_geotagged
from l2ltr_core.datasets.registry import dataset_folder
from l2ltr_core.errors import DatasetError
from l2ltr_core.files import whole
from l2ltr_core.geometry.geodesy import mercator_units_per_m, to_mercator
from l2ltr_core.geometry.panorama import ground_view
from l2ltr_core.model.config import ModelConfig, ViewConfig
from l2ltr_core.photo import load_panorama
from l2ltr_core.types import RGB, Progress


@dataclass(frozen=True)
class GroundMap:
    """One aerial picture: (H, W, 3) uint8, north up; its north-west corner in the world's metres."""

    pixels: RGB
    west_m: float
    north_m: float
    pixel_m: float


@dataclass(frozen=True)
class World:
    """Ground views (N, H, W, 3) uint8, maybe read-only, their positions (N, 2) metres east and north, and the maps."""

    name: str
    views: NDArray[np.uint8]
    positions_m: NDArray[np.float64]
    maps: tuple[GroundMap, ...]
    simulated: bool = False

    def __len__(self) -> int:
        return len(self.views)


def load_world(
    spec: str | Path, model: ModelConfig, view: ViewConfig, cache: Path, progress: Progress | None = None
) -> World:
    """Read a geotagged dataset; the prepared ground views are kept in `cache` for the next start.

    Raises DatasetError when a photo lacks position or heading.
    """
    dataset = open_geotagged(dataset_folder(spec))
    views, degrees = _ground_views(dataset, model, view, cache, progress)
    x, y = to_mercator(degrees[:, 0], degrees[:, 1])
    units_per_m = mercator_units_per_m(float(degrees[:, 0].mean()))
    origin = (float(np.min(x)), float(np.min(y)))
    positions = np.stack([x - origin[0], y - origin[1]], axis=1) / units_per_m
    maps = tuple(_read_map(source, origin, units_per_m) for source in dataset.maps)
    return World(dataset.name, views, positions, maps, dataset.simulated)


def _ground_views(
    dataset: GeotaggedDataset, model: ModelConfig, view: ViewConfig, cache: Path, progress: Progress | None
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """(N, H, W, 3) uint8 north-centred views and (N, 2) latitudes and longitudes in degrees."""
    kept = cache / f"{dataset.name}-{_signature(dataset, model, view)}"
    views_path, degrees_path = kept.with_suffix(".views.npy"), kept.with_suffix(".degrees.npy")
    if views_path.exists() and degrees_path.exists():
        return _kept_views(views_path), np.load(degrees_path)

    def read(path: Path) -> tuple[RGB, float, float]:
        photo = load_panorama(path)
        if photo.location is None or photo.heading_deg is None:
            raise DatasetError(f"'{path}' lacks a position or a heading: training needs both in every photo.")
        pixels = ground_view(photo, photo.heading_deg, view.ground_vertical_field_deg, model.ground_size_px)
        return pixels, photo.location.latitude, photo.location.longitude

    total = len(dataset.photos)
    views = np.empty((total, *model.ground_size_px, 3), np.uint8)
    degrees = np.empty((total, 2))
    with ThreadPoolExecutor(2) as pool:
        for i, (pixels, latitude, longitude) in enumerate(pool.map(read, dataset.photos)):
            views[i], degrees[i] = pixels, (latitude, longitude)
            if progress:
                progress(i + 1, total)
    cache.mkdir(parents=True, exist_ok=True)
    for path, rows in ((degrees_path, degrees), (views_path, views)):
        with whole(path) as file:
            np.save(file, rows)
    return _kept_views(views_path), degrees


def _kept_views(path: Path) -> NDArray[np.uint8]:
    """Left on disk until a batch asks for them: many cities need little memory, and runs side by side share it."""
    views: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return views


def _signature(dataset: GeotaggedDataset, model: ModelConfig, view: ViewConfig) -> str:
    """Changes when a photo is added, removed or rewritten, or when the view is another."""
    files = [(p.name, (s := p.stat()).st_size, s.st_mtime_ns) for p in dataset.photos]
    wanted = (str(dataset.folder.resolve()), model.ground_size_px, view.ground_vertical_field_deg, files)
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
