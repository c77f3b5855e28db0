"""How the materials of large photos are painted; `MATERIALS` is where the renderer finds each of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from citysim import noise
from citysim.closeup.car_paint import paint_cars, paint_wheels
from citysim.closeup.crowns import BIRCH_KIND, KINDS
from citysim.closeup.facade_relief import shade_facade_relief
from citysim.hits import Hits, Paint, Rows
from citysim.mesh import Material, f32


def paint_leaves(hits: Hits, rows: Rows) -> None:
    """Green by kind, tree, cluster and leaf; darker within the crown, yellower against the sun."""
    world, triangle = hits.world, hits.triangle[rows]
    owner = world.mesh.owner[triangle]
    trees = world.grove
    colour = world.tree_colour[owner] * f32([k.tint for k in KINDS])[trees.kind[owner]]
    turned = (noise.hashed(owner, 5) < 0.85 * hits.light.autumn)[:, None] * np.float32(hits.light.autumn)
    rust = f32([0.42, 0.24, 0.035]) * (0.6 + 0.7 * noise.hashed(owner, 6))[:, None]
    rust = (
        rust
        + f32([0.12, -0.08, 0.0]) * (noise.hashed(owner, 7) + 0.5 * noise.hashed(triangle, 9) - 0.25)[:, None]
    )
    colour = colour * (1 - turned) + rust * turned
    colour = colour * (0.62 + 0.76 * noise.hashed(triangle, 8))[:, None]
    away = hits.point[rows] - np.c_[trees.place, trees.middle][owner]
    away /= np.stack([trees.radius, trees.radius, trees.tall], 1)[owner]
    deep = np.clip(np.linalg.norm(away, axis=1), 0.25, 1)
    through = hits.normal[rows] @ hits.light.sun_direction < 0
    if hits.light.sun.any():
        colour = np.where(through[:, None], colour * f32([1.45, 1.30, 0.75]), colour)
    hits.albedo[rows] = np.clip(colour, 0.01, 0.9)
    hits.open_sky[rows] = (0.30 + 0.70 * deep**2) * (0.74 + 0.26 * np.clip(away[:, 2] + 0.4, 0, 1))
    hits.shine[rows] = 0.025


def paint_bark(hits: Hits, rows: Rows) -> None:
    """Furrows up the trunk; birches white with dark scars."""
    owner = hits.world.mesh.owner[hits.triangle[rows]]
    point, normal = hits.point[rows], hits.normal[rows]
    around = np.arctan2(normal[:, 1], normal[:, 0]) * 14 + owner
    furrow = noise.blended(noise.white(3), around * 1.6, point[:, 2] * 7) - 0.5
    broad = noise.blended(noise.fractal(9), around * 5, point[:, 2] * 40) - 0.5
    colour = f32([0.115, 0.095, 0.078]) * (1 + 0.8 * furrow + 0.5 * broad)[:, None]
    scar = noise.blended(noise.white(2), around * 0.5, point[:, 2] * 16) > 0.80
    white = f32([0.56, 0.54, 0.51]) * (1 + 0.25 * broad - 0.75 * scar)[:, None]
    birch = (hits.world.grove.kind[owner] == BIRCH_KIND) & (point[:, 2] < hits.world.grove.middle[owner])
    hits.albedo[rows] = np.clip(np.where(birch[:, None], white, colour), 0.01, 0.9)
    high = point[:, 2] > hits.world.grove.middle[owner] - 0.5 * hits.world.grove.tall[owner]
    hits.open_sky[rows] = np.where(high, 0.5, 0.8)


def paint_blades(hits: Hits, rows: Rows) -> None:
    """Darker at the root, each blade its own green or straw."""
    triangle = hits.triangle[rows]
    chance = noise.hashed(triangle, 5)
    green = f32([0.145, 0.215, 0.065]) * (0.75 + 0.7 * noise.hashed(triangle, 6))[:, None]
    straw = f32([0.34, 0.30, 0.14])
    colour = np.where(
        (chance > 0.93)[:, None], straw, green * (1 + (chance - 0.5)[:, None] * f32([0.5, 0.1, 0]))
    )
    root = np.clip(hits.point[rows, 2] / 0.06 + hits.distance[rows] / 20, 0, 1)
    hits.albedo[rows] = colour * (0.6 + 0.65 * root)[:, None]
    hits.open_sky[rows] = 0.6 + 0.4 * root


def paint_trim(hits: Hits, rows: Rows) -> None:
    """Plaster as on the wall behind, a little paler, streaked by rain."""
    point = hits.point[rows]
    owner = hits.world.mesh.owner[hits.triangle[rows]]
    streak = noise.blended(noise.fractal(9), (point[:, 0] + point[:, 1]) * 30, point[:, 2] * 3) - 0.5
    own = hits.world.styles.facade[owner]
    hits.albedo[rows] = np.clip((own * 0.92 + 0.05) * (1 + 0.22 * streak)[:, None], 0.02, 0.88)
    hits.open_sky[rows] = 0.85


_CLOTH = f32(
    [(0.30, 0.03, 0.03), (0.03, 0.12, 0.07), (0.03, 0.06, 0.20), (0.36, 0.24, 0.06), (0.08, 0.08, 0.085)]
)


def paint_awnings(hits: Hits, rows: Rows) -> None:
    """Stripes of a colour and of white; light comes through."""
    world, triangle = hits.world, hits.triangle[rows]
    across = ((hits.point[rows, :2] - world.mesh.start[triangle]) * world.mesh.along[triangle]).sum(1)
    number = np.floor(across / world.mesh.length[triangle])
    owner = world.mesh.owner[triangle]
    colour = _CLOTH[(noise.hashed(owner, number, 6) * len(_CLOTH)).astype(int)]
    striped = noise.hashed(owner, number, 12) < 0.6
    white = striped & (np.mod(across, 0.34) < 0.17)
    hits.albedo[rows] = np.where(white[:, None], f32([0.66, 0.64, 0.58]), colour)


_TROUSERS = f32([(0.025, 0.03, 0.055), (0.02, 0.02, 0.022), (0.10, 0.085, 0.06), (0.05, 0.06, 0.10)])
_HAIR = f32([(0.025, 0.018, 0.013), (0.09, 0.055, 0.03), (0.25, 0.18, 0.09), (0.12, 0.12, 0.12)])


def paint_pedestrians(hits: Hits, rows: Rows) -> None:
    """Clothes, skin and hair, by owner."""
    mesh, triangle = hits.world.mesh, hits.triangle[rows]
    owner, material = mesh.owner[triangle], mesh.material[triangle]
    coat = hits.world.paint_colour[owner]
    grey = coat.mean(1, keepdims=True)
    coat = grey + (coat - grey) * (0.25 + 0.7 * noise.hashed(owner, 70)[:, None])
    trousers = _TROUSERS[(noise.hashed(owner, 71) * len(_TROUSERS)).astype(int)]
    hair = _HAIR[(noise.hashed(owner, 72) * len(_HAIR)).astype(int)]
    skin = f32([0.42, 0.26, 0.19]) * (1 - 0.55 * noise.hashed(owner, 73)[:, None] ** 3)
    colour = coat
    for kind, value in ((Material.TROUSERS, trousers), (Material.HAIR, hair), (Material.SKIN, skin)):
        colour = np.where((material == kind)[:, None], value, colour)
    fold = noise.blended(noise.fractal(9), hits.point[rows, 0] * 90, hits.point[rows, 2] * 90) - 0.5
    hits.albedo[rows] = colour * (1 + 0.3 * fold)[:, None]
    hits.open_sky[rows] = 0.55 + 0.3 * np.clip(hits.point[rows, 2] / 1.5, 0, 1)


MATERIALS: Mapping[Material, Paint] = {
    Material.WALL: shade_facade_relief,
    Material.LEAF: paint_leaves,
    Material.BARK: paint_bark,
    Material.GRASS: paint_blades,
    Material.TRIM: paint_trim,
    Material.AWNING: paint_awnings,
    Material.CAR: paint_cars,
    Material.WHEEL: paint_wheels,
    **dict.fromkeys((Material.COAT, Material.TROUSERS, Material.SKIN, Material.HAIR), paint_pedestrians),
}
"""In place of what small photos show of these materials, and beside it."""
