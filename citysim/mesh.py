"""Triangles with just enough beside them to be shaded: what they are, whose they are, where a wall begins."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import mapbox_earcut as earcut
import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon

Floats = NDArray[np.float32]


def f32(values: Any) -> Floats:
    """Anything array-like as float32."""
    return np.asarray(values, np.float32)


class Material(IntEnum):
    """What a triangle is made of."""

    WALL = 0
    ROOF = 1
    PLAIN = 2
    LEAF = 3
    WOOD = 4
    PAINT = 5
    GLASS = 6
    RUBBER = 7
    METAL = 8
    CLOTH = 9
    COPPER = 10
    CAR = 11
    WHEEL = 12
    COAT = 13
    TROUSERS = 14
    SKIN = 15
    HAIR = 16
    BARK = 17
    GRASS = 18
    TRIM = 19
    AWNING = 20
    IRON = 21


@dataclass(frozen=True)
class Mesh:
    """N triangles. Walls also say where they start, which way they run and how long they are."""

    triangles: Floats  # (N, 3, 3) metres
    material: NDArray[np.uint8]  # (N,)
    owner: NDArray[np.int32]  # (N,) index of the building, tree, car or person
    start: Floats  # (N, 2) metres, walls only
    along: Floats  # (N, 2) unit vector, walls only
    length: Floats  # (N,) metres, walls only
    normal: Floats  # (N, 3) unit normals used for shading

    def __len__(self) -> int:
        return len(self.triangles)


def mesh(triangles: Any, material: Material, owner: Any, normal: Any = None) -> Mesh:
    """A mesh of one material; `owner` is one index or one per triangle; normals default to the flat ones."""
    shape = np.asarray(triangles, np.float32).reshape(-1, 3, 3)
    count = len(shape)
    return Mesh(
        shape,
        np.full(count, material, np.uint8),
        np.broadcast_to(np.asarray(owner, np.int32), count),
        np.zeros((count, 2), np.float32),
        np.tile(f32([1, 0]), (count, 1)),
        np.ones(count, np.float32),
        flat_normals(shape) if normal is None else np.asarray(normal, np.float32),
    )


def walls(start: Any, end: Any, low: Any, high: Any, owner: Any, material: Material = Material.WALL) -> Mesh:
    """(N, 2) `start`, `end` and (N,) `low`, `high` in metres -> two triangles a wall, seen from both sides."""
    a, b = np.asarray(start, np.float32).reshape(-1, 2), np.asarray(end, np.float32).reshape(-1, 2)
    count = len(a)
    z0, z1 = (np.broadcast_to(np.asarray(z, np.float32), count)[:, None] for z in (low, high))
    owners = np.broadcast_to(np.asarray(owner, np.int32), count)
    length = np.linalg.norm(b - a, axis=1)
    keep = length > 1e-3
    a, b, z0, z1, owners, length = a[keep], b[keep], z0[keep], z1[keep], owners[keep], length[keep]
    p, q, r, s = np.hstack([a, z0]), np.hstack([b, z0]), np.hstack([b, z1]), np.hstack([a, z1])
    triangles = np.stack([np.stack([p, q, r], 1), np.stack([p, r, s], 1)], 1).reshape(-1, 3, 3)

    def twice(values: Any) -> Any:
        return np.repeat(values, 2, axis=0)

    return Mesh(
        triangles,
        np.full(len(triangles), material, np.uint8),
        twice(owners),
        twice(a),
        twice((b - a) / length[:, None]),
        twice(length),
        flat_normals(triangles),
    )


def ring_walls(
    polygon: Polygon, low: float, high: float, owner: int, material: Material = Material.WALL
) -> Mesh:
    """Walls around the outer ring and the courtyards of a footprint."""
    rings = [np.asarray(ring.coords)[:, :2] for ring in (polygon.exterior, *polygon.interiors)]
    start = np.concatenate([ring[:-1] for ring in rings])
    return walls(start, np.concatenate([ring[1:] for ring in rings]), low, high, owner, material)


def triangulated(polygon: Polygon) -> NDArray[np.float64]:
    """(N, 3, 2) triangles that fill a polygon with holes."""
    rings = [np.asarray(ring.coords)[:-1, :2] for ring in (polygon.exterior, *polygon.interiors)]
    vertices = np.ascontiguousarray(np.concatenate(rings), np.float64)
    ends = np.cumsum([len(ring) for ring in rings]).astype(np.uint32)
    return vertices[earcut.triangulate_float64(vertices, ends).reshape(-1, 3)]


def cap(polygon: Polygon, height: Any, owner: int, material: Material) -> Mesh:
    """A polygon at `height`: one number, or a function of (N, 2) points that gives (N,) heights."""
    flat = triangulated(polygon)
    points = flat.reshape(-1, 2)
    z = height(points) if callable(height) else np.full(len(points), height)
    solid = np.column_stack([points, z]).reshape(-1, 3, 3)
    normal = flat_normals(solid)
    normal[normal[:, 2] < 0] *= -1
    return mesh(solid, material, owner, normal)


def box_mesh(
    centre: tuple[float, float],
    half: tuple[float, float],
    low: float,
    high: float,
    angle: float,
    owner: int,
    material: Material,
) -> Mesh:
    """An upright box turned by `angle` radians, with a lid."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    outline = Polygon(corners @ turn.T + centre)
    return joined([ring_walls(outline, low, high, owner, material), cap(outline, high, owner, material)])


def prism(points: Any, low: float, high: float, radius_low: float, radius_high: float, sides: int) -> Floats:
    """(N, 2) centres -> (N * 2 * sides, 3, 3) triangles of tapered upright cylinders without lids."""
    centres = np.asarray(points, np.float32).reshape(-1, 2)
    angle = np.linspace(0, 2 * np.pi, sides + 1, dtype=np.float32)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    lower, upper = circle * radius_low, circle * radius_high
    a, b = np.c_[lower[:-1], np.full(sides, low)], np.c_[lower[1:], np.full(sides, low)]
    c, d = np.c_[upper[1:], np.full(sides, high)], np.c_[upper[:-1], np.full(sides, high)]
    one = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    offset = np.c_[centres, np.zeros(len(centres))][:, None, None, :]
    return (one[None] + offset).reshape(-1, 3, 3).astype(np.float32)


def joined(parts: list[Mesh]) -> Mesh:
    """One mesh of many."""
    return Mesh(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in Mesh.__dataclass_fields__)
    )


def mirrored(part: Mesh, x_axis_m: float | None, y_axis_m: float | None) -> Mesh:
    """The mesh reflected in the line x = `x_axis_m` and/or y = `y_axis_m`."""
    flip = f32([1, 1, 1])
    shift = f32([0, 0, 0])
    for k, axis in enumerate((x_axis_m, y_axis_m)):
        if axis is not None:
            flip[k], shift[k] = -1, 2 * axis
    return Mesh(
        part.triangles * flip + shift,
        part.material,
        part.owner,
        part.start * flip[:2] + shift[:2],
        part.along * flip[:2],
        part.length,
        part.normal * flip,
    )


def flat_normals(triangles: Floats) -> Floats:
    """(N, 3) unit normals of (N, 3, 3) triangles."""
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    return (normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)).astype(np.float32)
