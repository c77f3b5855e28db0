"""Cars for large photos: smooth bodies with wheel arches, and what is painted, glazed or lit on them.

In a car's own frame x runs from tail to nose, y to the left, z up from the ground, in metres.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.spatial import Delaunay
from shapely import LineString, Point, Polygon, contains_xy, prepare

from citysim import noise
from citysim.hits import Hits, Rows, dot
from citysim.mesh import Floats, Material, Mesh, f32, flat_normals, mesh
from citysim.smooth import Points, Skin, egg, quads, together

Cover = Callable[[NDArray[np.bool_], tuple[float, float, float], float], None]
"""Covers some places with a colour and its shine."""
_MIRRORED_M = 60.0
_SILL_M, _TYRE_M, _TYRE_WIDE_M, _RIM_M = 0.21, 0.325, 0.21, 0.225
_ARCH_M = 0.385
_AXLE_M = _TYRE_M


@dataclass(frozen=True)
class Body:
    """The shape of a car: points of its side view, widths, windows."""

    outline: tuple[tuple[float, float], ...]  # over the top, from tail to nose
    half_m: float
    roof_half_m: float
    belt_m: float
    axles_m: tuple[float, float]
    glazing: tuple[tuple[float, float], ...]  # side window, clockwise from low behind
    pillars_m: tuple[float, ...]
    nose_m: float  # how far the middle of the front stands before its corners


_SALOON = Body(
    outline=(
        (-2.19, 0.21), (-2.24, 0.36), (-2.25, 0.55), (-2.22, 0.80), (-2.14, 0.96), (-1.95, 1.01), (-1.62, 1.03),
        (-1.20, 1.22), (-0.85, 1.36), (-0.45, 1.435), (0.05, 1.45), (0.45, 1.40), (0.85, 1.21), (1.22, 1.00),
        (1.60, 0.93), (1.95, 0.83), (2.14, 0.71), (2.22, 0.55), (2.23, 0.36), (2.18, 0.21),
    ),
    half_m=0.895, roof_half_m=0.60, belt_m=0.955, axles_m=(-1.35, 1.36),
    glazing=((-1.36, 0.985), (-0.85, 1.285), (-0.40, 1.365), (0.05, 1.375), (0.38, 1.335), (1.02, 0.97)),
    pillars_m=(-0.10,), nose_m=0.20,
)  # fmt: skip
_HATCH = Body(
    outline=(
        (-2.06, 0.21), (-2.13, 0.36), (-2.14, 0.60), (-2.10, 0.90), (-1.98, 1.10), (-1.80, 1.30), (-1.55, 1.44),
        (-1.10, 1.485), (-0.45, 1.515), (0.05, 1.505), (0.45, 1.44), (0.85, 1.25), (1.24, 1.02), (1.60, 0.95),
        (1.92, 0.85), (2.08, 0.72), (2.15, 0.55), (2.16, 0.36), (2.11, 0.21),
    ),
    half_m=0.90, roof_half_m=0.63, belt_m=0.98, axles_m=(-1.30, 1.33),
    glazing=((-1.66, 1.06), (-1.30, 1.375), (-0.45, 1.435), (0.05, 1.425), (0.36, 1.375), (1.00, 0.995)),
    pillars_m=(-0.12, -1.05), nose_m=0.20,
)  # fmt: skip
_ESTATE = Body(
    outline=(
        (-2.22, 0.24), (-2.28, 0.40), (-2.29, 0.65), (-2.26, 0.95), (-2.17, 1.12), (-2.02, 1.36), (-1.85, 1.50),
        (-1.40, 1.575), (-0.45, 1.62), (0.05, 1.61), (0.45, 1.54), (0.85, 1.33), (1.22, 1.10), (1.62, 1.05),
        (1.98, 0.97), (2.15, 0.84), (2.21, 0.60), (2.22, 0.40), (2.17, 0.24),
    ),
    half_m=0.915, roof_half_m=0.65, belt_m=1.05, axles_m=(-1.36, 1.37),
    glazing=((-1.96, 1.10), (-1.78, 1.42), (-0.45, 1.525), (0.05, 1.52), (0.36, 1.465), (1.00, 1.07)),
    pillars_m=(-0.10, -1.12), nose_m=0.18,
)  # fmt: skip
_VAN = Body(
    outline=(
        (-2.60, 0.30), (-2.64, 0.45), (-2.65, 0.90), (-2.645, 1.60), (-2.62, 2.05), (-2.50, 2.22), (-2.20, 2.26),
        (-0.50, 2.28), (0.60, 2.25), (1.05, 2.12), (1.45, 1.72), (1.85, 1.26), (2.20, 1.13), (2.48, 0.95),
        (2.60, 0.70), (2.62, 0.45), (2.57, 0.30),
    ),
    half_m=0.96, roof_half_m=0.83, belt_m=1.20, axles_m=(-1.60, 1.72),
    glazing=((0.52, 1.18), (0.52, 1.76), (1.20, 1.76), (1.62, 1.19)),
    pillars_m=(), nose_m=0.16,
)  # fmt: skip
BODIES = (_SALOON, _HATCH, _ESTATE, _VAN)


class Place(NamedTuple):
    """Where a car stands: its middle in metres, radians from east, how long it is by its model, which `BODIES`."""

    x_m: float
    y_m: float
    angle: float
    size: float
    body: int


def body_of(van: bool, chance: float) -> int:
    """Which of `BODIES`; `chance` in 0..1."""
    return 3 if van else min(int(chance * 3), 2)


def car_mesh(place: Place, owner: int, close: bool) -> tuple[Mesh, Floats]:
    """A car and (N, 3, 3) normals at the corners of its triangles; `close`: in fine steps."""
    triangles, normals, materials = _model(place.body, close)
    cos, sin = np.cos(place.angle), np.sin(place.angle)
    turn = f32([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    long = f32([place.size, 1, 1])
    solid = (triangles * long) @ turn + f32([place.x_m, place.y_m, 0])
    bent = (normals / long) @ turn
    bent /= np.linalg.norm(bent, axis=2, keepdims=True)
    part = mesh(solid, Material.CAR, owner, bent.mean(1))
    part.material[:] = materials
    return part, f32(bent)


@lru_cache(maxsize=8)
def _model(number: int, close: bool) -> tuple[Floats, Floats, NDArray[np.uint8]]:
    """(N, 3, 3) triangles, (N, 3, 3) normals and (N,) materials of a body with its wheels."""
    body, step = BODIES[number], 0.055 if close else 0.24
    around = _outline(body, step)
    rim = _edge(body, around)
    parts = [(_top(body, around, 9 if close else 3), Material.CAR)]
    side = _side(body, rim, step)
    parts += [(side, Material.CAR), (_flipped(side), Material.CAR)]
    wells = _wells(body, 15 if close else 7)
    parts += [(wells, Material.RUBBER), (_flipped(wells), Material.RUBBER)]
    for x in body.axles_m:
        for left in (1, -1):
            wheel = _wheel(x, left * (body.half_m - _TYRE_WIDE_M / 2 - 0.012), 32 if close else 9)
            parts.append((wheel, Material.WHEEL))
    if close:
        parts += [(_door_mirror(body, left), Material.CAR) for left in (1, -1)]
    return together(parts)


def _outline(body: Body, step: float) -> Points:
    """(K, 2) points of the side view, evenly spaced on a smooth curve."""
    knots = np.array(body.outline)
    along = np.r_[0, np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))]
    curve = PchipInterpolator(along, knots)
    fine = curve(np.linspace(0, along[-1], 400))
    reach = np.r_[0, np.cumsum(np.linalg.norm(np.diff(fine, axis=0), axis=1))]
    even = np.linspace(0, reach[-1], max(int(reach[-1] / step), 12))
    return np.stack([np.interp(even, reach, fine[:, k]) for k in (0, 1)], 1)


def _outward(points: Points) -> Points:
    """(K, 2) unit normals of a line that runs from tail to nose, to its upper side."""
    run = np.gradient(points, axis=0)
    run /= np.linalg.norm(run, axis=1, keepdims=True)
    return np.stack([-run[:, 1], run[:, 0]], 1)


def _crown(body: Body, around: Points) -> Points:
    """(K,) metres by which the middle of the body stands out over its edges."""
    ahead = np.clip((around[:, 0] - 1.75) / 0.4, 0, 1) * (around[:, 1] < 1.0)
    behind = np.clip((-around[:, 0] - 1.85) / 0.35, 0, 1) * (around[:, 1] < 1.3)
    return np.asarray(0.045 + body.nose_m * ahead + 0.6 * body.nose_m * behind)


def _edge(body: Body, around: Points) -> Points:
    """(K, 2) the line where the top meets the sides."""
    return around - _outward(around) * _crown(body, around)[:, None]


def _half_width(body: Body, points: Points) -> Points:
    """(N,) metres from the middle to the side at (N, 2) x, z, before its edge is rounded."""
    high = max(z for _, z in body.outline)
    belt = body.belt_m
    heights = [0.15, 0.30, 0.52, 0.70, belt - 0.10, belt, belt + 0.05, high]
    half, roof = body.half_m, body.roof_half_m
    inward = half - 0.02 - (half - roof) * 0.16
    widths = [half - 0.07, half - 0.025, half, half - 0.004, half - 0.022, half - 0.05, inward - 0.015, roof]
    width = PchipInterpolator(heights, widths)(points[:, 1])
    # seen from above, nose and tail are narrower
    far = np.clip((np.abs(points[:, 0]) - 1.35) / 0.9, 0, 1)
    return np.asarray(width * (1 - 0.10 * far**2.2))


def _top(body: Body, around: Points, columns: int) -> Skin:
    """What runs across from one side to the other: tail, roof, windscreen, bonnet, front, and the floor below."""
    part = np.linspace(-1, 1, columns * 2 + 1)
    part = np.sign(part) * np.abs(part) ** 0.8
    out, crown = _outward(around), _crown(body, around)
    half = _rounded(body, _edge(body, around), np.zeros(len(around)))
    drop = crown[:, None] * np.abs(part) ** 2.6  # (K, C)
    spot = np.empty((len(around), len(part), 3))
    spot[..., 1] = half[:, None] * part
    spot[..., 0] = around[:, None, 0] - out[:, None, 0] * drop
    spot[..., 2] = around[:, None, 1] - out[:, None, 1] * drop
    lean = 2.6 * crown[:, None] * np.abs(part) ** 1.6 * np.sign(part) / half[:, None]
    normal = np.empty_like(spot)
    normal[..., 0], normal[..., 2], normal[..., 1] = out[:, None, 0], out[:, None, 1], lean
    triangles = quads(spot), quads(normal)
    below = _floor(body, spot)
    down = np.broadcast_to([0.0, 0.0, -1.0], below.shape)
    return np.concatenate([triangles[0], below]), np.concatenate([triangles[1], down])


def _floor(body: Body, top: Points) -> Points:
    """(N, 3, 3) triangles from the sill of one side to that of the other, and to the lowest edges of the top."""
    ends = np.stack([top[0, 0], top[-1, 0]])[:, [0, 2]]
    sill = ends[0] + (ends[1] - ends[0]) * np.linspace(0, 1, 25)[:, None]
    half = _half_width(body, sill) + 0.004
    rows = np.stack([np.stack([sill[:, 0], side * half, sill[:, 1]], 1) for side in (-1, 1)], 1)
    lips = np.array(
        [[edge[0], edge[k], edge[k + 1]] for edge in (top[0], top[-1]) for k in range(1, len(edge) - 1)]
    )
    return np.concatenate([quads(rows), lips])


_ROUND_M = 0.10


def _rounded(body: Body, points: Points, inside_m: Points) -> Points:
    """(N,) half width at (N, 2) points that lie `inside_m` metres within the side's edge."""
    part = 1 - np.clip(inside_m / _ROUND_M, 0, 1)
    return _half_width(body, points) - 0.055 * (1 - np.sqrt(np.clip(1 - part**2, 0, 1)))


