"""A world small enough to learn in seconds: coloured blobs from above, and inside out in other colours."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin
from scipy.ndimage import gaussian_filter

from l2ltr_core.geometry.geodesy import from_mercator, mercator_units_per_m, to_mercator
from l2ltr_core.geometry.polar import to_polar
from l2ltr_core.model.config import ModelConfig, ViewConfig
from l2ltr_core.photo import write_panorama
from l2ltr_core.training.config import (
    AlignConfig,
    AugmentConfig,
    BatchConfig,
    ObjectiveConfig,
    RunConfig,
    StageConfig,
    TrainConfig,
)
from l2ltr_core.types import Location

LATITUDE, LONGITUDE = 60.17, 24.94
PIXEL_M = 0.5
SIDE_PX = 480
CHIP_M = 40.0
VIEW_PX = (64, 128)

MODEL = ModelConfig(
    stem="patch",
    width=32,
    depth=2,
    heads=4,
    mlp_width=64,
    dropout=0.0,
    ground_size_px=VIEW_PX,
    aerial_size_px=VIEW_PX,
    stem_column_width=8,
    column_width=8,
)
STILL = AugmentConfig(
    **{
        f.name: 0.0 for f in fields(AugmentConfig) if f.type == "float"
    }  # ranges are of no use without their share
)


def blobs(seed: int, side: int = SIDE_PX) -> NDArray[np.uint8]:
    """(S, S, 3) uint8 smooth random colours at two scales."""
    rng = np.random.default_rng(seed)
    layers = [gaussian_filter(rng.standard_normal((side, side, 3)), (s, s, 0)) for s in (3, 8)]
    mixed = sum(layer / layer.std() for layer in layers)
    return np.clip(128 + 45 * mixed, 0, 255).astype(np.uint8)


def write_map(path: Path, pixels: NDArray[np.uint8]) -> rasterio.Affine:
    """A GeoTIFF in Web Mercator whose pixels are `PIXEL_M` on the ground; returns its transform."""
    unit = PIXEL_M * mercator_units_per_m(LATITUDE)
    west, north = to_mercator(LATITUDE, LONGITUDE)
    transform = from_origin(west, north, unit, unit)
    with rasterio.open(
        path, "w", driver="GTiff", height=len(pixels), width=pixels.shape[1], count=3, dtype="uint8",
        crs="EPSG:3857", transform=transform,
    ) as file:  # fmt: skip
        file.write(pixels.transpose(2, 0, 1))
    return transform


def write_world(folder: Path, photos: int, seed: int = 0, headings: bool = True) -> Path:
    """A geotagged dataset of `photos` panoramas at random places and headings."""
    (folder / "panoramas").mkdir(parents=True)
    pixels = blobs(seed)
    transform = write_map(folder / "orthophoto.tif", pixels)
    rng = np.random.default_rng(seed + 1)
    half = round(CHIP_M / PIXEL_M / 2)
    for index, (row, column) in enumerate(rng.integers(half, SIDE_PX - half, (photos, 2))):
        chip = pixels[row - half : row + half, column - half : column + half]
        strip = to_polar(255 - chip[..., ::-1], VIEW_PX).clip(0, 255).astype(np.uint8)
        turn = int(rng.integers(VIEW_PX[1])) if headings else 0
        latitude, longitude = from_mercator(*(transform @ (float(column), float(row))))
        write_panorama(
            folder / "panoramas" / f"{index:04d}.jpg",
            np.roll(strip, -turn, axis=1),
            location=Location(float(latitude), float(longitude)),
            heading_deg=turn / VIEW_PX[1] * 360,
            top_deg=45.0,
            bottom_deg=-45.0,
            quality=95,
        )
    return folder


def tiny_config(layers_steps: int = 40, joint_steps: int = 0, **changes: object) -> TrainConfig:
    """A recipe that learns the tiny world in seconds."""
    settings: dict = {
        "name": "tiny",
        "model": MODEL,
        "view": ViewConfig(chip_m=CHIP_M),
        "align": AlignConfig(principal=128, variants=2),
        "layers": StageConfig(steps=layers_steps, lr_warmup_steps=5, learning_rate=2e-3),
        "joint": StageConfig(steps=joint_steps, lr_warmup_steps=5, learning_rate=2e-3, stem_factor=0.2),
        "objective": ObjectiveConfig(ignore_within_m=5.0),
        "batches": BatchConfig(pairs=16, views=4, near_radius_m=40.0),
        "augment": replace(STILL, mirror_share=0.5, position_m=1.0, tile_scale=0.05, gain_std=0.1),
        "run": RunConfig(device="cpu", threads=1, precision="float32", log_every=5, validate_every=1000),
    }
    return TrainConfig(**(settings | changes))
