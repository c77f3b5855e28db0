"""Distances and coordinates on the Earth: WGS 84 degrees, Web Mercator (EPSG:3857) and metres."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree

from l2ltr_core.types import Bounds, Location

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius of the Earth (IUGG), for distances."""
MERCATOR_RADIUS_M = 6_378_137.0
"""Radius of the sphere that EPSG:3857 is drawn on."""
MAX_MERCATOR_LATITUDE = 85.051128779806
"""Latitude in degrees at which the square Web Mercator map ends."""


def distance_m(
    latitude: ArrayLike, longitude: ArrayLike, other_latitude: ArrayLike, other_longitude: ArrayLike
) -> Any:
    """Great-circle distance in metres between positions in degrees (haversine); arguments broadcast."""
    lat1, lon1 = np.radians(latitude), np.radians(longitude)
    lat2, lon2 = np.radians(other_latitude), np.radians(other_longitude)
    chord = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.clip(chord, 0, 1)))


def distance_between_m(a: Location, b: Location) -> float:
    """Great-circle distance in metres."""
    return float(distance_m(a.latitude, a.longitude, b.latitude, b.longitude))


def offset(place: Location, east_m: float, north_m: float) -> Location:
    """The place that many metres to the east and north, for offsets small against the Earth."""
    latitude = place.latitude + np.degrees(north_m / EARTH_RADIUS_M)
    longitude = place.longitude + np.degrees(east_m / (EARTH_RADIUS_M * np.cos(np.radians(place.latitude))))
    return Location(float(latitude), float((longitude + 180) % 360 - 180))


def local_m(latitude: ArrayLike, longitude: ArrayLike, origin: Location) -> tuple[NDArray, NDArray]:
    """Metres east and north of `origin`, on the plane that touches the Earth there."""
    east = np.radians(np.asarray(longitude) - origin.longitude) * np.cos(np.radians(origin.latitude))
    north = np.radians(np.asarray(latitude) - origin.latitude)
    return east * EARTH_RADIUS_M, north * EARTH_RADIUS_M


def median_spacing_m(latitude: ArrayLike, longitude: ArrayLike) -> float | None:
    """Metres from a place to the nearest other, in the median; None for a single place."""
    latitude, longitude = np.asarray(latitude), np.asarray(longitude)
    if len(latitude) < 2:
        return None
    spots = np.column_stack(local_m(latitude, longitude, Location(float(latitude[0]), float(longitude[0]))))
    return float(np.median(KDTree(spots).query(spots, k=2)[0][:, 1]))


def to_mercator(latitude: ArrayLike, longitude: ArrayLike) -> tuple[Any, Any]:
    """EPSG:3857 x and y of positions in degrees; latitudes are clipped to the map."""
    clipped = np.clip(latitude, -MAX_MERCATOR_LATITUDE, MAX_MERCATOR_LATITUDE)
    x = MERCATOR_RADIUS_M * np.radians(longitude)
    y = MERCATOR_RADIUS_M * np.log(np.tan(np.pi / 4 + np.radians(clipped) / 2))
    return x, y


def from_mercator(x: ArrayLike, y: ArrayLike) -> tuple[Any, Any]:
    """Latitude and longitude in degrees of EPSG:3857 coordinates; undoes `to_mercator`."""
    latitude = np.degrees(2 * np.arctan(np.exp(np.asarray(y) / MERCATOR_RADIUS_M)) - np.pi / 2)
    return latitude, np.degrees(np.asarray(x) / MERCATOR_RADIUS_M)


def mercator_units_per_m(latitude: float) -> float:
    """EPSG:3857 units to a metre on the ground at `latitude`: 1 at the equator, 2 at 60 degrees."""
    return float(1 / np.cos(np.radians(latitude)))


def mercator_bounds(left: float, bottom: float, right: float, top: float) -> Bounds:
    """The WGS 84 box of an EPSG:3857 box."""
    south, west = from_mercator(left, bottom)
    north, east = from_mercator(right, top)
    return Bounds(float(west), float(south), float(east), float(north))


def grid_size(bounds: Bounds, spacing_m: float) -> tuple[int, int]:
    """Rows and columns of `grid`."""
    middle = _middle(bounds)
    height_m = distance_m(bounds.south, middle.longitude, bounds.north, middle.longitude)
    width_m = np.radians(bounds.east - bounds.west) * np.cos(np.radians(middle.latitude)) * EARTH_RADIUS_M
    return int(height_m // spacing_m) + 1, int(width_m // spacing_m) + 1


def grid(bounds: Bounds, spacing_m: float) -> list[Location]:
    """Places `spacing_m` apart that fill `bounds`, centred in it, row by row from the north-west."""
    middle = _middle(bounds)
    rows, columns = grid_size(bounds, spacing_m)
    return [
        offset(middle, (column - (columns - 1) / 2) * spacing_m, ((rows - 1) / 2 - row) * spacing_m)
        for row in range(rows)
        for column in range(columns)
    ]


def _middle(bounds: Bounds) -> Location:
    return Location((bounds.south + bounds.north) / 2, (bounds.west + bounds.east) / 2)
