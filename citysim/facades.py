"""Facades as they are painted on flat walls: floors of windows in bays, shop fronts, cornices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from citysim import noise
from citysim.buildings import Styles
from citysim.hits import Hits, Rows
from citysim.mesh import Floats, f32
from citysim.storeys import storeys


@dataclass
class Facade:
    """Where N points of facades are: which floor and bay, and how far from the middle of the window, in metres."""

    style: Styles
    owner: NDArray[np.int32]
    across: Floats
    z: Floats
    top: Floats
    high: NDArray[np.bool_]
    shop: NDArray[np.bool_]
    floor: Floats
    floors: Floats
    up: Floats  # 0..1 within the floor
    bay: Floats
    bay_width: Floats
    beside: Floats  # metres from the middle of the bay
    above: Floats  # metres from the middle of the floor
    half_width: Floats
    half_height: Floats
    detail: Floats  # 1 near, less far away, so that windows do not shimmer


def facade(hits: Hits, rows: Rows) -> Facade:
    """Where the walls that `rows` met were met."""
    mesh, style = hits.world.mesh, hits.world.styles
    triangle = hits.triangle[rows]
    owner, length = mesh.owner[triangle], mesh.length[triangle]
    point = hits.point[rows]
    across = ((point[:, :2] - mesh.start[triangle]) * mesh.along[triangle]).sum(1)
    z, top = point[:, 2], style.height[owner]
    shop, base, floors, floor_height, bay_width = storeys(style, owner, length)
    bay_width = f32(bay_width)
    floor = np.floor((z - base) / floor_height)
    up = (z - base) / floor_height - floor
    bay = np.floor(across / bay_width)
    return Facade(
        style=style,
        owner=owner,
        across=across,
        z=z,
        top=top,
        high=(top > 5.5) | style.homely[owner],
        shop=shop,
        floor=floor,
        floors=floors,
        up=up,
        bay=bay,
        bay_width=bay_width,
        beside=np.abs(across / bay_width - bay - 0.5) * bay_width,
        above=(up - 0.5) * floor_height,
        half_width=f32(0.5 * np.minimum(style.window_width[owner] * bay_width, 1.9)),
        half_height=0.5 * style.window_height[owner] * floor_height,
        detail=np.clip(1.2 - hits.distance[rows] / 160, 0.15, 1),
    )


def plaster(face: Facade) -> Floats:
    """The wall itself: weathered plaster, a base of ashlar, string courses, pilasters."""
    z, across, owner = face.z, face.across, face.owner
    grand = face.style.ornament[owner]
    weather = noise.sample(noise.fractal(1), across * 7 + owner * 37, z * 7) - 0.5
    streak = noise.sample(noise.fractal(9), across * 40 + owner * 11, z * 2) - 0.5
    dirt = (1 + 0.12 * weather + 0.08 * streak) * (0.86 + 0.14 * np.clip(z / 3, 0, 1))
    colour = f32(face.style.facade[owner] * dirt[:, None])
    stone = (z < np.where(face.shop, 4.0, 3.4)) & (face.style.stone_base[owner] > 0.4) & (face.top > 8)
    seam = (np.mod(z, 0.55) < 0.05) | (np.mod(across + 0.6 * np.floor(z / 0.55 % 2), 1.2) < 0.05)
    colour[stone] = colour[stone] * 0.35 + f32([0.26, 0.24, 0.225])
    colour[stone & seam] *= 0.82
    course = face.high & (face.floor >= 1) & (face.up < 0.06) & (grand > 0.35)
    colour[course] = np.clip(colour[course] * 1.18 + 0.03, 0, 0.9)
    pier = (
        face.high
        & (grand > 0.8)
        & (face.beside > 0.42 * face.bay_width)
        & (z > np.where(face.shop, 4.0, 0.9))
    )
    colour[pier] = np.clip(colour[pier] * 1.12, 0, 0.9)
    return colour


def windows(face: Facade, colour: Floats) -> NDArray[np.bool_]:
    """Paint windows into `colour`: frame, sill, bars, panes with rooms behind. Returns where there is glass."""
    beside, above, half_width, half_height = face.beside, face.above, face.half_width, face.half_height
    upper = (face.floor >= 0) & (face.floor < face.floors) & face.high & (face.bay_width > 1.4)
    rise = np.sqrt(np.clip(1 - (beside / np.maximum(half_width, 0.1)) ** 2, 0, 1)) * 0.35 - 0.35
    arch = np.where(face.style.ornament[face.owner] > 0.6, rise, 0.0)
    inside = upper & (beside < half_width) & (np.abs(above) < half_height) & (above < half_height + arch)
    frame = upper & ~inside & (beside < half_width + 0.13)
    frame &= (above < half_height + 0.16) & (above > -half_height - 0.13)
    pale = face.style.frame[face.owner, None] > 0.4
    surround = np.where(pale, colour * 0.4 + 0.42, colour * 0.62)
    near = face.detail[:, None]
    colour[frame] = (surround * near + colour * (1 - near))[frame]
    sill = upper & (beside < half_width + 0.2) & (np.abs(above + half_height + 0.17) < 0.05)
    colour[sill] *= 0.72
    thin = (beside < 0.045) | (np.abs(above - half_height * 0.35) < 0.045) | (beside > half_width - 0.06)
    bars = inside & thin & (face.detail > 0.4)
    colour[bars] = np.broadcast_to(np.where(pale, 0.62, 0.09), colour.shape)[bars]
    glass = inside & ~bars
    room = noise.hashed(face.owner, face.floor, face.bay)[:, None]
    curtain = (beside > half_width * 0.55)[:, None] & (room > 0.45)
    pane = np.where(curtain, f32([0.30, 0.28, 0.25]) * (0.5 + room), f32([0.028, 0.034, 0.042]) + 0.07 * room)
    reveal = (above > half_height - 0.22) | (half_width - beside < 0.12)
    colour[glass] = (pane * np.where(reveal, 0.45, 1.0)[:, None])[glass]
    return glass


def street_level(face: Facade, colour: Floats, glass: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Paint shop windows, signs, awnings and doors. Returns where there is glass now."""
    z, owner, shop = face.z, face.owner, face.shop
    unit = np.floor(face.across / 4.4)
    place = face.across / 4.4 - unit
    number = noise.hashed(owner, unit, 3)
    hue = np.stack([noise.hashed(owner, unit, k) for k in (6, 7, 8)], 1) ** 2
    show = shop & (z > 0.55) & (z < 2.9) & (np.abs(place - 0.42) < 0.31)
    goods = noise.hashed(owner, unit, np.floor(face.across * 1.6), 5)[:, None]
    colour[show] = (f32([0.04, 0.04, 0.045]) + 0.16 * goods)[show]
    sign = shop & (z > 3.05) & (z < 3.6) & (np.abs(place - 0.5) < 0.46)
    colour[sign] = (hue * 0.5 + 0.05)[sign]
    awning = shop & (number > 0.62) & (z > 2.35) & (z < 3.05) & (np.abs(place - 0.42) < 0.34)
    stripes = np.where(np.mod(face.across, 0.7) < 0.35, 1.0, 0.6)[:, None]
    colour[awning] = ((hue * 0.6 + 0.1) * stripes)[awning]
    door = shop & (np.abs(place - 0.82) < 0.11) & (z < 2.5)
    entrance = ~shop & face.high & (np.mod(face.bay, 5) == 2) & (face.beside < 0.75) & (z < 2.7)
    wood = np.where((number > 0.5)[:, None], f32([0.09, 0.055, 0.035]), f32([0.05, 0.07, 0.065]))
    colour[door | entrance] = wood[door | entrance]
    return (glass & ~entrance) | show


def rooms_lit(face: Facade, glass: NDArray[np.bool_], dusk: float) -> Floats:
    """(N, 3) warm light behind shop windows and about half of the others, each room its own."""
    room = noise.hashed(face.owner, face.floor, face.bay, 11)
    shop = face.shop & (face.z < 2.9)
    on = glass & (shop | (room < 0.5 * dusk))
    tone = f32([1.0, 0.72, 0.42]) * (1 - room[:, None]) + f32([0.85, 0.80, 0.70]) * room[:, None]
    return f32(tone * (on * np.where(shop, 0.55, 0.25 + 0.5 * room) * dusk)[:, None])


def cornice(face: Facade, colour: Floats) -> None:
    """Paint the cornice, its shadow and the gutter."""
    below = face.top - face.z
    cornice = below < 0.55
    colour[cornice] = np.clip(face.style.facade[face.owner[cornice]] * 1.15 + 0.04, 0, 0.88)
    colour[(below >= 0.55) & (below < 0.95) & face.high] *= 0.72
    gutter = below < 0.14
    colour[gutter] = face.style.roof[face.owner[gutter]]
