"""Round things in triangles, with normals at their corners: skins over rows of points, tubes, eggs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from citysim.mesh import Floats, Material, f32

Points = NDArray[np.float64]
Skin = tuple[Points, Points]
"""(N, 3, 3) triangles and normals at their corners, of any length."""


def quads(values: Points) -> Points:
    """(K, C, 3) rows of corners -> (N, 3, 3), two triangles for each cell between them."""
    a, b, c, d = values[:-1, :-1], values[1:, :-1], values[1:, 1:], values[:-1, 1:]
    return np.concatenate([np.stack(t, 2).reshape(-1, 3, 3) for t in ((a, b, c), (a, c, d))])


def tube(axis: Points, widths: Points, aside: ArrayLike, other: ArrayLike, sides: int) -> Points:
    """(K, 3) points and (K,) radii -> (N, 3, 3): rings in the plane of two directions, joined."""
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.cos(angle)[:, None] * np.asarray(aside) + np.sin(angle)[:, None] * np.asarray(other)
    return quads(axis[:, None] + widths[:, None, None] * ring)


def egg(middle: Sequence[float], half: Sequence[float], around: int, down: int) -> Skin:
    """Half as long as `half` in each direction, in so many steps around and from top to bottom."""
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, around + 1), np.linspace(0, np.pi, down + 1))
    unit = np.stack([np.sin(v) * np.cos(u), np.sin(v) * np.sin(u), np.cos(v)], -1)
    return quads(unit * half + middle), quads(unit / half)


def together(parts: Sequence[tuple[Skin, Material]]) -> tuple[Floats, Floats, NDArray[np.uint8]]:
    """Skins, each of a material -> (N, 3, 3) triangles, (N, 3, 3) unit normals, (N,) materials."""
    shape = np.concatenate([skin[0] for skin, _ in parts])
    normal = np.concatenate([skin[1] for skin, _ in parts])
    material = np.concatenate([np.full(len(skin[0]), kind, np.uint8) for skin, kind in parts])
    normal /= np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-6)
    return f32(shape), f32(normal), material
