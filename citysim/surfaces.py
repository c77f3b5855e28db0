"""What the ground is made of: one table of surface classes and how each looks."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Surface(IntEnum):
    """Class of a cell of the ground raster."""

    YARD = 0
    ASPHALT = 1
    PAVEMENT = 2
    GRASS = 3
    WATER = 4
    BALLAST = 5
    COBBLE = 6
    PARKING = 7
    PITCH = 8
    GRAVEL = 9
    PLATFORM = 10
    EARTH = 11
    KERB = 12
    FIELD = 13
    CONCRETE = 14
    TAR = 15
    LAWN = 16
    DRY_GRASS = 17
    DIRT = 18
    SCRUB = 19
    SOIL = 20
    CROP = 21
    STUBBLE = 22
    LITTER = 23
    VERGE = 24


class Look(NamedTuple):
    """Linear albedo, and how strongly broad patches and fine grain modulate it (fractions)."""

    albedo: tuple[float, float, float]
    patches: float
    grain: float


LOOKS: dict[Surface, Look] = {
    Surface.YARD: Look((0.36, 0.345, 0.325), 0.30, 0.12),
    Surface.ASPHALT: Look((0.165, 0.168, 0.175), 0.18, 0.16),
    Surface.PAVEMENT: Look((0.43, 0.415, 0.395), 0.16, 0.08),
    Surface.GRASS: Look((0.135, 0.195, 0.066), 0.42, 0.35),
    Surface.WATER: Look((0.045, 0.085, 0.10), 0.10, 0.0),
    Surface.BALLAST: Look((0.25, 0.215, 0.19), 0.35, 0.45),
    Surface.COBBLE: Look((0.315, 0.29, 0.27), 0.22, 0.10),
    Surface.PARKING: Look((0.215, 0.215, 0.22), 0.20, 0.14),
    Surface.PITCH: Look((0.36, 0.20, 0.13), 0.12, 0.10),
    Surface.GRAVEL: Look((0.44, 0.385, 0.31), 0.22, 0.22),
    Surface.PLATFORM: Look((0.41, 0.41, 0.41), 0.12, 0.06),
    Surface.EARTH: Look((0.27, 0.255, 0.15), 0.45, 0.30),
    Surface.KERB: Look((0.56, 0.55, 0.53), 0.10, 0.05),
    Surface.FIELD: Look((0.34, 0.32, 0.15), 0.30, 0.25),
    Surface.CONCRETE: Look((0.42, 0.395, 0.355), 0.22, 0.12),
    Surface.TAR: Look((0.27, 0.265, 0.255), 0.22, 0.16),
    Surface.LAWN: Look((0.14, 0.168, 0.078), 0.55, 0.32),
    Surface.DRY_GRASS: Look((0.33, 0.285, 0.16), 0.50, 0.40),
    Surface.DIRT: Look((0.37, 0.285, 0.20), 0.40, 0.25),
    Surface.SCRUB: Look((0.33, 0.265, 0.165), 0.75, 0.65),
    Surface.SOIL: Look((0.235, 0.155, 0.105), 0.40, 0.22),
    Surface.CROP: Look((0.12, 0.162, 0.068), 0.40, 0.30),
    Surface.STUBBLE: Look((0.40, 0.34, 0.185), 0.40, 0.25),
    Surface.LITTER: Look((0.135, 0.115, 0.06), 0.75, 0.55),
    Surface.VERGE: Look((0.235, 0.225, 0.125), 0.60, 0.45),
}

DRIVEABLE = (Surface.ASPHALT, Surface.COBBLE, Surface.PARKING, Surface.CONCRETE, Surface.TAR)
LATER = Surface.CONCRETE
"""First of the surfaces that only procedural places have: whatever is drawn by chance for them is drawn apart."""
SOFT = Surface.LAWN
"""First of those that are no pavement."""
TILLED = (Surface.SOIL, Surface.CROP, Surface.STUBBLE)
"""Fields that show rows along their longer side."""


def look_table() -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """(C, 3) albedo, (C,) patch strength, (C,) grain strength, indexed by `Surface`."""
    rows = [LOOKS[surface] for surface in Surface]
    albedo = np.array([row.albedo for row in rows], np.float32)
    return (
        albedo,
        np.array([r.patches for r in rows], np.float32),
        np.array([r.grain for r in rows], np.float32),
    )


ROAD_WIDTH_M = {
    "motorway": 14.0,
    "motorway_link": 7.0,
    "primary": 13.0,
    "secondary": 12.0,
    "tertiary": 10.0,
    "residential": 8.0,
    "unclassified": 8.5,
    "living_street": 6.5,
    "pedestrian": 9.0,
    "primary_link": 6.5,
    "secondary_link": 6.5,
    "tertiary_link": 6.0,
    "service": 4.2,
    "track": 3.0,
    "suburban": 8.0,
    "rural": 7.0,
    "drive": 3.2,
}
STREETS = (
    "primary",
    "secondary",
    "tertiary",
    "residential",
    "unclassified",
    "living_street",
    "pedestrian",
    "primary_link",
    "secondary_link",
    "tertiary_link",
)
OPEN_ROADS = ("suburban", "rural")
"""Roads of procedural places beside which lie verges, not pavements; only a "suburban" one has kerbs and lamps."""
ROAD_SURFACES = {
    "asphalt": Surface.ASPHALT,
    "tar": Surface.TAR,
    "concrete": Surface.CONCRETE,
    "gravel": Surface.GRAVEL,
    "dirt": Surface.DIRT,
}
"""What `OPEN_ROADS` and drives are made of."""
MARKED = ("motorway", "primary", "secondary", "tertiary", "unclassified")
PATHS = ("footway", "cycleway", "path", "steps", "trail")

AREA_SURFACES: dict[str, Surface] = {
    "natural:sea": Surface.WATER,
    "landuse:residential": Surface.GRASS,
    "landuse:farmland": Surface.FIELD,
    "landuse:meadow": Surface.GRASS,
    "landuse:cemetery": Surface.GRASS,
    "natural:water": Surface.WATER,
    "place:square": Surface.COBBLE,
    "landuse:railway": Surface.BALLAST,
    "natural:heath": Surface.EARTH,
    "natural:scree": Surface.GRAVEL,
    "natural:wetland": Surface.EARTH,
    "natural:beach": Surface.GRAVEL,
    "natural:bare_rock": Surface.GRAVEL,
    "natural:shingle": Surface.GRAVEL,
    "landuse:construction": Surface.GRAVEL,
    "leisure:park": Surface.GRASS,
    "leisure:garden": Surface.GRASS,
    "landuse:grass": Surface.GRASS,
    "landuse:flowerbed": Surface.GRASS,
    "landuse:forest": Surface.GRASS,
    "natural:wood": Surface.GRASS,
    "natural:scrub": Surface.GRASS,
    "man_made:pier": Surface.PAVEMENT,
    "amenity:parking": Surface.PARKING,
    "leisure:pitch": Surface.PITCH,
    "leisure:playground": Surface.GRAVEL,
    "leisure:swimming_pool": Surface.WATER,
    "landuse:basin": Surface.WATER,
    "landuse:pond": Surface.WATER,
    "railway:platform": Surface.PLATFORM,
    "procedural:pasture": Surface.LAWN,
    "procedural:soil": Surface.SOIL,
    "procedural:crop": Surface.CROP,
    "procedural:stubble": Surface.STUBBLE,
    "procedural:scrub": Surface.SCRUB,
    "procedural:dry_grass": Surface.DRY_GRASS,
    "procedural:litter": Surface.LITTER,
    "procedural:dirt": Surface.DIRT,
    "procedural:lawn": Surface.LAWN,
    "procedural:gravel": Surface.GRAVEL,
    "procedural:walk": Surface.CONCRETE,
    "procedural:verge_lawn": Surface.LAWN,
    "procedural:verge_dry_grass": Surface.DRY_GRASS,
    "procedural:verge_mixed": Surface.VERGE,
    "procedural:verge_dirt": Surface.DIRT,
    "procedural:verge_gravel": Surface.GRAVEL,
    "procedural:concrete": Surface.CONCRETE,
    "procedural:tar": Surface.TAR,
    "procedural:pool": Surface.WATER,
}
"""OpenStreetMap `key:value` of an area, or `procedural:` and its kind -> its surface.

In the order of painting: later covers earlier.
"""

WOODED = {
    "natural:wood": 55.0,
    "landuse:forest": 55.0,
    "leisure:park": 300.0,
    "natural:scrub": 90.0,
    "landuse:cemetery": 160.0,
}
"""Square metres of such an area per tree that OpenStreetMap does not list one by one."""
