"""What stands out of facades in large photos: cornices, gutters, balconies, awnings; and lamps with round posts."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from shapely import Point
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from citysim import noise
from citysim.buildings import LOW_USES, SACRED, Styles
from citysim.closeup.smooth import tube
from citysim.mesh import Material, Mesh, cap, f32, mesh, ring_walls, walls
from citysim.plan import Building
from citysim.storeys import shop_width, storeys

_GRAND = ((0.10, 0.85, 0.62), (0.24, 0.62, 0.30), (0.40, 0.30, 0.10))
_SIMPLE = ((0.08, 0.50, 0.28), (0.20, 0.28, 0.09))
_PLAIN = ((0.10, 0.22, 0.06),)
"""Steps of cornices: metres out of the wall, metres below the eaves where each begins and ends."""
_GUTTER = (0.06, 0.10, -0.03)
_BALCONY_M, _RAILING_M, _BAR_M = 0.95, 1.0, 0.13


def trim_meshes(buildings: tuple[Building, ...], styles: Styles, built: BaseGeometry) -> list[Mesh]:
    """Everything that is fixed to facades; `owner` is the building's index."""
    parts: list[Mesh] = []
    for owner, building in enumerate(buildings):
        height = float(styles.height[owner])
        if building.use in (*LOW_USES, *SACRED) or height < 4.5:
            continue
        parts += _cornice(building.footprint, height, owner, float(styles.ornament[owner]))
        chance = noise.hashed(building.osm_id, np.arange(3), 51)
        for a, b in pairwise(np.asarray(building.footprint.exterior.coords)[:, :2]):
            wall = _Wall(owner, a, b, building.footprint, styles)
            if wall.length < 6 or not wall.faces(built):
                continue
            if height > 11 and chance[0] < 0.34:
                parts += wall.balconies(float(chance[1]))
            if wall.shop:
                parts += wall.awnings()
    return parts


def _cornice(footprint: Polygon, top: float, owner: int, ornament: float) -> list[Mesh]:
    """Steps that stand out further the higher they are, and a gutter above."""
    steps = _GRAND if ornament > 0.55 and top > 8 else _SIMPLE if ornament > 0.25 else _PLAIN
    parts: list[Mesh] = []
    for out_m, low, high in (*steps, (steps[-1][0] + _GUTTER[0], *_GUTTER[1:])):
        outer = footprint.buffer(out_m, join_style="mitre", mitre_limit=2)
        ledge = outer.difference(footprint)
        if outer.geom_type != "Polygon" or ledge.is_empty:
            return parts
        material = Material.TRIM if high > 0 else Material.ROOF
        parts.append(ring_walls(Polygon(outer.exterior), top - low, top - high, owner, material))
        for level in (top - low, top - high):
            parts += [
                cap(piece, level, owner, material)
                for piece in getattr(ledge, "geoms", [ledge])
                if piece.geom_type == "Polygon" and piece.area > 0.02
            ]
    return parts


