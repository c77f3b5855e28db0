"""Trees: trunks and crowns of leaf clusters, so that light and sky come through them."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from shapely import contains_xy, prepare
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from citysim.mesh import Floats, Material, Mesh, f32, joined, mesh, prism
from citysim.noise import hashed
from citysim.plan import CityPlan, Tree
from citysim.surfaces import WOODED

_TEMPLATES = 10


class Form(NamedTuple):
    """How a kind of tree differs from the one along a city's streets; lengths in metres."""

    radius: tuple[float, float]
    tall: tuple[float, float]
    """Half the height of the crown, in radii."""
    clear: tuple[float, float]
    """From the ground to the crown."""
    cards: float
    """Leaf clusters, as a share of what is asked for."""
    colour: tuple[float, float, float]
    pointed: bool = False
    evergreen: bool = False


FORMS: dict[str, Form | None] = {
    "broad": None,
    "garden": Form((1.2, 3.4), (0.9, 1.6), (0.5, 1.8), 1.0, (0.11, 0.165, 0.05)),
    "bush": Form((0.5, 1.7), (0.6, 1.0), (-0.3, 0.0), 0.35, (0.12, 0.15, 0.065), evergreen=True),
    "sage": Form((0.35, 1.0), (0.5, 0.9), (-0.2, 0.0), 0.16, (0.17, 0.165, 0.10), evergreen=True),
    "forest": Form((2.2, 4.2), (1.4, 2.5), (0.2, 2.6), 0.6, (0.09, 0.13, 0.048)),
    "conifer": Form(
        (1.5, 2.9), (2.4, 4.0), (0.2, 1.0), 0.6, (0.055, 0.095, 0.04), pointed=True, evergreen=True
    ),
    "gum": Form((2.6, 5.2), (0.65, 1.0), (2.5, 6.0), 0.8, (0.135, 0.155, 0.085), evergreen=True),
    "shade": Form((3.5, 6.2), (0.75, 1.1), (1.6, 3.2), 1.3, (0.085, 0.14, 0.04)),
}
"""The kinds of trees; only "broad" ones stand in mapped cities."""


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

    radius, tall, middle = tree_sizes(trees)
    forms = [FORMS[t.form] for t in trees]
    which = (chance(5) * _TEMPLATES).astype(int)
    turn = chance(6) * 2 * np.pi
    crowns, normals = [], []
    for k in range(len(trees)):
        shape, normal = _crown_of(forms[k], int(which[k]), cards)
        cos, sin = np.cos(turn[k]), np.sin(turn[k])
        spin = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], np.float32)
        size = f32([radius[k], radius[k], tall[k]])
        crowns.append((shape @ spin.T) * size + f32([*places[k], middle[k]]))
        normals.append(normal @ spin.T)
    owner = np.repeat(np.arange(len(trees)), [len(crown) for crown in crowns])
    leaves = mesh(np.concatenate(crowns), Material.LEAF, owner, np.concatenate(normals))
    trunks = [
        mesh(prism([places[k]], 0.0, float(middle[k]), 0.06 + 0.05 * radius[k], 0.05, 6), Material.WOOD, k)
        for k in range(len(trees))
    ]
    return joined([leaves, *trunks])


def _crown_of(form: Form | None, number: int, cards: int) -> tuple[Floats, Floats]:
    if form is None:
        return _crown(number, cards)
    shape, normal = _crown(number, max(12, round(cards * form.cards)))
    return (_pointed(shape), normal) if form.pointed else (shape, normal)


def _pointed(shape: Floats) -> Floats:
    """A crown in the unit ball drawn together towards its top."""
    width = 1.25 - 0.62 * (shape[..., 2:] + 1)
    return f32(np.concatenate([shape[..., :2] * np.maximum(width, 0.05), shape[..., 2:]], -1))


def tree_sizes(trees: tuple[Tree, ...]) -> tuple[Floats, Floats, Floats]:
    """(T,) metres: radius of each crown, half its height, its middle's height above the ground."""
    ids = np.array([t.osm_id for t in trees], np.int64)

    def chance(k: int) -> Floats:
        return hashed(ids, 200 + k)

    radius = 1.9 + 2.1 * chance(1)
    small = chance(2) < 0.22
    radius = np.where(small, radius * 0.6, radius).astype(np.float32)
    tall = radius * (1.15 + 0.55 * chance(3))
    middle = 1.9 + tall * 0.9 + 0.9 * chance(4) * ~small
    for form in {t.form for t in trees} - {"broad"}:
        look = FORMS[form]
        assert look is not None
        rows = np.array([t.form == form for t in trees])
        low, range_ = (
            f32([look.radius[0], look.tall[0], look.clear[0]]),
            f32(np.ptp([look.radius, look.tall, look.clear], 1)),
        )
        radius[rows] = low[0] + range_[0] * chance(1)[rows]
        tall[rows] = radius[rows] * (low[1] + range_[1] * chance(3)[rows])
        middle[rows] = low[2] + range_[2] * chance(4)[rows] + 0.95 * tall[rows]
    return radius, tall, middle


def tree_colours(trees: tuple[Tree, ...]) -> Floats:
    """(T, 3) linear albedo of each crown in summer."""
    ids = np.array([t.osm_id for t in trees], np.int64)
    warm, light = hashed(ids, 220)[:, None], hashed(ids, 221)[:, None]
    colour = (f32([0.105, 0.20, 0.045]) + warm * f32([0.09, 0.035, 0.0])) * (0.7 + 0.6 * light)
    for k, form in enumerate(FORMS[t.form] for t in trees):
        if form is not None:
            colour[k] = (
                f32(form.colour) * (0.7 + 0.6 * light[k]) * (1 + (warm[k] - 0.5) * f32([0.6, 0.15, 0.2]))
            )
    return f32(colour)


def evergreens(trees: tuple[Tree, ...]) -> NDArray[np.bool_]:
    """(T,) whether each keeps its colour in autumn."""
    forms = [FORMS[t.form] for t in trees]
    return np.array([form is not None and form.evergreen for form in forms], bool)


@lru_cache(maxsize=128)
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
