"""What is painted, glazed or lit on cars in large photos, in the cars' own frames (see `cars`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from citysim import noise
from citysim.closeup.cars import AXLE_M, BODIES, RIM_M, Body, half_width_m
from citysim.closeup.smooth import Points
from citysim.hits import Hits, Rows, dot
from citysim.mesh import Floats, f32

Cover = Callable[[NDArray[np.bool_], tuple[float, float, float], float], None]
"""Covers some places with a colour and its shine."""
_MIRRORED_M = 60.0


class _Met(NamedTuple):
    """Where N points of cars are, in the frames of the cars."""

    x: Floats
    y: Floats
    z: Floats
    nose: Floats  # of the normal
    aside: Floats
    owner: NDArray[np.int32]

    def at(self, rows: Rows) -> _Met:
        """Some of the points."""
        return _Met(
            self.x[rows], self.y[rows], self.z[rows], self.nose[rows], self.aside[rows], self.owner[rows]
        )


def paint_cars(hits: Hits, rows: Rows) -> None:
    """Lacquer, glass, lamps, plates and gaps, by where on the car a ray arrives."""
    world = hits.world
    owner = world.mesh.owner[hits.triangle[rows]]
    body = world.cars[owner, 5].astype(int)
    lacquer = world.paint_colour[owner]
    hits.albedo[rows] = lacquer
    hits.shine[rows] = 0.05
    met = _met(hits, rows, owner)
    for number, shape in enumerate(BODIES):
        some = np.flatnonzero(body == number)
        if len(some):
            _painted(
                hits,
                rows[some],
                met.at(some),
                shape,
                number == 3,
            )
    facing = np.clip(-dot(hits.direction[rows], hits.normal[rows]), 0, 1)
    gloss = hits.shine[rows]
    hits.shine[rows] = np.where(gloss > 0, gloss + (0.85 - gloss) * (1 - facing) ** 5, 0)
    hits.open_sky[rows] = 0.40 + 0.60 * np.clip(met.z / 0.9, 0, 1)
    hits.mirrors.append(rows[(hits.distance[rows] < _MIRRORED_M) & (gloss > 0)])


def _met(hits: Hits, rows: Rows, owner: NDArray[np.int32]) -> _Met:
    place = hits.world.cars[owner]
    away = hits.point[rows, :2] - place[:, :2]
    cos, sin, size = place[:, 2], place[:, 3], place[:, 4]
    normal = hits.normal[rows]
    return _Met(
        f32((away[:, 0] * cos + away[:, 1] * sin) / size),
        away[:, 1] * cos - away[:, 0] * sin,
        hits.point[rows, 2],
        normal[:, 0] * cos + normal[:, 1] * sin,
        normal[:, 1] * cos - normal[:, 0] * sin,
        owner,
    )


def _painted(hits: Hits, rows: Rows, met: _Met, body: Body, van: bool) -> None:
    """One body: each kind of thing covers what came before it."""
    x, y, z = met.x, met.y, met.z
    wide = np.abs(y)
    front, back = max(p[0] for p in body.outline), min(p[0] for p in body.outline)
    flank = np.abs(met.aside) > 0.5

    def cover(where: NDArray[np.bool_], colour: tuple[float, float, float], shine: float) -> None:
        hits.albedo[rows[where]], hits.shine[rows[where]] = colour, shine

    hits.albedo[rows] *= (1 - 0.25 * np.clip(1 - (z - 0.2) / 0.35, 0, 1))[:, None]  # dust of the street
    gaps = (z > 0.34) & (z < body.belt_m) & flank
    for seam in (body.glazing[-1][0] - 0.02, *body.pillars_m, (-1.08 if not van else 0.50)):
        cover(gaps & (np.abs(x - seam - 0.05 * (z - 0.6)) < 0.0065), (0.012, 0.012, 0.012), 0.0)
    cover(flank & (np.abs(z - 0.345) < 0.006) & (np.abs(x) < 0.9), (0.012, 0.012, 0.012), 0.0)
    for handle in (0.08, -0.92) if not van else (0.70,):
        grip = flank & (np.abs(x - handle) < 0.085) & (np.abs(z - body.belt_m + 0.11) < 0.016)
        cover(grip, (0.10, 0.10, 0.105), 0.15)
    cover((z < 0.295) & (flank | (np.abs(x) > 1.9)), (0.022, 0.022, 0.023), 0.02)
    bonnet = (np.abs(x - body.glazing[-1][0] - 0.32) < 0.007) & ~flank & (z > body.belt_m - 0.1)
    cover(bonnet & (x > 0), (0.012, 0.012, 0.012), 0.0)
    _glazed(met, body, van, flank, cover)
    _fronts(met, (front, back), body, cover)
    _plates(hits, rows, met, (front, back))
    if hits.glow is not None:
        lamps = (x < back + 0.35) & (z > 0.66) & (z < 0.86) & (wide > 0.52)
        red = (lamps & (noise.hashed(met.owner, 61) < 0.4))[:, None]
        hits.glow[rows] += f32([0.9, 0.03, 0.02]) * (red * np.float32(hits.light.dusk))


_GLASS = (0.012, 0.015, 0.017)


def _glazed(met: _Met, body: Body, van: bool, flank: NDArray[np.bool_], cover: Cover) -> None:
    """Side windows between pillars, windscreen and rear window with their black borders."""
    x, y, z = met.x, met.y, met.z
    gone = _outside(np.array(body.glazing), x, z)
    cover(flank & (gone < 0.022), (0.016, 0.016, 0.017), 0.06)
    pillar = np.zeros(len(x), bool)
    for at in body.pillars_m:
        pillar |= np.abs(x - at) < 0.035
    cover(flank & (gone < 0) & ~pillar, _GLASS, 0.10)
    low = body.belt_m + (0.03 if not van else 0.02)
    roof = max(p[1] for p in body.outline)
    half = half_width_m(body, np.stack([x, z], 1)) - 0.055
    windscreen = ~flank & (x > 0.25) & (z > low) & (met.nose > 0.3) & (z < roof - 0.045)
    rear = ~flank & (x < -0.4) & (z > low + 0.05) & (met.nose < -0.2) & (z < roof - 0.07) & (not van)
    inner = half - np.abs(y)
    both = windscreen | rear
    edge = np.minimum(inner - 0.045, np.minimum(z - low - 0.015, roof - 0.06 - z))
    cover(both & (inner > 0.025), (0.014, 0.014, 0.015), 0.06)
    cover(both & (edge > 0.0), _GLASS, 0.11)
    if van:
        door = ~flank & (met.nose < -0.5) & (z > 1.25) & (z < 1.75) & (np.abs(np.abs(y) - 0.40) < 0.27)
        cover(door, _GLASS, 0.10)
        cover(~flank & (met.nose < -0.5) & (np.abs(y) < 0.008), (0.012, 0.012, 0.012), 0.0)


def _outside(corners: Points, x: Floats, z: Floats) -> Floats:
    """(N,) metres outside a convex clockwise polygon with round corners; negative within it."""
    ahead = np.roll(corners, -1, axis=0) - corners
    out = np.stack([-ahead[:, 1], ahead[:, 0]], 1) / np.linalg.norm(ahead, axis=1, keepdims=True)
    away = np.stack([(x - a[0]) * n[0] + (z - a[1]) * n[1] for a, n in zip(corners, out, strict=True)])
    near = np.maximum(away + 0.05, 0)
    return f32(np.where(away.max(0) > -0.05, np.linalg.norm(near, axis=0) - 0.05, away.max(0)))


def _fronts(met: _Met, ends: tuple[float, float], body: Body, cover: Cover) -> None:
    """Head and tail lamps, grille, lower intake."""
    x, z, wide = met.x, met.z, np.abs(met.y)
    front, back = ends
    nose, tail = x > front - 0.62, x < back + 0.45
    high = body.belt_m - 0.955  # a taller car has its lamps higher
    slant = 0.10 * (wide - 0.6)
    grille = nose & (met.nose > 0.4) & (np.abs(z - 0.585 - high * 0.5) < 0.075) & (wide < 0.46)
    cover(grille, (0.012, 0.012, 0.013), 0.05)
    cover(grille & (np.mod(z, 0.034) < 0.009), (0.16, 0.16, 0.165), 0.25)
    badge = nose & (met.nose > 0.4) & (np.hypot(met.y, z - 0.60 - high * 0.5) < 0.05)
    cover(badge, (0.42, 0.42, 0.43), 0.3)
    intake = nose & (met.nose > 0.3) & (z > 0.29) & (z < 0.41) & (wide < 0.66)
    cover(intake, (0.015, 0.015, 0.016), 0.02)
    lamp = _oval(wide - 0.655, z - 0.665 - high * 0.6 - slant, 0.185, 0.075) & nose & (met.nose > 0.1)
    cover(lamp, (0.16, 0.165, 0.17), 0.25)
    for at in (0.59, 0.74):
        bulb = nose & lamp & (np.hypot(wide - at, z - 0.668 - high * 0.6 - slant) < 0.048)
        cover(bulb, (0.72, 0.73, 0.74), 0.3)
    low = 0.76 + high * 0.8
    lamp = _oval(wide - 0.68, z - low, 0.19, 0.085) & tail & (met.nose < -0.05)
    cover(lamp, (0.30, 0.012, 0.012), 0.12)
    cover(lamp & (np.abs(z - low) < 0.018), (0.55, 0.30, 0.26), 0.15)
    cover(tail & (met.nose < -0.4) & (np.abs(z - 0.37) < 0.05) & (wide < 0.6), (0.02, 0.02, 0.021), 0.02)


def _oval(right: Any, up: Any, wide: float, high: float) -> NDArray[np.bool_]:
    return np.asarray(np.abs(right / wide) ** 3 + np.abs(up / high) ** 3 < 1)


def _plates(hits: Hits, rows: Rows, met: _Met, ends: tuple[float, float]) -> None:
    """White plates, three letters and three figures as dark strokes."""
    front, back = ends
    ahead, behind = (met.x > front - 0.3) & (met.nose > 0.4), (met.x < back + 0.3) & (met.nose < -0.4)
    up = met.z - np.where(ahead, 0.445, 0.56)
    plate = np.flatnonzero((ahead | behind) & (np.abs(met.y) < 0.235) & (np.abs(up) < 0.055))
    y, up, owner = met.y[plate] * np.where(ahead[plate], 1, -1), up[plate], met.owner[plate]
    sign = np.floor((y + 0.21) / 0.06)
    u, v = np.floor((np.mod(y + 0.21, 0.06)) / 0.012), np.floor((up + 0.038) / 0.0155)
    ink = (u < 4) & (v >= 0) & (v < 5) & (sign >= 0) & (sign < 7) & (sign != 3)
    ink &= (noise.hashed(owner, sign, np.minimum(u, 3 - u), v) < 0.55) | (u == 0)
    border = (np.abs(y) > 0.228) | (np.abs(up) > 0.049)
    hits.albedo[rows[plate]] = np.where((ink | border)[:, None], 0.03, 0.70)
    hits.shine[rows[plate]] = 0.03


def paint_wheels(hits: Hits, rows: Rows) -> None:
    """Tyres, and rims with spokes, a pattern for each car."""
    world = hits.world
    owner = world.mesh.owner[hits.triangle[rows]]
    met = _met(hits, rows, owner)
    axles = f32([b.axles_m for b in BODIES])[world.cars[owner, 5].astype(int)]
    right = np.where(met.x > 0, met.x - axles[:, 1], met.x - axles[:, 0]) * world.cars[owner, 4]
    up = met.z - np.float32(AXLE_M)
    radius, angle = np.hypot(right, up), np.arctan2(up, right)
    spokes = np.array([5, 10, 7, 6])[(noise.hashed(owner, 63) * 4).astype(int)]
    turned = np.mod(angle / (2 * np.pi) * spokes + noise.hashed(owner, met.x > 0, 64), 1) - 0.5
    width = np.abs(turned) * 2 * np.pi * radius / spokes
    rim = radius < RIM_M
    metal = rim & ((width < 0.55 * radius / spokes + 0.016) | (radius < 0.06) | (radius > RIM_M - 0.022))
    hits.albedo[rows] = f32([0.024, 0.024, 0.025])
    hits.albedo[rows[rim]] = 0.03
    hits.albedo[rows[metal]] = f32([0.36, 0.365, 0.375])
    hits.albedo[rows[radius < 0.026]] = 0.05
    hits.shine[rows] = np.where(metal, 0.16, 0.0)
    hits.open_sky[rows] = 0.55
