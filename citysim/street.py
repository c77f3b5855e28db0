"""What stands and moves in the streets: lamps, tram wires, cars, people."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from shapely import contains_xy, prepare
from shapely.geometry import LineString
from shapely.geometry.base import BaseGeometry

from citysim.mesh import Floats, Material, Mesh, joined, mesh, prism, walls
from citysim.plan import CityPlan, Way
from citysim.surfaces import OPEN_ROADS, STREETS

CAR_COLOURS = np.array(
    [
        (0.60, 0.60, 0.61),
        (0.035, 0.035, 0.04),
        (0.14, 0.145, 0.155),
        (0.72, 0.72, 0.71),
        (0.32, 0.035, 0.03),
        (0.04, 0.085, 0.24),
        (0.27, 0.275, 0.285),
        (0.06, 0.14, 0.11),
    ],
    np.float32,
)
_PROFILE = np.array(
    [
        (-2.15, 0.32),
        (-2.2, 0.62),
        (-2.05, 0.92),
        (-1.5, 1.02),
        (-0.85, 1.42),
        (0.55, 1.46),
        (1.05, 0.98),
        (2.0, 0.78),
        (2.2, 0.55),
        (2.15, 0.32),
    ]
)
"""Side view of a car from tail to nose: metres forward, metres up."""
_GLAZED = {3: 0, 4: 1, 5: 2}
"""Which profile segments are windows, roof, windscreen."""


def points_along(line: LineString, step_m: float, first_m: float) -> NDArray[np.float64]:
    """(N, 4) x, y and unit direction at every `step_m` from `first_m`."""
    at = np.arange(first_m, line.length - 0.5, step_m)
    if not len(at):
        return np.zeros((0, 4))
    here = np.array([line.interpolate(t).coords[0][:2] for t in at])
    ahead = np.array([line.interpolate(min(t + 0.8, line.length)).coords[0][:2] for t in at])
    direction = (ahead - here) / np.maximum(np.linalg.norm(ahead - here, axis=1, keepdims=True), 1e-6)
    return np.hstack([here, direction])


def lamp_posts(plan: CityPlan, built: BaseGeometry) -> NDArray[np.float64]:
    """(N, 4) x, y of each lamp post outside buildings, and the unit vector along its street."""
    posts = [np.zeros((0, 4))]
    for way in plan.ways:
        if way.kind in STREETS and way.line.length > 12:
            for side, first in ((1, 8.0), (-1, 21.0)):
                spots = points_along(way.line, 27.0, first)
                aside = np.c_[-spots[:, 3], spots[:, 2]] * (side * (way.width_m / 2 + 0.7))
                posts.append(np.c_[spots[:, :2] + aside, spots[:, 2:] * side])
        elif way.kind == "suburban" and way.line.length > 30:
            spots = points_along(way.line, 52.0, 14.0)
            posts.append(np.c_[spots[:, :2] + _left(spots) * (way.width_m / 2 + 1.2), spots[:, 2:]])
    lamps = np.concatenate(posts)
    return lamps[~contains_xy(built, lamps[:, 0], lamps[:, 1])]


def _left(spots: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 2) unit vectors to the left of (N, 4) points along a line."""
    return np.c_[-spots[:, 3], spots[:, 2]]


def plain_lamps(lamps: NDArray[np.float64]) -> list[Mesh]:
    """Lamp posts in as few triangles as will do."""
    if not len(lamps):
        return []
    arm = lamps[:, :2] + np.c_[lamps[:, 3], -lamps[:, 2]] * 1.3
    return [
        mesh(prism(lamps[:, :2], 0, 6.2, 0.09, 0.05, 5), Material.METAL, 0),
        walls(lamps[:, :2], arm, 6.1, 6.2, 0, Material.METAL),
        mesh(prism(arm, 6.0, 6.18, 0.26, 0.16, 6), Material.METAL, 0),
    ]


