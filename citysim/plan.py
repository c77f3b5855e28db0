"""A city plan: what an OpenStreetMap extract says, cleaned and in metres. Read, clip, distort."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import shapely
from shapely import affinity
from shapely.geometry import LineString, Point, Polygon, box
from shapely.geometry.base import BaseGeometry
from shapely.ops import polygonize, unary_union

from citysim.errors import CitySimError
from citysim.frame import LocalFrame
from citysim.surfaces import AREA_SURFACES, ROAD_WIDTH_M

LARGEST_M = 4000.0


@dataclass(frozen=True)
class Building:
    """One footprint with what the map says of it; None where it says nothing."""

    osm_id: int
    footprint: Polygon
    use: str
    height_m: float | None = None
    levels: float | None = None
    roof_shape: str | None = None
    facade_colour: str | None = None
    roof_colour: str | None = None


@dataclass(frozen=True)
class Way:
    """A street or path above ground, with its full carriageway width.

    `marking` is of roads that only procedural places have: none, white "dashes", white "lines", or "yellow" ones;
    `poles` that carry wires stand on its left.
    """

    osm_id: int
    line: LineString
    kind: str
    width_m: float
    surface: str
    crossing: bool
    bridge: bool = False
    marking: str = ""
    poles: bool = False


@dataclass(frozen=True)
class Rail:
    """The centre line of a railway (`rail`) or tramway (`tram`) track above ground."""

    line: LineString
    kind: str


@dataclass(frozen=True)
class Area:
    """A polygon whose `kind` is a key of `AREA_SURFACES`."""

    polygon: Polygon
    kind: str


@dataclass(frozen=True)
class Tree:
    """A tree trunk, in metres; `osm_id` seeds its shape, `form` is a key of `greenery.FORMS`."""

    x_m: float
    y_m: float
    osm_id: int
    form: str = "broad"


@dataclass(frozen=True)
class CityPlan:
    """Everything on a rectangle of `width_m` x `height_m`, its south-west corner at (0, 0)."""

    name: str
    frame: LocalFrame
    width_m: float
    height_m: float
    buildings: tuple[Building, ...] = ()
    ways: tuple[Way, ...] = ()
    rails: tuple[Rail, ...] = ()
    areas: tuple[Area, ...] = ()
    trees: tuple[Tree, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def rectangle(self) -> Polygon:
        """The plan's extent."""
        return box(0, 0, self.width_m, self.height_m)

    def clipped(self, west_m: float, south_m: float, east_m: float, north_m: float) -> CityPlan:
        """The part inside the rectangle, its corner moved to (0, 0); nothing outside survives."""
        window = box(west_m, south_m, east_m, north_m)

        def moved(geometry: BaseGeometry) -> BaseGeometry:
            return affinity.translate(geometry, -west_m, -south_m)

        def lines(geometry: BaseGeometry) -> Iterable[LineString]:
            return (
                moved(part) for part in _parts(geometry.intersection(window), "LineString") if part.length > 1
            )

        def polygons(geometry: BaseGeometry) -> Iterable[Polygon]:
            return (moved(part) for part in _parts(geometry.intersection(window), "Polygon") if part.area > 4)

        origin = self.frame.to_location(west_m, south_m)
        return replace(
            self,
            frame=LocalFrame(origin.latitude, origin.longitude),
            width_m=east_m - west_m,
            height_m=north_m - south_m,
            buildings=tuple(replace(b, footprint=p) for b in self.buildings for p in polygons(b.footprint)),
            ways=tuple(replace(w, line=part) for w in self.ways for part in lines(w.line)),
            rails=tuple(replace(r, line=part) for r in self.rails for part in lines(r.line)),
            areas=tuple(replace(a, polygon=p) for a in self.areas for p in polygons(a.polygon)),
            trees=tuple(
                replace(t, x_m=t.x_m - west_m, y_m=t.y_m - south_m)
                for t in self.trees
                if west_m < t.x_m < east_m and south_m < t.y_m < north_m
            ),
        )

    def transformed(self, matrix: tuple[float, float, float, float]) -> CityPlan:
        """Every geometry through the 2x2 `matrix` (a, b, d, e) about the centre, then clipped to the rectangle."""
        a, b, d, e = matrix
        cx, cy = self.width_m / 2, self.height_m / 2
        full = (a, b, d, e, cx - a * cx - b * cy, cy - d * cx - e * cy)

        def apply(geometry: Any) -> Any:
            return affinity.affine_transform(geometry, full)

        trees = []
        for tree in self.trees:
            point = apply(Point(tree.x_m, tree.y_m))
            trees.append(replace(tree, x_m=point.x, y_m=point.y))
        moved = replace(
            self,
            buildings=tuple(replace(x, footprint=apply(x.footprint)) for x in self.buildings),
            ways=tuple(replace(x, line=apply(x.line)) for x in self.ways),
            rails=tuple(replace(x, line=apply(x.line)) for x in self.rails),
            areas=tuple(replace(x, polygon=apply(x.polygon)) for x in self.areas),
            trees=tuple(trees),
        )
        return moved.clipped(0, 0, self.width_m, self.height_m)


