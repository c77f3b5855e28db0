"""What the ground looks like from a few metres: stones, joints, blades of grass, rails, kerbs, lids of manholes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from citysim import noise
from citysim.closeup.ground_detail import CLOSE_M, CloseUp, Drawn
from citysim.ground import PAINT, STEEL
from citysim.hits import Hits, Rows
from citysim.mesh import Floats, f32
from citysim.surfaces import DRIVEABLE, Surface, look_table

_TURF = (
    Surface.LAWN,
    Surface.DRY_GRASS,
    Surface.CROP,
    Surface.STUBBLE,
    Surface.LITTER,
    Surface.VERGE,
)
_SOFT = (Surface.GRASS, Surface.GRAVEL, Surface.EARTH, Surface.FIELD, *_TURF)
"""What has no sharp edge."""
_PIXEL = 0.0013
"""Metres of ground a pixel covers, away from the camera, per square metre of distance: 2048 wide, 2.4 m high."""
_MANHOLE_M, _LID_M = 23.0, 0.33


class _Paved(NamedTuple):
    """N places of the ground."""

    surface: NDArray[np.uint8]
    albedo: Floats  # (N, 3)
    tilt: Floats  # (N, 2) how much the stone leans to the east and north


class _Spot(NamedTuple):
    """Places of one surface."""

    x: Floats
    y: Floats
    along: Floats
    across: Floats
    pixel_m: Floats

    def seen(self, size_m: float) -> Floats:
        """How much of what is `size_m` large can be told apart, 0..1."""
        return np.clip(1.6 - 0.65 * self.pixel_m / np.float32(size_m), 0, 1)


_Texture = tuple[Floats, Floats]
"""(N,) or (N, 3) factor of the albedo, and (N, 2) lean along and across the way."""


def draw_closely(hits: Hits, rows: Rows, close: CloseUp, surface: NDArray[np.uint8], colour: Floats) -> None:
    """Change `surface` and `colour` of the ground near the camera to what is to be seen from there."""
    aside = hits.point[rows, :2] - f32([close.x_m, close.y_m])
    distance = np.maximum(
        hits.distance[rows], np.hypot(aside[:, 0], aside[:, 1])
    )  # mirrors look from elsewhere
    close_by = _shown(distance)
    near = np.flatnonzero((close_by > 0) & hits.world.holds(hits.point[rows]))
    seen, point = close_by[near, None], hits.point[rows[near]]
    patch = _paved(close, point[:, 0], point[:, 1], distance[near])
    surface[near] = np.where(seen[:, 0] > 0.5, patch.surface, surface[near])
    colour[near] = colour[near] * (1 - seen) + patch.albedo * seen
    lean = patch.tilt * seen * np.float32(1 - hits.light.snow)
    normal = np.c_[lean, np.ones(len(near), np.float32)]
    hits.normal[rows[near]] = normal / np.linalg.norm(normal, axis=1, keepdims=True)


def _paved(close: CloseUp, x: Floats, y: Floats, distance: Floats) -> _Paved:
    """The ground at (N,) metres within `CLOSE_M` of the camera, seen from (N,) metres away."""
    drawn = close.at(x, y)
    surface = _frayed(close, x, y, drawn)
    _, patches, _ = look_table()
    far = noise.blended(noise.fractal(1), (x + close.plans.shift[0]) * 1.3, (y + close.plans.shift[1]) * 1.3)
    near = noise.blended(noise.fractal(1), (x + close.plans.shift[0]) * 9, (y + close.plans.shift[1]) * 9)
    tone = 1 + patches[surface] * (0.9 * (far - 0.5) + 0.25 * (near - 0.5))
    albedo = close.plans.tints[surface] * (tone * drawn.worn)[:, None]
    lean = np.zeros((len(x), 2), np.float32)
    pixel_m = f32(0.004 + _PIXEL * distance**2)
    for kind, texture in _TEXTURES.items():
        rows = np.flatnonzero(surface == kind)
        if len(rows):
            spot = _Spot(x[rows], y[rows], drawn.along[rows], drawn.across[rows], pixel_m[rows])
            factor, tilt = texture(spot)
            albedo[rows] *= factor if factor.ndim == 2 else factor[:, None]
            lean[rows] = tilt
    _edge_of_road(drawn, surface, albedo, pixel_m)
    _marks(drawn, surface, x, y, albedo)
    _manholes(drawn, surface, albedo, lean)
    turn = drawn.turn
    tilt = np.stack(
        [
            lean[:, 0] * turn[:, 0] - lean[:, 1] * turn[:, 1],
            lean[:, 0] * turn[:, 1] + lean[:, 1] * turn[:, 0],
        ],
        1,
    )
    return _Paved(surface, np.clip(albedo, 0.01, 0.95), f32(tilt))


def _shown(distance: Floats) -> Floats:
    """How much of the close drawing is shown at (N,) metres: all, and nothing beyond `CLOSE_M`."""
    return np.clip((np.float32(CLOSE_M) - distance) / 6, 0, 1)


def _frayed(close: CloseUp, x: Floats, y: Floats, drawn: Drawn) -> NDArray[np.uint8]:
    """Grass and gravel end where they like, within a hand's width; stone where it was cut."""
    shift = [
        0.10 * (noise.blended(noise.fractal(k), x * 60, y * 60) - 0.5)
        + 0.05 * (noise.blended(noise.white(k), x * 45, y * 45) - 0.5)
        for k in (1, 9)
    ]
    moved = close.at(x + shift[0], y + shift[1]).surface
    soft = np.isin(drawn.surface, _SOFT) & np.isin(moved, (*_SOFT, Surface.PAVEMENT, Surface.YARD))
    return np.where(soft, moved, drawn.surface)


