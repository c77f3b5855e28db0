"""A plan in the making, and the geometry that inventing one takes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import affinity
from shapely.geometry import LineString, MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

from citysim.frame import LocalFrame
from citysim.plan import Area, Building, CityPlan, Rail, Tree, Way

_FRAME = LocalFrame(60.0, 25.0)


@dataclass
class Draft:
    """What has been laid out so far on a square of `side_m` metres."""

    rng: np.random.Generator
    side_m: float
    buildings: list[Building] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    rails: list[Rail] = field(default_factory=list)
    areas: list[Area] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)

    def build(self, shape: BaseGeometry, levels: float, use: str = "yes") -> None:
        """Add the parts of a footprint that are large enough for a house."""
        for part in polygons(shape):
            if part.area > 25:
                self.buildings.append(Building(self.number(), part, use, levels=max(1.0, round(levels))))

    def cover(self, shape: BaseGeometry, kind: str) -> None:
        """Add the parts of an area."""
        self.areas += [Area(part, kind) for part in polygons(shape) if part.area > 20]

    def plant(self, spots: NDArray[np.float64], form: str = "broad") -> None:
        """Add a tree at each of (N, 2) spots."""
        self.trees += [Tree(float(x), float(y), self.number(), form) for x, y in spots]

    def number(self) -> int:
        """An identifier as the map would give."""
        return int(self.rng.integers(1, 1 << 30))

    def finished(self, name: str) -> CityPlan:
        """The plan, nothing of which lies outside the square."""
        plan = CityPlan(
            name=name,
            frame=_FRAME,
            width_m=self.side_m,
            height_m=self.side_m,
            buildings=tuple(self.buildings),
            ways=tuple(self.ways),
            rails=tuple(self.rails),
            areas=tuple(self.areas),
            trees=tuple(self.trees),
        )
        return plan.clipped(0, 0, self.side_m, self.side_m)


def house_at(centre: BaseGeometry, short_m: float, long_m: float, rng: np.random.Generator) -> Polygon:
    """A footprint with sides of `short_m` to `long_m`, in two of five an L, turned by chance."""
    width, length = rng.uniform(short_m, long_m, 2)
    shape = box(-width / 2, -length / 2, width / 2, length / 2)
    if rng.random() < 0.4:
        shape = shape.difference(box(0, 0, width, length))
    return affinity.translate(affinity.rotate(shape, rng.uniform(0, 90)), centre.x, centre.y)


def lattice(area: Polygon, angle: float, across_m: float, along_m: float) -> NDArray[np.float64]:
    """(N, 2) points of a turned grid inside an area."""
    reach = max(area.bounds[2] - area.bounds[0], area.bounds[3] - area.bounds[1])
    u, v = np.meshgrid(np.arange(-reach, reach, across_m), np.arange(-reach, reach, along_m))
    cos, sin = math.cos(angle), math.sin(angle)
    spots = np.stack([u * cos - v * sin, u * sin + v * cos], -1).reshape(-1, 2)
    spots = spots + np.asarray(area.centroid.coords)[0]
    return spots[shapely.contains_xy(area, spots[:, 0], spots[:, 1])]


def scattered(area: BaseGeometry, m2_each: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """(N, 2) random points of an area, one for every so many square metres."""
    if area.is_empty:
        return np.zeros((0, 2))
    west, south, east, north = area.bounds
    count = round((east - west) * (north - south) / m2_each)
    spots = rng.uniform((west, south), (east, north), (count, 2))
    return spots[shapely.contains_xy(area, spots[:, 0], spots[:, 1])]


def polygons(geometry: BaseGeometry) -> list[Polygon]:
    """The simple polygons of any geometry."""
    shapes = getattr(geometry, "geoms", [geometry])
    return [
        g for g in shapes if isinstance(g, Polygon) and not isinstance(g, MultiPolygon) and not g.is_empty
    ]


def lines(geometry: BaseGeometry) -> list[LineString]:
    """The lines of any geometry that are longer than a metre."""
    return [g for g in getattr(geometry, "geoms", [geometry]) if isinstance(g, LineString) and g.length > 1]
