"""Procedural cities: streets, blocks and houses drawn by chance, so that no street plan is learned by heart.

A square is cut again and again; the cuts are the streets, the pieces the blocks. A smooth displacement then
bends everything together, and each block is filled as its district asks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import affinity
from shapely.geometry import LineString, Polygon, box
from shapely.geometry.base import BaseGeometry
from shapely.ops import split

from citysim.draft import Draft, house_at, lattice, lines, polygons, scattered
from citysim.plan import CityPlan, Rail, Way
from citysim.street import points_along
from citysim.surfaces import ROAD_WIDTH_M

SIDE_M = 900.0
_MARGIN_M = 150.0
_PAVEMENT_M = 3.0
_GREEN = ("leisure:park", "landuse:grass", "leisure:garden")
_OPEN = ("place:square", "amenity:parking", "leisure:pitch", "leisure:playground")


def procedural_city(number: int, side_m: float = SIDE_M, uniform: bool = False) -> CityPlan:
    """A plan of `side_m` x `side_m` metres, always the same for the same number, size and kind.

    A `uniform` city is even rows of blocks, houses of about one height wall to wall around each: what tells two
    of its streets apart are the houses alone.
    """
    city = _City(np.random.default_rng([67, number]), side_m, uniform=uniform)
    bend = _bend(city.rng, uniform)
    whole = box(-_MARGIN_M, -_MARGIN_M, side_m + _MARGIN_M, side_m + _MARGIN_M)
    turned = affinity.rotate(whole.buffer(250, join_style="mitre"), city.rng.uniform(0, 90))
    blocks, cuts = _cut(turned, city)
    water = _water(city, whole)
    streets = [(shapely.transform(line.segmentize(15.0), bend), level) for line, level in cuts]
    for line, level in streets:
        _lay_street(city, line, level, water)
    for block in blocks:
        bent = shapely.transform(block.segmentize(15.0), bend).buffer(0).intersection(whole)
        _fill_block(city, bent.difference(water))
    _lay_rails(city, streets)
    return city.finished(f"invented-{number}")


@dataclass
class _City(Draft):
    """A city in the making and its character, each trait drawn once."""

    uniform: bool = False

    def __post_init__(self) -> None:
        rng = self.rng
        self.block_m2 = float(rng.uniform(3500, 15000))
        self.skew = float(rng.choice([0.02, 0.12, 0.3]))
        self.kinds = rng.dirichlet([4.0, 1.4, 1.2, 1.0, 0.8])
        self.levels = float(rng.uniform(3.0, 6.5))
        self.lined = float(rng.uniform(0.05, 0.5))
        self.cobbled = float(rng.uniform(0, 0.4))
        self.uneven = 1.0  # how far blocks and heights stray
        if self.uniform:
            self.uneven, self.skew, self.lined = 0.25, 0.0, 0.05
            self.kinds = np.array([0.94, 0.01, 0.0, 0.03, 0.02])


def _bend(rng: np.random.Generator, straight: bool) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """A smooth displacement of (N, 2) points: none to strong, some hundred metres a wave."""
    strength = rng.choice([0.0, 10.0, 26.0]) * (not straight)
    wave = 2 * math.pi / rng.uniform(350, 900, (2, 2))
    phase = rng.uniform(0, 2 * math.pi, 2)

    def moved(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(points + strength * np.sin(points[:, ::-1] * wave[0] + points * wave[1] + phase))

    return moved


def _cut(area: Polygon, city: _City) -> tuple[list[Polygon], list[tuple[LineString, int]]]:
    """Pieces of about `block_m2`, and the cuts with how early each was made."""
    rng = city.rng
    pieces: list[Polygon] = []
    cuts: list[tuple[LineString, int]] = []
    waiting = [(area, 0)]
    while waiting:
        piece, level = waiting.pop()
        if piece.area < city.block_m2 * (1.45 + city.uneven * rng.uniform(-0.75, 0.75)):
            pieces.append(piece)
            continue
        corners = np.asarray(piece.minimum_rotated_rectangle.exterior.coords)
        first, second = corners[1] - corners[0], corners[2] - corners[1]
        long, short = (first, second) if np.hypot(*first) > np.hypot(*second) else (second, first)
        middle = np.asarray(piece.centroid.coords)[0] + long * rng.uniform(-0.16, 0.16) * city.uneven
        angle = math.atan2(short[1], short[0]) + city.skew * rng.normal()
        reach = 3000 * np.array([math.cos(angle), math.sin(angle)])
        line = LineString([middle - reach, middle + reach])
        parts = polygons(split(piece, line))
        if len(parts) < 2:
            pieces.append(piece)
            continue
        cuts += [(part, level) for part in lines(line.intersection(piece))]
        waiting += [(part, level + 1) for part in parts]
    return pieces, cuts


def _lay_street(city: _City, line: LineString, level: int, water: BaseGeometry) -> None:
    kind = ("primary", "secondary", "tertiary", "tertiary")[level] if level < 4 else "residential"
    if level >= 4 and city.rng.random() < 0.12:
        kind = "pedestrian"
    surface = "sett" if level >= 3 and city.rng.random() < city.cobbled else "asphalt"
    dry = line if level < 3 else line.difference(water)
    for part in lines(dry):
        if part.length > 12:
            city.ways.append(Way(city.number(), part, kind, ROAD_WIDTH_M[kind], surface, False))
            if city.rng.random() < city.lined:
                for side in (-1, 1):
                    spots = points_along(part, float(city.rng.uniform(7, 13)), 4.0)
                    aside = np.c_[-spots[:, 3], spots[:, 2]] * side * (ROAD_WIDTH_M[kind] / 2 + 1.6)
                    city.plant(spots[:, :2] + aside)


def _fill_block(city: _City, block: BaseGeometry) -> None:
    """Perimeter houses, slabs in a lawn, detached houses, a green or an open place."""
    for part in polygons(block.buffer(-(ROAD_WIDTH_M["residential"] / 2 + _PAVEMENT_M), join_style="mitre")):
        if part.area > 300:
            fill = (_perimeter, _slabs, _detached, _park, _open_place)[int(city.rng.choice(5, p=city.kinds))]
            fill(city, part)


def _perimeter(city: _City, block: Polygon) -> None:
    """Houses wall to wall around a yard, each with its own height."""
    rng = city.rng
    depth = float(rng.uniform(10, 16))
    ring = block.difference(block.buffer(-depth, join_style="mitre"))
    turns = np.arange(0.0, block.exterior.length, float(rng.uniform(16, 38)))
    corners = [np.asarray(block.exterior.interpolate(t).coords)[0] for t in turns]
    centre = np.asarray(block.centroid.coords)[0]
    if len(corners) < 3:
        city.build(block, city.levels)
        return
    for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
        if rng.random() > 0.06:
            wedge = Polygon([centre, centre + 1.6 * (a - centre), centre + 1.6 * (b - centre)]).buffer(0)
            city.build(ring.intersection(wedge), city.levels + rng.normal() * city.uneven)
    yard = block.buffer(-depth - 2)
    if rng.random() < 0.5:
        city.cover(yard, "landuse:grass")
    city.plant(scattered(yard, 150.0, rng))
    if yard.area > 500 and rng.random() < 0.5:
        city.build(house_at(yard.representative_point(), 9, 14, rng).intersection(yard), 2)


def _slabs(city: _City, block: Polygon) -> None:
    """Long houses side by side in a lawn, with a car park."""
    rng = city.rng
    city.cover(block, "landuse:grass")
    angle, step = rng.uniform(0, math.pi), rng.uniform(28, 45)
    inner, levels = block.buffer(-5), rng.uniform(3, 9)
    for spot in lattice(block, angle, step, step * 1.9):
        slab = affinity.rotate(box(-7, -step * 0.7, 7, step * 0.7), math.degrees(angle) + 90)
        house = affinity.translate(slab, *spot)
        if inner.contains(house):
            city.build(house, levels)
        elif rng.random() < 0.2:
            city.cover(house.intersection(inner), "amenity:parking")
    city.plant(scattered(block, 260.0, rng))


def _detached(city: _City, block: Polygon) -> None:
    """Small houses in gardens."""
    rng = city.rng
    city.cover(block, "landuse:residential")
    angle, step = rng.uniform(0, math.pi), rng.uniform(19, 30)
    inner = block.buffer(-3)
    for spot in lattice(block, angle, step, step):
        house = house_at(shapely.Point(spot), 8, 14, rng)
        if inner.contains(house) and rng.random() < 0.85:
            city.build(house, rng.choice([1, 2, 2, 3]), "house")
    city.plant(scattered(block, 170.0, rng))


def _park(city: _City, block: Polygon) -> None:
    """A green with paths across it, trees, now and then a pond or a church."""
    rng = city.rng
    city.cover(block, str(rng.choice(_GREEN)))
    corners = np.asarray(block.minimum_rotated_rectangle.exterior.coords)[:4]
    for k in range(int(rng.integers(1, 4))):
        line = LineString([corners[k % 4], corners[(k + 2) % 4] + rng.normal(size=2) * 15])
        for part in lines(line.intersection(block)):
            city.ways.append(Way(city.number(), part, "footway", 3.2, "gravel", False))
    chance = rng.random()
    spot = block.representative_point()
    if chance < 0.2:
        city.cover(spot.buffer(rng.uniform(8, 22)).intersection(block.buffer(-3)), "natural:water")
    elif chance < 0.35 and block.area > 3000:
        city.build(house_at(spot, 18, 34, rng).intersection(block), 6, "church")
    city.plant(scattered(block, float(rng.uniform(90, 500)), rng))


def _open_place(city: _City, block: Polygon) -> None:
    """A square, car park or pitch, with one large house beside it where there is room."""
    rng = city.rng
    city.cover(block, str(rng.choice(_OPEN)))
    if block.area > 4000 and rng.random() < 0.7:
        city.build(house_at(block.representative_point(), 22, 45, rng).intersection(block), city.levels)
    city.plant(scattered(block.boundary.buffer(2.5).intersection(block), 90.0, rng))


def _water(city: _City, whole: Polygon) -> BaseGeometry:
    """A river across the city in one of three, a shore in another, else nothing."""
    rng = city.rng
    chance = rng.random()
    if chance > 0.66 or city.uniform:
        return Polygon()
    side_m = city.side_m
    along = np.linspace(-700, side_m + 700, 60)
    wave = rng.uniform(20, 70) * np.sin(along * 2 * math.pi / rng.uniform(300, 1100) + rng.uniform(0, 6))
    offset = side_m * rng.uniform(0.28, 0.72) if chance < 0.33 else rng.choice([40, side_m - 40])
    bank = LineString(np.c_[along, offset + wave])
    width = rng.uniform(10, 40) if chance < 0.33 else rng.uniform(60, 130)
    centre = (side_m / 2, side_m / 2)
    water = affinity.rotate(bank.buffer(width), rng.uniform(0, 360), origin=centre).intersection(whole)
    city.cover(water, "natural:water")
    return water


def _lay_rails(city: _City, streets: list[tuple[LineString, int]]) -> None:
    """Trams on one wide street in two cities of three."""
    wide = [line for line, level in streets if level in (1, 2)]
    if wide and city.rng.random() < 0.66:
        line = wide[int(city.rng.integers(len(wide)))]
        for side in (-1.6, 1.6):
            city.rails += [Rail(part, "tram") for part in lines(line.offset_curve(side))]
