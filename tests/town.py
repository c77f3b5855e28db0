"""A small coloured town on a raster, and an encoder that compares colours, for tests without a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from PIL import Image
from rasterio.transform import from_origin

from l2ltr_core.gallery import Gallery
from l2ltr_core.geometry.geodesy import from_mercator, mercator_units_per_m, to_mercator
from l2ltr_core.geometry.panorama import align
from l2ltr_core.model.config import CheckpointCard, ModelConfig, ViewConfig
from l2ltr_core.types import RGB, Descriptors, Encoded, Location, Panorama

CENTRE = Location(60.17, 24.94)
SIDE_M = 200.0
PIXEL_M = 0.5
CHIP_M = 32.0
VIEW_PX = (8, 16)
DIRECTIONS = (VIEW_PX[1], 3 * VIEW_PX[0])


def town(side_px: int = round(SIDE_M / PIXEL_M), seed: int = 0) -> RGB:
    """Blocks of random colour, 8 m wide, (S, S, 3) uint8."""
    blocks = np.random.default_rng(seed).integers(0, 255, (side_px // 16, side_px // 16, 3), dtype=np.uint8)
    return blocks.repeat(16, axis=0).repeat(16, axis=1)


def write_raster(
    path: Path,
    pixels: np.ndarray,
    centre: Location = CENTRE,
    pixel_m: float = PIXEL_M,
    tags: dict[str, str] | None = None,
    **profile: Any,
) -> Path:
    """A GeoTIFF in EPSG:3857 of (H, W, C) pixels around `centre`."""
    height, width, bands = pixels.shape
    x, y = to_mercator(centre.latitude, centre.longitude)
    pixel = pixel_m * mercator_units_per_m(centre.latitude)
    settings: dict[str, Any] = {
        "driver": "GTiff",
        "crs": "EPSG:3857",
        "count": bands,
        "dtype": pixels.dtype,
        "height": height,
        "width": width,
        "transform": from_origin(x - width / 2 * pixel, y + height / 2 * pixel, pixel, pixel),
    }
    if bands >= 3:
        settings["photometric"] = "RGB"
    with rasterio.open(path, "w", **(settings | profile)) as raster:
        raster.write(pixels.transpose(2, 0, 1))
        raster.update_tags(**(tags or {}))
    return path


def at(column: float, row: float, side_px: int = round(SIDE_M / PIXEL_M)) -> Location:
    """Where a pixel of the town is (its upper left corner for whole numbers)."""
    x, y = to_mercator(CENTRE.latitude, CENTRE.longitude)
    pixel = PIXEL_M * mercator_units_per_m(CENTRE.latitude)
    latitude, longitude = from_mercator(x + (column - side_px / 2) * pixel, y - (row - side_px / 2) * pixel)
    return Location(float(latitude), float(longitude))


@dataclass
class ColourEncoder:
    """Descriptors are the colours of a small picture: a photo that *is* the aerial square finds it."""

    name: str = "colours"
    fingerprint: str = "c0105e0000000001"
    chip_m: float = CHIP_M
    calibration: dict[str, Any] = field(default_factory=dict)
    encoded: int = 0
    columns: tuple[int, int] | None = None
    stem_column_width: int = 0
    layers_weight: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def card(self) -> CheckpointCard:
        """Of a model whose columns have the stem's numbers and others, as this encoder's."""
        model = ModelConfig(column_width=1, stem_column_width=self.stem_column_width)
        return CheckpointCard(
            self.name,
            model,
            ViewConfig(self.chip_m),
            self.fingerprint,
            calibration=self.calibration,
            layers_weight=self.layers_weight,
        )

    def ground_view(self, panorama: Panorama, heading_deg: float) -> RGB:
        return _small(align(panorama, heading_deg).pixels)

    def describe_ground(self, images: Iterable[RGB], *, prepared: bool) -> Encoded:
        assert prepared
        return self.describe_aerial(images)

    def describe_aerial(self, images: Iterable[RGB]) -> Encoded:
        return Encoded(self.colours(images), None)

    def colours(self, images: Iterable[RGB]) -> Descriptors:
        """(N, D) unit rows, without their mean."""
        rows = np.stack([_small(image).ravel() for image in images]).astype(np.float32)
        self.encoded += len(rows)
        rows -= rows.mean(axis=1, keepdims=True)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@dataclass
class DirectionEncoder(ColourEncoder):
    """CLS is the row of mean colours, column by column and then sorted, so that it does not know any direction;
    the columns do. With `stem_column_width` the first so many numbers of a column are a part of their own."""

    name: str = "directions"
    fingerprint: str = "c0105e00000000c0"
    columns: tuple[int, int] | None = DIRECTIONS

    def describe_aerial(self, images: Iterable[RGB]) -> Encoded:
        rows = self.colours(images)
        each = rows.reshape(-1, *VIEW_PX, 3).transpose(0, 2, 1, 3).reshape(len(rows), *DIRECTIONS)
        undirected = np.sort(each.mean(axis=2), axis=1)
        undirected -= undirected.mean(axis=1, keepdims=True)
        cls = undirected / np.linalg.norm(undirected, axis=1, keepdims=True)
        return Encoded(cls, each if self.columns else None)


def photo_of(gallery: Gallery, place_id: int, heading_deg: float = 0.0) -> Panorama:
    """A "panorama" that shows the aerial square itself, turned as a camera that looks at `heading_deg`."""
    place = gallery.location(place_id)
    chip = gallery.imagery.chip(place, CHIP_M, 64)
    pixels = np.roll(chip, -round(heading_deg / 360 * 64), axis=1)
    return Panorama(pixels, heading_deg=heading_deg, location=place)


def _small(image: RGB) -> RGB:
    return np.asarray(Image.fromarray(image).resize(VIEW_PX[::-1], Image.Resampling.BOX))
