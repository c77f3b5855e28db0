"""The ground as rasters: what each cell is made of, its colour, its painted marks and rails."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy import ndimage
from shapely.geometry import LineString, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import substring, unary_union

from citysim import noise
from citysim.mesh import Floats, f32
from citysim.plan import CityPlan, Way
from citysim.surfaces import (
    AREA_SURFACES,
    DRIVEABLE,
    LATER,
    MARKED,
    OPEN_ROADS,
    PATHS,
    ROAD_SURFACES,
    ROAD_WIDTH_M,
    SOFT,
    TILLED,
    Surface,
    look_table,
)

T = TypeVar("T", bound=np.generic)
PAINT = f32([0.62, 0.62, 0.60])
STEEL = f32([0.135, 0.12, 0.11])
YELLOW = f32([0.62, 0.42, 0.10])
_COBBLES = ("cobblestone", "sett", "paving_stones", "unhewn_cobblestone")
_LOOSE = ("unpaved", "fine_gravel", "gravel", "compacted", "ground", "dirt", "earth")
PAVEMENT_M = 3.0
"""How wide the pavement on each side of a street is."""
_REPAIRS = ((45.0, (8.0, 40.0), (0.7, 1.4)), (9.0, (1.0, 7.0), (0.9, 3.2)))
"""Trenches, then patches: metres of street for each, how long and how wide they are."""


@dataclass(frozen=True)
class Ground:
    """Rasters of `cell_m` metres; row 0 is the south edge, column 0 the west edge.

    Beyond the plan the ground goes on as its mirror image.
    """

    cell_m: float
    surface: NDArray[np.uint8]  # (H, W) Surface
    layers: NDArray[
        np.uint8
    ]  # (H, W, 5 or 6) square root of the linear albedo; coverage by rails, white, yellow
    openness: NDArray[np.float32]  # (H / 4, W / 4) share of the sky that walls leave free
    lamplight: NDArray[np.float32]  # (H / 4, W / 4) light of street lamps, 1 below a lamp

    def _cells(self, x: Floats, y: Floats, scale: float = 1.0) -> tuple[Floats, Floats]:
        height, width = self.surface.shape
        u, v = x / self.cell_m, y / self.cell_m
        u = width - np.abs(np.mod(u, 2 * width) - width)
        v = height - np.abs(np.mod(v, 2 * height) - height)
        return u * scale, v * scale

    def surface_at(self, x: Any, y: Any) -> NDArray[np.uint8]:
        """(N,) metres -> (N,) Surface of the cell."""
        return _at(self.surface, *self._cells(np.asarray(x, np.float32), np.asarray(y, np.float32)))

    def openness_at(self, x: Floats, y: Floats) -> Floats:
        """(N,) metres -> (N,) share of open sky in (0, 1]."""
        return _at(self.openness, *self._cells(x, y, 0.25))

    def lamplight_at(self, x: Floats, y: Floats) -> Floats:
        """(N,) metres -> (N,) light of street lamps, 1 below a lamp."""
        return _at(self.lamplight, *self._cells(x, y, 0.25))

    def albedo_at(self, x: Floats, y: Floats) -> Floats:
        """(N,) metres -> (N, 3) linear albedo, bilinear, with crisp paint and rails."""
        u, v = self._cells(x, y)
        height, width = self.surface.shape
        u, v = np.clip(u - 0.5, 0, width - 1.01), np.clip(v - 0.5, 0, height - 1.01)
        j, i = u.astype(np.int32), v.astype(np.int32)
        fu, fv = (u - j)[:, None].astype(np.float32), (v - i)[:, None].astype(np.float32)
        cells, layers = i * width + j, self.layers.reshape(height * width, -1)
        low = layers.take(cells, 0) * (1 - fu) + layers.take(cells + 1, 0) * fu
        high = layers.take(cells + width, 0) * (1 - fu) + layers.take(cells + width + 1, 0) * fu
        here = (low * (1 - fv) + high * fv) / np.float32(255)
        colour = here[:, :3] ** 2
        for layer, stuff in tuple(enumerate((STEEL, PAINT, YELLOW), 3))[: self.layers.shape[2] - 3]:
            marked = np.flatnonzero(here[:, layer] > 1 / 3)
            cover = np.clip((here[marked, layer, None] - 0.5) * 3 + 0.5, 0, 1) * 0.92
            colour[marked] = colour[marked] * (1 - cover) + stuff * cover
        return colour


def _at(raster: NDArray[T], u: Floats, v: Floats) -> NDArray[T]:
    """(N,) values of a raster at columns `u` and rows `v`, the edge's beyond it."""
    height, width = raster.shape
    cells = np.minimum(v.astype(int), height - 1) * width + np.minimum(u.astype(int), width - 1)
    return raster.ravel().take(cells)


