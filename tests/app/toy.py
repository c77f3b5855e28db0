"""A toy product to open the app on: a coloured town, two checkpoints with random weights, a few panoramas."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio
import torch
from rasterio.transform import from_origin

from l2ltr_core.checkpoints import load_encoder, save_checkpoint
from l2ltr_core.gallery import add_index, build_gallery
from l2ltr_core.geometry.geodesy import from_mercator, mercator_units_per_m, to_mercator
from l2ltr_core.imagery import open_imagery
from l2ltr_core.localization import Calibration
from l2ltr_core.model.config import CheckpointCard, ModelConfig, ViewConfig
from l2ltr_core.model.network import L2LTR
from l2ltr_core.photo import write_panorama
from l2ltr_core.types import RGB, Location

RENDERED = "a test's drawing (simulated)"
"""What the samples say of the program that made them, as the product's own do."""
CALIBRATION = Calibration(
    temperature=0.05, radius_temperature=0.05, position_std_m=5.0, photos=900, measured_on="Toyville"
)
"""Of the first checkpoint; the second was never measured."""
CENTRE = Location(60.17, 24.94)
SIDE_M = 400.0
PIXEL_M = 1.0
GALLERY = "toyville"
CHECKPOINTS = ("toy-a", "toy-b")
HEADINGS_DEG = (75.0, 210.0)
WALK = "stroll"
WALK_PHOTOS = 3


def build(assets: Path) -> Path:
    """Write checkpoints, a gallery and samples in the form of the product's own assets folder; returns it."""
    imagery = assets / "town.tif"
    assets.mkdir(parents=True, exist_ok=True)
    _write_raster(imagery, _town())
    for seed, name in enumerate(CHECKPOINTS):
        write_checkpoint(assets / "checkpoints", name, seed, "self-cross" if seed == 0 else "self")
    first, second = (load_encoder(assets / "checkpoints" / f"{name}.json") for name in CHECKPOINTS)
    folder = assets / "galleries" / GALLERY
    build_gallery(open_imagery(str(imagery)), folder, first, name=GALLERY, spacing_m=40, simulated=True)
    add_index(folder, second)
    _write_samples(assets / "samples")
    return assets


def panorama(seed: int, height: int = 256) -> RGB:
    """A sky, a street and houses in random colours, (H, 2H, 3) uint8."""
    random = np.random.default_rng(seed)
    pixels = np.empty((height, 2 * height, 3), np.uint8)
    pixels[: height // 2] = (120, 170, 220)
    pixels[height // 2 :] = (90, 90, 95)
    for left in range(0, 2 * height, height // 8):
        tall = random.integers(height // 16, height // 3)
        pixels[height // 2 - tall : height // 2 + height // 32, left : left + height // 10] = random.integers(
            60, 240, 3
        )
    return pixels


def _town() -> RGB:
    random = np.random.default_rng(0)
    side = round(SIDE_M / PIXEL_M)
    pixels = np.full((side, side, 3), (150, 148, 145), np.uint8)
    for row in range(6, side, 40):
        for column in range(6, side, 50):
            pixels[row : row + 28, column : column + 38] = random.integers(60, 220, 3)
    pixels[side // 2 : side // 2 + 60, side // 2 : side // 2 + 90] = (105, 150, 80)
    return pixels


def _write_raster(path: Path, pixels: RGB) -> None:
    x, y = to_mercator(CENTRE.latitude, CENTRE.longitude)
    units = mercator_units_per_m(CENTRE.latitude)
    half, pixel = SIDE_M / 2 * units, PIXEL_M * units
    profile = {
        "driver": "GTiff",
        "crs": "EPSG:3857",
        "count": 3,
        "dtype": "uint8",
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "transform": from_origin(x - half, y + half, pixel, pixel),
        "photometric": "RGB",
    }
    with rasterio.open(path, "w", **profile) as raster:
        raster.write(pixels.transpose(2, 0, 1))
        raster.update_tags(ATTRIBUTION="A town that a test drew")


def write_checkpoint(folder: Path, name: str, seed: int, attention: str) -> None:
    torch.manual_seed(seed)
    model = ModelConfig(
        stem="patch",
        width=32,
        depth=2,
        heads=2,
        mlp_width=64,
        attention=attention,
        ground_size_px=(32, 128),
        aerial_size_px=(32, 128),
        column_width=8 if seed == 0 else 0,  # the first checkpoint compares places direction by direction
    )
    card = CheckpointCard(
        name,
        model,
        ViewConfig(chip_m=60.0),
        simulated=True,
        licence="MIT",
        description="Random weights, for tests.",
        calibration={"rendered": {how: CALIBRATION.to_dict() for how in ("known", "searched")}}
        if seed == 0
        else {},
    )
    save_checkpoint(L2LTR(model), card, folder)


def calibrate(assets: Path, **changes: float) -> None:
    """Change what the first checkpoint's card says of rendered photos, however their heading is known."""
    card = assets / "checkpoints" / f"{CHECKPOINTS[0]}.json"
    values = json.loads(card.read_text())
    entry = replace(CALIBRATION, **changes).to_dict()
    card.write_text(json.dumps(values | {"calibration": {"rendered": {"known": entry, "searched": entry}}}))


def _write_samples(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    x, y = to_mercator(CENTRE.latitude, CENTRE.longitude)
    listed = []
    for number, heading in enumerate(HEADINGS_DEG):
        latitude, longitude = from_mercator(x + 60 * number, y - 80 * number)
        write_panorama(
            folder / f"street-{number}.jpg",
            panorama(number),
            location=Location(latitude, longitude),
            heading_deg=heading,
            software=RENDERED,
        )
        listed.append({"file": f"street-{number}.jpg", "title": f"Street {number}", "note": "A test drew it"})
    (folder / "samples.json").write_text(json.dumps(listed))
    write_walk(folder, WALK, "A stroll", WALK_PHOTOS)


def write_walk(folder: Path, name: str, title: str, photos: int) -> None:
    """A walk to the east, 40 m a photo, as the only one among the samples."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    x, y = to_mercator(CENTRE.latitude, CENTRE.longitude)
    step = 40 * mercator_units_per_m(CENTRE.latitude)
    for number in range(photos):
        latitude, longitude = from_mercator(x + step * number, y)
        write_panorama(
            folder / name / f"{number + 1}.jpg",
            panorama(20 + number),
            location=Location(latitude, longitude),
            heading_deg=90.0,
            software=RENDERED,
        )
    listed = [{"folder": name, "title": title, "note": "A test drew it"}]
    (folder / "walks.json").write_text(json.dumps(listed))


def write_game(folder: Path) -> None:
    """Five photos far enough apart for a game, in the middle and towards the corners, as the only samples."""
    (folder / "walks.json").unlink(missing_ok=True)
    x, y = to_mercator(CENTRE.latitude, CENTRE.longitude)
    far = 130 * mercator_units_per_m(CENTRE.latitude)
    listed = []
    for number, (east, north) in enumerate([(0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)]):
        latitude, longitude = from_mercator(x + east * far, y + north * far)
        write_panorama(
            folder / f"spot-{number}.jpg", panorama(40 + number), location=Location(latitude, longitude),
            heading_deg=60.0 * number, software=RENDERED,
        )  # fmt: skip
        listed.append({"file": f"spot-{number}.jpg", "title": f"Corner {number}", "note": "A test drew it"})
    (folder / "samples.json").write_text(json.dumps(listed))


if __name__ == "__main__":
    build(Path(sys.argv[1]))