def utility_poles(plan: CityPlan) -> list[Mesh]:
    """Wooden poles with wires beside the roads that have them."""
    parts = []
    for way in plan.ways:
        spots = points_along(way.line, 44.0, 9.0) if way.poles else np.zeros((0, 4))
        if len(spots) < 2:
            continue
        foot = spots[:, :2] + _left(spots) * (way.width_m / 2 + 4.0)
        arm = _left(spots) * 1.1
        parts.append(mesh(prism(foot, 0, 9.4, 0.17, 0.12, 6), Material.WOOD, 0))
        parts.append(walls(foot - arm, foot + arm, 8.75, 8.93, 0, Material.WOOD))
        for aside, height in ((-1, 8.9), (1, 8.9), (0, 7.2)):
            wire = foot + arm * aside
            parts.append(walls(wire[:-1], wire[1:], height - 0.03, height + 0.03, 0, Material.RUBBER))
    return parts


def wires(plan: CityPlan) -> list[Mesh]:
    """Over the tram tracks."""
    lines = [np.asarray(rail.line.coords)[:, :2] for rail in plan.rails if rail.kind == "tram"]
    return [walls(line[:-1], line[1:], 5.58, 5.61, 0, Material.RUBBER) for line in lines]


class Car(NamedTuple):
    """Where a car stands, which way its nose points (radians from east), how long it is by its model."""

    x_m: float
    y_m: float
    angle: float
    van: bool
    size: float


class Person(NamedTuple):
    """Where someone stands or walks, along which way (radians from east), how tall in metres."""

    x_m: float
    y_m: float
    angle: float
    tall_m: float


class Crowd(NamedTuple):
    """Who is in the streets in one capture; (K, 3) colours of cars, then of people."""

    cars: list[Car]
    people: list[Person]
    colours: Floats


def plain_mesh(moving: Crowd) -> Mesh | None:
    """A crowd in as few triangles as make it recognizable, cars first; `owner` counts them."""
    parts = [
        _car((car.x_m, car.y_m), car.angle, car.van, owner, car.size) for owner, car in enumerate(moving.cars)
    ]
    for owner, person in enumerate(moving.people, len(parts)):
        parts.append(_person((person.x_m, person.y_m), person.tall_m, owner))
    return joined(parts) if parts else None


def crowd(
    plan: CityPlan,
    built: BaseGeometry,
    seed: tuple[int, ...],
    clear: NDArray[np.float64],
    density: float = 0.5,
) -> Crowd:
    """Cars and people of one capture, none within 3.2 m of a point of `clear` (N, 2)."""
    rng = np.random.default_rng(seed)
    cars: list[NDArray[np.float64]] = []
    people: list[NDArray[np.float64]] = []
    for way in plan.ways:
        if way.kind not in STREETS or way.line.length < 10:
            continue
        if way.kind != "pedestrian":
            for side in (1, -1):
                spots = points_along(way.line, 6.3, 5.0 + 3 * rng.random())
                parked = way.kind in ("residential", "unclassified", "living_street", "tertiary")
                keep = rng.random(len(spots)) < density * (1.15 if parked else 0.35)
                moving = (rng.random(len(spots)) < (0.12 if parked else 0.55))[:, None]
                offset = side * np.where(moving, way.width_m * 0.2, way.width_m / 2 - 1.0)
                place = spots[:, :2] + np.c_[spots[:, 3], -spots[:, 2]] * offset
                cars.append(np.hstack([place, spots[:, 2:] * side])[keep])
        for side in (1, -1):
            spots = points_along(way.line, 9.0, 4.0 + 8 * rng.random())
            keep = rng.random(len(spots)) < 0.22 * density / 0.5
            reach = (
                rng.random((len(spots), 1)) * 3.5
                if way.kind == "pedestrian"
                else way.width_m / 2 + 0.8 + 1.6 * rng.random((len(spots), 1))
            )
            people.append(
                np.hstack([spots[:, :2] + side * np.c_[spots[:, 3], -spots[:, 2]] * reach, spots[:, 2:]])[
                    keep
                ]
            )
    for way in plan.ways:
        if way.kind in OPEN_ROADS:
            cars += _on_open_road(way, rng, density)
        elif way.kind == "drive" and rng.random() < density:
            spots = points_along(way.line, 6.0, 0.55 * way.line.length)[:1]
            cars.append(spots)
    for area in plan.areas:
        if area.kind == "amenity:parking" and area.polygon.area > 60:
            cars.append(_parked_in(area.polygon, rng, density))
    placed, walking, colours = [], [], []
    for x, y, dx, dy in _kept_clear(np.concatenate([*cars, np.zeros((0, 4))]), clear, built, 3.2, plan):
        van = rng.random() < 0.1
        colour = CAR_COLOURS[3 if van else rng.integers(len(CAR_COLOURS))] * (0.8 + 0.4 * rng.random())
        placed.append(Car(x, y, math.atan2(dy, dx), van, float(0.93 + 0.14 * rng.random())))
        colours.append(colour.astype(np.float32))
    for x, y, dx, dy in _kept_clear(np.concatenate([*people, np.zeros((0, 4))]), clear, built, 2.0, plan):
        walking.append(Person(x, y, math.atan2(dy, dx), 1.62 + 0.25 * rng.random()))
        colours.append((0.03 + 0.35 * rng.random(3) ** 1.6).astype(np.float32))
    return Crowd(placed, walking, np.array(colours, np.float32).reshape(-1, 3))


