"""Trees: trunks and crowns of leaf clusters, so that light and sky come through them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from shapely import contains_xy, prepare
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from l2ltr_core.twin.mesh import Floats, Material, Mesh, f32, joined, mesh, prism
from l2ltr_core.twin.noise import hashed
from l2ltr_core.twin.plan import CityPlan, Tree
from l2ltr_core.twin.surfaces import WOODED

_TEMPLATES = 10


def planted(plan: CityPlan, built: BaseGeometry, roads: BaseGeometry, variant: int) -> tuple[Tree, ...]:
    """The mapped trees and those that woods and parks have beyond them, clear of `built` and `roads`."""
    rng = np.random.default_rng([77, variant])
    trees = list(plan.trees)
    lawns_only = [
        a.polygon
        for a in plan.areas
        if a.kind in ("leisure:pitch", "leisure:playground", "natural:water", "natural:sea")
    ]
    closed = unary_union([built, roads.buffer(1.0), *(p.buffer(1.5) for p in lawns_only)])
    prepare(closed)
    for area in plan.areas:
        if area.kind not in WOODED:
            continue
        prepare(area.polygon)
        west, south, east, north = area.polygon.bounds
        count = int((east - west) * (north - south) / WOODED[area.kind])
        x, y = rng.uniform(west, east, count), rng.uniform(south, north, count)
        free = contains_xy(area.polygon, x, y) & ~contains_xy(closed, x, y)
        trees += [
            Tree(float(a), float(b), int(n))
            for a, b, n in zip(x[free], y[free], rng.integers(1 << 30, size=free.sum()), strict=True)
        ]
    return tuple(trees)


def tree_mesh(trees: tuple[Tree, ...], cards: int) -> Mesh | None:
    """Crowns of `cards` leaf clusters each, and trunks; `owner` is the tree's index."""
    if not trees:
        return None
    ids = np.array([t.osm_id for t in trees], np.int64)
    places = np.array([(t.x_m, t.y_m) for t in trees], np.float32)

    def chance(k: int) -> Floats:
        return hashed(ids, 200 + k)

    radius, tall, middle = tree_sizes(ids)
    templates = [_crown(k, cards) for k in range(_TEMPLATES)]
    which = (chance(5) * _TEMPLATES).astype(int)
    turn = chance(6) * 2 * np.pi
    crowns, normals = [], []
    for k in range(len(trees)):
        shape, normal = templates[which[k]]
        cos, sin = np.cos(turn[k]), np.sin(turn[k])
        spin = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], np.float32)
        size = f32([radius[k], radius[k], tall[k]])
        crowns.append((shape @ spin.T) * size + f32([*places[k], middle[k]]))
        normals.append(normal @ spin.T)
    owner = np.repeat(np.arange(len(trees)), cards)
    leaves = mesh(np.concatenate(crowns), Material.LEAF, owner, np.concatenate(normals))
    trunks = [
        mesh(prism([places[k]], 0.0, float(middle[k]), 0.06 + 0.05 * radius[k], 0.05, 6), Material.WOOD, k)
        for k in range(len(trees))
    ]
    return joined([leaves, *trunks])


def tree_sizes(ids: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """(T,) metres: radius of each crown, half its height, its middle's height above the ground."""

    def chance(k: int) -> Floats:
        return hashed(ids, 200 + k)

    radius = 1.9 + 2.1 * chance(1)
    small = chance(2) < 0.22
    radius = np.where(small, radius * 0.6, radius).astype(np.float32)
    tall = radius * (1.15 + 0.55 * chance(3))
    middle = 1.9 + tall * 0.9 + 0.9 * chance(4) * ~small
    return radius, tall, middle


def tree_colours(trees: tuple[Tree, ...]) -> Floats:
    """(T, 3) linear albedo of each crown in summer."""
    ids = np.array([t.osm_id for t in trees], np.int64)
    warm, light = hashed(ids, 220)[:, None], hashed(ids, 221)[:, None]
    return (f32([0.105, 0.20, 0.045]) + warm * f32([0.09, 0.035, 0.0])) * (0.7 + 0.6 * light)


@lru_cache(maxsize=32)
def _crown(number: int, cards: int) -> tuple[Floats, Floats]:
    """A crown in the unit ball: (cards, 3, 3) triangles gathered in clumps, and (cards, 3) outward normals."""
    rng = np.random.default_rng([5, number])
    clumps = 9
    centre = rng.normal(size=(clumps, 3))
    centre *= (0.58 * rng.random((clumps, 1)) ** 0.4) / np.linalg.norm(centre, axis=1, keepdims=True)
    centre[:, 2] = centre[:, 2] * 0.9 + 0.05
    which = rng.integers(clumps, size=cards)
    out = rng.normal(size=(cards, 3))
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    place = centre[which] + out * (0.26 + 0.16 * rng.random((cards, 1)))
    size = 0.62 / cards**0.333 * (0.75 + 0.5 * rng.random((cards, 1, 1)))
    corner = rng.normal(size=(cards, 3, 3))
    corner -= corner.mean(1, keepdims=True)
    corner /= np.linalg.norm(corner, axis=2, keepdims=True)
    normal = 0.55 * out + 0.75 * place / np.maximum(np.linalg.norm(place, axis=1, keepdims=True), 1e-6)
    normal += 0.25 * rng.normal(size=(cards, 3))
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return (place[:, None] + corner * size * 1.9).astype(np.float32), normal.astype(np.float32)
