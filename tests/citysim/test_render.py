from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from citysim.build import write_orthophoto
from citysim.cameras import camera_spots, grid_places
from citysim.light import Light, dusk, flight_light, fog, rain, snow, street_light
from citysim.plan import CityPlan
from citysim.render import orthophoto, panorama
from citysim.street import crowd, plain_mesh
from citysim.surfaces import Surface
from citysim.world import World
from l2ltr_core.imagery import open_imagery

pytestmark = pytest.mark.slow

NOON = replace(flight_light(np.random.default_rng(1)), haze=0.0)
RED_HOUSE = (45.0, 140.0)


def _strip(world: World, x_m: float, y_m: float, heading_deg: float) -> np.ndarray:
    size = (32, 128)
    return panorama(
        world, x_m, y_m, NOON, size_px=size, heading_deg=heading_deg, top_deg=45, bottom_deg=-45, samples=1
    )


def _redness(pixels: np.ndarray) -> np.ndarray:
    values = pixels.astype(float)
    return values[..., 0] - values[..., 1:].mean(-1)


@pytest.mark.parametrize("heading_deg", [0.0, 90.0, 180.0, 270.0])
def test_the_red_house_north_of_the_camera_stands_at_north(world: World, heading_deg: float) -> None:
    redness = _redness(_strip(world, RED_HOUSE[0], 100.0, heading_deg))[8:18].mean(0)
    azimuth_deg = (heading_deg + (np.arange(128) + 0.5) / 128 * 360 - 180) % 360
    north = np.minimum(azimuth_deg, 360 - azimuth_deg) < 20
    south = np.abs(azimuth_deg - 180) < 60
    assert redness[north].mean() > redness[south].mean() + 30


def test_a_camera_that_turns_rolls_its_panorama(world: World) -> None:
    here = _strip(world, 100, 100, 0.0).astype(int)
    turned = _strip(world, 100, 100, 90.0).astype(int)
    assert np.abs(np.roll(here, -32, axis=1) - turned).mean() < 1.0


def test_a_camera_that_leans_sees_the_horizon_higher_on_one_side_and_lower_on_the_other(world: World) -> None:
    def sky_rows(tilt_deg: tuple[float, float] | None) -> np.ndarray:
        strip = panorama(
            world, 5000.0, 5000.0, replace(NOON, cloud_cover=0.0), size_px=(90, 8), top_deg=45, bottom_deg=-45,
            samples=1, tilt_deg=tilt_deg,
        )  # fmt: skip
        return (strip[..., 2].astype(int) > strip[..., 0] + 15).sum(0)

    level, pitched, rolled = sky_rows(None), sky_rows((10.0, 0.0)), sky_rows((0.0, 10.0))
    north, south, east, west = 4, 0, 6, 2  # columns, the middle one being north
    assert abs(pitched[north] - level[north] - (level[south] - pitched[south])) <= 4
    assert abs(pitched[north] - level[north]) >= 7
    assert abs(rolled[east] - level[east]) >= 5 and abs(rolled[west] - level[west]) >= 5
    assert (rolled[east] - level[east]) * (rolled[west] - level[west]) < 0


def test_the_orthophoto_has_north_up_and_the_pond_where_the_plan_has_it(world: World) -> None:
    picture = orthophoto(world, NOON, pixel_m=2.0, samples=1)
    assert picture.shape == (100, 110, 3)
    pond, grass_free = picture[100 - 20, 52], picture[100 - 49, 52]
    assert pond.mean() < grass_free.mean()


def test_a_border_shows_what_lies_beyond_and_leaves_the_city_in_its_place(
    world: World, plan: CityPlan, tmp_path: Path
) -> None:
    inner = orthophoto(world, NOON, pixel_m=2.0, samples=1)
    wider = orthophoto(world, NOON, pixel_m=2.0, samples=1, border_m=10.0)
    assert wider.shape == (110, 120, 3)
    assert np.array_equal(wider[5:-5, 5:-5], inner)
    assert wider[:5].mean() > 20
    write_orthophoto(tmp_path / "map.tif", wider, plan, 2.0, 10.0)
    with rasterio.open(tmp_path / "map.tif") as raster:
        corner = plan.frame.raster_transform(0.0, plan.height_m, 2.0)
        assert ~raster.transform * (corner.c, corner.f) == pytest.approx((5, 5), abs=1e-6)


def test_the_orthophoto_file_puts_every_place_where_the_frame_does(
    world: World, plan: CityPlan, tmp_path: Path
) -> None:
    picture = np.zeros((500, 550, 3), np.uint8)
    picture[500 - 250 - 5 : 500 - 250 + 5, 250 - 5 : 250 + 5] = 255  # 4 x 4 m around (100, 100)
    write_orthophoto(tmp_path / "map.tif", picture, plan, 0.4)
    chip = open_imagery(str(tmp_path / "map.tif")).chip(plan.frame.to_location(100, 100), 40.0, 100)
    bright = np.argwhere(chip.mean(-1) > 128)
    assert bright.mean(0) == pytest.approx((49.5, 49.5), abs=1.0)
    assert len(bright) == pytest.approx(100, rel=0.25)


