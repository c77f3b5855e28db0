"""Places other than city centres that never were: suburbs, open country, woods, arterial roads, villages."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, Point, Polygon
from shapely.ops import unary_union

from citysim.draft import house_at, lines, polygons
from citysim.lots import (
    Lots,
    Site,
    commercial_lot,
    cut_up,
    farmstead,
    fields,
    houses_along,
    lay_road,
    tree_row,
    wood,
)
from citysim.plan import CityPlan

Bend = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def place(kind: str, number: int) -> CityPlan:
    """A plan of a kind of place, a key of `PLACE_SIDES_M`, always the same for the same number."""
    site = Site(np.random.default_rng([71, list(_PLACES).index(kind), number]), PLACE_SIDES_M[kind])
    _PLACES[kind](site)
    return site.finished(f"{kind}-{number}")


def _curve(site: Site, through: NDArray[np.float64], angle: float, bend_m: float) -> LineString:
    """A line across the square through a point, at an angle in radians, that winds by up to `bend_m`."""
    rng = site.rng
    along = np.arange(-1.2 * site.side_m, 1.2 * site.side_m, 6.0)
    wave, phase = 2 * math.pi / rng.uniform(160, 520, 2), rng.uniform(0, 2 * math.pi, 2)
    aside = bend_m * (np.sin(along * wave[0] + phase[0]) + 0.6 * np.sin(along * wave[1] + phase[1]))
    aside -= bend_m * (math.sin(phase[0]) + 0.6 * math.sin(phase[1]))
    cos, sin = math.cos(angle), math.sin(angle)
    points = through + np.c_[along * cos - aside * sin, along * sin + aside * cos]
    inside = np.flatnonzero((np.abs(points - site.side_m / 2) < site.side_m / 2 + 60).all(1))
    return LineString(points[inside[0] : inside[-1] + 1])


def _middle(site: Site, spread: float) -> NDArray[np.float64]:
    return site.side_m * (0.5 + site.rng.uniform(-spread, spread, 2))


def _country(site: Site) -> None:
    """One or two roads through open land."""
    rng = site.rng
    angle = float(rng.uniform(0, math.pi))
    bend = float(rng.choice([0.0, 0.0, 6.0, 20.0]))
    roads = [_curve(site, _middle(site, 0.12), angle, bend)]
    across = angle + math.pi / 2 + rng.normal() * 0.12
    roads.append(_curve(site, _middle(site, 0.25), across, bend * 0.6))
    dirt = rng.random() < 0.45
    surfaces = [site.road, "dirt" if dirt else site.road]
    surfaces[0] = str(rng.choice(["gravel", "dirt"])) if rng.random() < 0.12 else surfaces[0]
    for k, line in enumerate(roads):
        loose = surfaces[k] in ("dirt", "gravel")
        width = float(rng.uniform(4.5, 6) if loose else rng.uniform(6.2, 9.5))
        verge = float(rng.uniform(1.0, 9.0))
        lay_road(
            site, line, width, surface=surfaces[k], marking="" if loose else site.marking, verge_m=verge,
            verge=site.pick(site.region.verge), poles=bool(rng.random() < 0.45),
        )  # fmt: skip
        if not loose and rng.random() < 0.6:
            site.cover(line.buffer(width / 2 + rng.uniform(0.5, 1.8)), "procedural:verge_gravel")
    for line in roads:
        for _ in range(int(rng.poisson(1.3))):
            spot = np.asarray(line.interpolate(rng.uniform(0.2, 0.8), normalized=True).coords)[0]
            turn = rng.uniform(0, 2 * math.pi)
            spot = spot + rng.uniform(35, 90) * np.array([math.cos(turn), math.sin(turn)])
            if site.whole.buffer(-30).contains(Point(spot)):
                farmstead(site, spot, line, site.pick(("dirt", "gravel", "concrete")))
        if rng.random() < 0.35 * site.region.wooded:
            tree_row(
                site,
                line.offset_curve(rng.choice([-1, 1]) * rng.uniform(9, 14)),
                rng.uniform(5, 20),
                site.region.trees,
            )
    land = site.whole.buffer(60).difference(unary_union([line.buffer(5) for line in roads]))
    fields(site, land, float(rng.choice([12_000, 35_000, 80_000])), angle)


def _woods(site: Site) -> None:
    """A road or two that wind through a forest with clearings."""
    rng = site.rng
    angle = float(rng.uniform(0, math.pi))
    roads = [_curve(site, _middle(site, 0.1), angle, float(rng.uniform(4, 26)))]
    roads.append(_curve(site, _middle(site, 0.2), angle + rng.uniform(0.7, 2.2), float(rng.uniform(4, 26))))
    margin = float(rng.uniform(2.5, 9))
    for k, line in enumerate(roads):
        surface = str(rng.choice(["gravel", "dirt"])) if k and rng.random() < 0.6 else site.road
        loose = surface in ("gravel", "dirt")
        lay_road(
            site, line, float(rng.uniform(4.5, 6) if loose else rng.uniform(6, 8.5)), surface=surface,
            marking="" if loose else site.marking, verge_m=float(rng.uniform(0.8, margin)),
        )  # fmt: skip
    open_land = unary_union([line.buffer(4 + margin) for line in roads])
    clearings = [
        Point(site.side_m * rng.random(2)).buffer(rng.uniform(12, 50)) for _ in range(int(rng.poisson(3)))
    ]
    glades = unary_union(clearings).difference(unary_union([line.buffer(5) for line in roads]))
    for part in polygons(glades):
        site.cover(part, f"procedural:{site.pick(('pasture', 'dry_grass', 'lawn', 'scrub'))}")
        site.sow(part, 300, (site.region.bush, *site.region.trees))
    for _ in range(int(rng.poisson(1.0))):
        spot = np.asarray(roads[0].interpolate(rng.uniform(0.3, 0.7), normalized=True).coords)[0]
        farmstead(site, spot + rng.normal(size=2) * 30, roads[0], "gravel")
    density = float(rng.uniform(26, 56))
    for piece in cut_up(site.whole.difference(open_land).difference(glades), 30_000, angle, rng):
        wood(site, piece, density * rng.uniform(0.8, 1.7), 2.0)
    undergrowth = open_land.buffer(9).difference(unary_union([open_land, glades]))
    site.sow(undergrowth, float(rng.uniform(10, 40)), ("garden", "garden", "bush"), 1.0)
    edge = open_land.difference(unary_union([line.buffer(6) for line in roads]))
    site.sow(edge, float(rng.uniform(25, 200)), ("bush", "bush", "garden"), 1.0)


def _suburb(site: Site) -> None:
    """Curving residential streets and cul-de-sacs."""
    _streets_of_houses(site, bend_m=float(site.rng.uniform(10, 34)), grid=False)


def _grid(site: Site) -> None:
    """Straight wide streets, houses on even lots, alleys behind them, a few shops with car parks."""
    _streets_of_houses(site, bend_m=0.0, grid=True)


def _waves(site: Site, bend_m: float) -> Bend:
    """A smooth displacement of (N, 2) points about the middle, then a turn."""
    rng = site.rng
    wave = 2 * math.pi / rng.uniform(230, 520, (2, 2))
    phase, turn = rng.uniform(0, 2 * math.pi, 2), rng.uniform(0, 2 * math.pi)
    cos, sin = math.cos(turn), math.sin(turn)

    def moved(points: NDArray[np.float64]) -> NDArray[np.float64]:
        bent = points + bend_m * np.sin(points[:, ::-1] * wave[0] + points * wave[1] * 0.5 + phase)
        return np.asarray(bent @ np.array([[cos, sin], [-sin, cos]]) + site.side_m / 2)

    return moved


def _streets_of_houses(site: Site, bend_m: float, grid: bool) -> None:
    rng = site.rng
    moved = _waves(site, bend_m)
    width, verge_m = float(rng.uniform(6.5, 11)), float(rng.uniform(0.6, 4.5))
    alleys = grid and rng.random() < 0.5
    spacing = float(rng.uniform(62, 84)) + 6 * alleys
    kind, lawn = "suburban" if site.kerbs else "rural", site.pick(site.region.lawn)
    site.cover(site.whole, f"procedural:{lawn}")
    verge = f"verge_{lawn}" if rng.random() < 0.7 else "verge_mixed"
    rows = np.arange(-0.85 * site.side_m, 0.85 * site.side_m, spacing) + rng.uniform(0, spacing)
    streets, ends = _straight_streets(site, rows, grid)
    bent = [shapely.transform(line.segmentize(8.0), moved) for line in streets]
    bent = [part for line in bent for part in lines(line.intersection(site.whole.buffer(30)))]
    poles, marking = bool(rng.random() < 0.4), site.marking if rng.random() < 0.3 else ""
    for line in bent:
        lay_road(
            site, line, width, kind=kind, marking=marking, verge=verge, verge_m=verge_m, walk=site.walks,
            poles=poles and line.length > 90,
        )  # fmt: skip
    for spot in shapely.transform(shapely.points(np.array(ends).reshape(-1, 2)), moved):
        disc = LineString([(spot.x, spot.y), (spot.x + 1.1, spot.y)])
        lay_road(site, disc, 2 * width + 5, kind=kind, verge=verge, verge_m=0.4, walk=site.walks)
    for y in rows[:-1] + spacing / 2 if alleys else ():
        alley = shapely.transform(LineString([(-site.side_m, y), (site.side_m, y)]), moved)
        lay_road(site, alley, 3.6, surface=site.pick(("gravel", "tar", "concrete")), verge_m=0.3)
    if rng.random() < (0.75 if grid else 0.3):
        _shops(site, bent, spacing)
    lots = Lots(
        width=(float(rng.uniform(14, 22)), float(rng.uniform(22, 32))),
        setback=(3.5, 11.0),
        depth=spacing / 2,
        two_storeys=float(rng.choice([0.05, 0.3, 0.7])),
        pools=float(rng.choice([0.0, 0.05, 0.2])),
        front_trees=float(rng.uniform(0.3, 1.8)) * (0.4 + 0.6 * site.region.wooded),
        back_trees=float(rng.uniform(2.0, 8.0)),
        empty=float(rng.uniform(0.02, 0.2)),
    )
    for line in sorted(bent, key=lambda line: -line.length):
        houses_along(site, line, width / 2 + verge_m + 1.6 * site.walks, lots)
    if rng.random() < 0.5:
        step, form = float(rng.uniform(9, 22)), site.pick(site.region.trees)
        aside = width / 2 + min(max(verge_m / 2, 1.5), 2.5)
        for row in (
            part for line in bent for side in (-1, 1) for part in lines(line.offset_curve(side * aside))
        ):
            _street_trees(site, row, step, form)


def _straight_streets(
    site: Site, rows: NDArray[np.float64], grid: bool
) -> tuple[list[LineString], list[NDArray[np.float64]]]:
    """Streets along `rows` and across them; unless a `grid`, with gaps and (2,) places to turn at dead ends."""
    rng = site.rng
    reach = 0.85 * site.side_m
    columns = np.arange(-reach, reach, rng.uniform(95, 190)) + rng.uniform(0, 60)
    streets: list[LineString] = []
    ends: list[NDArray[np.float64]] = []
    for y, next_y in pairwise(rows):
        crossings = columns + (0 if grid else rng.uniform(-30, 30))
        for a, b in pairwise(crossings):
            chance = 1.0 if grid else rng.random()
            if chance < 0.22:  # from both sides as far as a turning place, the gardens between them
                first, second = a + (b - a) * rng.uniform(0.35, 0.45), b - (b - a) * rng.uniform(0.3, 0.4)
                streets += [LineString([(a, y), (first, y)]), LineString([(second, y), (b, y)])]
                ends += [np.array([first, y]), np.array([second, y])]
            elif chance > 0.28:
                streets.append(LineString([(a, y), (b, y)]))
        streets += [LineString([(x, y), (x, next_y)]) for x in crossings if grid or rng.random() < 0.72]
    return streets, ends


def _street_trees(site: Site, line: LineString, step_m: float, form: str) -> None:
    at = np.arange(step_m / 2, line.length, step_m)
    spots = np.array([line.interpolate(t).coords[0] for t in at]).reshape(-1, 2)
    spots = spots[site.rng.random(len(spots)) < 0.6]
    site.plant(site.clear_of_solids(spots, 0.8), form)


def _shops(site: Site, streets: list[LineString], spacing: float) -> None:
    """Some blocks with large low buildings and car parks instead of houses."""
    rng = site.rng
    blocks = site.whole.difference(unary_union([line.buffer(8) for line in streets]))
    for block in polygons(blocks):
        if block.area > 1.2 * spacing**2 and rng.random() < 0.25:
            corners = np.asarray(block.minimum_rotated_rectangle.exterior.coords)
            east, north = corners[1] - corners[0]
            for lot in cut_up(block, 4500, math.atan2(north, east), rng):
                commercial_lot(site, lot.buffer(-3, join_style="mitre"))
            site.solid.append(block)


def _arterial(site: Site) -> None:
    """A wide road with a median, crossed by another, verges, car parks beside large low buildings."""
    rng = site.rng
    angle = float(rng.uniform(0, math.pi))
    centre = _middle(site, 0.08)
    main = _curve(site, centre, angle, float(rng.choice([0.0, 8.0, 18.0])))
    across = _curve(site, centre, angle + math.pi / 2 + rng.normal() * 0.2, float(rng.choice([0.0, 8.0])))
    verge_m, median = float(rng.uniform(4, 16)), float(rng.choice([0.0, 3.0, 8.0, 14.0]))
    verge, wide = site.pick(site.region.verge), float(rng.choice([7.2, 10.6]))
    kind = "suburban" if site.kerbs else "rural"
    ring_m = float(rng.uniform(13, 22)) if rng.random() < 0.45 else 0.0
    kept_free = Point(centre).buffer(max(ring_m - 3, 0.01))
    carriageways = [(across, 1.6 * wide)]
    carriageways += (
        [(main.offset_curve(s * (median + wide) / 2), wide) for s in (1, -1)]
        if median
        else [(main, 1.6 * wide)]
    )
    if median:
        site.cover(main.buffer(median / 2 + 1), f"procedural:{verge}")
    marking = "yellow" if site.marking == "yellow" and not median else "lines"
    for line, width in carriageways:
        for part in lines(line.difference(kept_free)) if ring_m else lines(line):
            lay_road(
                site, part, width, kind=kind, marking=marking, verge=verge, verge_m=verge_m, walk=site.walks
            )  # fmt: skip
    if ring_m:
        ring = LineString(np.asarray(Point(centre).buffer(ring_m).exterior.coords))
        lay_road(site, ring, 8.5, kind=kind, marking="dashes", verge=verge, verge_m=0)
        site.cover(Point(centre).buffer(ring_m - 4), f"procedural:{verge}")
        site.sow(Point(centre).buffer(ring_m - 7), 60, site.region.trees)
    if median > 5:
        _street_trees(site, main, float(rng.uniform(9, 20)), site.pick(site.region.trees))
    streets = unary_union(
        [main.buffer(median / 2 + 1.5 * wide + verge_m + 3), across.buffer(wide + verge_m + 3)]
    )
    site.sow(streets, float(rng.uniform(150, 700)) / site.region.wooded, site.region.trees, 2.0)
    for block in polygons(site.whole.difference(streets)):
        for lot in cut_up(block, 9000, angle, rng):
            _fill_beside_arterial(site, lot)


def _fill_beside_arterial(site: Site, lot: Polygon) -> None:
    """A large building with a car park, a grove, waste land, or houses."""
    rng = site.rng
    inside = lot.buffer(-2.5, join_style="mitre")
    chance = rng.random()
    if chance < 0.45:
        commercial_lot(site, lot)
    elif chance < 0.6:
        wood(site, inside, rng.uniform(40, 130))
    elif chance < 0.8:
        site.cover(lot, f"procedural:{site.pick(('pasture', 'dry_grass', 'dirt', 'lawn'))}")
        site.sow(lot, rng.uniform(120, 700) / site.region.wooded, (*site.region.trees, site.region.bush))
    else:
        _houses_in(site, inside)


def _houses_in(site: Site, lot: Polygon) -> None:
    """Houses about a lane in the middle of a lot."""
    rng = site.rng
    site.cover(lot, f"procedural:{site.pick(site.region.lawn)}")
    corners = np.asarray(lot.minimum_rotated_rectangle.exterior.coords)[:4]
    ends = (corners[0] + corners[1]) / 2, (corners[2] + corners[3]) / 2
    for lane in lines(LineString(ends).intersection(lot.buffer(-4))):
        lay_road(site, lane, 5.5, kind="rural", verge_m=0.5)
        houses_along(site, lane, 4.5, Lots(two_storeys=float(rng.random()), depth=26))


def _village(site: Site) -> None:
    """A street with houses close to it, gardens behind them, fields around."""
    rng = site.rng
    angle = float(rng.uniform(0, math.pi))
    main = _curve(site, _middle(site, 0.08), angle, float(rng.uniform(3, 16)))
    lane = _curve(site, _middle(site, 0.15), angle + rng.uniform(0.9, 2.2), float(rng.uniform(3, 12)))
    width = float(rng.uniform(5.5, 8))
    lawn = site.pick(("lawn", "lawn", *site.region.lawn))
    fields(
        site, site.whole.buffer(40).difference(unary_union([main.buffer(38), lane.buffer(30)])), 14_000, angle
    )
    for line, reach in ((main, 40), (lane, 32)):
        site.cover(line.buffer(reach), f"procedural:{lawn}")
    lay_road(
        site,
        main,
        width,
        kind="suburban" if site.kerbs else "rural",
        marking=site.marking,
        verge_m=0.6,
        walk=site.walks,
    )
    lay_road(site, lane, float(rng.uniform(4.5, 6)), verge_m=float(rng.uniform(0.5, 2)))
    church = Point(main.interpolate(rng.uniform(0.4, 0.6), normalized=True).coords[0] + np.array([30.0, 8.0]))
    if rng.random() < 0.6:
        shape = house_at(church, 12, 24, rng)
        if site.free(shape, 3):
            site.build(shape, 4, "church")
            site.solid.append(shape)
            site.sow(church.buffer(26), 160, site.region.trees)
    lots = Lots(
        width=(11, float(rng.uniform(15, 26))),
        setback=(0.8, float(rng.uniform(1.5, 7))),
        two_storeys=0.7,
        empty=float(rng.uniform(0.05, 0.3)),
        back_trees=float(rng.uniform(1, 3)),
        front_trees=0.2,
        drives=0.5,
    )
    houses_along(site, main, width / 2 + 0.6 + 1.6 * site.walks, lots)
    houses_along(site, lane, 4.5, lots._replace(empty=0.4, setback=(3, 9)))


_PLACES: dict[str, Callable[[Site], None]] = {
    "suburb": _suburb,
    "country": _country,
    "woods": _woods,
    "arterial": _arterial,
    "grid": _grid,
    "village": _village,
}
PLACE_SIDES_M = {
    "suburb": 460.0,
    "country": 700.0,
    "woods": 420.0,
    "arterial": 520.0,
    "grid": 460.0,
    "village": 480.0,
}
"""The kinds of places and the side of the square of each."""
