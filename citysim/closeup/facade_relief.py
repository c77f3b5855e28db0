"""Facades as they are seen from the street: windows set into the wall with rooms behind, sills, courses, shops.

A wall stays one flat triangle pair; the ray that met it goes on, on paper, to the pane behind the opening.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from citysim import noise
from citysim.facades import Facade, facade
from citysim.hits import LAMP, Hits, Rows, dot
from citysim.mesh import Floats, f32
from citysim.storeys import shop_width

Mask = NDArray[np.bool_]
_WINDOW, _SHOW, _DOOR, _SHOP_DOOR = 1, 2, 3, 4
_DEPTH_M = f32([0.0, 0.17, 0.14, 0.32, 0.40])
"""How far the pane or the leaf of each kind of opening lies behind the wall."""
_MIRRORED_M = 130.0
"""Panes farther away than this show the sky only."""
_ROOM_M = 3.6
_SIGNS = (
    "KAHVILA", "KIRJAT", "APTEEKKI", "KUKAT", "LEIPOMO", "RAVINTOLA", "OPTIKKO", "PANKKI", "ANTIIKKI",
    "PARTURI", "KENGÄT", "HOTELLI", "BAARI", "GALLERIA", "MUOTI", "KELLOT",
)  # fmt: skip
_SIGN_PX = (32, 256)


@dataclass
class _Opening:
    """The opening that N places of walls belong to: `right`, `up` are metres from its middle."""

    kind: NDArray[np.uint8]  # 0: none
    right: Floats
    up: Floats
    half_width: Floats
    half_height: Floats
    arch: Floats  # 1: its top is an arch

    def holds(self, right: Floats, up: Floats, wider: float = 0.0) -> Mask:
        """Whether places, given from the middle, lie within the opening or `wider` metres around it."""
        half = self.half_width + np.float32(wider)
        part = np.clip(1 - (right / np.maximum(half, 0.1)) ** 2, 0, 1)
        rise = self.arch * (np.sqrt(part) - 1) * np.float32(0.35)
        inside = (np.abs(right) < half) & (up > -self.half_height - wider)
        return np.asarray(inside & (up < self.half_height + wider + rise))


@dataclass
class _Sight:
    """How rays and the sun go on behind a wall: metres to the right and up for each metre into it."""

    right: Floats
    up: Floats
    sun_right: Floats
    sun_up: Floats
    sunlit: Mask  # whether the sun stands before the wall
    into: Floats  # cosine between ray and wall
    ahead: Floats  # 1 where the wall runs to the viewer's right, -1 where to the left


def shade_facade_relief(hits: Hits, rows: Rows) -> None:
    """Shade the walls that `rows` met."""
    face = facade(hits, rows)
    along = hits.world.mesh.along[hits.triangle[rows]]
    sight = _sight(hits, rows, along)
    opening = _opening(face)
    floor_m = f32(2 * face.half_height / face.style.window_height[face.owner])
    colour, lean = _wall(face, opening, floor_m, sight.ahead)
    sunny = ~_shaded(face, opening, sight, floor_m)
    shine, glow = np.zeros(len(rows), np.float32), np.zeros((len(rows), 3), np.float32)
    mirrors = np.zeros(len(rows), bool)
    inner = np.flatnonzero((opening.kind > 0) & opening.holds(opening.right, opening.up))
    if len(inner):
        deep = _Deep(hits, rows, face, opening, sight, floor_m, inner)
        colour[inner], lean[inner], sunny[inner] = deep.colour, deep.lean, deep.sunny
        shine[inner], glow[inner] = deep.shine, deep.glow
        mirrors[inner] = deep.glass & (hits.distance[rows[inner]] < _MIRRORED_M)
    hits.albedo[rows] = np.clip(colour, 0.01, 0.9)
    hits.sunny[rows] = sunny
    hits.shine[rows] = shine
    hits.mirrors.append(rows[mirrors])
    hits.open_sky[rows] = 0.55 + 0.45 * np.clip(face.z / 14, 0, 1)
    hits.open_sky[rows[inner]] *= 0.8
    normal = hits.normal[rows]
    normal[:, :2] += along * lean[:, :1]
    normal[:, 2] += lean[:, 1]
    hits.normal[rows] = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    if hits.glow is not None:
        point = hits.point[rows]
        lamps = hits.world.ground.lamplight_at(point[:, 0], point[:, 1]) * np.clip(1.1 - face.z / 9, 0, 1)
        hits.glow[rows] = glow * hits.light.dusk
        hits.glow[rows] += colour * LAMP * (0.9 * hits.light.dusk * lamps)[:, None]


def _sight(hits: Hits, rows: Rows, along: Floats) -> _Sight:
    ray, normal, sun = hits.direction[rows], hits.normal[rows], hits.light.sun_direction
    into, before = np.maximum(-dot(ray, normal), 0.02), normal @ sun
    reach = np.maximum(before, 0.02)
    return _Sight(
        right=(ray[:, :2] * along).sum(1) / into,
        up=f32(ray[:, 2] / into),
        sun_right=(along @ sun[:2]) / reach,
        sun_up=f32(sun[2] / reach),
        sunlit=before > 0.02,
        into=into,
        ahead=np.where(normal[:, 0] * along[:, 1] > normal[:, 1] * along[:, 0], 1, -1).astype(np.float32),
    )


def _opening(face: Facade) -> _Opening:
    """Windows in their bays, a front door in every fifth, shop windows and doors below."""
    right = f32((face.across / face.bay_width - face.bay - 0.5) * face.bay_width)
    up, half_width, half_height = f32(face.above), face.half_width.copy(), f32(face.half_height)
    kind = np.where(
        (face.floor >= 0) & (face.floor < face.floors) & face.high & (face.bay_width > 1.4), _WINDOW, 0
    )
    arch = f32((face.style.ornament[face.owner] > 0.6) & (kind == _WINDOW))
    front = ~face.shop & face.high & (np.mod(face.bay, 5) == 2) & (face.floor <= 0) & (face.bay_width > 1.7)
    floor_m = face.half_height / face.style.window_height[face.owner] * 2
    top = 0.9 + 0.5 * floor_m + half_height
    kind[front] = _DOOR
    half_width[front] = 0.78
    half_height[front], up[front] = (top / 2)[front], (face.z - top / 2)[front]
    length, place, _ = _unit(face)
    below = face.shop & (face.z < 4.0)
    show = below & (place < 0.73)
    door = below & (place >= 0.73)
    kind[below] = np.where(show, _SHOW, _SHOP_DOOR)[below]
    half_width[below] = (length * np.where(show, 0.31, 0.11))[below]
    right[below] = ((place - np.where(show, 0.41, 0.85)) * length)[below]
    half_height[below] = np.where(show, 1.175, 1.42)[below]
    up[below] = (face.z - np.where(show, 1.725, 1.48))[below]
    arch[front | show | door] = 0
    return _Opening(kind.astype(np.uint8), right, up, half_width, half_height, arch)


def _unit(face: Facade) -> tuple[Floats, Floats, Floats]:
    """(N,) metres of front of the shop, place 0..1 within it, its number."""
    length = f32(shop_width(face.bay_width))
    number = np.floor(face.across / length)
    return length, f32(face.across / length - number), f32(number)


def _hue(face: Facade, number: Any) -> Floats:
    """(N, 3) the colour of a shop: deep, seldom bright."""
    pick = (noise.hashed(face.owner, number, 6) * len(_HUES)).astype(int)
    return f32(_HUES[pick] * (0.7 + 0.6 * noise.hashed(face.owner, number, 7))[:, None])


_HUES = f32(
    [
        (0.03, 0.07, 0.05), (0.03, 0.045, 0.10), (0.14, 0.025, 0.025), (0.05, 0.05, 0.052), (0.26, 0.22, 0.15),
        (0.10, 0.065, 0.04), (0.055, 0.085, 0.10), (0.15, 0.10, 0.04), (0.30, 0.30, 0.29), (0.045, 0.02, 0.04),
    ]
)  # fmt: skip


def _wall(face: Facade, opening: _Opening, floor_m: Floats, ahead: Floats) -> tuple[Floats, Floats]:
    """(N, 3) albedo and (N, 2) lean to the right and up of what is not an opening."""
    z, across, owner = face.z, face.across, face.owner
    own = face.style.facade[owner]
    lean = np.zeros((len(z), 2), np.float32)
    weather = noise.blended(noise.fractal(1), across * 9 + owner * 37, z * 9) - 0.5
    streak = noise.blended(noise.fractal(9), across * 40 + owner * 11, z * 2.5) - 0.5
    grain = noise.blended(noise.white(2), across * 38, z * 38) - 0.5
    damp = noise.blended(noise.fractal(5), across * 22, 7 + owner) * 1.3
    soil = 0.30 * np.clip(1 - z / (0.5 + 1.6 * damp), 0, 1)
    dirt = (1 + 0.20 * weather + 0.12 * streak + 0.07 * grain * face.detail) * (1 - soil)
    colour = own * (dirt * (0.90 + 0.10 * np.clip(z / 4, 0, 1)))[:, None]
    _bricks(face, colour)
    _ashlar(face, colour, lean)
    grand = face.style.ornament[owner]
    pier = face.high & (grand > 0.8) & (face.beside > 0.42 * face.bay_width) & (z > np.where(face.shop, 4, 1))
    colour[pier] = colour[pier] * 1.10 + 0.01
    _ledge(colour, lean, _course(face, floor_m, 0.0), face.up * floor_m, 0.0, 0.2)
    right, up, half_height = opening.right, opening.up, opening.half_height
    window = opening.kind == _WINDOW
    drip = window & (np.abs(np.abs(right) - opening.half_width - 0.10) < 0.09)
    run = np.clip(1 + (up + half_height + 0.1) / 1.1, 0, 1) * (up < -half_height - 0.08)
    colour *= (1 - 0.35 * drip * run * (0.5 + streak))[:, None]
    around = window & opening.holds(right, up, 0.14) & (up > -half_height)
    pale = face.style.frame[owner, None] > 0.4
    colour[around] = np.where(pale, own * 0.45 + 0.36, own * 0.72)[around] * (1 + 0.1 * weather[around, None])
    rim = around & ~opening.holds(right, up, 0.115)
    lean[rim, 0] += (0.5 * np.sign(right))[rim]
    lean[rim & (up > half_height), 1] += 0.5
    _ledge(colour, lean, _sill(opening, right, up), up, -half_height - 0.12, 0.12)
    _ledge(colour, lean, _hood(face, opening, right, up), up, half_height + 0.19, 0.14)
    _shop_front(face, colour, lean, ahead)
    _drainpipe(face, colour, lean)
    return f32(colour), lean


def _ledge(colour: Floats, lean: Floats, where: Mask, height: Floats, low: Any, thick_m: float) -> None:
    """A moulding: its top edge catches the light, its lower edge does not."""
    colour[where] = colour[where] * 0.85 + 0.10
    part = ((height - low) / thick_m)[where]
    lean[where, 1] += np.where(part > 0.7, 0.8, np.where(part < 0.3, -0.7, 0))


def _course(face: Facade, floor_m: Floats, shift_m: Any) -> Mask:
    """String courses between floors, on the grander half of houses; `shift_m` higher."""
    height = face.z - np.where(face.shop, 4.0, 0.9) + shift_m
    floor = np.floor(height / floor_m)
    within = height - floor * floor_m < 0.2
    grand = face.style.ornament[face.owner] > 0.35
    first = np.where(face.shop, 0, 1)
    often = np.where(face.style.ornament[face.owner] > 0.7, 1, 2)
    return np.asarray(
        face.high
        & within
        & grand
        & (floor >= first)
        & (floor <= face.floors)
        & (floor % often == first % often)
    )


def _sill(opening: _Opening, right: Floats, up: Floats) -> Mask:
    below = (up < -opening.half_height) & (up > -opening.half_height - 0.12)
    return np.asarray((opening.kind == _WINDOW) & below & (np.abs(right) < opening.half_width + 0.17))


def _hood(face: Facade, opening: _Opening, right: Floats, up: Floats) -> Mask:
    """A small cornice above the windows of the first floors of grand houses."""
    grand = (face.style.ornament[face.owner] > 0.55) & (face.floor <= 2) & (opening.kind == _WINDOW)
    above = (up > opening.half_height + 0.19) & (up < opening.half_height + 0.33)
    return np.asarray(grand & above & (np.abs(right) < opening.half_width + 0.26))


def _shaded(face: Facade, opening: _Opening, sight: _Sight, floor_m: Floats) -> Mask:
    """(N,) whether a sill, a hood, a surround or a course keeps the sun from a place of the wall."""
    dark = np.zeros(len(face.z), bool)
    if not sight.sunlit.any():
        return dark
    half, wide = opening.half_height, opening.half_width
    window = opening.kind == _WINDOW
    dark |= window & _swept(opening, sight, -half - 0.12, -half, wide + 0.17, 0.14)
    grand = window & (face.style.ornament[face.owner] > 0.55) & (face.floor <= 2)
    dark |= grand & _swept(opening, sight, half + 0.19, half + 0.33, wide + 0.26, 0.22)
    for part in (0.5, 1.0):
        there = opening.right + sight.sun_right * (0.05 * part), opening.up + sight.sun_up * (0.05 * part)
        over = window & opening.holds(*there, 0.14) & (there[1] > -half)
        dark |= over & ~opening.holds(opening.right, opening.up, 0.14)
        course = _course(face, floor_m, sight.sun_up * np.float32(0.1 * part))
        dark |= course & ~_course(face, floor_m, 0.0)
    return dark & sight.sunlit


def _swept(opening: _Opening, sight: _Sight, low: Floats, high: Floats, wide: Floats, proud_m: float) -> Mask:
    """Whether a bar that stands `proud_m` out of the wall lies between a place and the sun; not on the bar itself."""
    up, right = opening.up, opening.right
    rise = np.where(np.abs(sight.sun_up) < 1e-3, np.float32(1e-3), sight.sun_up)
    run = np.where(np.abs(sight.sun_right) < 1e-3, np.float32(1e-3), sight.sun_right)
    ends = (low - up) / rise, (high - up) / rise, (-wide - right) / run, (wide - right) / run
    enter = np.maximum(np.minimum(ends[0], ends[1]), np.minimum(ends[2], ends[3]))
    leave = np.minimum(np.maximum(ends[0], ends[1]), np.maximum(ends[2], ends[3]))
    itself = (up > low) & (up < high) & (np.abs(right) < wide)
    return np.asarray((np.maximum(enter, 0) < np.minimum(leave, proud_m)) & ~itself)


def _bricks(face: Facade, colour: Floats) -> None:
    """Red and brown walls are of bricks, half of the time."""
    own = face.style.facade[face.owner]
    red = (own[:, 0] > 1.4 * own[:, 2]) & (own[:, 0] < 0.62)
    rows = np.flatnonzero(red & (noise.hashed(face.owner, 41) < 0.7) & (face.detail > 0.9))
    v = face.z[rows] / np.float32(0.077)
    row = np.floor(v)
    u = face.across[rows] / np.float32(0.265) + 0.5 * np.mod(row, 2)
    column = np.floor(u)
    near = np.clip((face.detail[rows] - 0.9) * 4, 0, 1)
    mortar = ((u - column < 0.045) | (v - row < 0.15)) * near
    tint = noise.hashed(row, column, 3) - 0.5
    colour[rows] = colour[rows] * (1 + 0.35 * tint * near)[:, None] * (1 - 0.1 * mortar)[:, None]
    colour[rows] += (0.10 * mortar)[:, None]


def _ashlar(face: Facade, colour: Floats, lean: Floats) -> None:
    """A ground floor of hewn stone on some houses, a plinth of granite on all that are tall."""
    z, across = face.z, face.across
    stone = (z < np.where(face.shop, 4.0, 3.4)) & (face.style.stone_base[face.owner] > 0.4) & (face.top > 8)
    rows = np.flatnonzero(stone)
    v = z[rows] / np.float32(0.46)
    row = np.floor(v)
    u = across[rows] / np.float32(1.1) + 0.5 * np.mod(row, 2)
    column = np.floor(u)
    up, right = (v - row) * np.float32(0.46), (u - column) * np.float32(1.1)
    tint = noise.hashed(row, column, face.owner[rows]) - 0.5
    colour[rows] = (colour[rows] * 0.45 + f32([0.20, 0.185, 0.17])) * (1 + 0.16 * tint)[:, None]
    colour[rows[(up < 0.03) | (right < 0.03)]] *= 0.5
    lean[rows, 1] += np.where(up > 0.43, 0.6, np.where((up > 0.03) & (up < 0.06), -0.5, 0))
    rows = np.flatnonzero((z < 0.62) & (face.top > 6))
    speck = noise.blended(noise.white(3), across[rows] * 60, z[rows] * 60) - 0.5
    joint = np.mod(across[rows], 1.5) < 0.015
    grey = f32([0.25, 0.235, 0.225]) * (0.8 + 0.4 * noise.hashed(face.owner[rows], 43))[:, None]
    colour[rows] = grey * (1 + 0.35 * speck - 0.4 * joint)[:, None] * (0.75 + 0.4 * z[rows] / 0.62)[:, None]
    lean[rows, 1] += np.where(z[rows] > 0.57, 0.8, 0)


def _drainpipe(face: Facade, colour: Floats, lean: Floats) -> None:
    """A pipe of sheet metal beside the first window of every other wall, a brace at each floor."""
    aside = face.across - np.float32(0.42)
    pipe = (np.abs(aside) < 0.055) & face.high & (face.z > 0.25) & (noise.hashed(face.owner, 47) < 0.75)
    brace = np.mod(face.z, 2.6) < 0.06
    tone = np.where((noise.hashed(face.owner, 48) < 0.5)[:, None], 0.75 * face.style.facade[face.owner], 0.16)
    colour[pipe] = tone[pipe] * np.where(brace, 0.75, 1.0)[pipe, None]
    lean[pipe, 0] += (aside / np.float32(0.045))[pipe]
    colour[~pipe & (np.abs(aside - 0.02) < 0.085) & face.high & (face.z > 0.25)] *= 0.88


def _shop_front(face: Facade, colour: Floats, lean: Floats, ahead: Floats) -> None:
    """Painted wood around shop windows, a name above, panels below."""
    rows = np.flatnonzero(face.shop & (face.z < 3.72))
    if not len(rows):
        return
    some = _taken(face, rows)
    length, place, number = _unit(some)
    hue, z = _hue(some, number), some.z
    wood = (np.abs(place - 0.5) < 0.475) & (z > 0.12)
    shade = 1 + 0.12 * (noise.blended(noise.fractal(9), some.across * 60, z * 8) - 0.5)
    painted = colour[rows]
    painted[wood] = (hue * shade[:, None])[wood]
    panel = wood & (z > 0.2) & (z < 0.48) & (np.abs(np.mod(place * length, 0.8) - 0.4) < 0.34)
    painted[panel] *= 0.8
    sign = wood & (z > 3.08) & (z < 3.58)
    letters = _letters(some.owner, number, (place - 0.5) * length * ahead[rows], z - 3.33)
    bright = hue.mean(1) > 0.14
    ink = np.where(bright[:, None], f32([0.05, 0.045, 0.04]), f32([0.72, 0.68, 0.55]))
    painted = np.where(sign[:, None], painted * (1 - letters[:, None]) + ink * letters[:, None], painted)
    lean[rows, 1] += np.where(z > 3.64, 0.8, np.where((z > 3.0) & (z < 3.06), -0.8, 0)) * wood
    colour[rows] = painted


def _letters(owner: NDArray[np.int32], number: Floats, right: Floats, up: Floats) -> Floats:
    """(N,) 0..1 how much of a place, in metres from the middle of a sign, is covered by its name."""
    sheet = _sign_sheet()
    first = (noise.hashed(owner, 9) * len(_SIGNS)).astype(int)
    word = (first + 7 * number.astype(int)) % len(_SIGNS)  # no two alike beside each other
    height, width = _SIGN_PX
    scale = np.float32(height / 0.46)
    row, column = height / 2 - up * scale, width / 2 + right * scale
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    row, column = (np.clip(v, 0, m - 1).astype(int) for v, m in ((row, height), (column, width)))
    return f32(sheet[word, row, column] * inside)


@lru_cache(maxsize=1)
def _sign_sheet() -> Floats:
    """(S, H, W) coverage of each name of `_SIGNS`."""
    height, width = _SIGN_PX
    sheet = []
    for name in _SIGNS:
        picture = Image.new("L", (width, height))
        draw = ImageDraw.Draw(picture)
        font = ImageFont.load_default(28)
        left, top, right, bottom = draw.textbbox((0, 0), name, font=font)
        draw.text(((width - left - right) / 2, (height - top - bottom) / 2), name, fill=255, font=font)
        sheet.append(f32(picture) / np.float32(255))
    return np.stack(sheet)


def _taken(face: Facade, rows: Rows) -> Facade:
    """The facade at some of its places."""
    values = {n: getattr(face, n) for n in Facade.__dataclass_fields__}
    return Facade(**{n: v if n == "style" else v[rows] for n, v in values.items()})


class _Deep:
    """Places within openings: what the ray meets behind the wall."""

    def __init__(
        self,
        hits: Hits,
        rows: Rows,
        face: Facade,
        opening: _Opening,
        sight: _Sight,
        floor_m: Floats,
        inner: Rows,
    ) -> None:
        self.face, self.floor_m = _taken(face, inner), floor_m[inner]
        self.opening = _Opening(*(getattr(opening, n)[inner] for n in _Opening.__dataclass_fields__))
        self.sight = _Sight(*(getattr(sight, n)[inner] for n in _Sight.__dataclass_fields__))
        self.distance, self.dusk = hits.distance[rows[inner]], hits.light.dusk
        count, kind = len(inner), self.opening.kind
        self.lean = np.zeros((count, 2), np.float32)
        self.glow = np.zeros((count, 3), np.float32)
        self.shine = np.zeros(count, np.float32)
        depth = _DEPTH_M[kind]
        self.right = self.opening.right + self.sight.right * depth
        self.up = self.opening.up + self.sight.up * depth
        self.jamb = ~self.opening.holds(self.right, self.up)
        self.sunny = self._lit_at(self.right, self.up, depth)
        self.colour = self._leaves()
        self.glass &= ~self.jamb
        self._rooms(np.flatnonzero(self.glass))
        self._jambs(np.flatnonzero(self.jamb), depth)

    def _lit_at(self, right: Floats, up: Floats, depth: Floats) -> Mask:
        """Whether the sun reaches places `depth` metres behind the wall."""
        sight = self.sight
        return sight.sunlit & self.opening.holds(right + sight.sun_right * depth, up + sight.sun_up * depth)

    def _leaves(self) -> Floats:
        """Frames, bars and doors; `glass` is what they leave free."""
        face, opening = self.face, self.opening
        right, up, wide, high, kind = (
            self.right,
            self.up,
            opening.half_width,
            opening.half_height,
            opening.kind,
        )
        pale = face.style.frame[face.owner] > 0.4
        design = noise.hashed(face.owner, 31)
        edge = ~opening.holds(right, up, -0.055)
        transom = np.abs(up - high * 0.42) < 0.032
        post = (np.abs(right) < 0.034) & ((design < 0.7) | (up < high * 0.42))
        thirds = (np.abs(np.abs(right) - wide / 3) < 0.03) & (wide > 0.8)
        bars = edge | np.where(design < 0.25, post, np.where(thirds.any() & (wide > 0.8), thirds, post))
        bars |= transom & (design > 0.12)
        show = kind == _SHOW
        shop_bars = edge | (np.abs(np.mod(right + 0.02, 1.35) - 0.02) < 0.025) | (np.abs(up - 0.78) < 0.025)
        bars = np.where(show, shop_bars, bars)
        tone = np.where(pale, 0.58, np.where(design < 0.6, 0.10, 0.05))
        frame = tone[:, None] * f32([1.0, 0.97, 0.92])
        dark_wood = f32([0.085, 0.05, 0.03])
        frame = np.where(((design > 0.8) & ~pale)[:, None], dark_wood, frame)
        hue = _hue(face, _unit(face)[2])
        frame = np.where(show[:, None], hue * 0.9, frame)
        door = (kind == _DOOR) | (kind == _SHOP_DOOR)
        panel, free = self._door(edge)
        self.glass = np.where(door, free, ~bars)
        wood = np.where((design > 0.55)[:, None], f32([0.11, 0.058, 0.03]), f32([0.04, 0.07, 0.06]))
        wood = np.where((kind == _SHOP_DOOR)[:, None], hue, wood)
        return f32(np.where(door[:, None], wood * panel[:, None], frame))

    def _door(self, edge: Mask) -> tuple[Floats, Mask]:
        """(N,) factor of the wood of a two-leaved door, and where it is glazed."""
        opening, right = self.opening, self.right
        height = self.up + opening.half_height
        design = noise.hashed(self.face.owner, 33)
        leaf = np.abs(np.abs(right) - opening.half_width / 2) / opening.half_width
        seam = np.abs(right) < 0.012
        low, high = (height > 0.22) & (height < 0.92), (height > 1.08) & (height < 2.12)
        panel, rim = (low | high) & (leaf < 0.30), (low | high) & (leaf < 0.34)
        tone = np.where(panel, 1.0, np.where(rim, 0.55, 1.15)) * np.where(seam | (height < 0.1), 0.35, 1.0)
        handle = (np.abs(np.abs(right) - 0.07) < 0.016) & (np.abs(height - 1.04) < 0.11)
        tone = np.where(handle, 4.5, tone)
        fanlight = (height > 2.36) & ~edge & (np.abs(right) > 0.02)
        glazed = fanlight | (panel & high & (design > 0.4)) | (panel & (opening.kind == _SHOP_DOOR) & high)
        return f32(tone), np.asarray(glazed)

    def _rooms(self, rows: Rows) -> None:
        """Behind panes: a room with walls, a ceiling, curtains or blinds; lit in the evening."""
        face = _taken(self.face, rows)
        kind, sight_right, sight_up = self.opening.kind[rows], self.sight.right[rows], self.sight.up[rows]
        right, up, wide = self.right[rows], self.up[rows], self.opening.half_width[rows]
        shop = (kind == _SHOW) | (kind == _SHOP_DOOR)
        unit = np.where(shop, _unit(face)[2] + 1000, face.bay)
        room = noise.hashed(face.owner, face.floor, unit)
        half = np.where(shop, wide + 0.5, face.bay_width * 0.48)
        ceiling = np.where(shop, 1.75, self.floor_m[rows] * 0.5 - 0.15)
        bottom = np.where(shop, -1.6, -self.floor_m[rows] * 0.5 + 0.1)
        side = _reach(np.sign(sight_right) * half - right, sight_right)
        level = _reach(np.where(sight_up > 0, ceiling, bottom) - up, sight_up)
        reach = np.minimum(np.minimum(side, level), _ROOM_M)
        there_right, there_up = right + sight_right * reach, up + sight_up * reach
        tint = np.stack([noise.hashed(face.owner, face.floor, unit, k) for k in (21, 22, 23)], 1)
        wall = 0.44 + 0.14 * (tint - 0.5) + f32([0.06, 0.02, -0.05])
        above = (level <= side) & (level < _ROOM_M)
        inside = np.where(
            (above & (sight_up > 0))[:, None], 0.62, np.where(above[:, None], f32([0.17, 0.11, 0.07]), wall)
        )
        back = reach >= _ROOM_M
        shelf = np.floor(there_right / 0.34), np.floor(there_up / 0.42)
        goods = np.stack([noise.hashed(face.owner, unit, *shelf, k) for k in (24, 25, 26)], 1) ** 1.6
        gap = (np.mod(there_up, 0.42) < 0.05) | (np.mod(there_right, 0.34) < 0.05)
        stocked = np.where(gap[:, None], 0.10, 0.08 + 0.6 * goods)
        inside = np.where((shop & back)[:, None], stocked, inside)
        picture = (
            back & ~shop & (np.abs(there_right - 0.7 * (room - 0.5)) < 0.45) & (np.abs(there_up - 0.2) < 0.35)
        )
        inside = np.where(picture[:, None], tint * 0.5, inside)
        light = 0.50 / (1 + 0.75 * reach) ** 1.3 * np.where(shop, 1.9, 0.8)
        cloth = self._curtains(face, kind, room, right + sight_right * np.float32(0.07), up, wide)
        hung = cloth > 0
        inside = np.where(hung[:, None], f32([0.62, 0.59, 0.53]) * (0.85 + 0.28 * tint), inside)
        light = np.where(hung, 0.42 * cloth, light)
        self.colour[rows] = f32(inside * light[:, None])
        self.sunny[rows] &= hung
        lamp_on = shop | (noise.hashed(face.owner, face.floor, unit, 11) < 0.5 * self.dusk)
        warm = f32([1.0, 0.70, 0.40]) * (1 - room[:, None]) + f32([0.92, 0.82, 0.66]) * room[:, None]
        glare = np.where(shop, 1.15, 0.55 + 0.7 * room) * np.where(hung, 0.55, 1 / (1 + 0.12 * reach))
        self.glow[rows] = f32(warm * (inside * (glare * lamp_on)[:, None]) * 1.3)
        away = 1 - np.clip(self.sight.into[rows], 0, 1)
        self.shine[rows] = 0.13 + 0.72 * away**4
        pane = np.sign(right) + 3 * np.sign(up - 0.3)
        tilt = [noise.hashed(face.owner, face.floor, face.bay, pane, k) - 0.5 for k in (27, 28)]
        wave = noise.blended(noise.fractal(4), face.across * 60, face.z * 60) - 0.5
        self.lean[rows] = f32(np.stack(tilt, 1) * 0.022 + (wave * 0.010)[:, None])

    def _curtains(
        self,
        face: Facade,
        kind: NDArray[np.uint8],
        room: Floats,
        right: Floats,
        up: Floats,
        wide: Floats,
    ) -> Floats:
        """(N,) brightness of cloth in folds or of a blind; 0: none hangs there."""
        home = kind == _WINDOW
        folds = 0.78 + 0.22 * np.sin(right * 48 + 5 * room)
        drawn = 0.35 + 0.5 * noise.hashed(face.owner, face.floor, face.bay, 14)
        curtain = home & (room > 0.4) & (np.abs(right) > wide * drawn)
        high = face.half_height
        blind = (
            home & (room < 0.22) & (up > high - 2 * high * noise.hashed(face.owner, face.floor, face.bay, 15))
        )
        slats = np.where(np.mod(up, 0.06) < 0.014, 0.6, 1.0)
        return f32(np.where(curtain, folds, np.where(blind, 0.95 * slats, 0)))

    def _jambs(self, rows: Rows, depth: Floats) -> None:
        """The sides of openings: plaster, in or out of the sun as they stand."""
        opening, sight = self.opening, self.sight
        right, up = opening.right[rows], opening.up[rows]
        to_side = _reach(np.sign(sight.right[rows]) * opening.half_width[rows] - right, sight.right[rows])
        to_end = _reach(np.sign(sight.up[rows]) * opening.half_height[rows] - up, sight.up[rows])
        upright = to_side < to_end
        reach = np.minimum(np.minimum(to_side, to_end), depth[rows])
        at = np.zeros((2, len(depth)), np.float32)
        at[0, rows], at[1, rows] = right + sight.right[rows] * reach, up + sight.up[rows] * reach
        into = np.zeros(len(depth), np.float32)
        into[rows] = reach
        self.sunny[rows] = self._lit_at(at[0] * 0.999, at[1] * 0.999, into)[rows]
        self.lean[rows, 0] = np.where(upright, -9 * np.sign(sight.right[rows]), 0)
        self.lean[rows, 1] = np.where(upright, 0, -9 * np.sign(sight.up[rows]))
        face = self.face
        own = face.style.facade[face.owner[rows]] * 0.9
        shop = opening.kind[rows] != _WINDOW
        own = np.where((shop & face.shop[rows])[:, None], _hue(face, _unit(face)[2])[rows], own)
        self.colour[rows] = own * (1 - 0.35 * reach / np.maximum(depth[rows], 0.05))[:, None]
        self.shine[rows], self.glow[rows] = 0, 0


def _reach(way: Any, slope: Floats) -> Floats:
    """Metres into the wall after which a ray has gone `way` metres aside."""
    steep = np.where(np.abs(slope) < 1e-4, np.float32(1e-4), slope)
    return f32(np.where(np.abs(slope) < 1e-4, 1e4, np.maximum(way / steep, 0)))
