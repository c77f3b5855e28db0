"""Footprints -> walls, roofs, chimneys and domes; and a style for each facade."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor
from shapely.geometry import GeometryCollection, LineString, Point, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import split

from citysim.mesh import Floats, Material, Mesh, box_mesh, cap, f32, joined, mesh, prism, ring_walls
from citysim.noise import hashed
from citysim.plan import Building

FACADES = np.array(
    [
        (0.78, 0.66, 0.42),
        (0.80, 0.72, 0.56),
        (0.74, 0.55, 0.42),
        (0.64, 0.66, 0.58),
        (0.66, 0.65, 0.62),
        (0.82, 0.79, 0.72),
        (0.44, 0.25, 0.19),
        (0.52, 0.39, 0.30),
        (0.72, 0.70, 0.68),
        (0.42, 0.43, 0.45),
        (0.80, 0.70, 0.54),
        (0.58, 0.59, 0.63),
    ],
    np.float32,
)
ROOFS = np.array(
    [
        (0.30, 0.115, 0.085),
        (0.115, 0.12, 0.13),
        (0.22, 0.23, 0.245),
        (0.20, 0.33, 0.275),
        (0.40, 0.39, 0.37),
        (0.20, 0.145, 0.125),
        (0.085, 0.085, 0.09),
        (0.36, 0.16, 0.11),
    ],
    np.float32,
)
_USUAL_ROOF = (0, 2, 7, 1, 2, 1, 5, 1, 2, 6, 0, 4)
"""The roof that goes with each facade half of the time."""
_DOMES = ("dome", "onion", "round")
ROOF_SHAPES = ("gabled", "gambrel", "skillion", "pyramidal", "cone", *_DOMES)
"""Values of roof:shape that are built as they say; without one of them, flat, hipped or mansard by chance."""
_RISE = 0.7
"""Of a tagged roof, in half widths of the building."""
_RISE_MOST_M = 7.0
LOW_USES = ("roof", "shed", "kiosk", "garage", "garages", "carport", "hut", "greenhouse")
SACRED = ("church", "cathedral", "chapel")
HOME = "home"
"""The use of the houses of procedural places."""
_HOUSES = ("house", "detached", "residential", "bungalow", "terrace", "farm")


@dataclass(frozen=True)
class Styles:
    """What the facades of B buildings look like; each array has B rows, lengths in metres."""

    height: Floats
    facade: Floats
    roof: Floats
    floor_height: Floats
    bay_width: Floats
    window_width: Floats
    window_height: Floats
    shops: Floats
    stone_base: Floats
    frame: Floats
    ornament: Floats
    homely: NDArray[np.bool_]
    """Windows however low the house is."""


def height_of(building: Building, variant: int) -> float:
    """Metres to the eaves: as tagged, else from the levels, else a guess from use and area that `variant` shifts."""
    chance = float(hashed(building.osm_id, 1, variant))
    area = building.footprint.area
    if building.use in LOW_USES:
        height = 3.4
    elif building.height_m is not None:
        height = building.height_m
    elif building.levels is not None and (building.levels > 1 or area < 600):
        height = building.levels * 3.4 + 1.0
    elif building.use in SACRED:
        height = 24.0
    elif area < 60 or (building.use in _HOUSES and area < 400):
        height = 3.4 + 3.0 * chance
    elif area < 260:
        height = 5.0 + 6.0 * chance
    else:
        height = (4 + int(chance * 4)) * 3.4 + 1.0
    if variant and height > 5:
        height *= math.exp(0.5 * (float(hashed(building.osm_id, 2, variant)) - 0.5))
    return height


def styles_of(buildings: tuple[Building, ...], variant: int) -> Styles:
    """A look for each building from its map number, so that it is the same in every view of the world."""
    ids = np.array([b.osm_id for b in buildings], np.int64)

    def chance(k: int) -> Floats:
        return hashed(ids, 100 + k, variant * 7919)

    pick = (chance(2) * len(FACADES)).astype(int)
    facade = FACADES[pick] * (0.85 + 0.3 * chance(3))[:, None]
    facade = facade + 0.06 * (np.stack([chance(4), chance(5), chance(6)], 1) - 0.5)
    roof_pick = np.where(chance(7) < 0.55, np.array(_USUAL_ROOF)[pick], (chance(8) * len(ROOFS)).astype(int))
    roof = ROOFS[roof_pick] * (0.75 + 0.5 * chance(9))[:, None]
    for k, building in enumerate(buildings):
        facade[k] = _tagged_colour(building.facade_colour, facade[k])
        roof[k] = _tagged_colour(building.roof_colour, roof[k])
    return Styles(
        height=np.array([height_of(b, variant) for b in buildings], np.float32),
        facade=np.clip(facade, 0.05, 0.92).astype(np.float32),
        roof=np.clip(roof, 0.04, 0.85).astype(np.float32),
        floor_height=3.1 + 0.7 * chance(10),
        bay_width=2.2 + 1.7 * chance(11),
        window_width=0.36 + 0.28 * chance(12),
        window_height=0.44 + 0.2 * chance(13),
        shops=(chance(14) < 0.5).astype(np.float32),
        stone_base=chance(15),
        frame=chance(16),
        ornament=chance(17),
        homely=np.array([b.use == HOME for b in buildings], bool),
    )


def building_meshes(buildings: tuple[Building, ...], styles: Styles, variant: int) -> list[Mesh]:
    """One mesh a building, `owner` being its index."""
    domes = [b.footprint.centroid for b in buildings if b.roof_shape in _DOMES and b.height_m is not None]
    return [
        _building(b, float(styles.height[k]), k, variant, any(map(b.footprint.contains, domes)))
        for k, b in enumerate(buildings)
    ]


def _building(building: Building, height: float, owner: int, variant: int, domed: bool) -> Mesh:
    footprint = building.footprint
    if building.use == "roof":
        return joined(
            [ring_walls(footprint, height - 0.5, height, owner), cap(footprint, height, owner, Material.ROOF)]
        )
    tagged = building.roof_shape in ROOF_SHAPES and height >= 3.6
    if building.use in SACRED and footprint.area > 150 and not tagged:
        return _sacred(footprint, height, owner, domed)
    chance = hashed(np.full(12, building.osm_id), np.arange(12), 31 + variant)
    parts = [ring_walls(footprint, 0.0, height, owner)]
    flat = (
        building.roof_shape == "flat"
        or height < 3.6
        or (footprint.area > 2500 and chance[0] < 0.6)
        or chance[0] < 0.15
    )
    if tagged:
        return joined([*parts, *tagged_roof(footprint, building.roof_shape or "", height, owner)])
    if flat:
        parts += [cap(footprint, height - 0.5, owner, Material.ROOF)]
        top, level = footprint.buffer(-1.5), height - 0.5
    else:
        roof, top, level = _pitched(footprint, height, owner, float(chance[1]), float(chance[2]))
        parts += roof
    if height > 8:
        parts += _rooftop(top, level, owner, building.osm_id, variant)
    return joined(parts)


def tagged_roof(footprint: Polygon, shape: str, eaves: float, owner: int) -> list[Mesh]:
    """The roof that the map names, one of `ROOF_SHAPES`, over the smallest rectangle around the footprint.

    Where it stands above the eaves along the outline, a wall goes up to it.
    """
    if shape in _DOMES:
        return [cap(footprint, eaves, owner, Material.ROOF), *_dome_over(footprint, eaves, owner)]
    axes = _Axes.of(footprint)
    rise = min(_RISE * axes.across_m, _RISE_MOST_M)
    profile, creases = _profile(shape, axes)

    def height(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return eaves + rise * np.clip(profile(*axes.of_points(points)), 0, 1)

    pieces: BaseGeometry = footprint
    for crease in creases:
        pieces = GeometryCollection(
            [each for part in _polygons(pieces) for each in split(part, crease).geoms]
        )
    faces = [cap(piece, height, owner, Material.ROOF) for piece in _polygons(pieces)]
    edges = [
        edge
        for piece in _polygons(pieces)
        for edge in pairwise(np.asarray(piece.exterior.coords)[:, :2])
        if footprint.boundary.distance(Point((edge[0] + edge[1]) / 2)) < 0.02
    ]
    gables = []
    for a, b in edges:
        up_a, up_b = height(np.array([a, b]))
        low_a, low_b, high_a, high_b = (*a, eaves), (*b, eaves), (*a, up_a), (*b, up_b)
        gables += [[low_a, low_b, high_b], [low_a, high_b, high_a]]
    return [*faces, mesh(gables, Material.PLAIN, owner)]


@dataclass(frozen=True)
class _Axes:
    """The middle, the long direction and the half sides of the smallest rectangle around a footprint."""

    middle: NDArray[np.float64]
    along: NDArray[np.float64]
    along_m: float
    across_m: float

    @classmethod
    def of(cls, footprint: Polygon) -> _Axes:
        corners = np.asarray(footprint.minimum_rotated_rectangle.exterior.coords)[:4, :2]
        one, other = corners[1] - corners[0], corners[2] - corners[1]
        if np.hypot(*one) < np.hypot(*other):
            one, other = other, one
        long_m, short_m = float(np.hypot(*one)), float(np.hypot(*other))
        return cls(corners.mean(axis=0), one / long_m, long_m / 2, short_m / 2)

    def of_points(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(N, 2) metres -> along and across, 1 at the rectangle's sides."""
        away = points - self.middle
        normal = np.array([-self.along[1], self.along[0]])
        return away @ self.along / self.along_m, away @ normal / self.across_m

    def line(self, *ends: tuple[float, float]) -> LineString:
        """Through points given along and across."""
        normal = np.array([-self.along[1], self.along[0]])
        return LineString(
            [self.middle + u * self.along_m * self.along + v * self.across_m * normal for u, v in ends]
        )


