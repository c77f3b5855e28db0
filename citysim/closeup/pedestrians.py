"""People for large photos: legs that walk, arms that swing, a coat, a head with hair."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from citysim.closeup.smooth import Skin, egg, quads, together
from citysim.mesh import Floats, Material, Mesh, f32, mesh

_Part = tuple[Skin, Material]
"""With x forwards, in heights of the walker."""
_POSES = 6


def pedestrian_mesh(
    x_m: float, y_m: float, angle: float, tall_m: float, owner: int, close: bool
) -> tuple[Mesh, Floats]:
    """A walker, in fine steps if `close`, and (N, 3, 3) normals at the corners; every other one comes the other way."""
    triangles, normals, materials = _pedestrian(owner % _POSES, 2 if close else 1)
    angle += np.pi * (owner % 2)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = f32([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    bent = normals @ turn
    part = mesh((triangles * f32(tall_m)) @ turn + f32([x_m, y_m, 0]), Material.COAT, owner, bent.mean(1))
    part.material[:] = materials
    return part, bent


@lru_cache(maxsize=2 * _POSES)
def _pedestrian(pose: int, fine: int) -> tuple[Floats, Floats, NDArray[np.uint8]]:
    swing = (0.42, 0.30, 0.16, 0.36, 0.05, 0.22)[pose]
    long_coat, pack = pose in (1, 4), pose in (0, 3)
    parts: list[_Part] = []
    for left, ahead in ((1, swing), (-1, -swing)):
        hip, knee = (0.0, 0.052 * left, 0.50), (0.24 * np.sin(ahead) + 0.01, 0.05 * left, 0.275)
        ankle = (knee[0] + 0.235 * np.sin(ahead - 0.18 - 0.5 * max(-ahead, 0)), 0.048 * left, 0.05)
        parts.append(_tube([hip, knee, ankle], [0.056, 0.040, 0.028], Material.TROUSERS, fine))
        toe = (ankle[0] + 0.035, ankle[1], 0.021)
        parts.append(_egg(toe, (0.075, 0.026, 0.022), Material.RUBBER, fine))
        shoulder = (0.0, 0.105 * left, 0.79)
        elbow = (-0.16 * np.sin(ahead), 0.128 * left, 0.635)
        hand = (elbow[0] - 0.15 * np.sin(ahead - 0.5) * 0.9, 0.120 * left, 0.50)
        parts.append(_tube([shoulder, elbow, hand], [0.036, 0.029, 0.022], Material.COAT, fine))
        parts.append(_egg((hand[0] + 0.005, hand[1], 0.478), (0.018, 0.014, 0.030), Material.SKIN, fine))
    hem = 0.36 if long_coat else 0.455
    rings = [(hem, 0.098, 0.082), (0.52, 0.092, 0.074), (0.61, 0.083, 0.064), (0.72, 0.104, 0.074)]
    rings += [(0.78, 0.112, 0.070), (0.815, 0.088, 0.056), (0.84, 0.044, 0.040), (0.845, 0.0, 0.0)]
    parts.append(_stack(rings, Material.COAT, fine))
    parts.append(_tube([(0, 0, 0.82), (0.006, 0, 0.89)], [0.031, 0.030], Material.SKIN, fine))
    parts.append(_egg((0.012, 0, 0.925), (0.053, 0.043, 0.066), Material.SKIN, fine))
    parts.append(_egg((-0.006, 0, 0.942), (0.055, 0.048, 0.058), Material.HAIR, fine))
    if pose in (1, 5):
        parts.append(_egg((-0.035, 0, 0.895), (0.030, 0.046, 0.075), Material.HAIR, fine))
    if pack:
        parts.append(_egg((-0.092, 0, 0.70), (0.055, 0.078, 0.105), Material.TROUSERS, fine))
    return together(parts)


def _tube(points: list[tuple[float, ...]], radii: list[float], material: Material, fine: int) -> _Part:
    """A limb through points, round in the horizontal plane."""
    angle = np.linspace(0, 2 * np.pi, 1 + 5 * fine)
    circle = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], 1)
    spot = np.stack([np.array(p) + r * circle for p, r in zip(points, radii, strict=True)])
    return (quads(spot), quads(np.broadcast_to(circle, spot.shape))), material


def _stack(rings: list[tuple[float, float, float]], material: Material, fine: int) -> _Part:
    """Ovals at heights: half widths to the side and forwards."""
    angle = np.linspace(0, 2 * np.pi, 1 + 7 * fine)
    spot = np.stack(
        [np.c_[d * np.cos(angle), w * np.sin(angle), np.full(len(angle), z)] for z, w, d in rings]
    )
    slope = -np.gradient([w for _, w, _ in rings], [z for z, _, _ in rings])
    normal = np.stack(
        [np.c_[np.cos(angle), np.sin(angle), np.full(len(angle), np.clip(k, -1, 3))] for k in slope]
    )
    return (quads(spot), quads(normal)), material


def _egg(middle: tuple[float, ...], half: tuple[float, ...], material: Material, fine: int) -> _Part:
    return egg(middle, half, 5 * fine, 1 + 3 * fine), material
