"""Blades of grass around the camera of a large photo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from citysim.mesh import Material, Mesh, mesh

Grassy = Callable[[Any, Any], NDArray[np.bool_]]
"""(N,), (N,) metres -> (N,) whether grass grows there."""
_LAWNS, _BLADES, _LAWN_M = 6, 480_000, 15.0
"""Cameras that get blades, blades in all, metres around each."""


def lawn(cameras: NDArray[np.float64], grassy: Grassy) -> Mesh | None:
    """Blades of grass around (N, 2) cameras where `grassy` says so, fewer the farther away."""
    places = []
    for number, (x, y) in enumerate(cameras[:_LAWNS]):
        rng = np.random.default_rng([8, number])
        count = _BLADES // min(len(cameras), _LAWNS)
        reach, turn = _LAWN_M * rng.random(count), 2 * np.pi * rng.random(count)
        spot = np.c_[x + reach * np.cos(turn), y + reach * np.sin(turn), reach]
        spot = spot[rng.random(count) > (reach / _LAWN_M) ** 3]  # no edge where they end
        places.append(spot[grassy(spot[:, 0], spot[:, 1])])
    spot = np.concatenate(places) if places else np.zeros((0, 3))
    if not len(spot):
        return None
    rng = np.random.default_rng(9)
    count = len(spot)
    high = rng.uniform(0.03, 0.085, count) * (0.7 + 0.6 * rng.random(count))
    wide = 0.0028 * (1 + spot[:, 2] / 3.0)
    turn, bend = 2 * np.pi * rng.random((2, count))
    aside = np.c_[np.cos(turn), np.sin(turn), np.zeros(count)] * wide[:, None]
    foot = np.c_[spot[:, :2], np.full(count, -0.004)]
    lean = 0.55 * high * rng.random(count)
    tip = foot + np.c_[np.cos(bend) * lean, np.sin(bend) * lean, high]
    normal = np.c_[0.45 * rng.normal(size=(count, 2)), np.ones(count)]
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return mesh(np.stack([foot - aside, foot + aside, tip], 1), Material.GRASS, 0, normal)