class _Wall:
    """One side of a building with its bays, as `facade_relief` draws them."""

    def __init__(
        self, owner: int, a: NDArray[np.float64], b: NDArray[np.float64], footprint: Polygon, styles: Styles
    ) -> None:
        self.owner, self.start = owner, a
        self.length = float(np.hypot(*(b - a)))
        self.along = (b - a) / max(self.length, 1e-6)
        out = np.array([self.along[1], -self.along[0]])
        self.middle = (a + b) / 2
        self.out = -out if footprint.contains(Point(self.middle + 0.3 * out)) else out
        within = storeys(styles, owner, np.float64(self.length))
        self.shop, self.base = bool(within.shop), float(within.base)
        self.floors, self.floor_m = int(within.floors), float(within.floor_height)
        self.bay_m = float(within.bay_width)
        self.bays = round(self.length / self.bay_m)
        self.window_m = float(styles.window_height[owner]) * self.floor_m

    def faces(self, built: BaseGeometry) -> bool:
        """Whether the air before it is free."""
        return not built.contains(Point(self.middle + 1.5 * self.out))

    def balconies(self, chance: float) -> list[Mesh]:
        """A column of them at every third bay or so, from the second floor up."""
        parts: list[Mesh] = []
        every = 3 if chance < 0.6 else 4
        half = min(0.42 * self.bay_m, 1.25)
        for bay in range(1 + int(chance * 10) % 2, self.bays - 1, every):
            for floor in range(1, self.floors):
                level = self.base + (floor + 0.5) * self.floor_m - self.window_m / 2 - 0.12
                parts += self._balcony((bay + 0.5) * self.bay_m, half, level)
        return parts

    def _at(self, across: float, out: float) -> NDArray[np.float64]:
        return self.start + self.along * across + self.out * out

    def _balcony(self, across: float, half: float, level: float) -> list[Mesh]:
        corners = [
            self._at(across + s, o)
            for s, o in ((-half, 0), (-half, _BALCONY_M), (half, _BALCONY_M), (half, 0))
        ]
        slab = Polygon(corners)
        parts = [ring_walls(slab, level - 0.16, level, self.owner, Material.TRIM)]
        parts += [cap(slab, z, self.owner, Material.TRIM) for z in (level - 0.16, level)]
        starts, ends = [], []
        for a, b in pairwise(corners):
            steps = np.linspace(0, 1, max(int(np.hypot(*(b - a)) / _BAR_M), 2))[:, None]
            spots = a + (b - a) * steps
            run = (b - a) / np.hypot(*(b - a)) * 0.011
            starts.append(spots - run)
            ends.append(spots + run)
        bars = np.concatenate(starts), np.concatenate(ends)
        parts.append(walls(*bars, level, level + _RAILING_M, self.owner, Material.IRON))
        rail = np.array(corners)
        for low in (level + 0.08, level + _RAILING_M - 0.05):
            parts.append(walls(rail[:-1], rail[1:], low, low + 0.05, self.owner, Material.IRON))
        return parts

    def awnings(self) -> list[Mesh]:
        """Striped cloth above some of the shop windows."""
        unit = float(shop_width(self.bay_m))
        parts = []
        for number in range(int(self.length / unit)):
            if noise.hashed(self.owner, number, 3) < 0.66:
                continue
            left, right = (number + 0.08) * unit, (number + 0.74) * unit
            if right > self.length:
                continue
            low, high = 2.38, 3.02
            a, b = (np.r_[self._at(s, 0.02), high] for s in (left, right))
            c, d = (np.r_[self._at(s, 1.15), low] for s in (right, left))
            e, f = c - (0, 0, 0.2), d - (0, 0, 0.2)
            cloth = mesh([[a, b, c], [a, c, d], [d, c, e], [d, e, f]], Material.AWNING, self.owner)
            count = len(cloth)
            parts.append(
                replace(
                    cloth,
                    start=np.tile(f32(self.start), (count, 1)),
                    along=np.tile(f32(self.along), (count, 1)),
                    length=np.full(count, unit, np.float32),
                )
            )
        return parts


def lamp_meshes(lamps: NDArray[np.float64]) -> list[Mesh]:
    """Posts that taper above a base, a bent arm, a flat head; (N, 4) places and directions."""
    if not len(lamps):
        return []
    levels = np.array([0.0, 0.06, 0.09, 0.95, 1.05, 3.5, 5.9, 6.12])
    widths = np.array([0.15, 0.15, 0.105, 0.095, 0.068, 0.058, 0.045, 0.04])
    post = tube(np.c_[np.zeros((8, 2)), levels], widths, (1, 0, 0), (0, 1, 0), 9)
    reach = np.linspace(0, 1.12, 6)
    arm = tube(
        np.c_[reach, np.zeros(6), 6.05 + 0.16 * np.sin(reach / 1.12 * np.pi / 2)],
        np.full(6, 0.028),
        (0, 1, 0),
        (0, 0, 1),
        5,
    )
    head = tube(
        np.array([[0.98, 0, 6.19], [1.02, 0, 6.18], [1.3, 0, 6.17], [1.56, 0, 6.16], [1.6, 0, 6.16]]),
        np.array([0.02, 0.10, 0.15, 0.11, 0.02]),
        (0, 1.25, 0),
        (0, 0, 0.42),
        12,
    )
    one = np.concatenate([post, arm, head])
    right, back = np.c_[lamps[:, 3], -lamps[:, 2]], lamps[:, 2:]
    turn = np.zeros((len(lamps), 3, 3))
    turn[:, 0, :2], turn[:, 1, :2], turn[:, 2, 2] = right, back, 1
    placed = np.einsum("tcj,njk->ntck", one, turn)
    placed[..., :2] += lamps[:, None, None, :2]
    return [mesh(placed.reshape(-1, 3, 3), Material.METAL, 0)]