def test_the_same_seed_takes_the_same_picture_and_another_another(plan: CityPlan, world: World) -> None:
    def take(seed: int) -> np.ndarray:
        world.set_capture((seed,))
        light = street_light(np.random.default_rng(seed))
        return panorama(world, 100, 100, light, size_px=(16, 64), samples=1)

    assert np.array_equal(take(3), take(3))
    assert not np.array_equal(take(3), take(4))


def test_places_are_on_dry_land_outside_buildings(world: World) -> None:
    places = grid_places(world, (0, 0, 220, 200), 5.0)
    assert len(places) > 500
    assert not (world.ground.surface_at(places[:, 0], places[:, 1]) == Surface.WATER).any()
    inside = (places[:, 0] > 20) & (places[:, 0] < 70) & (places[:, 1] > 120) & (places[:, 1] < 160)
    assert not inside.any()


def test_cameras_stand_apart_in_their_window(world: World) -> None:
    spots = camera_spots(world, [(30, 40, 190, 160)], 20, (1,))
    assert len(spots) >= 10
    assert (spots[:, 0] >= 30).all() and (spots[:, 0] <= 190).all()
    apart = np.linalg.norm(spots[:, None] - spots[None], axis=2) + 99 * np.eye(len(spots))
    assert apart.min() > 3.4


def test_no_car_stands_in_a_camera(plan: CityPlan, world: World) -> None:
    crowded = plain_mesh(crowd(plan, world.built, (5,), np.zeros((0, 2)), density=0.9))
    assert crowded is not None
    cameras = crowded.triangles[:, 0, :2][::400].astype(float)
    kept = plain_mesh(crowd(plan, world.built, (5,), cameras, density=0.9))
    corners = np.zeros((1, 2)) if kept is None else kept.triangles.reshape(-1, 3)[:, :2]
    for camera in cameras:
        assert np.hypot(*(corners - camera).T).min() > 0.5


def test_the_ground_goes_on_as_its_mirror_image(world: World) -> None:
    inside = world.ground.surface_at([5.0, 210.0], [100.0, 100.0])
    beyond = world.ground.surface_at([-5.0, 230.0], [100.0, 100.0])
    assert np.array_equal(inside, beyond)


def _weathered(weather: Callable[[Light, np.random.Generator], Light]) -> Light:
    return weather(replace(NOON, haze_m=1000.0), np.random.default_rng(3))


def test_snow_whitens_the_lawn_and_rain_darkens_the_stones(world: World) -> None:
    dry = _from_above(world, NOON)
    assert _from_above(world, replace(NOON, snow=1.0)).mean() > dry.mean() + 25
    assert _from_above(world, replace(NOON, wet=1.0)).mean() < dry.mean() - 3
    assert _weathered(snow).snow > 0
    assert _weathered(rain).wet > 0


def test_after_sunset_the_windows_and_the_ground_below_lamps_are_lit(world: World) -> None:
    evening = _weathered(dusk)
    lit, dark = (_view(world, light) for light in (evening, replace(evening, dusk=1e-6)))
    brighter = lit.astype(int).sum(-1) - dark.astype(int).sum(-1)
    assert (brighter > 60).mean() > 0.01
    assert brighter.min() > -12


def test_fog_hides_the_houses_and_rain_and_snow_fall_in_front_of_them(world: World) -> None:
    assert _view(world, _weathered(fog)).std() < 0.9 * _view(world, NOON).std()
    for falling in (replace(NOON, rainfall=1.0), replace(NOON, snowfall=1.0)):
        assert 0.005 < (_view(world, falling) != _view(world, NOON)).any(-1).mean() < 0.4


def test_what_stands_high_leans_in_the_orthophoto_and_the_ground_stays(world: World) -> None:
    straight, leaning = (
        orthophoto(world, NOON, pixel_m=1.0, samples=1, off_nadir=off_nadir).astype(int)
        for off_nadir in ((0.0, 0.0), (0.25, 0.0))
    )
    house = slice(200 - 158, 200 - 122)  # the red one, 18 m high: its roof moves 4.5 m to the east
    east_wall = slice(71, 74)
    assert np.abs(leaning[house, east_wall] - straight[house, east_wall]).mean() > 15
    pond = (slice(200 - 55, 200 - 25), slice(95, 115))
    assert np.abs(leaning[pond] - straight[pond]).mean() < 2


def _view(world: World, light: Light) -> np.ndarray:
    return panorama(world, 100, 100, light, size_px=(48, 192), top_deg=45, bottom_deg=-45, samples=1)


def _from_above(world: World, light: Light) -> np.ndarray:
    return orthophoto(world, light, pixel_m=2.0, samples=1).astype(float)
