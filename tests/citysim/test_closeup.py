"""What large photos show, and that nothing else shows it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from shapely.geometry import LineString

from citysim.closeup.cars import BODIES, Place, car_mesh
from citysim.closeup.ground_detail import CloseUp, Drawings
from citysim.light import flight_light, snow
from citysim.mesh import Floats, Material, Mesh
from citysim.plan import CityPlan, Way
from citysim.render import orthophoto, panorama
from citysim.street import crowd, plain_mesh
from citysim.surfaces import Surface
from citysim.world import Detail, World

pytestmark = pytest.mark.slow

NOON = replace(flight_light(np.random.default_rng(1)), haze=0.0)
CAMERA = np.array([[100.0, 97.0]])
SEEN_BEFORE = [
    [165.61, 152.05, 149.80, 149.17, 150.35, 152.42, 146.28, 163.92],
    [164.45, 153.26, 141.78, 143.24, 158.78, 168.64, 156.73, 165.97],
    [195.91, 176.67, 143.19, 151.50, 165.14, 147.12, 177.91, 198.02],
    [181.81, 162.34, 155.33, 156.81, 157.53, 155.66, 160.40, 181.97],
]
"""Brightness in 4 x 8 parts of the small photo, taken before there was anything that only large ones show."""
SMALL = Detail(cell_m=0.25, leaf_cards=150)
CLOSE = Detail(cell_m=0.25, leaf_cards=150, close=True)


@pytest.fixture(scope="module")
def small(plan: CityPlan) -> World:
    return _of_one_capture(World(plan, detail=SMALL))


@pytest.fixture(scope="module")
def close(plan: CityPlan) -> World:
    return _of_one_capture(World(plan, detail=CLOSE))


def _of_one_capture(world: World) -> World:
    world.set_capture((4,), clear=CAMERA, density=0.9)
    return world


def _photo(world: World) -> np.ndarray:
    return panorama(world, *CAMERA[0], NOON, size_px=(32, 128), samples=1)


def test_a_small_photo_is_what_checkpoints_were_trained_on(small: World) -> None:
    brightness = _photo(small).astype(float).mean(-1).reshape(4, 8, 8, 16).mean((1, 3))
    assert brightness == pytest.approx(np.array(SEEN_BEFORE), abs=0.5)


def test_an_orthophoto_shows_a_close_world_as_one_that_is_not(close: World, small: World) -> None:
    assert np.array_equal(
        orthophoto(close, NOON, pixel_m=1.0, samples=1), orthophoto(small, NOON, pixel_m=1.0, samples=1)
    )


def test_what_only_a_large_photo_shows_is_in_no_small_one(close: World, small: World) -> None:
    finer = [kind for kind in Material if kind >= Material.CAR]
    assert not np.isin(small.mesh.material, finer).any()
    assert set(finer) - set(np.unique(close.mesh.material)) <= {
        Material.GRASS,
        Material.AWNING,
        Material.IRON,
    }
    assert not np.array_equal(_photo(close), _photo(small))


def test_cars_and_people_stand_where_they_stand_in_small_photos(close: World, plan: CityPlan) -> None:
    moving = crowd(plan, close.built, (9000, 4), CAMERA, 0.9)
    assert len(moving.cars) > 5
    assert close.cars[:, :2] == pytest.approx(np.array([car[:2] for car in moving.cars]), abs=1e-3)
    assert np.array_equal(close.paint_colour, moving.colours)
    plain = plain_mesh(moving)
    assert plain is not None
    for owner in (0, len(moving.cars) + len(moving.people) - 1):
        there, here = (_middle(mesh, owner, kinds) for mesh, kinds in ((plain, PLAIN), (close.mesh, ROUND)))
        assert here == pytest.approx(there, abs=0.35)


PLAIN = (Material.PAINT, Material.CLOTH)
ROUND = (Material.CAR, Material.COAT)


def _middle(mesh: Mesh, owner: int, kinds: tuple[Material, ...]) -> np.ndarray:
    corners = mesh.triangles[(mesh.owner == owner) & np.isin(mesh.material, kinds)].reshape(-1, 3)[:, :2]
    return (corners.min(0) + corners.max(0)) / 2


def test_trees_stand_where_they_stand_in_small_photos(close: World, plan: CityPlan) -> None:
    assert close.trees == _of_one_capture(World(plan, detail=SMALL)).trees
    for owner, tree in enumerate(close.trees):
        bark = (close.mesh.owner == owner) & (close.mesh.material == Material.BARK)
        corners = close.mesh.triangles[bark].reshape(-1, 3)
        near = (np.abs(corners[:, :2] - (tree.x_m, tree.y_m)) < 5).all(1)  # and not its mirror image
        foot = corners[near & (corners[:, 2] < 0.05)]
        assert (foot[:, :2].min(0) + foot[:, :2].max(0)) / 2 == pytest.approx((tree.x_m, tree.y_m), abs=0.05)


@pytest.mark.parametrize("body", range(len(BODIES)))
@pytest.mark.parametrize("near", [True, False])
def test_a_car_is_closed_all_around(body: int, near: bool) -> None:
    mesh, normal = car_mesh(Place(0, 0, 0.0, 1.0, body), 0, near)
    scene = EmbreeScene()
    TriangleMesh(scene, mesh.triangles)
    random = np.random.default_rng(2)
    away = random.normal(size=(5000, 3)).astype(np.float32)
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    inside = np.tile(np.float32([0.0, 0.0, 0.8]), (len(away), 1))
    assert (scene.run(inside, away, query="INTERSECT") >= 0).mean() > 0.999
    assert np.linalg.norm(normal, axis=2) == pytest.approx(1.0, abs=1e-3)


def test_a_car_near_the_camera_has_more_triangles() -> None:
    fine, coarse = (len(car_mesh(Place(0, 0, 0.0, 1.0, 0), 0, near)[0]) for near in (True, False))
    assert fine > 3 * coarse > 3000


def test_the_kerb_of_an_oblique_street_is_straight(plan: CityPlan) -> None:
    a, b = np.array([10.0, 30.0]), np.array([210.0, 171.0])
    oblique = replace(
        plan,
        ways=(Way(9, LineString([a, b]), "residential", 8.0, "asphalt", False),),
        rails=(),
        areas=(),
        buildings=(),
    )
    along = (b - a) / np.hypot(*(b - a))
    aside = np.array([-along[1], along[0]])
    middle = a + 100 * along
    drawn = CloseUp(Drawings(oblique, 0), *middle)
    across = np.arange(3.5, 4.5, 0.002)
    edges = []
    for step in np.arange(-6, 6, 0.37):
        spots = np.float32(middle + step * along + across[:, None] * aside)
        asphalt = drawn.at(spots[:, 0], spots[:, 1]).surface == Surface.ASPHALT
        edges.append(across[np.argmin(asphalt)])
    assert np.abs(np.array(edges) - 4.0).max() < 0.008


def test_trees_are_bare_in_the_snow(close: World) -> None:
    light = replace(snow(NOON, np.random.default_rng(3)), snowfall=0.0, haze=0.0)
    tree = close.trees[1]
    toward = float(np.degrees(np.arctan2(tree.x_m - CAMERA[0, 0], tree.y_m - CAMERA[0, 1])))

    def crown_of(photo: Floats) -> np.ndarray:
        return photo.astype(float).mean(-1)[8:24, 60:68]

    def take(covered: float) -> np.ndarray:
        snowy = replace(light, snow=covered)
        size = {"size_px": (32, 128), "top_deg": 20, "bottom_deg": -5, "heading_deg": toward}
        return panorama(close, *CAMERA[0], snowy, samples=2, **size)

    assert crown_of(take(1.0)).mean() > crown_of(take(0.0)).mean() + 10


def test_no_leaf_hangs_right_before_the_camera(plan: CityPlan) -> None:
    under_a_tree = np.array([[plan.trees[0].x_m + 1.5, plan.trees[0].y_m]])
    world = World(plan, detail=CLOSE)
    world.set_capture((4,), clear=under_a_tree)
    leaves = world.mesh.triangles[world.mesh.material == Material.LEAF].mean(axis=1)
    away = np.linalg.norm(leaves - [*under_a_tree[0], 2.4], axis=1)
    assert len(leaves) and away.min() > 2.4
