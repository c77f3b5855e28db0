"""The ground around one camera, drawn again in cells of a finger's width: what a raster of the city cannot hold."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy import ndimage
from shapely.geometry import LineString
from shapely.geometry.base import BaseGeometry

from citysim.ground import (
    PAVEMENT_M,
    band,
    is_road,
    paint_shapes,
    patch_shift,
    rail_shapes,
    roads_of,
    surface_shapes,
    tints,
    wear_shapes,
)
from citysim.mesh import Floats, f32
from citysim.plan import CityPlan
from citysim.surfaces import DRIVEABLE, LATER, PATHS, Surface

_LEVELS = ((1.6, 0.0013), (10.0, 0.0065), (40.0, 0.026))
"""Metres from the camera to the side of a square, and of its cells: about a pixel of a photo 2048 wide."""
CLOSE_M = 34.0
"""As far as the drawing is shown; beyond, a pixel holds many cells of the city's raster."""
_KERB_SEEN_M = 0.16
_GROOVE = 2
"""Value of `steel` where the wheel's flange runs."""


class _Shapes:
    """Geometries in the order of painting, with their bounds at hand."""

    def __init__(self, shapes: list[tuple[BaseGeometry, int]]) -> None:
        self._shapes = [(geometry, int(value)) for geometry, value in shapes if not geometry.is_empty]
        self._bounds = np.array([g.bounds for g, _ in self._shapes]).reshape(-1, 4)

    def burnt(self, west: float, south: float, cell_m: float, cells: int, dtype: Any) -> NDArray[Any]:
        """A square raster, row 0 = south; 0 where nothing lies."""
        side, bounds = cells * cell_m, self._bounds
        near = (bounds[:, 0] < west + side) & (bounds[:, 2] > west)
        near &= (bounds[:, 1] < south + side) & (bounds[:, 3] > south)
        here = [self._shapes[k] for k in np.flatnonzero(near)]
        if not here:
            return np.zeros((cells, cells), dtype)
        place = Affine(cell_m, 0, west, 0, cell_m, south)
        return rasterize(here, out_shape=(cells, cells), transform=place, dtype=dtype)


@dataclass(frozen=True)
class Course:
    """(S,) straight pieces of ways, along which stones are laid; the first stands for places beside all ways."""

    start: Floats  # (S, 2) metres
    along: Floats  # (S, 2) unit vectors
    road: NDArray[np.bool_]  # (S,) whether cars drive there


@dataclass(frozen=True)
class Drawn:
    """What N places of the ground are, as drawn around the camera."""

    surface: NDArray[np.uint8]
    worn: Floats  # 1 = as new
    steel: NDArray[np.uint8]  # 0, 1 rail, 2 its groove
    paint: NDArray[np.bool_]
    road: Floats  # share of carriageway within `_KERB_SEEN_M` / 2, so that 0.5 is its edge
    along: Floats  # metres along the piece of way
    across: Floats  # metres to the left of it
    turn: Floats  # (N, 2) unit vector along it
    lane: NDArray[np.bool_]  # whether that piece is a road's


@dataclass(frozen=True)
class _Level:
    west: float
    south: float
    cell_m: float
    layers: NDArray[np.uint8]  # (H * W, 5) surface, worn, steel, paint, road
    course: NDArray[np.int32]  # (H * W,)
    cells: int

    def cell_of(self, x: Floats, y: Floats) -> NDArray[np.int64]:
        column = ((x - self.west) / self.cell_m).astype(np.int64)
        row = ((y - self.south) / self.cell_m).astype(np.int64)
        return row * self.cells + column