def read_plan(path: Path, name: str) -> CityPlan:
    """Read an OpenStreetMap extract (.osm.pbf). Raises CitySimError where it is unreadable, empty, tiny or huge."""
    import pyrosm  # takes seconds to import
    from pyrosm.exceptions import PBFException

    if not path.is_file():
        raise CitySimError(
            f"No such file: {path}. Give an OpenStreetMap extract that ends in .osm.pbf, or a bundled name."
        )
    try:
        osm = pyrosm.OSM(str(path))
        buildings, network = osm.get_buildings(), osm.get_network("all")
        extra = osm.get_data_by_custom_criteria(
            custom_filter=dict.fromkeys(("railway", "leisure", "natural", "landuse", "man_made"), True)
            | {"amenity": ["parking"], "place": ["square"]},
            filter_type="keep",
            keep_nodes=True,
        )
    except (PBFException, ValueError, OSError, KeyError) as error:
        raise CitySimError(
            f"{path.name} is not a readable OpenStreetMap extract (.osm.pbf): {error}."
        ) from error
    if network is None or not len(network):
        raise CitySimError(f"{path.name} holds no streets; a city needs an extract of at least a few blocks.")
    west, south, east, north = network.total_bounds if buildings is None else buildings.total_bounds
    frame = LocalFrame(float(south), float(west))
    width_m, height_m = (float(v) for v in frame.to_xy(np.array([[east, north]]))[0])
    if min(width_m, height_m) < 200:
        raise CitySimError(
            f"{path.name} covers {width_m:.0f} x {height_m:.0f} m; at least 200 x 200 m are needed."
        )
    if max(width_m, height_m) > LARGEST_M:
        raise CitySimError(
            f"{path.name} covers {width_m / 1000:.1f} x {height_m / 1000:.1f} km; at most "
            f"{LARGEST_M / 1000:g} x {LARGEST_M / 1000:g} km fit in memory: cut a part out, for instance with "
            "`osmium extract --bbox`."
        )
    areas, rails, trees, coast = _read_extra(extra, frame)
    footprints, ways = tuple(_read_buildings(buildings, frame)), tuple(_read_ways(network, frame))
    solid = unary_union([b.footprint for b in footprints])
    areas = [
        a
        for a in areas
        if a.kind != "landuse:residential" or a.polygon.intersection(solid).area < 0.3 * a.polygon.area
    ]
    sea = _sea(coast, box(0, 0, width_m, height_m))
    if (
        sea and solid.intersection(unary_union(sea)).area > 0.1 * solid.area
    ):  # the extract lacks its mainland's coast
        near = [
            g.simplify(3).buffer(45, quad_segs=2)
            for g in (*(b.footprint for b in footprints), *(w.line for w in ways))
        ]
        land = unary_union(near).simplify(2).buffer(-30, quad_segs=2)
        sea = [part for face in sea for part in _parts(face.difference(land), "Polygon")]
    return CityPlan(
        name=name,
        frame=frame,
        width_m=width_m,
        height_m=height_m,
        buildings=footprints,
        ways=ways,
        rails=tuple(rails),
        areas=(*areas, *(Area(face, "natural:sea") for face in sea)),
        trees=tuple(trees),
    )


def _rows(table: Any) -> Iterable[dict[str, Any]]:
    """Each row with its free `tags` merged in; missing values dropped; geometry kept."""
    for record in [] if table is None else table.to_dict("records"):
        row = {key: value for key, value in record.items() if not _missing(value)}
        tags = row.pop("tags", None)
        if isinstance(tags, str):
            row = {**json.loads(tags), **row}
        if row.get("geometry") is not None and not row["geometry"].is_empty:
            yield row


def _read_buildings(table: Any, frame: LocalFrame) -> Iterable[Building]:
    for row in _rows(table):
        if str(row.get("building")) in ("no", "None") or str(row.get("location")) == "underground":
            continue
        geometry = frame.project(row["geometry"])
        for polygon in _parts(geometry if geometry.is_valid else geometry.buffer(0), "Polygon"):
            if polygon.area < 8:
                continue
            yield Building(
                osm_id=int(row["id"]),
                footprint=shapely.geometry.polygon.orient(polygon.simplify(0.05), 1.0),
                use=str(row.get("building", "yes")),
                height_m=_number(row.get("height")),
                levels=_number(row.get("building:levels")),
                roof_shape=row.get("roof:shape"),
                facade_colour=row.get("building:colour"),
                roof_colour=row.get("roof:colour"),
            )