def _profile(shape: str, axes: _Axes) -> tuple[Callable[[Any, Any], Any], list[LineString]]:
    """How high a roof stands at (along, across), 0 at the eaves and 1 at its top; and the lines where it is bent."""
    if shape == "skillion":
        return lambda _, across: (1 + across) / 2, []
    ridge = axes.line((-9, 0), (9, 0))
    if shape == "gambrel":
        knees = [axes.line((-9, side * 0.6), (9, side * 0.6)) for side in (-1, 1)]
        return lambda _, across: np.minimum(1.75 * (1 - abs(across)), 1 - abs(across) / 2), [ridge, *knees]
    if shape in ("pyramidal", "cone"):
        diagonals = [axes.line((-9, -9 * side), (9, 9 * side)) for side in (-1, 1)]
        return lambda along, across: 1 - np.maximum(abs(along), abs(across)), diagonals
    return lambda _, across: 1 - abs(across), [ridge]


def _dome_over(footprint: Polygon, top: float, owner: int) -> list[Mesh]:
    radius = 0.92 * math.sqrt(footprint.area / math.pi)
    return _dome((footprint.centroid.x, footprint.centroid.y), radius, top, top + 0.1 * radius, owner)


def _pitched(
    footprint: Polygon, eaves: float, owner: int, steepness: float, kind: float
) -> tuple[list[Mesh], BaseGeometry, float]:
    """Sloped skirts between the eaves and insets of the footprint: a hipped roof, or a mansard with a flatter top."""
    steps = (
        [(2.0, 1.5 + 1.1 * steepness), (7.0, 0.32)]
        if kind < 0.45 and eaves > 9
        else [(8.0, 0.38 + 0.35 * steepness)]
    )
    parts: list[Mesh] = []
    current: BaseGeometry = footprint
    level = eaves
    for run, slope in steps:
        inset, depth = _inset(current, run)
        if inset.is_empty:
            break
        rise = min(depth * slope, 5.0)
        for skirt in _polygons(current.difference(inset)):
            outline = current.boundary

            def height(
                points: NDArray[np.float64],
                outline: BaseGeometry = outline,
                low: float = level,
                rise: float = rise,
            ) -> NDArray[np.float64]:
                outer = np.array([outline.distance(Point(p)) < 0.05 for p in points])
                return np.where(outer, low, low + rise)

            parts.append(cap(skirt, height, owner, Material.ROOF))
        current, level = inset, level + rise
    parts += [cap(top, level, owner, Material.ROOF) for top in _polygons(current)]
    return parts, current, level


