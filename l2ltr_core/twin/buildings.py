"""Footprints -> walls, roofs, chimneys and domes; and a style for each facade."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor
from shapely.geometry import Point, Polygon
from shapely.geometry.base import BaseGeometry

from l2ltr_core.twin.mesh import Floats, Material, Mesh, box_mesh, cap, f32, joined, mesh, prism, ring_walls
from l2ltr_core.twin.noise import hashed
from l2ltr_core.twin.plan import Building

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
_LOW_USES = ("roof", "shed", "kiosk", "garage", "garages", "carport", "hut", "greenhouse")
_SACRED = ("church", "cathedral", "chapel")
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


def height_of(building: Building, variant: int) -> float:
    """Metres to the eaves: as tagged, else from the levels, else a guess from use and area that `variant` shifts."""
    chance = float(hashed(building.osm_id, 1, variant))
    area = building.footprint.area
    if building.use in _LOW_USES:
        height = 3.4
    elif building.height_m is not None:
        height = building.height_m
    elif building.levels is not None and (building.levels > 1 or area < 600):
        height = building.levels * 3.4 + 1.0
    elif building.use in _SACRED:
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
    )


def building_meshes(buildings: tuple[Building, ...], styles: Styles, variant: int) -> list[Mesh]:
    """One mesh a building, `owner` being its index."""
    return [_building(b, float(styles.height[k]), k, variant) for k, b in enumerate(buildings)]


def _building(building: Building, height: float, owner: int, variant: int) -> Mesh:
    footprint = building.footprint
    if building.use == "roof":
        return joined(
            [ring_walls(footprint, height - 0.5, height, owner), cap(footprint, height, owner, Material.ROOF)]
        )
    if building.use in _SACRED and footprint.area > 150:
        return _sacred(footprint, height, owner)
    chance = hashed(np.full(12, building.osm_id), np.arange(12), 31 + variant)
    parts = [ring_walls(footprint, 0.0, height, owner)]
    flat = (
        building.roof_shape == "flat"
        or height < 3.6
        or (footprint.area > 2500 and chance[0] < 0.6)
        or chance[0] < 0.15
    )
    if flat:
        parts += [cap(footprint, height - 0.5, owner, Material.ROOF)]
        top, level = footprint.buffer(-1.5), height - 0.5
    else:
        roof, top, level = _pitched(footprint, height, owner, float(chance[1]), float(chance[2]))
        parts += roof
    if height > 8:
        parts += _rooftop(top, level, owner, building.osm_id, variant)
    return joined(parts)


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


def _sacred(footprint: Polygon, height: float, owner: int) -> Mesh:
    """A church: a body, a drum and a copper dome over its middle, four small ones where there is room."""
    body = min(height * 0.55, 22.0)
    radius = min(0.24 * math.sqrt(footprint.area), 11.0)
    centre = (
        footprint.representative_point() if not footprint.contains(footprint.centroid) else footprint.centroid
    )
    drum = min(body + 0.9 * radius, height)
    roof, _, level = _pitched(footprint, body, owner, 0.2, 1.0)
    parts = [
        ring_walls(footprint, 0, body, owner),
        *roof,
        *_dome((centre.x, centre.y), radius, body, max(drum, level), owner),
    ]
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
