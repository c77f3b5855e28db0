"""Cars for large photos: smooth bodies with wheel arches.

In a car's own frame x runs from tail to nose, y to the left, z up from the ground, in metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.spatial import Delaunay
from shapely import LineString, Point, Polygon, contains_xy, prepare

from citysim.closeup.smooth import Points, Skin, egg, quads, together
from citysim.mesh import Floats, Material, Mesh, f32, flat_normals, mesh

_SILL_M, _TYRE_M, _TYRE_WIDE_M, RIM_M = 0.21, 0.325, 0.21, 0.225
_ARCH_M = 0.385
AXLE_M = _TYRE_M


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


def half_width_m(body: Body, points: Points) -> Points:
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
    half = half_width_m(body, sill) + 0.004
    rows = np.stack([np.stack([sill[:, 0], side * half, sill[:, 1]], 1) for side in (-1, 1)], 1)
    lips = np.array(
        [[edge[0], edge[k], edge[k + 1]] for edge in (top[0], top[-1]) for k in range(1, len(edge) - 1)]
    )
    return np.concatenate([quads(rows), lips])


_ROUND_M = 0.10


def _rounded(body: Body, points: Points, inside_m: Points) -> Points:
    """(N,) half width at (N, 2) points that lie `inside_m` metres within the side's edge."""
    part = 1 - np.clip(inside_m / _ROUND_M, 0, 1)
    return half_width_m(body, points) - 0.055 * (1 - np.sqrt(np.clip(1 - part**2, 0, 1)))


def _arches(body: Body, wider: float = 0.0) -> list[Polygon]:
    return [Point(x, AXLE_M).buffer(_ARCH_M + wider, quad_segs=10) for x in body.axles_m]


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
        ring = np.stack([x + radius * np.cos(angle), AXLE_M + radius * np.sin(angle)], 1)
        outer = np.c_[ring[:, 0], half_width_m(body, ring) - 0.012, ring[:, 1]]
        inner = np.c_[ring[:, 0], np.full(len(ring), 0.52), ring[:, 1]]
        triangles.append(quads(np.stack([outer, inner])))
        hub = np.array([x, 0.52, AXLE_M])
        triangles.append(np.stack([np.broadcast_to(hub, inner[1:].shape), inner[:-1], inner[1:]], 1))
    solid = np.concatenate(triangles)
    return solid, np.repeat(flat_normals(f32(solid))[:, None].astype(float), 3, axis=1)


def _wheel(x: float, y: float, sides: int) -> Skin:
    """A tyre with round shoulders and a dished rim on both faces."""
    half = _TYRE_WIDE_M / 2
    profile = np.array(
        [(0.0, half - 0.05), (RIM_M - 0.01, half - 0.045), (RIM_M, half - 0.008), (RIM_M + 0.05, half),
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
    spot += (x, y, AXLE_M)
    return quads(spot), quads(normal)


def _door_mirror(body: Body, left: int) -> Skin:
    """An egg at the front corner of the side window."""
    x, z = body.glazing[-1]
    middle = (x - 0.18, left * (body.half_m + 0.035), z + 0.085)
    return egg(middle, (0.085, 0.115, 0.075), 12, 7)