def _inset(polygon: BaseGeometry, run: float) -> tuple[BaseGeometry, float]:
    """The polygon shrunk by `run`, or by as much as leaves something of it."""
    for part in (1.0, 0.7, 0.5, 0.3, 0.15):
        inset = polygon.buffer(-run * part, join_style="mitre", mitre_limit=3).simplify(0.1)
        if not inset.is_empty and inset.is_valid and inset.area > 3:
            return inset, run * part
    return Polygon(), 0.0


def _rooftop(top: BaseGeometry, level: float, owner: int, osm_id: int, variant: int) -> list[Mesh]:
    """Chimneys, vents and machine rooms where they stand clear of the edge."""
    parts: list[Mesh] = []
    for polygon in _polygons(top):
        west, south, east, north = polygon.bounds
        wanted = min(int(polygon.area / 120) + 1, 16)
        tries = hashed(np.full((wanted * 3, 5), osm_id), np.arange(wanted * 15).reshape(-1, 5), 77 + variant)
        for u, v, size, turn, tall in tries:
            centre = (west + (east - west) * float(u), south + (north - south) * float(v))
            half = 0.35 + 0.3 * float(turn) if size < 0.75 else 1.0 + 1.6 * float(turn)
            if polygon.buffer(-half).contains(Point(centre)):
                low, high = level - 0.8, level + 0.9 + 1.4 * float(tall)
                parts.append(
                    box_mesh(centre, (half, half * 0.8), low, high, float(turn) * 3, owner, Material.PLAIN)
                )
                wanted -= 1
            if wanted <= 0:
                break
    return parts


