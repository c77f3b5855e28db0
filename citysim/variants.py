"""Perturbed cities: a plan turned, sheared, with other heights, trees and areas, so that a model meets many plans."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from shapely import affinity

from citysim.plan import Area, Building, CityPlan, Rail, Tree, Way
from citysim.street import points_along
from citysim.surfaces import STREETS

_MARGIN_M = 420.0
_SWAPS = (
    "leisure:park",
    "landuse:grass",
    "place:square",
    "amenity:parking",
    "leisure:pitch",
    "leisure:garden",
)
_REPLACEMENTS = (
    "landuse:grass",
    "place:square",
    "amenity:parking",
    "leisure:pitch",
    "leisure:playground",
    "leisure:park",
)


def perturbed(plan: CityPlan, variant: int, augment: bool = True) -> CityPlan:
    """The plan turned, sheared, stretched and repainted by chance; `variant` 0 is the plan itself.

    With `augment` some heights, trees and areas change as well and some houses go. Without it each house stands as
    high as mapped and nothing is added or taken away: as uniform as the real city, so harder to tell apart.
    """
    if variant == 0:
        return plan
    rng = np.random.default_rng([31, variant])
    turn = rng.uniform(-math.pi, math.pi)
    stretch_x, stretch_y = rng.uniform(0.88, 1.25), rng.uniform(0.88, 1.2)
    shear = rng.uniform(-0.18, 0.18)
    mirror = rng.choice([-1.0, 1.0])
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    a, b, d, e = (rotation @ np.array([[stretch_x * mirror, shear], [0.0, stretch_y]])).ravel()
    moved = with_mirrored_margin(plan, _MARGIN_M).transformed((float(a), float(b), float(d), float(e)))
    moved = moved.clipped(_MARGIN_M, _MARGIN_M, _MARGIN_M + plan.width_m, _MARGIN_M + plan.height_m)
    renumbered = tuple(replace(b, osm_id=b.osm_id + variant * 1_000_003) for b in moved.buildings)
    if not augment:
        return replace(moved, name=f"{plan.name}-{variant}", buildings=renumbered)
    buildings = tuple(
        replace(
            building,
            height_m=None if rng.random() < 0.7 else building.height_m,
        )
        for building in renumbered
        if rng.random() > 0.06
    )
    trees = tuple(
        Tree(t.x_m + 2 * rng.normal(), t.y_m + 2 * rng.normal(), t.osm_id + variant)
        for t in moved.trees
        if rng.random() > 0.25
    )
    areas = tuple(
        replace(
            area,
            kind=str(rng.choice(_REPLACEMENTS)) if area.kind in _SWAPS and rng.random() < 0.25 else area.kind,
        )
        for area in moved.areas
    )
    return replace(
        moved,
        name=f"{plan.name}-{variant}",
        buildings=buildings,
        trees=(*trees, *_avenues(moved, rng)),
        areas=areas,
    )


def with_mirrored_margin(plan: CityPlan, margin_m: float) -> CityPlan:
    """The plan with its mirror images around it, the corner of the larger rectangle at (0, 0)."""
    buildings: list[Building] = []
    ways: list[Way] = []
    rails: list[Rail] = []
    areas: list[Area] = []
    trees: list[Tree] = []
    for flip_x, shift_x in ((1, 0.0), (-1, 0.0), (-1, 2 * plan.width_m)):
        for flip_y, shift_y in ((1, 0.0), (-1, 0.0), (-1, 2 * plan.height_m)):
            matrix = (flip_x, 0, 0, flip_y, shift_x, shift_y)
            buildings += [
                replace(b, footprint=affinity.affine_transform(b.footprint, matrix)) for b in plan.buildings
            ]
            ways += [replace(w, line=affinity.affine_transform(w.line, matrix)) for w in plan.ways]
            rails += [replace(r, line=affinity.affine_transform(r.line, matrix)) for r in plan.rails]
            areas += [replace(a, polygon=affinity.affine_transform(a.polygon, matrix)) for a in plan.areas]
            trees += [
                replace(t, x_m=flip_x * t.x_m + shift_x, y_m=flip_y * t.y_m + shift_y) for t in plan.trees
            ]
    larger = replace(
        plan,
        buildings=tuple(buildings),
        ways=tuple(ways),
        rails=tuple(rails),
        areas=tuple(areas),
        trees=tuple(trees),
    )
    return larger.clipped(-margin_m, -margin_m, plan.width_m + margin_m, plan.height_m + margin_m)


def _avenues(plan: CityPlan, rng: np.random.Generator) -> list[Tree]:
    """Rows of trees along one street in seven."""
    trees = []
    for way in plan.ways:
        if way.kind in STREETS and rng.random() < 0.15:
            side = rng.choice([-1.0, 1.0]) * (way.width_m / 2 + 1.6)
            for x, y, dx, dy in points_along(way.line, 9.0, 3.0):
                trees.append(Tree(float(x - dy * side), float(y + dx * side), int(rng.integers(1 << 30))))
    return trees
