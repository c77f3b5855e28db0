"""The city as one scene of triangles over a painted ground, ready to be looked at."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from shapely import prepare
from shapely.geometry.base import BaseGeometry

from citysim.buildings import Styles, building_meshes, styles_of
from citysim.closeup.cars import Place, body_of, car_mesh
from citysim.closeup.crowns import grove, grown
from citysim.closeup.ground_detail import CloseUp, Drawings
from citysim.closeup.lawn import lawn
from citysim.closeup.pedestrians import pedestrian_mesh
from citysim.closeup.trim import lamp_meshes, trim_meshes
from citysim.greenery import evergreens, planted, tree_colours, tree_mesh
from citysim.ground import Ground, built_of, paint_ground, roads_of
from citysim.mesh import Floats, Mesh, f32, flat_normals, joined, mirrored
from citysim.noise import hashed
from citysim.plan import CityPlan, Tree
from citysim.repaint import repainted_ground, repainted_styles, repainted_trees
from citysim.street import Crowd, crowd, lamp_posts, plain_lamps, plain_mesh, utility_poles, wires
from citysim.surfaces import Surface

_MIRROR_M = 280.0
"""How far beyond the plan its mirror image goes on, so that no street ends in an empty plain."""
_FAR_LEAVES = 700
_NEAR_M, _CLOSE_M = 60.0, 22.0
"""Metres from a camera within which trees have many leaves, and most; cars are smoothest within half of the first."""
_EYE_M, _LEAFLESS_M = 2.4, 2.5


@dataclass(frozen=True)
class Detail:
    """How fine the world is: ground cells in metres, leaf clusters a tree, rays a point for ambient occlusion.

    With `close` everything has what only a large photo shows. Nothing stands elsewhere for that.
    """

    cell_m: float
    leaf_cards: int
    occlusion_rays: int = 0
    close: bool = False


STANDARD = Detail(cell_m=0.25, leaf_cards=150)
FINE = Detail(cell_m=0.125, leaf_cards=9000, occlusion_rays=3, close=True)

_FROM_ABOVE = Detail(cell_m=0.125, leaf_cards=2200, occlusion_rays=2)
"""What orthophotos show of a FINE world: as they were before there was anything closer."""


class World:
    """Everything that stays (buildings, trees, lamps), plus the traffic of the present capture."""

    def __init__(self, plan: CityPlan, *, variant: int = 0, detail: Detail = STANDARD) -> None:
        self.plan = plan
        self.variant = variant
        self.detail = detail
        self.built: BaseGeometry = built_of(plan)
        prepare(self.built)
        self.lamps = lamp_posts(plan, self.built)
        self.ground: Ground = paint_ground(plan, self.lamps, detail.cell_m, variant)
        self.styles: Styles = styles_of(plan.buildings, variant)
        self.trees: tuple[Tree, ...] = planted(plan, self.built, roads_of(plan), variant)
        self.tree_colour: Floats = tree_colours(self.trees)
        self.evergreen: NDArray[np.bool_] = evergreens(self.trees)
        self._first_paint = self.ground, self.styles, self.tree_colour
        self._drawings = Drawings(plan, variant) if detail.close else None
        self.close_up: CloseUp | None = None
        self._still = self._still_parts()
        self.set_capture((variant, 0))

    def repaint(self, rng: np.random.Generator, strength: float) -> None:
        """Other colours of ground, houses and crowns, 0: the first ones; what stands where remains."""
        ground, styles, crowns = self._first_paint
        self.ground = repainted_ground(ground, rng, strength)
        self.styles = repainted_styles(styles, rng, strength)
        self.tree_colour = repainted_trees(crowns, rng, strength)

    def _still_parts(self) -> Mesh:
        """All that stays; of a close world its trees apart, which grow finer where a camera is."""
        houses = building_meshes(self.plan.buildings, self.styles, self.variant)
        parts = [*houses, *plain_lamps(self.lamps), *wires(self.plan), *utility_poles(self.plan)]
        close = self.detail.close
        green = tree_mesh(self.trees, STANDARD.leaf_cards if close else self.detail.leaf_cards)
        around = joined(parts if green is None else [*parts, green])
        beyond = _surroundings(around, self.plan.width_m, self.plan.height_m)
        if not close:
            return joined([around, *beyond])
        self.grove = grove(self.trees)
        self._far_trees = grown(self.grove, np.arange(len(self.trees)), _FAR_LEAVES)
        trim = trim_meshes(self.plan.buildings, self.styles, self.built)
        posts = [*lamp_meshes(self.lamps), *wires(self.plan), *utility_poles(self.plan)]
        return joined([*houses, *posts, *trim, *beyond])

    def _trees_seen(self, cameras: NDArray[np.float64]) -> list[Mesh]:
        if not self.detail.close or not self.trees:
            return []
        away = np.full(len(self.trees), np.inf)
        if len(cameras):
            away = cKDTree(cameras).query(self.grove.place)[0]
        close, far = away < _CLOSE_M, away >= _NEAR_M
        finest = grown(self.grove, np.flatnonzero(close), 4 * self.detail.leaf_cards)
        finest[::2] = [_off_the_lens(leaves, cameras) for leaves in finest[::2]]
        return [
            *(part for k in np.flatnonzero(far) for part in self._far_trees[2 * k : 2 * k + 2]),
            *grown(self.grove, np.flatnonzero(~far & ~close), self.detail.leaf_cards),
            *finest,
        ]

    def set_capture(
        self, seed: tuple[int, ...], clear: NDArray[np.float64] | None = None, density: float = 0.5
    ) -> None:
        """Put other cars and people into the streets, keeping (N, 2) points `clear`."""
        cameras = np.zeros((0, 2)) if clear is None else clear
        self._capture = seed, clear, density
        for name in ("mesh", "_plane", "_scene", "_embree_mesh"):
            self.__dict__.pop(name, None)  # the last capture's and this one's together are too much
        self.round_from = np.iinfo(np.int32).max
        moving = crowd(self.plan, self.built, (9000, *seed), cameras, density)
        self.paint_colour = moving.colours
        still = [self._still, *self._trees_seen(cameras)]
        blades = lawn(cameras, self._grassy) if self.detail.close else None
        still += [] if blades is None else [blades]
        there = self._rounded(moving, cameras) if self.detail.close else plain_mesh(moving)
        if there is not None and self.detail.close:
            self.round_from = sum(map(len, still))
        self.mesh: Mesh = joined([*still, *([] if there is None else [there])])
        flat = flat_normals(self.mesh.triangles)
        self._plane: Floats = np.c_[flat, np.einsum("nk,nk->n", flat, self.mesh.triangles[:, 0])]
        self._scene = EmbreeScene()
        self._embree_mesh = TriangleMesh(self._scene, np.ascontiguousarray(self.mesh.triangles))

    def _grassy(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        return self.holds(np.c_[x, y]) & (self.ground.surface_at(x, y) == Surface.GRASS)

    def _rounded(self, moving: Crowd, cameras: NDArray[np.float64]) -> Mesh | None:
        """A crowd with round bodies; those that stand near a camera in the finest steps."""
        cars, people = moving.cars, moving.people
        places = np.array([who[:2] for who in (*cars, *people)]).reshape(-1, 2)
        near = np.zeros(len(places), bool)
        if len(cameras):
            near = cKDTree(cameras).query(places)[0] < _NEAR_M / 2
        bodies = [body_of(car.van, float(hashed(owner, 81))) for owner, car in enumerate(cars)]
        self.cars: Floats = f32(
            [
                (c.x_m, c.y_m, np.cos(c.angle), np.sin(c.angle), c.size, b)
                for c, b in zip(cars, bodies, strict=True)
            ]
        ).reshape(-1, 6)
        parts = [
            car_mesh(Place(car.x_m, car.y_m, car.angle, car.size, body), owner, bool(near[owner]))
            for owner, (car, body) in enumerate(zip(cars, bodies, strict=True))
        ]
        parts += [
            pedestrian_mesh(*person, owner, bool(near[owner]))
            for owner, person in enumerate(people, len(cars))
        ]
        if not parts:
            return None
        self._bent: Floats = np.concatenate([bent for _, bent in parts])
        return joined([part for part, _ in parts])

    def round_normals(self, triangle: NDArray[np.int32], point: Floats) -> Floats:
        """(N, 3) unit normals at points of triangles from `round_from` on, as if these were not flat."""
        a, b, c = self.mesh.triangles[triangle].transpose(1, 0, 2)
        ab, ac, ap = b - a, c - a, point - a
        bb, bc, cc = ((u * v).sum(1) for u, v in ((ab, ab), (ab, ac), (ac, ac)))
        pb, pc = (ap * ab).sum(1), (ap * ac).sum(1)
        area = np.maximum(bb * cc - bc * bc, 1e-14)
        v, w = (cc * pb - bc * pc) / area, (bb * pc - bc * pb) / area
        part = np.clip(np.stack([1 - v - w, v, w], 1), 0, 1)
        normal = np.einsum("nk,nkc->nc", part, self._bent[triangle - self.round_from])
        return f32(normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6))

    def look_from(self, x_m: float, y_m: float) -> None:
        """Draw the ground around a camera, for photos large enough to show it."""
        if self._drawings is not None and (
            self.close_up is None or (self.close_up.x_m, self.close_up.y_m) != (x_m, y_m)
        ):
            self.close_up = CloseUp(self._drawings, x_m, y_m)

    def from_above(self) -> World:
        """The same city in the same capture without what only a photo from the street shows."""
        if not self.detail.close:
            return self
        plain = copy(self)
        plain.detail = _FROM_ABOVE if self.detail == FINE else replace(self.detail, close=False)
        plain._drawings = plain.close_up = None
        plain._still = plain._still_parts()
        plain.set_capture(*self._capture)
        return plain

    def holds(self, point: NDArray[Any]) -> NDArray[np.bool_]:
        """(N, 2 or 3) metres -> (N,) whether they are on the plan rather than on its mirror image."""
        inside = (point[:, :2] > 0).all(1)
        return np.asarray(inside & (point[:, 0] < self.plan.width_m) & (point[:, 1] < self.plan.height_m))

    def first_hit(self, origin: Floats, direction: Floats) -> tuple[NDArray[np.int32], Floats]:
        """(N, 3) rays -> (N,) triangle index or -1, and (N,) distance in metres."""
        triangle = self._scene.run(
            np.ascontiguousarray(origin), np.ascontiguousarray(direction), query="INTERSECT"
        )
        plane = self._plane[triangle]  # asking Embree for the distance as well takes twice as long
        along = np.einsum("nk,nk->n", plane[:, :3], direction)
        distance = (plane[:, 3] - np.einsum("nk,nk->n", plane[:, :3], origin)) / np.where(
            along == 0, 1e-9, along
        )
        return triangle, np.where(triangle >= 0, distance, np.inf).astype(np.float32)

    def blocked(self, origin: Floats, direction: Floats, within_m: float | None = None) -> NDArray[np.bool_]:
        """(N, 3) rays -> (N,) whether anything stands in the way, `within_m` metres or at all."""
        reach = None if within_m is None else np.full(len(origin), within_m, np.float32)
        rays = np.ascontiguousarray(origin), np.ascontiguousarray(direction)
        return np.asarray(self._scene.run(*rays, reach, query="OCCLUDED") == 0)


def _surroundings(here: Mesh, width_m: float, height_m: float) -> list[Mesh]:
    """The mesh mirrored over each edge and corner, as far as `_MIRROR_M`."""
    centre = here.triangles[:, :, :2].mean(1)
    near_x = {0.0: centre[:, 0] < _MIRROR_M, width_m: centre[:, 0] > width_m - _MIRROR_M}
    near_y = {0.0: centre[:, 1] < _MIRROR_M, height_m: centre[:, 1] > height_m - _MIRROR_M}
    parts = [mirrored(_some(here, near), axis, None) for axis, near in near_x.items()]
    parts += [mirrored(_some(here, near), None, axis) for axis, near in near_y.items()]
    for x_axis, x_near in near_x.items():
        parts += [mirrored(_some(here, x_near & y_near), x_axis, y_axis) for y_axis, y_near in near_y.items()]
    return [part for part in parts if len(part)]


def _off_the_lens(leaves: Mesh, cameras: NDArray[np.float64]) -> Mesh:
    """Without those right before a camera, where a leaf is no more than a triangle."""
    eyes = np.c_[cameras, np.full(len(cameras), _EYE_M)]
    return _some(leaves, cKDTree(eyes).query(leaves.triangles.mean(1))[0] > _LEAFLESS_M)


def _some(part: Mesh, keep: NDArray[np.bool_]) -> Mesh:
    return Mesh(*(getattr(part, name)[keep] for name in Mesh.__dataclass_fields__))
