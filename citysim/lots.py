"""What procedural places are put together from: roads with verges, houses on their lots, fields, woods, car parks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import affinity, prepare
from shapely.geometry import LineString, Point, Polygon, box
from shapely.geometry.base import BaseGeometry
from shapely.ops import split, unary_union

from citysim.buildings import HOME
from citysim.draft import Draft, lines, polygons, scattered
from citysim.plan import Area, Building, Way
from citysim.street import points_along

_WALLS = {
    "brick": ("#a2705a", "#8e5a48", "#b08468", "#7d4f40", "#9d7d6a"),
    "siding": ("#e4e1d8", "#d5d2c6", "#c9c6b4", "#b9c1c4", "#d9cfb6", "#a9a795", "#eeeae2"),
    "stucco": ("#dccbaa", "#d0b995", "#c8a988", "#e2d6c0", "#bfa583"),
    "wood": ("#a08c70", "#857259", "#9a8a74", "#7a8275", "#b3a58c"),
}
_ROOFS = {
    "shingle": ("#66615b", "#57534f", "#78716a", "#857a6d", "#4b4947", "#8d867c"),
    "tile": ("#a0583e", "#8d4a36", "#b06e50", "#9b6a52", "#7e4a3a"),
    "metal": ("#b4b6b6", "#c9c9c5", "#8f9496", "#7d8a84", "#9a5a4c"),
}
_FLAT_ROOFS = ("#d6d5d1", "#bdbcb8", "#9d9c98", "#cfc8ba", "#86837f")


class Trait(NamedTuple):
    """How the land of a region looks: what grows, what the verges and roads are made of."""

    fields: dict[str, float]
    lawn: tuple[str, ...]
    verge: tuple[str, ...]
    trees: tuple[str, ...]
    wooded: float
    """How many trees stand about, 1: as many as usual."""
    bush: str


REGIONS = {
    "prairie": Trait(
        {"soil": 3, "crop": 3, "stubble": 3, "pasture": 1.5, "dry_grass": 1.5},
        ("lawn", "dry_grass", "lawn"),
        ("verge_mixed", "verge_dry_grass", "verge_lawn"),
        ("broad", "garden", "shade"),
        0.5,
        "bush",
    ),
    "green": Trait(
        {"pasture": 4, "crop": 2, "soil": 1, "stubble": 1, "wood": 1.5},
        ("lawn",),
        ("verge_lawn", "verge_mixed", "verge_lawn"),
        ("broad", "shade", "garden", "forest", "conifer"),
        1.4,
        "bush",
    ),
    "desert": Trait(
        {"scrub": 6, "dirt": 1, "dry_grass": 1},
        ("dirt", "gravel", "dry_grass"),
        ("verge_dirt", "verge_dry_grass", "verge_gravel"),
        ("garden", "gum"),
        0.3,
        "sage",
    ),
    "dry": Trait(
        {"dry_grass": 5, "soil": 1, "scrub": 1, "pasture": 1, "wood": 0.7},
        ("lawn", "dry_grass", "dry_grass"),
        ("verge_dry_grass", "verge_dirt", "verge_mixed"),
        ("gum", "gum", "garden", "broad"),
        1.0,
        "bush",
    ),
    "mixed": Trait(
        {"pasture": 2, "dry_grass": 1.5, "stubble": 1, "soil": 1, "crop": 1, "wood": 1.5, "scrub": 0.5},
        ("lawn", "lawn", "dry_grass"),
        ("verge_mixed", "verge_lawn", "verge_dry_grass"),
        ("broad", "forest", "shade", "garden", "conifer"),
        1.0,
        "bush",
    ),
}


@dataclass
class Site(Draft):
    """A procedural place in the making, with the region it lies in."""

    region: Trait = field(init=False)
    solid: list[BaseGeometry] = field(default_factory=list)
    """Houses and roads, on which nothing else may stand."""

    def __post_init__(self) -> None:
        rng = self.rng
        self.region = REGIONS[str(rng.choice(list(REGIONS), p=[0.22, 0.28, 0.12, 0.18, 0.20]))]
        self.walls = [c for name in rng.choice(list(_WALLS), 2, replace=False) for c in _WALLS[str(name)]]
        self.roofs = _ROOFS[str(rng.choice(list(_ROOFS), p=[0.6, 0.25, 0.15]))]
        self.road = str(rng.choice(["asphalt", "tar", "concrete"], p=[0.38, 0.45, 0.17]))
        self.drive = str(rng.choice(["concrete", "tar", "gravel", "asphalt"], p=[0.5, 0.2, 0.15, 0.15]))
        self.marking = str(rng.choice(["yellow", "lines", "dashes", ""], p=[0.4, 0.25, 0.15, 0.2]))
        self.walks = bool(rng.random() < 0.6)
        self.kerbs = bool(rng.random() < 0.75)

    @property
    def whole(self) -> Polygon:
        """The square."""
        return box(0, 0, self.side_m, self.side_m)

    def pick(self, options: tuple[str, ...]) -> str:
        """One of several by chance."""
        return options[int(self.rng.integers(len(options)))]

    def free(self, shape: BaseGeometry, away_m: float) -> bool:
        """Whether a shape keeps so far from every house and road."""
        around = shape.buffer(away_m)
        return (
            not bool(shapely.intersects(np.array(self.solid, object), around).any()) if self.solid else True
        )

    def clear_of_solids(self, spots: NDArray[np.float64], away_m: float = 1.4) -> NDArray[np.float64]:
        """The few of (N, 2) spots where a tree would touch no house and no road."""
        return spots[[self.free(Point(spot), away_m) for spot in spots]] if len(spots) else spots

    def open_ground(self, spots: NDArray[np.float64], away_m: float = 1.2) -> NDArray[np.float64]:
        """The (N, 2) spots that keep so far from every house and road."""
        closed = unary_union([shape.buffer(away_m) for shape in self.solid])
        prepare(closed)
        return spots[~shapely.contains_xy(closed, spots[:, 0], spots[:, 1])]

    def sow(self, area: BaseGeometry, m2_each: float, forms: tuple[str, ...], away_m: float = 1.2) -> None:
        """Trees of several forms over an area, one for every so many square metres."""
        spots = self.open_ground(scattered(area, m2_each, self.rng), away_m)
        which = self.rng.integers(len(forms), size=len(spots))
        for k, form in enumerate(forms):
            self.plant(spots[which == k], form)


def lay_road(
    site: Site,
    line: LineString,
    width_m: float,
    *,
    kind: str = "rural",
    surface: str | None = None,
    marking: str = "",
    verge: str | None = None,
    verge_m: float = 2.0,
    walk: bool = False,
    poles: bool = False,
) -> None:
    """A carriageway, its verges of `verge_m` and, where they are asked for, walks beyond them."""
    for part in lines(line.intersection(site.whole.buffer(200))):
        site.ways.append(
            Way(site.number(), part, kind, width_m, surface or site.road, False, marking=marking, poles=poles)
        )
        site.solid.append(part.buffer(width_m / 2))
        if walk:
            site.cover(part.buffer(width_m / 2 + verge_m + 1.5), "procedural:walk")
        if verge_m > 0.1:
            site.cover(
                part.buffer(width_m / 2 + verge_m), f"procedural:{verge or site.pick(site.region.verge)}"
            )


class Lots(NamedTuple):
    """How houses stand along a street, in metres."""

    width: tuple[float, float] = (18.0, 26.0)
    setback: tuple[float, float] = (6.0, 10.0)
    depth: float = 32.0
    two_storeys: float = 0.4
    empty: float = 0.08
    pools: float = 0.08
    front_trees: float = 0.5
    back_trees: float = 3.0
    drives: float = 0.95


def houses_along(site: Site, line: LineString, edge_m: float, lots: Lots) -> None:
    """Detached houses on both sides of a street whose lots begin `edge_m` from its middle, with drive and garden."""
    rng = site.rng
    setback = rng.uniform(*lots.setback)
    for side in (1, -1):
        along = float(rng.uniform(3, 12))
        while along < line.length - 8:
            width = float(rng.uniform(*lots.width))
            here, ahead = (np.asarray(line.interpolate(along + width / 2 + d).coords)[0] for d in (0.0, 1.0))
            along += width
            toward = (ahead - here) / max(float(np.hypot(*(ahead - here))), 1e-6)
            if rng.random() > lots.empty and line.length > 10:
                out = side * np.array([-toward[1], toward[0]])
                _lot(
                    site, np.array([*here, *toward, *out]), width, edge_m, setback + rng.normal() * 0.8, lots
                )


def _lot(
    site: Site, frame: NDArray[np.float64], width: float, edge_m: float, setback: float, lots: Lots
) -> None:
    rng = site.rng
    across, deep = width * rng.uniform(0.55, 0.78), rng.uniform(8, 13)
    front = edge_m + setback
    shape = box(-across / 2, front, across / 2, front + deep)
    garage = rng.choice([-1.0, 1.0])
    if rng.random() < 0.6:  # a wing towards the street or the garden
        wing = rng.uniform(4.5, 7)
        low, high = (
            (front - rng.uniform(1, 3), front + deep) if rng.random() < 0.6 else (front, front + deep + 4)
        )
        x = garage * (across / 2 - wing / 2)
        shape = shape.union(box(x - wing / 2, low, x + wing / 2, high))
    house = _placed(shape, frame)
    if not isinstance(house, Polygon) or not site.whole.contains(house) or not site.free(house, 1.5):
        return
    _build_house(site, house, lots.two_storeys)
    if rng.random() < lots.drives:
        x = garage * (across / 2 - rng.uniform(1.5, 3))
        beside = rng.random() < 0.2
        x, end = (garage * (across / 2 + 2), front + deep) if beside else (x, front + 0.5)
        drive = _placed(LineString([(x, 1.0), (x, end)]), frame)
        wide = float(rng.choice([2.8, 3.4, 5.2]))
        site.ways.append(Way(site.number(), drive, "drive", wide, site.drive, False))
    places = np.c_[rng.uniform(-0.48, 0.48, 9) * width, rng.uniform(0, 1, 9)]
    counts = rng.poisson(lots.front_trees), rng.poisson(lots.back_trees * site.region.wooded)
    forms = site.region.trees
    for count, (low, high) in zip(
        counts, ((edge_m + 1.5, front - 1), (front + deep + 2, front + lots.depth * 0.6)), strict=True
    ):
        spots = [_spot(frame, x, low + v * (high - low)) for x, v in places[: min(count, 9)]]
        site.plant(site.clear_of_solids(np.array(spots).reshape(-1, 2)), site.pick(forms))
        places = places[::-1]
    for x in np.arange(-across / 2, across / 2, 2.2) if rng.random() < 0.4 else ():
        if abs(x - garage * across / 2) > 4:
            site.plant(np.array([_spot(frame, x, front - 0.9)]), "bush")
    if rng.random() < lots.pools:
        pool = _placed(Point(0, front + deep + 7).buffer(rng.uniform(2.2, 3.6)), frame)
        if site.free(pool, 2):
            site.cover(pool.buffer(1.5), "procedural:concrete")
            site.cover(affinity.scale(pool, 1.0, rng.uniform(0.6, 1)), "procedural:pool")


def _build_house(site: Site, house: Polygon, two_storeys: float, use: str = HOME) -> None:
    rng = site.rng
    tall = 6.0 + rng.uniform(-0.5, 0.6) if rng.random() < two_storeys else rng.uniform(3.62, 4.2)
    roof = (None, "gabled", "gabled")[int(rng.integers(3))] if len(house.exterior.coords) < 6 else None
    site.buildings.append(
        Building(
            site.number(),
            house,
            use,
            height_m=float(min(tall, 4.9) if tall < 5 else tall),
            roof_shape=roof,
            facade_colour=site.walls[int(rng.integers(len(site.walls)))],
            roof_colour=site.roofs[int(rng.integers(len(site.roofs)))],
        )
    )
    site.solid.append(house)


def _placed(shape: BaseGeometry, frame: NDArray[np.float64]) -> BaseGeometry:
    """A shape drawn along (x) and away from (y) the street, where a lot lies: (6,) origin and both directions."""
    x, y, ax, ay, ox, oy = frame
    return affinity.affine_transform(shape, (ax, ox, ay, oy, x, y))


def _spot(frame: NDArray[np.float64], x: float, y: float) -> NDArray[np.float64]:
    return np.asarray(frame[:2] + x * frame[2:4] + y * frame[4:])


def farmstead(site: Site, spot: NDArray[np.float64], road: LineString, surface: str) -> None:
    """A house and a few barns around a yard, trees about them, a drive to the road."""
    rng = site.rng
    yard = Point(spot).buffer(rng.uniform(18, 32))
    if not site.free(yard, 2):
        return
    site.cover(yard, f"procedural:{site.pick(('dirt', 'lawn', 'gravel', 'dry_grass'))}")
    turn = rng.uniform(0, 180)
    for k in range(int(rng.integers(2, 6))):
        angle, reach = rng.uniform(0, 2 * math.pi), rng.uniform(8, 26)
        centre = spot + reach * np.array([math.cos(angle), math.sin(angle)])
        wide, long = (
            (rng.uniform(8, 11), rng.uniform(10, 16)) if k == 0 else (rng.uniform(6, 16), rng.uniform(9, 34))
        )
        shape = affinity.rotate(box(-wide / 2, -long / 2, wide / 2, long / 2), turn + 90 * rng.integers(2))
        shape = affinity.translate(shape, *centre)
        if site.free(shape, 3) and site.whole.contains(shape):
            _build_house(site, shape, 0.4, HOME if k == 0 else "barn")
    end = road.interpolate(road.project(Point(spot)))
    site.ways.append(Way(site.number(), LineString([end, Point(spot)]), "drive", 3.4, surface, False))
    site.sow(yard.buffer(14), 180 / site.region.wooded, site.region.trees, 2.0)


def cut_up(area: BaseGeometry, m2_each: float, angle: float, rng: np.random.Generator) -> list[Polygon]:
    """Pieces of about so many square metres, cut along and across an angle in radians."""
    waiting, pieces = polygons(area), []
    while waiting:
        piece = waiting.pop()
        if piece.area < m2_each * rng.uniform(0.7, 2.0):
            pieces.append(piece)
            continue
        sides = affinity.rotate(piece, -math.degrees(angle), origin=(0, 0)).bounds
        across = angle if sides[3] - sides[1] > sides[2] - sides[0] else angle + math.pi / 2
        middle = np.asarray(piece.centroid.coords)[0] + rng.normal(size=2) * 0.1 * math.sqrt(piece.area)
        reach = 3000 * np.array([math.cos(across), math.sin(across)])
        parts = polygons(split(piece, LineString([middle - reach, middle + reach])))
        waiting += parts if len(parts) > 1 else []
        pieces += [piece] if len(parts) < 2 else []
    return pieces


def fields(site: Site, area: BaseGeometry, m2_each: float, angle: float) -> None:
    """Fields of every kind that the region has, here and there a wood or a row of trees between them."""
    rng, region = site.rng, site.region
    share = np.array(list(region.fields.values()))
    for piece in cut_up(area, m2_each, angle, rng):
        kind = str(rng.choice(list(region.fields), p=share / share.sum()))
        if kind == "wood":
            wood(site, piece, rng.uniform(22, 50))
            continue
        site.cover(piece, f"procedural:{kind}")
        if kind == "scrub":
            site.sow(piece, rng.uniform(45, 160), (region.bush, region.bush, "bush", "sage"))
        elif kind in ("pasture", "dry_grass"):
            site.sow(piece, rng.uniform(900, 6000) / region.wooded, (*region.trees, region.bush), 3.0)
        if rng.random() < 0.28 * region.wooded:
            tree_row(site, piece.exterior, rng.uniform(4, 14), region.trees + (region.bush,) * 2)


def tree_row(site: Site, line: LineString, step_m: float, forms: tuple[str, ...]) -> None:
    """Trees along some of a line, uneven."""
    rng = site.rng
    start, end = np.sort(rng.random(2))
    spots = points_along(line, step_m, 1.0)
    spots = spots[round(start * len(spots)) : round(end * len(spots)), :2]
    spots = site.open_ground(spots + rng.normal(size=spots.shape) * 1.2, 3.0)
    for spot in spots[rng.random(len(spots)) < 0.85]:
        site.plant(spot[None], site.pick(forms))


def wood(site: Site, area: BaseGeometry, m2_each: float, away_m: float = 2.5) -> None:
    """Trees over an area of leaves and shade."""
    forms: tuple[tuple[str, ...], ...] = (
        ("forest",),
        ("forest", "forest", "conifer"),
        ("conifer",),
        ("forest", "shade", "garden"),
    )
    if site.region.trees[0] == "gum":
        forms = (("gum", "gum", "bush"), ("gum", "garden"), ("gum", "forest"), ("gum", "gum", "gum", "bush"))
    site.cover(area, "procedural:litter" if site.rng.random() < 0.8 else "procedural:dry_grass")
    site.sow(area, m2_each, forms[int(site.rng.integers(4))], away_m)


def commercial_lot(site: Site, lot: Polygon) -> None:
    """A large low building behind a car park, grass and trees around both."""
    rng = site.rng
    inner = lot.buffer(-rng.uniform(2.5, 5), join_style="mitre")
    if not polygons(inner):
        return
    inner = max(polygons(inner), key=lambda part: part.area)
    corners = np.asarray(inner.minimum_rotated_rectangle.exterior.coords)[:4]
    first = int(rng.integers(4))
    origin, one, other = corners[first], corners[(first + 1) % 4], corners[(first + 3) % 4]
    share = rng.uniform(0.3, 0.5)
    ends = [origin, one, one + (other - origin) * share, origin + (other - origin) * share]
    house = Polygon(ends).buffer(-1.5, join_style="mitre").intersection(inner)
    car_park = inner.difference(Polygon(ends).buffer(0.5))
    for part in polygons(house):
        if part.area > 60 and site.free(part, 1.5):
            _build_hall(site, part)
    for part in polygons(car_park):
        if part.area > 150:
            site.areas.append(Area(part, "amenity:parking"))
    site.cover(lot.difference(car_park), f"procedural:{site.pick(site.region.lawn)}")
    site.sow(lot.difference(lot.buffer(-2.5)), 60 / site.region.wooded, site.region.trees, 0.8)
    site.sow(car_park, 420, ("garden", "broad"), 1.0)


def _build_hall(site: Site, shape: Polygon) -> None:
    rng = site.rng
    site.buildings.append(
        Building(
            site.number(),
            shape,
            "retail",
            height_m=float(rng.uniform(4.8, 8.5)),
            roof_shape="flat",
            facade_colour=site.walls[int(rng.integers(len(site.walls)))],
            roof_colour=site.pick(_FLAT_ROOFS),
        )
    )
    site.solid.append(shape)