def _smooth(value: Floats, low: float, high: float) -> Floats:
    """0 below `low`, 1 above `high`."""
    part = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return part * part * (3 - 2 * part)


def _speckle(spot: _Spot, size_m: float, number: int) -> Floats:
    """(N,) in -0.5..0.5: grains of `size_m`, as far as they can be seen."""
    grain = noise.blended(noise.white(number), spot.x / np.float32(size_m), spot.y / np.float32(size_m))
    return (grain - 0.5) * spot.seen(size_m)


def _level(spot: _Spot) -> Floats:
    return np.zeros((len(spot.x), 2), np.float32)


def _asphalt(spot: _Spot) -> _Texture:
    """Stones in bitumen, lighter where wheels have polished them, and a crack now and then."""
    stain = noise.blended(noise.fractal(5), spot.x * 6, spot.y * 6) - 0.5
    stone = _speckle(spot, 0.011, 2)
    factor = (
        1 + 0.75 * stone + 0.42 * _speckle(spot, 0.024, 3) + 0.26 * _speckle(spot, 0.06, 4) + 0.20 * stain
    )
    pale = _smooth(stone, 0.30, 0.42)
    wander = noise.blended(noise.fractal(7), spot.x * 24, spot.y * 24) - 0.5
    broken = noise.blended(noise.fractal(9), spot.x * 3, spot.y * 3)
    crack = (np.abs(wander) < 0.0035) & (broken > 0.56)
    factor = factor * (1 + 0.6 * pale) * (1 - 0.5 * crack * spot.seen(0.02))
    return f32(factor), _level(spot)


def _setts(spot: _Spot) -> _Texture:
    """Rows of hewn granite across the street, each stone its own grey or red, round at the edges."""
    deep, wide = np.float32(0.125), np.float32(0.175)
    warp = 0.012 * (noise.blended(noise.fractal(4), spot.x * 60, spot.y * 60) - 0.5)
    u, v = (spot.along + warp) / deep, (spot.across + warp) / wide
    row = np.floor(u)
    v = v + 0.35 * noise.hashed(row, 3) + 0.5 * np.mod(row, 2)
    column = np.floor(v)
    u, v = u - row - 0.5, v - column - 0.5
    edge = np.minimum((0.5 - np.abs(u)) * deep, (0.5 - np.abs(v)) * wide)
    seen = spot.seen(0.05)
    joint = (1 - _smooth(edge, 0.003, 0.012)) * seen
    tint = noise.hashed(row, column, 1)
    red = noise.hashed(row, column, 2) > 0.72
    stone = 1 + spot.seen(0.13) * (0.55 * (tint - 0.5)) + 0.35 * _speckle(spot, 0.008, 2)
    stone = stone[:, None] * np.where(red[:, None], f32([1.10, 0.96, 0.90]), f32([1.0, 1.0, 1.0]))
    stone = stone * (1 - 0.62 * joint)[:, None]
    # far away joints darken the whole street a little, as they do near
    stone *= (1 - 0.10 * (1 - seen))[:, None]
    lean = np.stack([_round(u), _round(v)], 1) * (0.45 * seen)[:, None]
    lean += 0.10 * (np.stack([tint, noise.hashed(row, column, 5)], 1) - 0.5) * seen[:, None]
    return f32(stone), f32(lean)


def _round(part: Any) -> Any:
    """How much a stone leans at -0.5..0.5 of its width: flat on top, falling off at the edges."""
    return np.sign(part) * (2 * np.abs(part)) ** 5


