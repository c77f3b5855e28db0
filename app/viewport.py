"""Where a map looks: pure geometry of views in EPSG:3857, and what of the ground they show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l2ltr_core.geometry.geodesy import (
    MERCATOR_RADIUS_M,
    distance_between_m,
    from_mercator,
    mercator_bounds,
    mercator_units_per_m,
    offset,
    to_mercator,
)
from l2ltr_core.types import Bounds, Location, LocationEstimate

MAX_ZOOM = 20
"""Largest zoom of a map."""
SIZE_PX = (580, 520)
"""Approximate width and height in pixels of a map beside other columns."""
NARROW_PX = (340, 520)
"""Approximate width and height in pixels of a map on a telephone."""
PIXEL_AT_ZOOM_0 = 2 * math.pi * MERCATOR_RADIUS_M / 256
"""EPSG:3857 units a pixel."""
MOST_MOVED_PX = 130
"""Most pixels by which clamping moves a view, so that its middle stays in sight on a telephone."""
NEAR_M = 5_000.0
"""Distance of a true place beyond which it is not shown with an answer."""
AROUND_M = 120.0
"""Least distance shown on each side of an answer that is sure."""
MOST_AROUND_M = 300.0
"""Most metres shown on each side of an answer, where its radii are larger."""
CLOSE_ZOOM = 17
"""Zoom at which a hundred metres fill about a third of the map."""


@dataclass(frozen=True)
class MapView:
    """Where the map looks: `center` is (latitude, longitude), `zoom` a multiple of a quarter."""

    center: tuple[float, float]
    zoom: float


def view_of(
    places: Sequence[Location], size_px: tuple[int, int] = SIZE_PX, closest: float = 18, filled: float = 0.85
) -> MapView:
    """The closest view that shows all `places` on the `filled` part of a map of (width, height) pixels."""
    x, y = _along(places)
    spans = [(max(x) - min(x), size_px[0]), (max(y) - min(y), size_px[1])]
    zooms = [math.log2(filled * pixels * PIXEL_AT_ZOOM_0 / span) for span, pixels in spans if span > 0]
    middle = (_middle([p.latitude for p in places]), _middle([p.longitude for p in places]))
    return MapView(middle, max(1, min([closest, *(math.floor(4 * zoom) / 4 for zoom in zooms)])))


def overview(
    pins: Sequence[Location], truth: Location | None, answer: LocationEstimate | None = None
) -> MapView:
    """All pins, or only what lies around the one `answer`; and the true place, unless so far that all would melt."""
    shown = pins
    if answer is not None:
        around_m = min(max(AROUND_M, answer.radius_95_m or 0), MOST_AROUND_M)
        shown = [offset(answer.location, side * around_m, side * around_m) for side in (-1, 1)]
    near = truth is not None and min(distance_between_m(truth, pin) for pin in pins) < NEAR_M
    return view_of([*shown, truth] if truth is not None and near else shown)


def bounds_view(bounds: Bounds) -> MapView:
    """The view that shows all of `bounds`, on a telephone, too."""
    corners = [Location(bounds.south, bounds.west), Location(bounds.north, bounds.east)]
    return view_of(corners, NARROW_PX, filled=1)


def square_view(place: Location, side_m: float, size_px: int) -> MapView:
    """The view that shows a north-up square of `side_m` metres around `place` on a map as high as wide."""
    box = square_bounds(place, side_m)
    corners = [Location(box.south, box.west), Location(box.north, box.east)]
    return view_of(corners, (size_px, size_px), MAX_ZOOM)


def pan_to_include(places: Sequence[Location], view: MapView, size_px: tuple[int, int]) -> MapView:
    """The same view, moved only as far as it takes to have all `places` on a map of (width, height) pixels."""
    pixel = PIXEL_AT_ZOOM_0 / 2**view.zoom
    middle = [
        min(max(at, max(along) - pixels / 2 * pixel), min(along) + pixels / 2 * pixel)
        for at, along, pixels in zip(to_mercator(*view.center), _along(places), size_px, strict=True)
    ]
    latitude, longitude = from_mercator(*middle)
    return MapView((float(latitude), float(longitude)), float(view.zoom))


def fits_viewport(places: Sequence[Location], view: MapView, size_px: tuple[int, int]) -> bool:
    """Whether a map of (width, height) pixels shows all `places`."""
    pixel = PIXEL_AT_ZOOM_0 / 2**view.zoom
    return all(
        np.abs(along - at).max() <= (pixels / 2 + 1e-3) * pixel
        for along, at, pixels in zip(_along(places), to_mercator(*view.center), size_px, strict=True)
    )


def clamp_to_bounds(view: MapView, bounds: Bounds, size_px: tuple[int, int] = SIZE_PX) -> MapView:
    """The same view, moved so that a map of (width, height) pixels shows less of what lies beyond `bounds`.

    It moves by `MOST_MOVED_PX` at most.
    """
    (west, east), (south, north) = to_mercator([bounds.south, bounds.north], [bounds.west, bounds.east])
    x, y = to_mercator(*view.center)
    pixel = PIXEL_AT_ZOOM_0 / 2**view.zoom
    middle = []
    for at, low, high, pixels in ((x, west, east, size_px[0]), (y, south, north, size_px[1])):
        half, most = pixels / 2 * pixel, MOST_MOVED_PX * pixel
        inside = min(max(at, low + half), high - half) if high - low > 2 * half else (low + high) / 2
        middle.append(min(max(inside, at - most), at + most))
    latitude, longitude = from_mercator(*middle)
    return MapView((float(latitude), float(longitude)), view.zoom)


def clamp_keeping(places: Sequence[Location], view: MapView, bounds: Bounds) -> MapView:
    """The view clamped to `bounds`, unless a telephone would lose some of the `places` by it."""
    moved = clamp_to_bounds(view, bounds)
    return moved if fits_viewport(places, moved, NARROW_PX) else view


def refreshed(view: MapView) -> MapView:
    """The same view, changed by less than one sees: a map moves only to a view that differs from its last one."""
    return MapView((view.center[0] + 1e-9, view.center[1]), view.zoom + 1e-6)


def square_bounds(place: Location, side_m: float) -> Bounds:
    """The box of a north-up square of `side_m` metres around `place`."""
    x, y = to_mercator(place.latitude, place.longitude)
    half = side_m / 2 * mercator_units_per_m(place.latitude)
    return mercator_bounds(x - half, y - half, x + half, y + half)


def _along(places: Sequence[Location]) -> tuple[NDArray, NDArray]:
    """Easts and norths of places in EPSG:3857."""
    return to_mercator([p.latitude for p in places], [p.longitude for p in places])


def _middle(values: Sequence[float]) -> float:
    return (min(values) + max(values)) / 2
