"""Trees for large photos: limes, maples and birches with branches, and leaves in clusters of several sizes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from citysim import noise
from citysim.closeup.smooth import tube
from citysim.greenery import tree_sizes
from citysim.mesh import Floats, Material, Mesh, f32, mesh
from citysim.plan import Tree

_SHAPES = 6
"""Different ones of each kind."""


class Kind(NamedTuple):
    """What a kind of tree looks like; lengths in radii of the crown."""

    clusters: int
    cluster: tuple[float, float]  # radius, smallest and largest
    slim: float  # width of the crown
    droop: float  # how much clusters hang
    dense: float  # leaves, 1 = as many as asked for
    tint: tuple[float, float, float]


LIME = Kind(42, (0.15, 0.36), 1.0, 0.10, 1.0, (0.95, 1.0, 0.9))
MAPLE = Kind(34, (0.18, 0.40), 1.08, 0.0, 1.0, (1.05, 1.0, 0.85))
BIRCH = Kind(46, (0.12, 0.26), 0.80, 0.55, 0.75, (1.2, 1.12, 1.0))
KINDS = (LIME, MAPLE, BIRCH)
BIRCH_KIND = 2


@dataclass(frozen=True)
class Grove:
    """T trees: where they stand, how large they are (metres), which of `KINDS`."""

    place: Floats  # (T, 2)
    radius: Floats
    tall: Floats  # half the height of the crown
    middle: Floats  # its height above the ground
    kind: NDArray[np.int64]
    shape: NDArray[np.int64]
    turn: Floats


def grove(trees: tuple[Tree, ...]) -> Grove:
    """The trees of a plan; where and how large they are is what a smaller photo shows, too."""
    ids = np.array([t.osm_id for t in trees], np.int64)
    radius, tall, middle = tree_sizes(trees)
    chance = noise.hashed(ids, 230)
    kind = np.where(chance < 0.5, 0, np.where(chance < 0.8, 1, BIRCH_KIND))
    shape = (noise.hashed(ids, 205) * _SHAPES).astype(int)
    turn = noise.hashed(ids, 206) * np.float32(2 * np.pi)
    place = f32([(t.x_m, t.y_m) for t in trees]).reshape(-1, 2)
    return Grove(place, radius, tall, middle, kind, shape, turn)


def grown(trees: Grove, which: NDArray[np.int64], leaves: int) -> list[Mesh]:
    """Some of the trees, with about so many leaves each: of each its leaves, then its wood; `owner` is its index."""
    parts = []
    for k in which:
        crown, normal, wood = _tree(int(trees.kind[k]), int(trees.shape[k]), leaves)
        cos, sin = np.cos(trees.turn[k]), np.sin(trees.turn[k])
        spin = f32([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
        size = f32([trees.radius[k], trees.radius[k], trees.tall[k]])
        foot = f32([*trees.place[k], trees.middle[k]])
        parts.append(mesh((crown * size) @ spin + foot, Material.LEAF, k, normal @ spin))
        branches = (wood * size) @ spin + foot
        trunk = _trunk(float(trees.radius[k]), float(trees.middle[k]), float(trees.tall[k]), leaves)
        trunk = (trunk @ spin + f32([*trees.place[k], 0])).astype(np.float32)
        parts.append(mesh(np.concatenate([branches, trunk]), Material.BARK, k))
    return parts


def _trunk(radius: float, middle: float, tall: float, leaves: int) -> Floats:
    """Roots that spread, a taper, a slight bend, up into the crown."""
    fine = leaves > 2000
    thick = 0.06 + 0.033 * radius
    top = middle + 0.35 * tall
    levels = np.array([0.0, 0.12, 0.35, 0.30 * top, 0.55 * top, 0.8 * top, top])
    widths = thick * np.array([1.55, 1.22, 1.06, 0.95, 0.75, 0.45, 0.15])
    bend = 0.09 * np.sin(levels * 0.9)
    axis = np.stack([bend, 0.05 * np.sin(levels * 1.7), levels], 1)
    return _limb(axis, widths, 16) if fine else _limb(axis[::2], widths[::2], 6)


def _limb(axis: NDArray[np.float64], widths: NDArray[np.float64], sides: int) -> Floats:
    """(K, 3) points and (K,) radii -> (N, 3, 3) triangles of a round branch."""
    run = axis[-1] - axis[0]
    run /= np.linalg.norm(run)
    aside = np.cross(run, (0.3, 0.9, 0.1))
    aside /= np.linalg.norm(aside)
    return f32(tube(axis, widths, aside, np.cross(run, aside), sides))


@lru_cache(maxsize=64)
def _tree(number: int, shape: int, leaves: int) -> tuple[Floats, Floats, Floats]:
    """A crown in the unit ball: (N, 3, 3) leaves, (N, 3) their normals, (M, 3, 3) branches."""
    kind, rng = KINDS[number], np.random.default_rng([6, number, shape])
    centre, size = _clusters(kind, rng)
    weight = size**2 * rng.uniform(0.6, 1.4, len(size))
    count = int(leaves * kind.dense)
    which = rng.choice(len(size), count, p=weight / weight.sum())
    out = rng.normal(size=(count, 3))
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    far = rng.random((count, 1)) ** 0.45
    place = out * far * (size[which, None] * (1, 1, 0.72 + kind.droop))
    place[:, 2] -= kind.droop * 0.6 * np.hypot(place[:, 0], place[:, 1]) + 0.25 * kind.droop * rng.random(
        count
    )
    place += centre[which]
    outward = place / np.maximum(np.linalg.norm(place, axis=1, keepdims=True), 1e-6)
    normal = 0.5 * out + 0.6 * outward + (0, 0, 0.25) + 0.38 * rng.normal(size=(count, 3))
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    branches = [
        _bough(np.array([0, 0, rng.uniform(-0.75, 0.1)]), tip, rng)
        for tip in centre[np.argsort(-size)][: 26 if leaves > 2000 else 3]
    ]
    return _leaves(place, normal, leaves, rng), f32(normal), np.concatenate(branches)


def _clusters(kind: Kind, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(C, 3) middles and (C,) radii: large ones inside, small ones on a skin that is nowhere round."""
    count = kind.clusters
    size = rng.uniform(*kind.cluster, count)
    even = np.arange(count) + 0.5
    height = 1 - 2 * even / count
    angle = even * 2.39996 + rng.normal(0, 0.5, count)
    flat = np.sqrt(1 - height**2)
    skin = np.stack([flat * np.cos(angle), flat * np.sin(angle), height], 1)
    lobes = 1 + 0.16 * np.sin(2 * angle + rng.uniform(0, 6)) + 0.12 * np.sin(3 * angle + rng.uniform(0, 6))
    reach = (0.94 - 0.75 * size) * lobes * rng.uniform(0.72, 1.05, count)
    reach[rng.random(count) < 0.3] *= 0.55
    centre = skin * reach[:, None]
    taper = np.where(centre[:, 2] > 0, 1 - 0.25 * centre[:, 2], 1 - 0.15 * centre[:, 2] ** 2)
    centre[:, :2] *= kind.slim * taper[:, None]
    return centre, size