def _slabs(spot: _Spot) -> _Texture:
    """Concrete slabs along the street, with thin joints, moss in them, and old chewing gum."""
    long, wide = np.float32(0.70), np.float32(0.52)
    v = spot.across / wide
    row = np.floor(v)
    u = spot.along / long + 0.5 * np.mod(row, 2)
    column = np.floor(u)
    edge = np.minimum(np.minimum(u - column, 1 - u + column) * long, np.minimum(v - row, 1 - v + row) * wide)
    joint = (1 - _smooth(edge, 0.003, 0.009)) * spot.seen(0.02)
    bevel = (1 - _smooth(edge, 0.004, 0.03)) * spot.seen(0.04)
    tint = noise.hashed(row, column, 1) - 0.5
    stain = noise.blended(noise.fractal(5), spot.x * 26, spot.y * 26) - 0.5
    factor = 1 + 0.20 * tint + 0.26 * stain + 0.30 * _speckle(spot, 0.007, 2) + 0.12 * _speckle(spot, 0.02, 3)
    factor = factor * (1 - 0.55 * joint) * (1 - 0.10 * bevel) * (1 - 0.25 * _gum(spot))
    return f32(factor), _level(spot)


def _gum(spot: _Spot) -> Floats:
    """Dark round spots of a coin's size."""
    u, v = spot.x / np.float32(0.38), spot.y / np.float32(0.38)
    i, j = np.floor(u), np.floor(v)
    aside = np.hypot(
        u - i - 0.2 - 0.6 * noise.hashed(i, j, 4), v - j - 0.2 - 0.6 * noise.hashed(i, j, 6)
    ) * np.float32(0.38)
    return (1 - _smooth(aside, 0.012, 0.02)) * (noise.hashed(i, j, 7) < 0.35) * spot.seen(0.025)


def _gravel(spot: _Spot) -> _Texture:
    """Pebbles of three sizes; each its own tint, lit from its side."""
    factor = 1 + 0.25 * _speckle(spot, 0.006, 3)
    lean = _level(spot)
    for size_m, strength, number in ((0.034, 0.55, 3), (0.014, 0.6, 5)):
        u, v = spot.x / np.float32(size_m), spot.y / np.float32(size_m)
        i, j = np.floor(u), np.floor(v)
        radius = 0.30 + 0.25 * noise.hashed(i, j, number)
        right = u - i - 0.5 - 0.3 * (noise.hashed(i, j, number, 1) - 0.5)
        up = v - j - 0.5 - 0.3 * (noise.hashed(i, j, number, 2) - 0.5)
        aside = np.hypot(right, up) / radius
        some = noise.hashed(i, j, number, 3) < (0.35 if size_m > 0.02 else 0.8)
        pebble = (1 - _smooth(aside, 0.75, 1.0)) * some * spot.seen(size_m)
        shadow = _smooth(aside, 0.8, 1.0) * (1 - _smooth(aside, 1.0, 1.4)) * some * spot.seen(size_m)
        factor = factor * (1 + strength * pebble * (noise.hashed(i, j, number, 4) - 0.42) - 0.25 * shadow)
        lean += np.stack([right, up], 1) * (0.8 * pebble)[:, None]
    worn = noise.blended(noise.fractal(5), spot.x * 13, spot.y * 13) - 0.5
    return f32(factor * (1 + 0.25 * worn)), lean


def _grass(spot: _Spot) -> _Texture:
    """Tufts and the soil between blades; the blades themselves stand on it where the camera is."""
    dry = noise.blended(noise.fractal(5), spot.x * 7, spot.y * 7)
    tuft = noise.blended(noise.white(3), spot.x * 9, spot.y * 9) - 0.5
    blade = _speckle(spot, 0.014, 2)
    factor = 0.92 + 1.3 * blade + 0.9 * _speckle(spot, 0.03, 5) + 0.6 * _speckle(spot, 0.065, 4)
    factor = factor + 0.35 * tuft * spot.seen(0.2)
    hue = f32([0.8, 0.16, 0.5]) * np.clip(dry - 0.5, -0.2, 0.4)[:, None]
    hue = hue + f32([0.45, 0.14, -0.1]) * (blade + 0.4 * tuft)[:, None]
    return f32(np.maximum(factor, 0.2)[:, None] * (1 + hue)), _level(spot)


def _ballast(spot: _Spot) -> _Texture:
    """Gravel twice as coarse."""
    half = (f32(value / 2) for value in (spot.x, spot.y, spot.along, spot.across, spot.pixel_m))
    return _gravel(_Spot(*half))


