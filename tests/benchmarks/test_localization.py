"""The benchmark, run small: a benchmark that no longer runs is noticed here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from PIL import Image
from rasterio.transform import from_bounds

from benchmarks.localization import Row, measure, report
from l2ltr_core.checkpoints import load_encoder, save_checkpoint
from l2ltr_core.gallery import build_gallery
from l2ltr_core.imagery import open_imagery
from l2ltr_core.model.config import CheckpointCard, ModelConfig, ViewConfig
from l2ltr_core.model.network import L2LTR

SIZE_PX = 300
SIDE_M = 240
CONFIG = ModelConfig(
    stem="patch", width=32, depth=2, heads=2, mlp_width=32, ground_size_px=(16, 64), aerial_size_px=(16, 64)
)


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    """The benchmark of a tiny untrained network on a gallery of noise."""
    torch.manual_seed(0)
    card = CheckpointCard(name="tiny", model=CONFIG, view=ViewConfig(chip_m=40.0))
    save_checkpoint(L2LTR(CONFIG), card, tmp_path)
    noise = np.random.default_rng(0).integers(0, 255, (3, SIZE_PX, SIZE_PX), np.uint8)
    shape = {"width": SIZE_PX, "height": SIZE_PX, "count": 3, "dtype": "uint8"}
    transform = from_bounds(0, 0, SIDE_M, SIDE_M, SIZE_PX, SIZE_PX)
    with rasterio.open(tmp_path / "map.tif", "w", crs="EPSG:3857", transform=transform, **shape) as raster:
        raster.write(noise)
    encoder = load_encoder(tmp_path / "tiny.json")
    build_gallery(open_imagery(str(tmp_path / "map.tif")), tmp_path / "gallery", encoder, spacing_m=20)
    photo = tmp_path / "photo.jpg"
    Image.fromarray(np.moveaxis(noise, 0, -1)[:100, :200].copy()).save(photo)
    return measure(tmp_path / "tiny.json", tmp_path / "gallery", photo, repeats=1)


def test_every_step_is_timed_and_the_index_finds_what_the_plain_product_finds(rows: list[Row]) -> None:
    assert all(row.milliseconds > 0 for row in rows)
    assert rows[-1].note == "100.0% of top 10 the same"
    assert len(report(rows).splitlines()) == len(rows) + 4