def _on_open_road(way: Way, rng: np.random.Generator, density: float) -> list[NDArray[np.float64]]:
    """Few cars that drive on either side, and beside a suburban road a few that are parked."""
    both = []
    for side in (1, -1):
        spots = points_along(way.line, 12.0, 12.0 * rng.random())
        driving = rng.random(len(spots)) < 0.07 * density
        parked = rng.random(len(spots)) < (
            0.22 * density if way.kind == "suburban" and way.width_m < 9 else 0
        )
        aside = np.where(driving, 0.25 * way.width_m, way.width_m / 2 - 1.0)[:, None]
        place = spots[:, :2] - _left(spots) * aside * side
        both.append(np.hstack([place, spots[:, 2:] * side])[driving | parked])
    return both


def _parked_in(polygon: BaseGeometry, rng: np.random.Generator, density: float) -> NDArray[np.float64]:
    """Rows of parked cars along the long side of a car park."""
    corners = np.asarray(polygon.minimum_rotated_rectangle.exterior.coords)
    sides = corners[1:3] - corners[:2]
    long = sides[int(np.argmax(np.linalg.norm(sides, axis=1)))]
    along = long / max(float(np.linalg.norm(long)), 1e-6)
    across = np.array([-along[1], along[0]])
    reach = float(np.linalg.norm(sides, axis=1).max())
    u, v = np.meshgrid(np.arange(-reach, reach, 2.7), np.arange(-reach, reach, 8.2))
    spots = np.asarray(polygon.centroid.coords)[0] + u.reshape(-1, 1) * along + v.reshape(-1, 1) * across
    inner = polygon.buffer(-2.4)
    prepare(inner)
    keep = contains_xy(inner, spots[:, 0], spots[:, 1]) & (rng.random(len(spots)) < density * 1.2)
    spots = spots[keep]
    return np.hstack([spots, np.tile(across, (len(spots), 1))])


