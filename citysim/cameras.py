"""Where a camera can stand: along streets and paths, and on a regular grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from shapely import contains_xy, prepare

from citysim.cities import Window
from citysim.street import points_along
from citysim.surfaces import OPEN_ROADS, PATHS, STREETS, Surface
from citysim.world import World


def camera_spots(
    world: World, windows: Sequence[Window], count: int, seed: tuple[int, ...]
) -> NDArray[np.float64]:
    """Up to `count` spots (N, 2) in any window, no two within 3.5 m, in random order.

    Three quarters of them are on streets; on the open roads of procedural places, all.
    """
    rng = np.random.default_rng(seed)
    found: list[NDArray[np.float64]] = []
    for kinds, share, step, apart in (
        (STREETS, 0.75, 4.0, 3.5),
        ((*PATHS, "service", "track"), 0.25, 7.0, 6.0),
        (OPEN_ROADS, 1.0, 4.0, 3.5),
    ):
        lines = [way.line for way in world.plan.ways if way.kind in kinds and not way.crossing]
        if not lines and found:
            continue
        spots = [points_along(line, step, step * rng.random()) for line in lines]
        along = np.concatenate([*spots, np.zeros((0, 4))])
        aside = np.clip(1.5 * rng.normal(size=(len(along), 1)), -3.5, 3.5)
        place = along[:, :2] + np.c_[-along[:, 3], along[:, 2]] * aside
        usable = np.any([standable(world, place, window, 1.3) for window in windows], axis=0)
        place = rng.permutation(place[usable])
        found.append(_thinned(place, apart)[: round(count * share)])
    return rng.permutation(np.concatenate(found))


def grid_places(world: World, window: Window, spacing_m: float) -> NDArray[np.float64]:
    """(N, 2) spots of a regular grid that a camera can reach: not in water, not inside buildings."""
    west, south, east, north = window
    x, y = np.meshgrid(np.arange(west, east, spacing_m), np.arange(south, north, spacing_m))
    spots = np.stack([x.ravel(), y.ravel()], 1)
    return spots[standable(world, spots, window, 0.3)]


def standable(
    world: World, spots: NDArray[np.float64], window: Window, clearance_m: float
) -> NDArray[np.bool_]:
    """(N,) whether each spot lies in the window, on dry land, `clearance_m` outside every building."""
    west, south, east, north = window
    x, y = spots[:, 0], spots[:, 1]
    inside = (x >= west) & (x <= east) & (y >= south) & (y <= north)
    walls = world.built.buffer(clearance_m)
    prepare(walls)
    return inside & ~contains_xy(walls, x, y) & (world.ground.surface_at(x, y) != Surface.WATER)


def _thinned(spots: NDArray[np.float64], apart_m: float) -> NDArray[np.float64]:
    """The spots without those that come within `apart_m` of an earlier one."""
    if len(spots) < 2:
        return spots
    gone = np.zeros(len(spots), bool)
    for k, near in enumerate(cKDTree(spots).query_ball_point(spots, apart_m)):
        if not gone[k]:
            gone[[other for other in near if other > k]] = True
    return spots[~gone]
