from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import rasterio
import torch
from PIL import Image
from rasterio.transform import from_bounds

from l2ltr_core.checkpoints import load_encoder, save_checkpoint
from l2ltr_core.gallery import build_gallery
from l2ltr_core.imagery import open_imagery
from l2ltr_core.model.config import CheckpointCard, ModelConfig, ViewConfig
from l2ltr_core.model.network import L2LTR

SIZE_PX = 300
SIDE_M = 240
CONFIG = ModelConfig(
    stem="patch",
    width=32,
    depth=2,
    heads=2,
    mlp_width=32,
    ground_size_px=(16, 64),
    aerial_size_px=(16, 64),
    column_width=8,
)


class Tiny(NamedTuple):
    """What a benchmark of the shipped files is given instead."""

    checkpoint: Path
    gallery: Path
    photo: Path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A tiny untrained network, a gallery of noise and a photo of the same noise."""
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    card = CheckpointCard(name="tiny", model=CONFIG, view=ViewConfig(chip_m=40.0))
    save_checkpoint(L2LTR(CONFIG), card, folder)
    noise = np.random.default_rng(0).integers(0, 255, (3, SIZE_PX, SIZE_PX), np.uint8)
    shape = {"width": SIZE_PX, "height": SIZE_PX, "count": 3, "dtype": "uint8"}
    transform = from_bounds(0, 0, SIDE_M, SIDE_M, SIZE_PX, SIZE_PX)
    with rasterio.open(folder / "map.tif", "w", crs="EPSG:3857", transform=transform, **shape) as raster:
        raster.write(noise)
    encoder = load_encoder(folder / "tiny.json")
    build_gallery(open_imagery(str(folder / "map.tif")), folder / "gallery", encoder, spacing_m=20)
    photo = folder / "photo.jpg"
    Image.fromarray(np.moveaxis(noise, 0, -1)[:100, :200].copy()).save(photo)
    return Tiny(folder / "tiny.json", folder / "gallery", photo)
