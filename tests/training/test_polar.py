from __future__ import annotations

import numpy as np
import torch

from l2ltr_core.geometry.polar import to_polar
from l2ltr_core.imagery import open_imagery
from l2ltr_core.photo import load_panorama
from l2ltr_core.training.aerial import GroundMap, Squares
from l2ltr_core.training.polar import PolarSampler
from l2ltr_core.training.worlds import World, load_world
from tests.training.tiny_world import (
    CHIP_M,
    MODEL,
    PIXEL_M,
    SIDE_PX,
    VIEW_PX,
    blobs,
    tiny_config,
    write_world,
)

HALF = round(CHIP_M / PIXEL_M / 2)
MAP = GroundMap(blobs(3), west_m=100.0, north_m=500.0, pixel_m=PIXEL_M)
SAMPLER = PolarSampler(VIEW_PX, CHIP_M)


def chip(row: int, column: int) -> np.ndarray:
    return MAP.pixels[row - HALF : row + HALF, column - HALF : column + HALF]


def place(row: float, column: float) -> np.ndarray:
    return np.array([[MAP.west_m + column * PIXEL_M, MAP.north_m - row * PIXEL_M]])


def around(ground_map: GroundMap, points_m: np.ndarray, reach_m: float = CHIP_M / 2) -> Squares:
    return ground_map.squares(np.arange(len(points_m)), points_m, reach_m)


def as_image(view: torch.Tensor) -> np.ndarray:
    return view[0].permute(1, 2, 0).numpy()


def inside(view: np.ndarray) -> np.ndarray:
    """Without the top rows, where the chip ends and the map goes on."""
    return view[3:]


def test_the_view_sampled_from_the_map_is_the_polar_view_of_the_chip() -> None:
    sampled = as_image(SAMPLER.sample(around(MAP, place(200, 150))))
    assert np.abs(inside(sampled) - inside(to_polar(chip(200, 150), VIEW_PX))).max() < 0.05


def test_the_mirrored_view_is_the_polar_view_of_the_mirrored_chip() -> None:
    sampled = as_image(SAMPLER.sample(around(MAP, place(200, 150)), mirrored=True))
    assert np.abs(inside(sampled) - inside(to_polar(chip(200, 150)[:, ::-1], VIEW_PX))).max() < 0.05


def test_a_stretched_view_reaches_further() -> None:
    sampled = as_image(SAMPLER.sample(around(MAP, place(200, 150)), np.array([0.5])))
    half = HALF // 2
    small = MAP.pixels[200 - half : 200 + half, 150 - half : 150 + half]
    assert np.abs(inside(sampled) - inside(to_polar(small, VIEW_PX))).max() < 0.05


def test_beyond_the_map_is_black() -> None:
    sampled = as_image(SAMPLER.sample(around(MAP, place(0, 0))))
    north = VIEW_PX[1] // 2
    assert sampled[:-2, north - 8].max() == 0.0


def test_a_turned_view_is_the_view_rolled() -> None:
    straight = SAMPLER.sample(around(MAP, place(200, 150)))
    turned = SAMPLER.sample(around(MAP, place(200, 150)), turn_deg=90.0)
    quarter = VIEW_PX[1] // 4
    assert np.abs(inside(as_image(turned)) - inside(as_image(straight.roll(quarter, 3)))).max() < 1.0


def test_north_stays_in_the_middle_when_the_world_is_mirrored() -> None:
    swapped = GroundMap(MAP.pixels[:, ::-1].copy(), MAP.west_m, MAP.north_m, PIXEL_M)
    straight = as_image(SAMPLER.sample(around(MAP, place(200, 150))))
    mirrored = as_image(SAMPLER.sample(around(swapped, place(200, SIDE_PX - 150)), mirrored=True))
    assert np.abs(straight - mirrored).max() < 0.05


def test_training_sees_what_the_imagery_and_the_encoder_give(tmp_path) -> None:
    folder = write_world(tmp_path / "world", 4)
    config = tiny_config()
    world = load_world(folder, config.model, config.view, tmp_path / "cache")
    imagery = open_imagery(str(folder / "orthophoto.tif"))
    for index, photo in enumerate(sorted((folder / "panoramas").iterdir())):
        location = load_panorama(photo).location
        assert location is not None
        cut = to_polar(imagery.chip(location, CHIP_M, None), VIEW_PX)
        sampled = as_image(SAMPLER.sample(around(world.aerial[0], world.positions_m[index : index + 1])))
        assert np.abs(inside(sampled) - inside(cut)).mean() < 2.0


def test_a_ground_view_is_turned_to_north(tmp_path) -> None:
    turned = write_world(tmp_path / "turned", 4)
    straight = write_world(tmp_path / "straight", 4, headings=False)
    worlds = [load_world(f, MODEL, tiny_config().view, tmp_path / "cache") for f in (turned, straight)]
    assert np.abs(worlds[0].views.astype(int) - worlds[1].views).mean() < 4


def test_the_second_start_reads_the_kept_views(tmp_path) -> None:
    folder = write_world(tmp_path / "world", 4)

    def load(calls: list) -> World:
        return load_world(folder, MODEL, tiny_config().view, tmp_path / "cache", lambda *a: calls.append(a))

    first: list = []
    again: list = []
    one, two = load(first), load(again)
    assert (len(first), len(again)) == (4, 0)
    assert np.array_equal(one.views, two.views)
