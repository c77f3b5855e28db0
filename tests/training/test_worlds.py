from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from l2ltr_core.geometry.polar import to_polar
from l2ltr_core.training import train
from l2ltr_core.training.aerial import TILE_PX, Tiles
from l2ltr_core.training.batches import BatchMaker
from l2ltr_core.training.polar import PolarSampler
from l2ltr_core.training.views import Views
from l2ltr_core.training.worlds import APART_M, load_world
from tests.training.tiny_world import CHIP_M, MODEL, STILL, VIEW_PX, blobs, tiny_config

PAIRS = 18


@pytest.fixture(scope="module")
def cvusa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CVUSA's true layout: tiles of blobs, and strips that show them inside out."""
    folder = tmp_path_factory.mktemp("cvusa")
    lines = []
    for i in range(PAIRS):
        tile = blobs(i, 80)
        strip = to_polar(255 - tile[..., ::-1], (64, 352)).clip(0, 255).astype(np.uint8)
        names = f"bingmap/19/{i:07d}.jpg", f"streetview/panos/{i:07d}.jpg"
        for name, pixels in zip(names, (tile, strip), strict=True):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / name, quality=95)
        lines.append(f"{names[0]},{names[1]},streetview/annotations/{i:07d}.png")
    (folder / "splits").mkdir()
    (folder / "splits" / "train-19zl.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def vigor(tmp_path: Path) -> Path:
    """Three photos of two tiles."""
    tiles = [f"satellite_41.{i}_-87.5.png" for i in range(2)]
    for folder, names, size in (
        ("satellite", tiles, (64, 64)),
        ("panorama", [f"p{i},41.{i},-87.5,.jpg" for i in range(3)], (128, 64)),
    ):
        (tmp_path / "Seattle" / folder).mkdir(parents=True)
        for name in names:
            Image.new("RGB", size, (90, 120, 60)).save(tmp_path / "Seattle" / folder / name)
    splits = tmp_path / "splits" / "Seattle"
    splits.mkdir(parents=True)
    (splits / "satellite_list.txt").write_text("\n".join(tiles) + "\n")
    lines = [f"p{i},41.{i},-87.5,.jpg " + " ".join(f"{tiles[i % 2]} 0 0" for _ in range(4)) for i in range(3)]
    (splits / "same_area_balanced_train.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_a_tile_is_seen_as_inference_sees_it(cvusa: Path, tmp_path: Path) -> None:
    config = tiny_config()
    world = load_world(f"cvusa:{cvusa}", config.model, config.view, tmp_path)
    assert world.views.shape == (PAIRS, *VIEW_PX, 3) and world.name == "cvusa-train"
    squares = world.aerial[0].squares(np.array([4]), world.positions_m[[4]], CHIP_M / 2)
    view = PolarSampler(VIEW_PX, CHIP_M).sample(squares)[0].permute(1, 2, 0).numpy()
    with Image.open(cvusa / "bingmap" / "19" / "0000004.jpg") as picture:
        large = np.asarray(picture.resize((TILE_PX, TILE_PX), Image.Resampling.BILINEAR))
    assert np.abs(view[3:] - to_polar(large, VIEW_PX)[3:]).max() < 0.5


def test_a_tile_seen_from_a_point_north_east_of_its_middle_moves_south_west() -> None:
    marked = np.zeros((TILE_PX, TILE_PX, 3), np.uint8)
    marked[TILE_PX // 2, TILE_PX // 2] = 255
    tiles = Tiles(lambda _: marked, np.zeros((1, 2)), CHIP_M)
    ((column, row),) = tiles.squares(np.array([0]), np.array([[CHIP_M / 4, CHIP_M / 8]]), CHIP_M).centres_px
    assert (column, row) == (TILE_PX * 3 / 4, TILE_PX * 3 / 8)


def test_photos_of_one_tile_are_no_negatives_of_each_other_and_all_others_are(
    vigor: Path, tmp_path: Path
) -> None:
    config = tiny_config()
    world = load_world(f"vigor:{vigor}", config.model, config.view, tmp_path / "views")
    assert world.positions_m.tolist() == [[0, 0], [APART_M, 0], [0, 0]]
    batches = replace(config.batches, pairs=3)
    maker = BatchMaker([world], Views(MODEL, config.view), batches, STILL, 0, 20.0)
    batch = maker.make(0)
    same = torch.from_numpy(batch.places % 2 == (batch.places % 2)[:, None])
    assert torch.equal(batch.negative_mask, ~same)


def test_a_run_learns_from_a_benchmark_without_a_map(cvusa: Path, tmp_path: Path) -> None:
    config = tiny_config(4)
    result = train(config, [f"cvusa:{cvusa}"], tmp_path)
    (card,) = result.cards
    assert result.finished and card.training["data"] == {"cvusa-train": PAIRS} and not card.simulated
