"""Small frozen values that pass between rooms. Units are in the names; angles are degrees clockwise from north."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from l2ltr_core.notes import Note

RGB = NDArray[np.uint8]
"""(H, W, 3) uint8, red first."""
Descriptors = NDArray[np.float32]
"""(N, D) float32, unit rows."""
Columns = NDArray[np.float32]
"""(..., w, d) float32: d numbers for each of w azimuths, south first, by west."""
HeadingSource = Literal["exif", "given", "search", "assumed"]
Progress = Callable[[int, int], None]
"""Called with (done, total) as work goes on."""


@dataclass(frozen=True)
class Location:
    """A WGS 84 position in degrees."""

    latitude: float
    longitude: float


@dataclass(frozen=True)
class Bounds:
    """A WGS 84 box in degrees, in the order west, south, east, north."""

    west: float
    south: float
    east: float
    north: float

    def contains(self, place: Location) -> bool:
        """Whether `place` lies inside or on the edge."""
        return self.west <= place.longitude <= self.east and self.south <= place.latitude <= self.north


class Encoded(NamedTuple):
    """What a branch says of N views: `cls` (N, D), the paper's descriptors, unit rows, and `columns` (N, w, d).

    `columns` is None for a checkpoint without any.
    """

    cls: Descriptors
    columns: Columns | None

    @staticmethod
    def joined(parts: Sequence[Encoded]) -> Encoded:
        """One after the other; all with columns, or all without."""
        columns = [part.columns for part in parts if part.columns is not None]
        return Encoded(
            np.concatenate([part.cls for part in parts]), np.concatenate(columns) if columns else None
        )


@dataclass(frozen=True)
class Panorama:
    """A photo placed on the viewing sphere.

    `pixels` is equirectangular; the photo spans `horizontal_field_deg` across and the elevations
    from `bottom_deg` to `top_deg` (0 = horizon). `heading_deg` is where the *centre column* looks,
    None when the photo does not say.
    """

    pixels: RGB
    horizontal_field_deg: float = 360.0
    top_deg: float = 90.0
    bottom_deg: float = -90.0
    heading_deg: float | None = None
    location: Location | None = None
    rendered: bool = False
    """Whether the file says that a renderer made it, as the simulated city's photos do."""
    notes: tuple[Note, ...] = ()
    """What a person should know about how the photo was read."""


@dataclass(frozen=True)
class Match:
    """One place of the gallery, `rank` counted from 1, `score` the cosine similarity in [-1, 1].

    Of different answers `probability` is that of the photo having been taken around this one and around none before
    it; None in a plain list of places.
    """

    rank: int
    place_id: int
    latitude: float
    longitude: float
    score: float
    probability: float | None = None

    @property
    def location(self) -> Location:
        """Where the place is."""
        return Location(self.latitude, self.longitude)


FAR_TIMES = 4.0
"""Radius, in times that of the confidence's disc, beyond which an estimate covers more than one place."""


@dataclass(frozen=True)
class LocationEstimate:
    """Where the photo was taken: `confidence` in [0, 1] that it lies `within_m`, None where that was not measured.

    `radius_m` holds the truth for 68 of 100 photos, `radius_95_m` for 95; both None where that was not measured.
    """

    latitude: float
    longitude: float
    within_m: float
    confidence: float | None
    radius_m: float | None = None
    radius_95_m: float | None = None

    @property
    def location(self) -> Location:
        """The middle of the circle."""
        return Location(self.latitude, self.longitude)

    @property
    def is_one_place(self) -> bool:
        """Whether 68 of 100 such photos lie around the estimate, and not at other places far away."""
        return self.radius_m is None or self.radius_m <= FAR_TIMES * self.within_m

    @property
    def shown_radius_m(self) -> float:
        """The radius to draw: the measured one of a single place, else that of the circle of the confidence."""
        return self.within_m if self.radius_m is None or not self.is_one_place else self.radius_m
