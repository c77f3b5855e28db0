"""Rays -> linear colours: what was hit, what it is made of, how the capture's light falls on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from citysim import noise
from citysim.closeup import materials as close_materials
from citysim.closeup.paving import draw_closely
from citysim.facades import cornice, facade, plaster, rooms_lit, street_level, windows
from citysim.hits import LAMP, Hits, Paint, Rows, dot
from citysim.light import Light
from citysim.mesh import Floats, Material, f32
from citysim.surfaces import DRIVEABLE, Surface
from citysim.world import World

_FAR_M = 4000.0
_SNOW = f32([0.66, 0.68, 0.72])
_OCCLUDER_M, _OCCLUSION_SEEN_M = 2.5, 120.0
_SUN = np.float32(0.004)
"""Radians from the middle of the sun to its edge: shadows are sharp near what throws them only."""
_WET_SEEN_M = 50.0
_LAYERS, _TWIGS = 12, 0.16
"""Leaves in a row that a ray may pass in winter; share of leaves that stay."""


def shade(world: World, origin: Floats, direction: Floats, light: Light, *, mirror: bool = True) -> Floats:
    """(N, 3) rays -> (N, 3) linear light, not yet tone mapped."""
    triangle, distance = world.first_hit(origin, direction)
    if light.snow > 0 and world.close_up is not None:
        _past_fallen_leaves(world, origin, direction, triangle, distance)
    down = direction[:, 2]
    to_ground = np.where(down < -1e-5, -origin[:, 2] / np.minimum(down, -1e-5), np.inf).astype(np.float32)
    solid = (triangle >= 0) & (distance < to_ground)
    ground = ~solid & (to_ground < _FAR_M)
    sky = ~solid & ~ground
    length = np.where(solid, distance, np.where(ground, to_ground, _FAR_M)).astype(np.float32)
    count = len(origin)
    hits = Hits(
        world,
        light,
        direction,
        length,
        origin + direction * length[:, None],
        np.where(solid, triangle, -1),
        np.tile(f32([0, 0, 1]), (count, 1)),
        np.zeros((count, 3), np.float32),
        np.ones(count, np.float32),
        np.zeros(count, np.float32),
        np.zeros((count, 3), np.float32) if light.dusk > 0 else None,
        np.ones(count, np.float32),
        [],
    )
    hits.normal[solid] = world.mesh.normal[triangle[solid]]
    round_ = np.flatnonzero(solid & (triangle >= world.round_from))
    if len(round_):
        hits.normal[round_] = world.round_normals(triangle[round_], hits.point[round_])
    away = solid & (dot(hits.normal, direction) > 0)
    hits.normal[away] *= -1
    hits.mirrors.append(_ground(hits, np.flatnonzero(ground)))
    material = np.full(count, 255, np.uint8)
    material[solid] = world.mesh.material[triangle[solid]]
    for kind, paint in (_MATERIALS if world.close_up is None else _CLOSE_MATERIALS).items():
        rows = np.flatnonzero(material == kind)
        if len(rows):
            paint(hits, rows)
    for kind, (albedo, shine) in _UNIFORM.items():
        hits.albedo[material == kind], hits.shine[material == kind] = albedo, shine
    if light.snow > 0:
        _snowed_on(hits, np.flatnonzero(solid))
    colour = _lit(hits, ~sky, occlusion=mirror)
    shiny = np.flatnonzero((hits.shine > 0) & ~sky)
    seen, facing = direction[shiny], hits.normal[shiny]
    mirrored = seen - 2 * dot(seen, facing)[:, None] * facing
    reflection = sky_colour(mirrored, light)
    clear = np.sort(np.concatenate(hits.mirrors))
    clear = clear[hits.shine[clear] > 0]
    if mirror and len(clear):
        at = np.searchsorted(shiny, clear)
        up = f32([0, 0, 1]) if world.close_up is None else hits.normal[clear]
        start = hits.point[clear] + up * np.float32(0.05)
        reflection[at] = shade(world, start, mirrored[at], light, mirror=False)
    share = hits.shine[shiny, None]
    colour[shiny] = colour[shiny] * (1 - share) + reflection * share
    if hits.glow is not None:
        colour += hits.glow
    if light.haze > 0:
        veil = (light.haze * (1 - np.exp(-length / light.haze_m)))[:, None]
        colour = colour * (1 - veil) + light.horizon * veil
    colour[sky] = sky_colour(direction[sky], light)
    return colour


def _past_fallen_leaves(
    world: World, origin: Floats, direction: Floats, triangle: NDArray[np.int32], distance: Floats
) -> None:
    """Let rays go on through leaves that are not there in winter; the few that stay stand for twigs."""
    for _ in range(_LAYERS):
        leaf = (triangle >= 0) & (world.mesh.material[triangle] == Material.LEAF)
        rows = np.flatnonzero(leaf)
        rows = rows[noise.hashed(triangle[rows], 17) > _TWIGS]
        if not len(rows):
            return
        ahead = distance[rows] + np.float32(0.003)
        start = origin[rows] + direction[rows] * ahead[:, None]
        triangle[rows], further = world.first_hit(start, direction[rows])
        distance[rows] = ahead + further


def sky_colour(direction: Floats, light: Light) -> Floats:
    """(N, 3) unit directions -> (N, 3) the sky: gradient, clouds, glow around the sun."""
    up = np.clip(direction[:, 2], 0, 1)
    fade = np.square(np.square(1 - up))[:, None]
    colour = light.horizon * fade + light.zenith * (1 - fade)
    reach = 1 / (up + 0.18)
    u, v = (
        direction[:, 0] * reach * 95 + light.cloud_shift,
        direction[:, 1] * reach * 95 + light.cloud_shift * 0.37,
    )
    broad, fine = noise.sample(noise.fractal(1), u, v), noise.sample(noise.fractal(9), u * 3.1, v * 3.1)
    body = 0.75 * broad + 0.25 * fine
    cover = np.clip((body - (0.72 - 0.55 * light.cloud_cover)) * 4.0, 0, 1) * np.clip(up * 7, 0, 1)
    toward = np.clip(direction @ light.sun_direction, 0, 1)
    toward_4 = np.square(np.square(toward))
    tone = (0.80 + 0.22 * np.clip(body * 1.4, 0, 1) + 0.15 * toward_4 * toward_4)[:, None]
    cover = (cover * 0.9)[:, None]
    colour = colour * (1 - cover) + light.cloud * tone * cover
    if light.sun.any():
        glow = (0.10 * toward_4 * toward_4 * toward_4 + 0.55 * toward**220)[:, None]
        colour = colour + glow * (light.sun * 0.5)
    return f32(colour)


def _lit(hits: Hits, seen: NDArray[np.bool_], occlusion: bool) -> Floats:
    """Sun with shadows, light of the sky and of the ground."""
    world, light = hits.world, hits.light
    facing = hits.normal @ light.sun_direction
    leaf = np.zeros(len(facing), bool)
    solid = hits.triangle >= 0
    leaf[solid] = world.mesh.material[hits.triangle[solid]] == Material.LEAF
    facing = np.where(leaf, 0.30 + 0.55 * np.clip(facing, -0.4, 1), np.clip(facing, 0, 1)).astype(np.float32)
    lit = np.zeros(len(facing), np.float32)
    if light.sun.any():
        rows = np.flatnonzero(seen & (facing > 0.01) & (hits.distance < 1500))
        lift = np.where(leaf[rows], 0.25, 0.04).astype(np.float32)[:, None]
        start = hits.point[rows] + hits.normal[rows] * 0.03 + light.sun_direction * lift
        toward = np.tile(light.sun_direction, (len(rows), 1))
        if world.close_up is not None:
            turn, height = _spread(rows, 7)
            toward += _SUN * np.stack([height * np.cos(turn), height * np.sin(turn), height * 0], 1)
        free = ~world.blocked(start.astype(np.float32), f32(toward))
        lit[rows] = facing[rows] * free
    lit *= hits.sunny
    if world.detail.occlusion_rays and occlusion:
        _occlude(hits, np.flatnonzero(seen & ~leaf & (hits.distance < _OCCLUSION_SEEN_M)))
    up = (0.5 + 0.5 * hits.normal[:, 2])[:, None]
    diffuse = light.ambient * up * hits.open_sky[:, None] + light.bounce * (1 - 0.75 * up) * (
        0.4 + 0.6 * hits.open_sky[:, None]
    )
    return hits.albedo * (light.sun * lit[:, None] * 0.55 + diffuse)


def _occlude(hits: Hits, rows: Rows) -> None:
    """Ambient occlusion: less light of the sky where something stands close, as below cars and under eaves."""
    point, normal = hits.point[rows], hits.normal[rows]
    start = f32(point + normal * 0.03)
    spot = (point * 977).astype(np.int64).T
    hidden = np.zeros(len(rows), np.float32)
    for ray in range(hits.world.detail.occlusion_rays):
        if hits.world.close_up is None:
            turn, height = 2 * np.pi * noise.hashed(*spot, ray, 1), 2 * noise.hashed(*spot, ray, 2) - 1
        else:
            turn, height = _spread(rows, ray)
        flat = np.sqrt(1 - height**2)
        toward = f32(np.stack([flat * np.cos(turn), flat * np.sin(turn), height], 1) + normal)  # cosine lobe
        toward /= np.maximum(np.linalg.norm(toward, axis=1, keepdims=True), 1e-3)
        hidden += hits.world.blocked(start, f32(toward), _OCCLUDER_M)
    hits.open_sky[rows] *= 1 - 0.75 * hidden / hits.world.detail.occlusion_rays


def _spread(rows: Rows, ray: int) -> tuple[Floats, Floats]:
    """(N,) angles and heights on a sphere: rays beside each other look to different sides, which leaves less grain."""
    four, one = rows >> 2, rows & 3
    turn = np.mod(noise.hashed(four, ray, 1) + one / 4, 1)
    height = np.mod(noise.hashed(four, ray, 2) + ((one & 1) * 2 + (one >> 1)) / 4, 1)
    return f32(2 * np.pi * turn), f32(2 * height - 1)


def _ground(hits: Hits, rows: Rows) -> Rows:
    """Colour the ground; returns the rows that mirror what stands around: water and puddles."""
    x, y = hits.point[rows, 0], hits.point[rows, 1]
    ground, close = hits.world.ground, hits.world.close_up
    look = noise.sample if close is None else noise.blended
    surface = ground.surface_at(x, y)
    colour = ground.albedo_at(x, y)
    near = np.clip(1 - hits.distance[rows] / 30, 0, 1)
    grain = (
        noise.sample(noise.white(2), x * 29, y * 29)
        - 0.5
        + 0.7 * (noise.sample(noise.white(3), x * 90, y * 90) - 0.5)
    )
    if close is None:
        colour = _stony(x, y, surface, f32(colour * (1 + 0.28 * grain * near)[:, None]), near)
    else:
        draw_closely(hits, rows, close, surface, colour)
    hits.open_sky[rows] = ground.openness_at(x, y)
    water = surface == Surface.WATER
    if hits.light.snow > 0:
        swept = np.isin(surface, DRIVEABLE) | (surface == Surface.KERB)
        lies = _drift(x, y, hits.light.snow * np.where(swept, 0.5, 1.0)) * ~water[:, None]
        lies = lies * np.where(swept, 0.75, 0.96)[:, None]
        colour = colour * (1 - lies) + _SNOW * (1 + 0.10 * grain * near)[:, None] * lies
    puddle = np.zeros(len(rows), bool)
    if hits.light.wet > 0:
        hard = np.isin(surface, (*DRIVEABLE, Surface.PAVEMENT, Surface.KERB, Surface.PLATFORM))
        damp = hits.light.wet * np.where(hard, 0.42, 0.2) * ~water
        colour = colour * (1 - damp)[:, None]
        pooled = look(noise.fractal(5), x * 21, y * 21)
        puddle = hard & (pooled > 1 - 0.42 * hits.light.wet) & (hits.distance[rows] < 60)
    hits.albedo[rows] = colour
    if hits.glow is not None:
        hits.glow[rows] = colour * LAMP * (1.5 * hits.light.dusk * ground.lamplight_at(x, y))[:, None]
    calm = rows[water | puddle]
    x, y, deep = x[water | puddle], y[water | puddle], water[water | puddle]
    wave = (look(noise.fractal(4), x * 7, y * 7) - 0.5, look(noise.fractal(6), x * 11, y * 11) - 0.5)
    rough = np.where(deep, 0.10, 0.025) * np.clip(1.2 - hits.distance[calm] / 250, 0.15, 1)
    normal = np.stack([wave[0] * rough, wave[1] * rough, np.ones(len(calm))], 1)
    hits.normal[calm] = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    grazing = 1 - np.clip(-dot(hits.direction[calm], hits.normal[calm]), 0, 1)
    hits.shine[calm] = 0.05 + 0.75 * grazing**4
    if close is None or not hits.light.wet:
        return calm
    damp_rows = rows[hard & ~puddle & (hits.distance[rows] < _WET_SEEN_M)]
    grazing = 1 - np.clip(-dot(hits.direction[damp_rows], hits.normal[damp_rows]), 0, 1)
    hits.shine[damp_rows] = hits.light.wet * (0.03 + 0.42 * grazing**5)
    return np.concatenate([calm, damp_rows])


def _stony(x: Floats, y: Floats, surface: NDArray[np.uint8], colour: Floats, near: Any) -> Any:
    """Joints and tints of stones where there are any."""
    stones = np.isin(surface, (Surface.COBBLE, Surface.PAVEMENT))
    size = np.where(surface == Surface.COBBLE, 0.28, 0.9)
    joint = (
        (np.mod(x / size + 0.5 * np.floor(y / size % 2), 1) < 0.07) | (np.mod(y / size, 1) < 0.07)
    ) & stones
    tint = noise.hashed(np.floor(x / size), np.floor(y / size)) - 0.5
    return colour * (1 + near * (np.where(stones, 0.14 * tint, 0) - 0.30 * joint))[:, None]


def _drift(x: Floats, y: Floats, cover: Any) -> Floats:
    """(N, 1) how much snow lies at (N,) metres: patches at first, everything at `cover` 1."""
    patch = noise.sample(noise.fractal(7), x * 15, y * 15)
    return f32(np.clip((patch + 1.5 * cover - 1.0) * 3, 0, 1))[:, None]


def _snowed_on(hits: Hits, rows: Rows) -> None:
    """White on whatever faces up; crowns bare and dusted."""
    material = hits.world.mesh.material[hits.triangle[rows]]
    leaf = material == Material.LEAF
    hits.albedo[rows[leaf]] = f32([0.19, 0.165, 0.15]) * (
        0.6 + 0.8 * noise.hashed(hits.triangle[rows[leaf]], 8)[:, None]
    )
    blade = rows[material == Material.GRASS]
    hits.albedo[blade] += (_SNOW - hits.albedo[blade]) * np.float32(min(1.6 * hits.light.snow, 0.97))
    hits.normal[blade], hits.open_sky[blade] = f32([0, 0, 1]), 1
    up = hits.normal[rows, 2]
    point = hits.point[rows]
    reach = np.where(leaf, 0.45, 1.0) * np.clip((up - 0.25) * 3, 0, 1) * hits.light.snow
    lies = _drift(point[:, 0], point[:, 1], reach) * (up > 0.25)[:, None]
    hits.albedo[rows] = hits.albedo[rows] * (1 - lies) + _SNOW * lies
    hits.shine[rows] *= 1 - lies[:, 0]


def _walls(hits: Hits, rows: Rows) -> None:
    """Facades: plaster and stone, floors of windows in bays, shop fronts, cornice."""
    face = facade(hits, rows)
    colour = plaster(face)
    glass = windows(face, colour)
    glass = street_level(face, colour, glass)
    cornice(face, colour)
    hits.albedo[rows] = colour
    hits.open_sky[rows] = 0.55 + 0.45 * np.clip(face.z / 14, 0, 1)
    if hits.glow is not None:
        point = hits.point[rows]
        near_lamp = hits.world.ground.lamplight_at(point[:, 0], point[:, 1]) * np.clip(1.1 - face.z / 9, 0, 1)
        hits.glow[rows] = rooms_lit(face, glass, hits.light.dusk)
        hits.glow[rows] += colour * LAMP * (0.9 * hits.light.dusk * near_lamp)[:, None]
    facing = -dot(hits.direction[rows], hits.normal[rows])
    hits.shine[rows] = glass * (0.10 + 0.55 * (1 - np.clip(facing, 0, 1)) ** 3) * face.detail


def _roofs(hits: Hits, rows: Rows) -> None:
    """Sheet metal with standing seams on slopes, felt and gravel where flat."""
    owner = hits.world.mesh.owner[hits.triangle[rows]]
    x, y = hits.point[rows, 0], hits.point[rows, 1]
    normal = hits.normal[rows]
    colour = hits.world.styles.roof[owner].copy()
    slope = np.hypot(normal[:, 0], normal[:, 1])
    flat = slope < 0.05
    side = np.where(slope > 0.05, (-normal[:, 1] * x + normal[:, 0] * y) / np.maximum(slope, 0.05), 0)
    seam = ~flat & (np.mod(side / 0.62, 1) < 0.10)
    colour[flat] = colour[flat] * 0.45 + f32([0.17, 0.168, 0.163])
    blotch = noise.sample(noise.fractal(1), x * 8 + owner * 11, y * 8) - 0.5
    speck = noise.sample(noise.white(2), x * 6, y * 6) - 0.5
    colour *= (1 + 0.30 * blotch + np.where(flat, 0.16, 0.05) * speck - 0.22 * seam)[:, None]
    hits.albedo[rows] = colour
    hits.shine[rows] = np.where(flat, 0.0, 0.03)


def _plain(hits: Hits, rows: Rows) -> None:
    owner = hits.world.mesh.owner[hits.triangle[rows]]
    hits.albedo[rows] = hits.world.styles.facade[owner] * 0.75


def _copper(hits: Hits, rows: Rows) -> None:
    point = hits.point[rows]
    stain = noise.sample(noise.fractal(1), point[:, 0] * 20 + point[:, 1] * 20, point[:, 2] * 5)
    hits.albedo[rows] = f32([0.17, 0.31, 0.255]) * (0.75 + 0.5 * stain)[:, None]
    hits.shine[rows] = 0.03


def _leaves(hits: Hits, rows: Rows) -> None:
    triangle = hits.triangle[rows]
    owner = hits.world.mesh.owner[triangle]
    colour = hits.world.tree_colour[owner]
    turning = (noise.hashed(owner, 5) < 0.85 * hits.light.autumn) & ~hits.world.evergreen[owner]
    turned = turning[:, None] * hits.light.autumn
    rust = (
        f32([0.42, 0.24, 0.035]) * (0.6 + 0.7 * noise.hashed(owner, 6))[:, None]
        + f32([0.12, -0.08, 0.0]) * noise.hashed(owner, 7)[:, None]
    )
    colour = colour * (1 - turned) + rust * turned
    hits.albedo[rows] = np.clip(colour * (0.7 + 0.65 * noise.hashed(triangle, 8))[:, None], 0.01, 0.9)
    hits.open_sky[rows] = 0.62 + 0.38 * np.clip(hits.normal[rows, 2], 0, 1)


def _paint(hits: Hits, rows: Rows) -> None:
    hits.albedo[rows] = hits.world.paint_colour[hits.world.mesh.owner[hits.triangle[rows]]]
    hits.open_sky[rows] = 0.45 + 0.55 * np.clip(hits.point[rows, 2] / 0.8, 0, 1)
    hits.shine[rows] = 0.06 + 0.10 * np.clip(hits.normal[rows, 2], 0, 1)


def _cloth(hits: Hits, rows: Rows) -> None:
    z = hits.point[rows, 2]
    colour = hits.world.paint_colour[hits.world.mesh.owner[hits.triangle[rows]]]
    colour = np.where((z < 0.8)[:, None], colour * 0.4 + 0.015, colour)
    hits.albedo[rows] = np.where((z > 1.46)[:, None], f32([0.40, 0.27, 0.20]), colour)
    hits.open_sky[rows] = 0.7


def _metal(hits: Hits, rows: Rows) -> None:
    """Posts and lamps; after sunset the lamps are lit."""
    hits.albedo[rows] = f32([0.07, 0.085, 0.08])
    if hits.glow is not None:
        lamp = (hits.point[rows, 2] > 5.95) & (hits.distance[rows] < 200)
        hits.glow[rows] = LAMP * (1.6 * lamp * hits.light.dusk)[:, None]


_MATERIALS: Mapping[Material, Paint] = {
    Material.WALL: _walls,
    Material.ROOF: _roofs,
    Material.PLAIN: _plain,
    Material.COPPER: _copper,
    Material.LEAF: _leaves,
    Material.PAINT: _paint,
    Material.CLOTH: _cloth,
    Material.METAL: _metal,
}
_CLOSE_MATERIALS = {**_MATERIALS, **close_materials.MATERIALS}

_UNIFORM: dict[Material, tuple[tuple[float, float, float], float]] = {
    Material.WOOD: ((0.085, 0.065, 0.05), 0.0),
    Material.GLASS: ((0.02, 0.024, 0.03), 0.28),
    Material.IRON: ((0.045, 0.048, 0.05), 0.02),
    Material.RUBBER: ((0.022, 0.022, 0.023), 0.0),
}
"""Materials that look alike all over: albedo and shine."""