def _arches(body: Body, wider: float = 0.0) -> list[Polygon]:
    return [Point(x, _AXLE_M).buffer(_ARCH_M + wider, quad_segs=10) for x in body.axles_m]


def _side(body: Body, rim: Points, step: float) -> Skin:
    """The left side, between its upper edge and the sill, without the wheel arches."""
    whole = Polygon(rim)
    panel = whole
    for arch in _arches(body):
        panel = panel.difference(arch)
    upper = LineString(rim)
    lines = [panel.exterior]
    lines += [whole.buffer(-d).exterior for d in ((0.012, 0.035, 0.07, 0.11) if step < 0.1 else (0.02, 0.08))]
    spots = [
        np.array([line.interpolate(t).coords[0] for t in np.arange(0, line.length, step)]) for line in lines
    ]
    west, south, east, north = panel.bounds
    cell = step * 2.2
    grid = np.stack(np.meshgrid(np.arange(west, east, cell), np.arange(south, north, cell)), -1).reshape(
        -1, 2
    )
    points = np.concatenate([rim, np.asarray(panel.exterior.coords), *spots[1:], grid])
    cover = panel.buffer(0.004)
    prepare(cover)
    points = points[contains_xy(cover, points[:, 0], points[:, 1])]
    corners = Delaunay(points).simplices
    middle = points[corners].mean(1)
    corners = corners[contains_xy(cover, middle[:, 0], middle[:, 1])]

    def width(at: Points) -> Points:
        inside = np.array([upper.distance(Point(p)) for p in at])
        return _rounded(body, at, inside)

    half, tiny = width(points), 0.004
    slope = [(width(points + shift) - width(points - shift)) / (2 * tiny) for shift in ((tiny, 0), (0, tiny))]
    solid = np.stack([points[:, 0], half, points[:, 1]], 1)
    steep = np.clip(slope, -6, 6)
    normal = np.stack([-steep[0], np.ones(len(points)), -steep[1]], 1)
    return solid[corners], normal[corners]