def _kept_clear(
    spots: NDArray[np.float64],
    clear: NDArray[np.float64],
    built: BaseGeometry,
    radius_m: float,
    plan: CityPlan,
) -> NDArray[np.float64]:
    """Spots on the plan, outside buildings, away from cameras and from each other."""
    if not len(spots):
        return spots
    inside = (
        (spots[:, 0] > 2)
        & (spots[:, 1] > 2)
        & (spots[:, 0] < plan.width_m - 2)
        & (spots[:, 1] < plan.height_m - 2)
    )
    spots = spots[inside & ~contains_xy(built, spots[:, 0], spots[:, 1])]
    if len(clear) and len(spots):
        spots = spots[cKDTree(clear).query(spots[:, :2])[0] > radius_m]
    if len(spots) > 1:
        clash = {max(pair) for pair in cKDTree(spots[:, :2]).query_pairs(min(radius_m, 2.3))}
        spots = spots[[k for k in range(len(spots)) if k not in clash]]
    return spots


def _car(centre: tuple[float, float], angle: float, van: bool, owner: int, size: float) -> Mesh:
    """A car lofted from its side view, narrower at the roof, on four wheels."""
    profile = (
        _PROFILE * (size, 1.0)
        if not van
        else np.array(
            [(-2.6, 0.35), (-2.65, 2.1), (-2.5, 2.25), (1.2, 2.25), (1.75, 1.25), (2.5, 1.0), (2.6, 0.35)]
        )
    )
    belt = 1.0 if not van else 1.3
    half = np.where(profile[:, 1] > belt, 0.68 if not van else 0.88, 0.88)
    left, right = np.c_[profile[:, 0], half, profile[:, 1]], np.c_[profile[:, 0], -half, profile[:, 1]]
    count = len(profile)
    triangles: list[NDArray[np.float64]] = []
    materials: list[Material] = []

    def add(material: Material, *shape: NDArray[np.float64]) -> None:
        triangles.extend(shape)
        materials.extend([material] * len(shape))

    for k in range(count - 1):
        high = min(profile[k, 1], profile[k + 1, 1]) >= belt - 0.05
        top = abs(profile[k, 1] - profile[k + 1, 1]) < 0.1 and high
        across = (
            Material.GLASS if (high and not top and not van) or (van and k == count - 4) else Material.PAINT
        )
        add(
            across,
            np.array([left[k], right[k], right[k + 1]]),
            np.array([left[k], right[k + 1], left[k + 1]]),
        )
    if van:
        add(Material.PAINT, *_fan(left), *_fan(right))
    else:
        body, cabin = [0, 1, 2, 3, 6, 7, 8, 9], [3, 4, 5, 6]
        add(Material.PAINT, *_fan(left[body]), *_fan(right[body]))
        add(Material.GLASS, *_fan(left[cabin]), *_fan(right[cabin]))
    wheels = np.array([(x, y) for x in (-1.35 * size, 1.35 * size) for y in (-0.8, 0.8)])
    tyre = _wheels(wheels)
    add(Material.RUBBER, *tyre)
    turn = np.array(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    )
    solid = (np.array(triangles) @ turn.T + (*centre, 0.0)).astype(np.float32)
    part = mesh(solid, Material.PAINT, owner)
    part.material[:] = materials
    return part


def _fan(outline: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    return [np.array([outline[0], outline[k], outline[k + 1]]) for k in range(1, len(outline) - 1)]


def _wheels(centres: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    angle = np.linspace(0, 2 * np.pi, 9)[:-1]
    shapes = []
    for x, y in centres:
        rim = np.c_[x + 0.33 * np.cos(angle), np.full(8, y * 1.12), 0.33 + 0.33 * np.sin(angle)]
        shapes += _fan(rim)
    return shapes


def _person(centre: tuple[float, float], tall: float, owner: int) -> Mesh:
    """A pedestrian of four tapered cylinders: legs, coat, shoulders, head."""
    bands = [
        (0.0, 0.46, 0.10, 0.13),
        (0.44, 0.80, 0.19, 0.21),
        (0.80, 0.86, 0.21, 0.07),
        (0.86, 1.0, 0.09, 0.075),
    ]
    shape = np.concatenate([prism([centre], a * tall, b * tall, r, s, 7) for a, b, r, s in bands])
    return mesh(shape, Material.CLOTH, owner)