def roads_of(plan: CityPlan) -> BaseGeometry:
    """The carriageways as one geometry."""
    return unary_union([band(way.line, way.width_m) for way in plan.ways if is_road(way)])


def built_of(plan: CityPlan) -> BaseGeometry:
    """The footprints as one geometry."""
    return unary_union([b.footprint.buffer(0) for b in plan.buildings])


def paint_ground(plan: CityPlan, lamps: NDArray[np.float64], cell_m: float, variant: int) -> Ground:
    """Rasterise the plan and the light of (N, 2) `lamps`.

    `variant` shifts the tints, as another city's stones would; 0 is the true look.
    """
    shape = (round(plan.height_m / cell_m), round(plan.width_m / cell_m))
    surface = _burn(surface_shapes(plan), shape, cell_m, np.uint8)
    roads = roads_of(plan)
    paint = _coverage(paint_shapes(plan, roads), shape, cell_m)
    paint[~np.isin(surface, DRIVEABLE)] = 0
    steel = _coverage(rail_shapes(plan), shape, cell_m)
    marks = [steel, paint]
    if any(way.marking == "yellow" for way in plan.ways):
        yellow = _coverage(yellow_shapes(plan), shape, cell_m)
        yellow[~np.isin(surface, DRIVEABLE)] = 0
        marks.append(yellow)
    tilled = _burn(row_shapes(plan), shape, cell_m, np.uint8) if row_shapes(plan) else None
    coarse = (shape[0] // 4, shape[1] // 4)
    solid = _burn([(b.footprint, 1) for b in plan.buildings], coarse, cell_m * 4, np.uint8)
    crowd = ndimage.gaussian_filter(solid.astype(np.float32), 3.0 / (cell_m * 4))
    return Ground(
        cell_m,
        surface,
        np.dstack(
            [
                _coloured(plan.name, surface, _worn(plan, shape, cell_m, variant), tilled, cell_m, variant),
                *marks,
            ]
        ),
        (1 - 0.5 * np.clip(crowd, 0, 1)).astype(np.float32),
        _lamplight(lamps, coarse, cell_m * 4),
    )


def _lamplight(lamps: NDArray[np.float64], shape: tuple[int, int], cell_m: float) -> NDArray[np.float32]:
    """A pool of light some ten metres wide around each lamp."""
    spots = np.zeros(shape, np.float32)
    column, row = (lamps[:, :2] / cell_m).astype(int).T
    inside = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
    reach = 3.6 / cell_m
    spots[row[inside], column[inside]] = 2 * np.pi * reach**2
    return np.minimum(ndimage.gaussian_filter(spots, reach), 1.2)


def is_road(way: Way) -> bool:
    """Whether cars may drive there."""
    return way.kind in ROAD_WIDTH_M


def band(line: LineString, width_m: float) -> BaseGeometry:
    """The ground within half of `width_m` of a line."""
    return line.buffer(width_m / 2, quad_segs=6, cap_style="round", join_style="round")


def surface_shapes(plan: CityPlan) -> list[tuple[BaseGeometry, int]]:
    """Everything that colours the ground, in the order of painting."""
    shapes: list[tuple[BaseGeometry, int]] = []
    for kind, stuff in AREA_SURFACES.items():
        if kind != "railway:platform":
            shapes += [(area.polygon, stuff) for area in plan.areas if area.kind == kind]
    shapes += [(band(rail.line, 4.6), Surface.BALLAST) for rail in plan.rails if rail.kind == "rail"]
    for way in plan.ways:
        if way.kind in PATHS and not way.crossing:
            stuff = Surface.GRAVEL if way.surface in _LOOSE else Surface.PAVEMENT
            shapes.append((band(way.line, way.width_m), stuff))
    roads = [way for way in plan.ways if is_road(way)]
    bare = ("service", "track", "motorway", "motorway_link", "drive", *OPEN_ROADS)
    streets = [way for way in roads if way.kind not in bare]
    shapes += [(band(way.line, way.width_m + 2 * PAVEMENT_M), Surface.PAVEMENT) for way in streets]
    shapes += [(band(way.line, way.width_m + 0.36), Surface.KERB) for way in streets]
    for way in roads:
        if way.kind == "drive":
            shapes.append((band(way.line, way.width_m), ROAD_SURFACES[way.surface]))
    kerbed = [way for way in roads if way.kind == "suburban"]
    shapes += [(band(way.line, way.width_m + 0.36), Surface.KERB) for way in kerbed]
    for way in roads:
        cobbled = way.surface in _COBBLES or way.kind == "pedestrian"
        if way.kind in OPEN_ROADS:
            shapes.append((band(way.line, way.width_m), ROAD_SURFACES[way.surface]))
        elif way.kind != "drive":
            shapes.append((band(way.line, way.width_m), Surface.COBBLE if cobbled else Surface.ASPHALT))
    shapes += [(a.polygon, Surface.PLATFORM) for a in plan.areas if a.kind == "railway:platform"]
    return shapes


def paint_shapes(plan: CityPlan, roads: BaseGeometry) -> list[tuple[BaseGeometry, int]]:
    """Centre dashes, zebra crossings, parking bays."""
    shapes: list[tuple[BaseGeometry, int]] = []
    for way in plan.ways:
        if way.kind in MARKED and way.surface not in _COBBLES:
            dashes = [(s, s + 2.6) for s in np.arange(4.0, way.line.length - 5.0, 6.5)]
            shapes += [(_piece(way.line, a, b, 0.14), 255) for a, b in dashes]
        shapes += _lane_marks(way)
        if way.crossing:
            over = way.line.intersection(roads)
            for line in getattr(over, "geoms", [over]):
                if line.geom_type == "LineString" and line.length > 3:
                    bars = np.arange(0.5, line.length - 0.6, 1.05)
                    shapes += [(_piece(line, s, s + 0.5, 3.2), 255) for s in bars]
    for area in plan.areas:
        if area.kind == "amenity:parking" and area.polygon.area > 60:
            shapes += _bays(area.polygon)
    return shapes


def _lane_marks(way: Way) -> list[tuple[BaseGeometry, int]]:
    """White dashes in the middle and between the lanes of a road of a procedural place, white lines along its edges."""
    if not way.marking:
        return []
    edge = way.width_m / 2 - 0.35
    lanes = max(1, round(way.width_m / 3.6))
    inner = [k * way.width_m / lanes - way.width_m / 2 for k in range(1, lanes)]
    shapes: list[tuple[BaseGeometry, int]] = []
    for aside in (-edge, edge) if way.marking != "dashes" else ():
        shapes.append((way.line.offset_curve(aside).buffer(0.13, cap_style="flat"), 255))
    for aside in inner if way.marking != "yellow" or lanes > 2 else ():
        line = way.line.offset_curve(aside)
        if line.geom_type == "LineString" and not (way.marking == "yellow" and abs(aside) < 0.1):
            shapes += [(_piece(line, s, s + 3.0, 0.24), 255) for s in np.arange(2.0, line.length - 4.0, 9.0)]
    return shapes


def yellow_shapes(plan: CityPlan) -> list[tuple[BaseGeometry, int]]:
    """Lines in the middle of the roads that have them."""
    middles = [way.line for way in plan.ways if way.marking == "yellow"]
    return [(line.buffer(0.17, cap_style="flat"), 255) for line in middles]


def row_shapes(plan: CityPlan) -> list[tuple[BaseGeometry, int]]:
    """The tilled fields, each with the direction of its rows: 1 to 250 for 0 to 180 degrees from east."""
    shapes = []
    for area in plan.areas:
        if AREA_SURFACES[area.kind] in TILLED:
            corners = np.asarray(area.polygon.minimum_rotated_rectangle.exterior.coords)
            sides = corners[1:3] - corners[:2]
            east, north = sides[int(np.argmax(np.hypot(*sides.T)))]
            shapes.append((area.polygon, 1 + round(np.arctan2(north, east) % np.pi / np.pi * 249)))
    return shapes


def _bays(polygon: BaseGeometry) -> list[tuple[BaseGeometry, int]]:
    corners = np.asarray(polygon.minimum_rotated_rectangle.exterior.coords)
    sides = corners[1:3] - corners[:2]
    reach = float(np.linalg.norm(sides, axis=1).max())
    along = sides[int(np.argmax(np.linalg.norm(sides, axis=1)))] / max(reach, 1e-6)
    across = np.array([-along[1], along[0]])
    middle = np.asarray(polygon.centroid.coords)[0]
    inner = polygon.buffer(-0.5)
    shapes = []
    for row in np.arange(-reach, reach, 8.2):
        for bay in np.arange(-reach, reach, 2.7):
            spot = middle + (bay + 1.35) * along + row * across
            line = LineString([spot - 2.4 * across, spot + 2.4 * across])
            if inner.contains(line):
                shapes.append((line.buffer(0.06, cap_style="flat"), 255))
    return shapes


def rail_shapes(plan: CityPlan) -> list[tuple[BaseGeometry, int]]:
    """Both rails of each track."""
    return [
        (rail.line.offset_curve(side * gauge).buffer(half_width, cap_style="flat"), 255)
        for rail in plan.rails
        for gauge, half_width in ((0.5, 0.065) if rail.kind == "tram" else (0.76, 0.11),)
        for side in (1, -1)
    ]


def _piece(line: LineString, start_m: float, end_m: float, width_m: float) -> BaseGeometry:
    a, b = line.interpolate(start_m), line.interpolate(end_m)
    return LineString([a, b]).buffer(width_m / 2, cap_style="flat")


def _burn(shapes: list[Any], shape: tuple[int, int], cell_m: float, dtype: Any) -> NDArray[Any]:
    valid = [(geometry, int(value)) for geometry, value in shapes if not geometry.is_empty]
    if not valid:
        return np.zeros(shape, dtype)
    return rasterize(valid, out_shape=shape, transform=Affine(cell_m, 0, 0, 0, cell_m, 0), dtype=dtype)


def _coverage(shapes: list[Any], shape: tuple[int, int], cell_m: float) -> NDArray[np.uint8]:
    """Share of each cell that is covered, 0..255, from a raster three times as fine, a band at a time."""
    out = np.zeros(shape, np.uint8)
    if not shapes:
        return out
    fine, band = 3, 1024
    valid = [(g, 255 // fine**2) for g, _ in shapes if not g.is_empty]
    bounds = np.array([g.bounds for g, _ in valid])
    for row in range(0, shape[0], band):
        rows = min(band, shape[0] - row)
        low, high = row * cell_m, (row + rows) * cell_m
        here = [valid[k] for k in np.flatnonzero((bounds[:, 3] > low) & (bounds[:, 1] < high))]
        if here:
            step = cell_m / fine
            size = (rows * fine, shape[1] * fine)
            detail = rasterize(
                here, out_shape=size, transform=Affine(step, 0, 0, 0, step, low), dtype=np.uint8
            )
            for k in range(fine * fine):
                out[row : row + rows] += detail[k // fine :: fine, k % fine :: fine]
    return out


def _worn(plan: CityPlan, shape: tuple[int, int], cell_m: float, variant: int) -> NDArray[np.uint8]:
    worn = _burn(wear_shapes(plan, variant), shape, cell_m, np.uint8)
    worn[worn == 0] = 100
    return worn


def wear_shapes(plan: CityPlan, variant: int) -> list[tuple[BaseGeometry, int]]:
    """How bright age and repairs have left each hard place, in per cent of new: what lasts for years in a street.

    Each carriageway was laid in a year of its own, each pavement too; above them trenches for cables, filled
    again, and patches.
    """
    pavements: list[tuple[BaseGeometry, int]] = []
    carriageways: list[tuple[BaseGeometry, int]] = []
    repairs: list[tuple[BaseGeometry, int]] = []
    wide = PAVEMENT_M + 0.2  # kerb and all
    tended = [area for area in plan.areas if area.kind.startswith("procedural:")]
    random = np.random.default_rng([601, variant])
    pavements += [
        (area.polygon, _tone(random)) for area in sorted(tended, key=lambda area: -area.polygon.area)
    ]
    for way in plan.ways:
        line, length, half = way.line, way.line.length, way.width_m / 2
        if not is_road(way) or length <= 1:
            continue
        random = np.random.default_rng([600, variant, way.osm_id % 2**32])
        for side in (1, -1):
            for start, end in _stretches(random, length) if way.kind not in (*OPEN_ROADS, "drive") else ():
                pavements.append((_slab(line, start, end, side * (half + wide / 2), wide), _tone(random)))
        carriageways.append((_slab(line, 0.0, length, 0.0, way.width_m), _tone(random)))
        for mean_m, long_m, wide_m in _REPAIRS if way.kind != "drive" else ():
            for _ in range(random.poisson(length / mean_m)):
                start, across = random.uniform(0, length), random.uniform(*wide_m)
                aside = random.uniform(-1, 1) * max(half - across / 2, 0)
                slab = _slab(line, start, min(start + random.uniform(*long_m), length), aside, across)
                fresh = random.random() < 0.6
                repairs.append((slab, round(100 * random.uniform(*((0.5, 0.75) if fresh else (1.15, 1.4))))))
    return [*pavements, *carriageways, *repairs]


def _stretches(random: np.random.Generator, length: float) -> list[tuple[float, float]]:
    """From 0 to `length` in metres, one after the other, each laid at once."""
    ends = [0.0]
    while ends[-1] < length:
        ends.append(min(ends[-1] + random.uniform(15, 70), length))
    return list(pairwise(ends))


def _tone(random: np.random.Generator) -> int:
    return int(np.clip(100 * np.exp(0.16 * random.normal()), 45, 200))


def _slab(line: LineString, start_m: float, end_m: float, aside_m: float, width_m: float) -> BaseGeometry:
    """A stretch of a band that runs `aside_m` to the left of a line."""
    stretch = substring(line, start_m, end_m)
    if stretch.length < 0.3:
        return Polygon()
    return stretch.offset_curve(aside_m).buffer(width_m / 2, cap_style="flat", join_style="mitre")


def tints(variant: int) -> NDArray[Any]:
    """(C, 3) linear albedo by `Surface`, as this city's stones are; 0 is the true look."""
    albedo, _, _ = look_table()
    if not variant:
        return albedo
    return np.concatenate(
        [
            part * np.exp(light * rng.normal(size=(len(part), 1)) + hue * rng.normal(size=part.shape))
            for part, rng, light, hue in (
                (albedo[:LATER], np.random.default_rng([500, variant]), 0.16, 0.04),
                (albedo[LATER:SOFT], np.random.default_rng([502, variant]), 0.18, 0.02),
                (albedo[SOFT:], np.random.default_rng([503, variant]), 0.20, 0.06),
            )
        ]
    )


def patch_shift(name: str, variant: int) -> NDArray[np.int64]:
    """(2,) metres by which the light and dark patches of this city are shifted."""
    return np.random.default_rng([501, variant, *name.encode()]).integers(noise.SIZE, size=2)


def _coloured(
    name: str,
    surface: NDArray[np.uint8],
    worn: NDArray[np.uint8],
    tilled: NDArray[np.uint8] | None,
    cell_m: float,
    variant: int,
) -> NDArray[np.uint8]:
    """Albedo of every cell: the class's own, with patches and grain of this city, wear, and rows where `tilled`."""
    _, patches, grain = look_table()
    albedo, shift = tints(variant), patch_shift(name, variant)
    kinds = np.arange(len(albedo))
    hard = np.isin(kinds, (*DRIVEABLE, Surface.PAVEMENT)) | (kinds >= LATER)
    out = np.empty((*surface.shape, 3), np.uint8)
    broad, fine = noise.fractal(1), noise.white(2)
    columns = np.arange(surface.shape[1])
    for row in range(0, surface.shape[0], 512):
        cells = surface[row : row + 512]
        rows = np.arange(row, row + len(cells))
        metre_x, metre_y = columns * cell_m + shift[0], rows * cell_m + shift[1]
        near = broad[np.ix_((metre_y * 9).astype(int) % noise.SIZE, (metre_x * 9).astype(int) % noise.SIZE)]
        far = broad[
            np.ix_((metre_y * 1.3).astype(int) % noise.SIZE, (metre_x * 1.3).astype(int) % noise.SIZE)
        ]
        dots = fine[
            np.ix_((metre_y / 0.25).astype(int) % noise.SIZE, (metre_x / 0.25).astype(int) % noise.SIZE)
        ]
        factor = 1 + patches[cells] * (1.1 * (far - 0.5) + 0.7 * (near - 0.5)) + grain[cells] * (dots - 0.5)
        factor *= np.where(hard[cells], worn[row : row + 512] / np.float32(100), 1)
        if tilled is not None:
            factor *= _rows(tilled[row : row + 512], cells, metre_x, metre_y)
        linear = np.clip(albedo[cells] * factor[..., None], 0.01, 0.95)
        out[row : row + 512] = np.sqrt(linear) * 255
    return out


def _rows(
    tilled: NDArray[np.uint8], surface: NDArray[np.uint8], metre_x: NDArray[Any], metre_y: NDArray[Any]
) -> NDArray[np.float32]:
    """How bright each cell of a field is: furrows some metre apart, and the tracks of the machines."""
    here = (tilled > 0) & np.isin(surface, TILLED)
    row, column = np.nonzero(here)
    code = tilled[row, column]
    angle = (code - 1.0) / 249 * np.pi
    across = metre_y[row] * np.cos(angle) - metre_x[column] * np.sin(angle)
    chance = noise.hashed(code, 3), noise.hashed(code, 4), noise.hashed(code, 5)
    furrow = 0.32 * (chance[0] - 0.15) * np.sin(across * (2 * np.pi / (1.0 + 1.6 * chance[1])))
    beside = np.abs(np.mod(across, 9 + 14 * chance[1]) - 1.5)
    track = (np.abs(beside - 0.9) < 0.3) * (0.35 * (chance[2] - 0.4))
    swath = 0.10 * chance[2] * np.sign(np.sin(across * (2 * np.pi / (18 + 28 * chance[1]))))
    out = np.ones(tilled.shape, np.float32)
    out[row, column] = 1 + furrow + track + swath
    return out