def _sacred(footprint: Polygon, height: float, owner: int, domed: bool) -> Mesh:
    """A church: a body, a drum and a copper dome over its middle, four small ones where there is room.

    Where the map has a dome on it already (`domed`), that one stands in the middle, and the body is as high as mapped.
    """
    body = height if domed else min(height * 0.55, 22.0)
    radius = min(0.24 * math.sqrt(footprint.area), 11.0)
    centre = (
        footprint.representative_point() if not footprint.contains(footprint.centroid) else footprint.centroid
    )
    drum = min(body + 0.9 * radius, height)
    roof, _, level = _pitched(footprint, body, owner, 0.2, 1.0)
    parts = [ring_walls(footprint, 0, body, owner), *roof]
    if not domed:
        parts += _dome((centre.x, centre.y), radius, body, max(drum, level), owner)
    for dx, dy in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        spot = (centre.x + dx * radius * 1.5, centre.y + dy * radius * 1.5)
        if footprint.contains(Point(spot)):
            parts += _dome(spot, radius * 0.32, body, body + radius * 0.75, owner)
    return joined(parts)


def _dome(centre: tuple[float, float], radius: float, low: float, spring: float, owner: int) -> list[Mesh]:
    rings = [(math.cos(t), math.sin(t)) for t in np.linspace(0, math.pi / 2, 7)]
    shells = [
        prism(
            [centre],
            spring + a[1] * radius * 1.15,
            spring + b[1] * radius * 1.15,
            a[0] * radius,
            b[0] * radius,
            20,
        )
        for a, b in pairwise(rings)
    ]
    top = spring + radius * 1.15
    lantern = prism([centre], top - 0.3, top + radius * 0.5, radius * 0.13, radius * 0.1, 8)
    drum = prism([centre], low, spring, radius, radius, 20)
    return [
        mesh(drum, Material.PLAIN, owner),
        mesh(np.concatenate([*shells, lantern]), Material.COPPER, owner),
    ]


def _polygons(geometry: BaseGeometry) -> list[Polygon]:
    return [g for g in getattr(geometry, "geoms", [geometry]) if g.geom_type == "Polygon" and g.area > 0.5]


def _tagged_colour(tag: str | None, otherwise: Floats) -> Floats:
    """The colour a map tag names (a CSS name or #rrggbb), made linear; `otherwise` where it names none."""
    try:
        return (
            f32(ImageColor.getrgb(str(tag))[:3]) ** np.float32(2.2) / np.float32(255**2.2)
            if tag
            else otherwise
        )
    except ValueError:
        return otherwise