def _bough(foot: NDArray[np.float64], tip: NDArray[np.float64], rng: np.random.Generator) -> Floats:
    """A branch from the trunk to a cluster, up first."""
    part = np.linspace(0, 1, 5)[:, None]
    foot[2] = min(foot[2], tip[2] - 0.1)
    axis = foot + (tip - foot) * part + (0, 0, 0.14) * np.sin(np.pi * part) + 0.012 * rng.normal(size=(5, 3))
    return _limb(axis, np.linspace(0.030, 0.006, 5), 5)


def _leaves(
    place: NDArray[np.float64], normal: NDArray[np.float64], leaves: int, rng: np.random.Generator
) -> Floats:
    """(N, 3, 3) triangles half way between lying in the crown's skin and hanging anyhow."""
    count = len(place)
    facing = normal + 0.8 * rng.normal(size=(count, 3))
    facing /= np.linalg.norm(facing, axis=1, keepdims=True)
    aside = np.cross(facing, rng.normal(size=(count, 3)))
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    along = np.cross(facing, aside)
    size = (3.5 / np.sqrt(leaves)) * rng.uniform(0.65, 1.35, (count, 1))
    tip, left, right = (
        along * size,
        -0.5 * along * size + 0.55 * aside * size,
        -0.5 * along * size - 0.55 * aside * size,
    )
    return f32(place[:, None] + np.stack([tip, left, right], 1))
