"""The twin's flat frame: metres east (x) and north (y) of an origin, true north exactly up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from l2ltr_core.types import Location

_EARTH_RADIUS_M = 6378137.0
"""Radius of EPSG:3857's sphere."""


@dataclass(frozen=True)
class LocalFrame:
    """Web Mercator scaled by the cosine of the origin's latitude.

    Mercator is conformal and keeps north up everywhere, so a raster in this frame is a raster in
    EPSG:3857 without any resampling. One kilometre from the origin a metre is wrong by 0.03 %
    at 60 degrees of latitude.
    """

    latitude: float
    longitude: float

    @property
    def scale(self) -> float:
        """Metres on the ground per metre of EPSG:3857."""
        return math.cos(math.radians(self.latitude))

    def to_xy(self, lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) degrees (longitude, latitude) -> (N, 2) metres (x, y)."""
        east, north = _mercator(np.asarray(lonlat, float))
        east0, north0 = _mercator(np.array([[self.longitude, self.latitude]]))
        return np.stack([(east - east0) * self.scale, (north - north0) * self.scale], 1)

    def to_location(self, x_m: float, y_m: float) -> Location:
        """Metres in this frame -> WGS 84 degrees."""
        east0, north0 = _mercator(np.array([[self.longitude, self.latitude]]))
        east, north = x_m / self.scale + float(east0[0]), y_m / self.scale + float(north0[0])
        latitude = math.degrees(2 * math.atan(math.exp(north / _EARTH_RADIUS_M)) - math.pi / 2)
        return Location(latitude, math.degrees(east / _EARTH_RADIUS_M))

    def project(self, geometry: Any) -> Any:
        """A shapely geometry in degrees -> the same in metres of this frame."""
        return shapely.transform(geometry, self.to_xy)

    def raster_transform(self, west_m: float, north_m: float, pixel_m: float) -> Affine:
        """Affine of an EPSG:3857 raster whose top left corner is (`west_m`, `north_m`) in this frame."""
        east0, north0 = _mercator(np.array([[self.longitude, self.latitude]]))
        pixel = pixel_m / self.scale
        return Affine(
            pixel,
            0,
            float(east0[0]) + west_m / self.scale,
            0,
            -pixel,
            float(north0[0]) + north_m / self.scale,
        )


def _mercator(lonlat: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    east = np.radians(lonlat[:, 0]) * _EARTH_RADIUS_M
    north = np.log(np.tan(np.pi / 4 + np.radians(lonlat[:, 1]) / 2)) * _EARTH_RADIUS_M
    return east, north