def _read_ways(table: Any, frame: LocalFrame) -> Iterable[Way]:
    for row in _rows(table):
        kind = str(row.get("highway"))
        if str(row.get("tunnel")) in ("yes", "building_passage") or kind in (
            "corridor",
            "proposed",
            "construction",
        ):
            continue
        lanes = _number(row.get("lanes")) or 2
        width = ROAD_WIDTH_M.get(kind, 2.8) * (1.25 if lanes >= 3 else 1.0)
        for line in _parts(frame.project(row["geometry"]), "LineString"):
            yield Way(
                osm_id=int(row["id"]),
                line=line,
                kind=kind,
                width_m=width,
                surface=str(row.get("surface", "")),
                crossing=row.get("footway") == "crossing",
                bridge=str(row.get("bridge")) not in ("None", "no"),
            )


def _read_extra(table: Any, frame: LocalFrame) -> tuple[list[Area], list[Rail], list[Tree], list[LineString]]:
    areas: list[Area] = []
    rails: list[Rail] = []
    trees: list[Tree] = []
    coast: list[LineString] = []
    for row in _rows(table):
        geometry = frame.project(row["geometry"])
        number = int(row["id"])
        if row.get("natural") == "tree" and geometry.geom_type == "Point":
            trees.append(Tree(geometry.x, geometry.y, number))
        elif row.get("natural") == "tree_row":
            steps = np.arange(0.0, geometry.length, 8.0)
            spots = [geometry.interpolate(step) for step in steps]
            trees += [Tree(p.x, p.y, number * 31 + k) for k, p in enumerate(spots)]
        elif row.get("natural") == "coastline":
            coast += list(_parts(geometry, "LineString"))
        elif row.get("railway") in ("rail", "tram", "light_rail") and str(row.get("tunnel")) != "yes":
            kind = "rail" if row["railway"] == "rail" else "tram"
            rails += [Rail(line, kind) for line in _parts(geometry, "LineString")]
        else:
            kinds = (
                f"{key}:{row[key]}"
                for key in ("railway", "leisure", "natural", "landuse", "man_made", "amenity", "place")
                if key in row
            )
            known = next((kind for kind in kinds if kind in AREA_SURFACES), None)
            valid = geometry if geometry.is_valid else geometry.buffer(0)
            areas += [Area(p, known) for p in _parts(valid, "Polygon") if known]
    return areas, rails, trees, coast


def _sea(coast: list[LineString], window: Polygon) -> list[Polygon]:
    """Faces of the window on the right-hand side of the coastline (OpenStreetMap's rule)."""
    if not coast:
        return []
    frame = window.buffer(30, join_style="mitre")
    reach = math.hypot(*(np.array(frame.bounds[2:]) - frame.bounds[:2]))
    cuts: list[BaseGeometry] = [frame.exterior]
    for line in coast:
        points = np.array(line.coords)
        ends = [_extended(points[0], points[1], reach), _extended(points[-1], points[-2], reach)]
        inside = [
            not any(Point(points[k]).distance(other) < 1 for other in coast if other is not line)
            for k in (0, -1)
        ]
        cuts += [line] + [end for end, free in zip(ends, inside, strict=True) if free]
    faces = [f for f in polygonize(unary_union(cuts)) if frame.contains(f.representative_point())]
    votes = np.zeros(len(faces))
    for line in coast:
        points = np.array(line.coords)
        step = points[1:] - points[:-1]
        length = np.linalg.norm(step, axis=1, keepdims=True)
        right = np.stack([step[:, 1], -step[:, 0]], 1) / np.maximum(length, 1e-9)
        middle = (points[1:] + points[:-1]) / 2
        for sign in (1.0, -1.0):
            spots = shapely.points(middle + sign * 0.5 * right)
            for k, face in enumerate(faces):
                votes[k] += sign * float((shapely.contains(face, spots) * length[:, 0]).sum())
    return [face for face, vote in zip(faces, votes, strict=True) if vote > 0]


def _extended(end: Any, before: Any, reach_m: float) -> LineString:
    direction = (end - before) / max(float(np.linalg.norm(end - before)), 1e-6)
    return LineString([end, end + direction * min(reach_m, 60.0)])


def _parts(geometry: BaseGeometry, kind: str) -> Iterable[Any]:
    """The simple parts of one kind, whatever collection they came in."""
    for part in getattr(geometry, "geoms", [geometry]):
        if part.geom_type == kind and not part.is_empty:
            yield part


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value)) or value is pandas.NA


def _number(value: Any) -> float | None:
    """The first number in a tag such as `12.13 m` or `5;6`; None where there is none or it is absurd."""
    found = re.search(r"\d+(?:\.\d+)?", str(value)) if value is not None else None
    number = float(found.group()) if found else None
    return number if number is not None and 0 < number < 500 else None