def _kerb(spot: _Spot) -> _Texture:
    """Granite, a joint every metre and a bit."""
    joint = np.abs(np.mod(spot.along, 1.3) - 0.65) > 0.643
    tint = noise.hashed(np.floor(spot.along / 1.3), 3) - 0.5
    factor = 1 + 0.16 * tint + 0.45 * _speckle(spot, 0.006, 2) + 0.25 * _speckle(spot, 0.015, 3)
    return f32(0.82 * factor * (1 - 0.55 * joint * spot.seen(0.02))), _level(spot)


_TEXTURES: dict[Surface, Callable[[_Spot], _Texture]] = {
    Surface.ASPHALT: _asphalt,
    Surface.PARKING: _asphalt,
    Surface.PITCH: _asphalt,
    Surface.YARD: _slabs,
    Surface.PAVEMENT: _slabs,
    Surface.PLATFORM: _slabs,
    Surface.COBBLE: _setts,
    Surface.GRAVEL: _gravel,
    Surface.BALLAST: _ballast,
    Surface.GRASS: _grass,
    Surface.FIELD: _grass,
    Surface.EARTH: _grass,
    Surface.KERB: _kerb,
    **dict.fromkeys((Surface.CONCRETE, Surface.TAR), _asphalt),
    **dict.fromkeys((Surface.DIRT, Surface.SOIL, Surface.SCRUB), _gravel),
    **dict.fromkeys(_TURF, _grass),
}


def _edge_of_road(drawn: Drawn, surface: NDArray[np.uint8], albedo: Floats, pixel_m: Floats) -> None:
    """The kerb's face towards the road, the bright edge above it, and sand in the gutter below."""
    seen = np.clip(1.6 - pixel_m / 0.05, 0, 1)
    kerb = surface == Surface.KERB
    face = kerb * _smooth(drawn.road, 0.10, 0.16)
    edge = kerb * _smooth(drawn.road, 0.02, 0.08) * (1 - face)
    gutter = np.isin(surface, DRIVEABLE) * (1 - _smooth(drawn.road, 0.52, 0.95))
    albedo *= (1 - seen * (0.42 * face - 0.14 * edge + 0.34 * gutter))[:, None]


def _marks(drawn: Drawn, surface: NDArray[np.uint8], x: Floats, y: Floats, albedo: Floats) -> None:
    """White paint that wheels have worn, and rails with their groove."""
    rows = np.flatnonzero(drawn.paint)
    worn = noise.blended(noise.fractal(9), x[rows] * 60, y[rows] * 60)
    chip = noise.blended(noise.white(3), x[rows] * 70, y[rows] * 70)
    cover = (0.93 - 0.75 * _smooth(worn + 0.25 * chip, 0.62, 0.85))[:, None]
    albedo[rows] = albedo[rows] * (1 - cover) + PAINT * cover
    rows = np.flatnonzero((drawn.steel > 0) & (surface != Surface.WATER))
    groove = (drawn.steel[rows] > 1)[:, None]
    streak = noise.blended(noise.white(2), drawn.along[rows] * 1.5, drawn.across[rows] * 160)[:, None]
    albedo[rows] = np.where(groove, f32([0.045, 0.043, 0.04]), STEEL * 1.8 + 0.16 * streak)


def _manholes(drawn: Drawn, surface: NDArray[np.uint8], albedo: Floats, lean: Floats) -> None:
    """A cast iron lid every so often, a step beside the middle of a carriageway."""
    rows = np.flatnonzero(drawn.lane & np.isin(surface, DRIVEABLE))
    piece = np.floor(drawn.along[rows] / _MANHOLE_M)
    chance = noise.hashed(piece, np.floor(drawn.turn[rows, 0] * 1e4), 2)
    u = drawn.along[rows] - (piece + 0.15 + 0.7 * chance) * np.float32(_MANHOLE_M)
    v = drawn.across[rows] - (1.2 + 0.8 * chance) * np.where(chance > 0.5, 1, -1)
    radius = np.hypot(u, v)
    near = np.flatnonzero((radius < _LID_M + 0.08) & (chance < 0.75))
    rows, u, v, radius = rows[near], u[near], v[near], radius[near]
    ring = np.abs(radius - _LID_M) < 0.025
    lid = radius < _LID_M - 0.02
    knob = (np.hypot(np.mod(u, 0.062) - 0.031, np.mod(v, 0.062) - 0.031) < 0.02) & (radius < _LID_M - 0.07)
    iron = f32([0.10, 0.095, 0.09]) * np.where(knob, 1.5, 0.85)[:, None]
    albedo[rows] = np.where((lid | ring)[:, None], np.where(ring[:, None], 0.07, iron), albedo[rows] * 0.8)
    lean[rows] = 0
