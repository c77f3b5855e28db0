"""The city's flat frame: metres east (x) and north (y) of an origin, true north exactly up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from l2ltr_core.geometry.geodesy import from_mercator, mercator_units_per_m, to_mercator
from l2ltr_core.types import Location


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
        return 1 / mercator_units_per_m(self.latitude)

    def to_xy(self, lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) degrees (longitude, latitude) -> (N, 2) metres (x, y)."""
        degrees = np.asarray(lonlat, float)
        east, north = to_mercator(degrees[:, 1], degrees[:, 0])
        east0, north0 = to_mercator(self.latitude, self.longitude)
        return np.stack([(east - east0) * self.scale, (north - north0) * self.scale], 1)

    def to_location(self, x_m: float, y_m: float) -> Location:
        """Metres in this frame -> WGS 84 degrees."""
        east0, north0 = to_mercator(self.latitude, self.longitude)
        latitude, longitude = from_mercator(x_m / self.scale + east0, y_m / self.scale + north0)
        return Location(float(latitude), float(longitude))

    def project(self, geometry: Any) -> Any:
        """A shapely geometry in degrees -> the same in metres of this frame."""
        return shapely.transform(geometry, self.to_xy)

    def raster_transform(self, west_m: float, north_m: float, pixel_m: float) -> Affine:
        """Affine of an EPSG:3857 raster whose top left corner is (`west_m`, `north_m`) in this frame."""
        east0, north0 = to_mercator(self.latitude, self.longitude)
        pixel = pixel_m / self.scale
        west, north = float(east0) + west_m / self.scale, float(north0) + north_m / self.scale
        return Affine(pixel, 0, west, 0, -pixel, north)
