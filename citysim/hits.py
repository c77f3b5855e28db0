"""What rays met: the sheet that every material fills in for its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from citysim.light import Light
from citysim.mesh import Floats, f32
from citysim.world import World

LAMP = f32([1.0, 0.74, 0.42])
"""Linear colour of lamps and lit rooms."""
Rows = NDArray[np.int64]


@dataclass
class Hits:
    """What N rays met; filled in step by step by the materials."""

    world: World
    light: Light
    direction: Floats
    distance: Floats
    point: Floats
    triangle: NDArray[np.int32]  # -1: ground or sky
    normal: Floats
    albedo: Floats
    open_sky: Floats
    shine: Floats  # share of the light that is mirrored
    glow: Floats | None  # (N, 3) light of its own, after sunset
    sunny: Floats  # share of the sun that what is too small for the mesh lets through
    mirrors: list[Rows]  # what shows its surroundings rather than the sky alone


Paint = Callable[[Hits, Rows], None]
"""Fills in the rows whose rays met one material."""


def dot(a: Floats, b: Floats) -> Floats:
    """(N, 3), (N, 3) -> (N,)"""
    return np.einsum("nk,nk->n", a, b)