def _flipped(part: Skin) -> Skin:
    """The same on the right side."""
    return part[0] * (1, -1, 1), part[1] * (1, -1, 1)


def _wells(body: Body, steps: int) -> Skin:
    """Dark housings above the wheels."""
    triangles = []
    angle = np.linspace(-0.35, np.pi + 0.35, steps)
    for x in body.axles_m:
        radius = _ARCH_M + 0.03  # behind the panel, so that no light comes between
        ring = np.stack([x + radius * np.cos(angle), _AXLE_M + radius * np.sin(angle)], 1)
        outer = np.c_[ring[:, 0], _half_width(body, ring) - 0.012, ring[:, 1]]
        inner = np.c_[ring[:, 0], np.full(len(ring), 0.52), ring[:, 1]]
        triangles.append(quads(np.stack([outer, inner])))
        hub = np.array([x, 0.52, _AXLE_M])
        triangles.append(np.stack([np.broadcast_to(hub, inner[1:].shape), inner[:-1], inner[1:]], 1))
    solid = np.concatenate(triangles)
    return solid, np.repeat(flat_normals(f32(solid))[:, None].astype(float), 3, axis=1)


def _wheel(x: float, y: float, sides: int) -> Skin:
    """A tyre with round shoulders and a dished rim on both faces."""
    half = _TYRE_WIDE_M / 2
    profile = np.array(
        [(0.0, half - 0.05), (_RIM_M - 0.01, half - 0.045), (_RIM_M, half - 0.008), (_RIM_M + 0.05, half),
         (_TYRE_M - 0.03, half - 0.012), (_TYRE_M - 0.006, half - 0.035), (_TYRE_M, half - 0.06)]
    )  # fmt: skip
    if sides < 12:
        profile = profile[[0, 2, 4, 6]]
    profile = np.concatenate([profile, profile[::-1] * (1, -1)])
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    run = np.gradient(profile, axis=0)
    spot, normal = np.empty((len(profile), sides + 1, 3)), np.empty((len(profile), sides + 1, 3))
    for out, radius, across in ((spot, profile[:, 0], profile[:, 1]), (normal, -run[:, 1], run[:, 0])):
        out[..., 0] = radius[:, None] * np.cos(angle)
        out[..., 2] = radius[:, None] * np.sin(angle)
        out[..., 1] = across[:, None]
    spot += (x, y, _AXLE_M)
    return quads(spot), quads(normal)