class CloseUp:
    """Squares of ground around (x, y), each finer than the next."""

    def __init__(self, plans: Drawings, x_m: float, y_m: float) -> None:
        self.x_m, self.y_m = x_m, y_m
        self.plans = plans
        self._levels = [plans.level(x_m, y_m, half_m, cell_m) for half_m, cell_m in _LEVELS]

    def at(self, x: Floats, y: Floats) -> Drawn:
        """What lies at (N,) metres, each within `CLOSE_M` of the camera."""
        reach = np.maximum(np.abs(x - self.x_m), np.abs(y - self.y_m))
        layers = np.empty((len(x), 5), np.uint8)
        course = np.empty(len(x), np.int32)
        lower = 0.0
        for level, (half_m, _) in zip(self._levels, _LEVELS, strict=True):
            rows = np.flatnonzero((reach >= lower) & (reach < half_m - 0.05))
            cells = level.cell_of(x[rows], y[rows])
            layers[rows], course[rows] = level.layers[cells], level.course[cells]
            lower = half_m - 0.05
        ways = self.plans.course
        turn = ways.along[course]
        away = np.stack([x, y], 1) - ways.start[course]
        return Drawn(
            surface=layers[:, 0],
            worn=f32(layers[:, 1] / 100),
            steel=layers[:, 2],
            paint=layers[:, 3] > 0,
            road=f32(layers[:, 4] / 255),
            along=(away * turn).sum(1),
            across=away[:, 1] * turn[:, 0] - away[:, 0] * turn[:, 1],
            turn=turn,
            lane=ways.road[course],
        )


class Drawings:
    """Everything that lies on the ground of a plan, ready to be drawn around any camera."""

    def __init__(self, plan: CityPlan, variant: int) -> None:
        self.tints: Floats = f32(tints(variant))
        self.shift: tuple[int, int] = tuple(patch_shift(plan.name, variant).tolist())
        self._surface = _Shapes(surface_shapes(plan))
        self._paint = _Shapes(paint_shapes(plan, roads_of(plan)))
        self._worn = _Shapes(wear_shapes(plan, variant))
        rails = rail_shapes(plan)
        grooves = [(rail.buffer(-0.047), _GROOVE) for rail, _ in rails]
        self._steel = _Shapes([*((rail, 1) for rail, _ in rails), *grooves])
        self.course, pieces = _courses(plan)
        self._course = _Shapes(pieces)

    def level(self, x_m: float, y_m: float, half_m: float, cell_m: float) -> _Level:
        """The square of `half_m` around a point."""
        cells = round(2 * half_m / cell_m)
        west, south = x_m - half_m, y_m - half_m
        where = (west, south, cell_m, cells)
        surface = self._surface.burnt(*where, np.uint8)
        worn = self._worn.burnt(*where, np.uint8)
        worn[worn == 0] = 100
        driven = np.isin(surface, DRIVEABLE)
        worn[~driven & (surface != Surface.PAVEMENT) & (surface < LATER)] = 100
        paint = self._paint.burnt(*where, np.uint8)
        paint[~driven] = 0
        road = ndimage.uniform_filter(driven.view(np.uint8) * np.uint8(255), round(_KERB_SEEN_M / cell_m))
        layers = [surface, worn, self._steel.burnt(*where, np.uint8), paint, road]
        return _Level(
            west,
            south,
            cell_m,
            np.stack(layers, -1).reshape(-1, len(layers)),
            self._course.burnt(*where, np.int32).ravel(),
            cells,
        )


def _courses(plan: CityPlan) -> tuple[Course, list[tuple[BaseGeometry, int]]]:
    """The straight pieces of all ways; and the ground that follows each: of carriageways above that of pavements."""
    start, along, road = [(0.0, 0.0)], [(1.0, 0.0)], [False]
    beside: list[tuple[BaseGeometry, int]] = []
    upon: list[tuple[BaseGeometry, int]] = []
    for way in plan.ways:
        driven = is_road(way)
        if not driven and way.kind not in PATHS:
            continue
        points = np.asarray(way.line.coords)[:, :2]
        for a, b in pairwise(points):
            length = float(np.hypot(*(b - a)))
            if length < 0.05:
                continue
            piece, number = LineString([a, b]), len(start)
            start.append((float(a[0]), float(a[1])))
            along.append(tuple(((b - a) / length).tolist()))
            road.append(driven)
            if driven:
                beside.append((band(piece, way.width_m + 2 * PAVEMENT_M + 0.4), number))
            (upon if driven else beside).append((band(piece, way.width_m), number))
    return Course(f32(start), f32(along), np.array(road)), [*beside, *upon]