def _door_mirror(body: Body, left: int) -> Skin:
    """An egg at the front corner of the side window."""
    x, z = body.glazing[-1]
    middle = (x - 0.18, left * (body.half_m + 0.035), z + 0.085)
    return egg(middle, (0.085, 0.115, 0.075), 12, 7)


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
    half = _half_width(body, np.stack([x, z], 1)) - 0.055
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
    up = met.z - np.float32(_AXLE_M)
    radius, angle = np.hypot(right, up), np.arctan2(up, right)
    spokes = np.array([5, 10, 7, 6])[(noise.hashed(owner, 63) * 4).astype(int)]
    turned = np.mod(angle / (2 * np.pi) * spokes + noise.hashed(owner, met.x > 0, 64), 1) - 0.5
    width = np.abs(turned) * 2 * np.pi * radius / spokes
    rim = radius < _RIM_M
    metal = rim & ((width < 0.55 * radius / spokes + 0.016) | (radius < 0.06) | (radius > _RIM_M - 0.022))
    hits.albedo[rows] = f32([0.024, 0.024, 0.025])
    hits.albedo[rows[rim]] = 0.03
    hits.albedo[rows[metal]] = f32([0.36, 0.365, 0.375])
    hits.albedo[rows[radius < 0.026]] = 0.05
    hits.shine[rows] = np.where(metal, 0.16, 0.0)
    hits.open_sky[rows] = 0.55
