"""A panorama on the viewing sphere: turned to north, cut to a field of view, resized for a model."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from l2ltr_core.types import RGB, Panorama


def between_deg(first_deg: float | NDArray, second_deg: float | NDArray) -> NDArray[np.float64]:
    """Degrees between directions the shorter way round, in [0, 180]."""
    return np.abs((np.asarray(first_deg, np.float64) - second_deg + 180) % 360 - 180)


def align(panorama: Panorama, heading_deg: float) -> Panorama:
    """The whole circle with north in the centre column, for a photo whose centre looks at `heading_deg`.

    A full panorama is rolled by whole pixels (an error of at most half a pixel of the photo). A photo that
    spans less than the circle is set into it, the rest in the photo's mean colour.
    """
    pixels = panorama.pixels
    if panorama.horizontal_field_deg < 360:
        pixels = _on_full_circle(pixels, round(pixels.shape[1] * 360 / panorama.horizontal_field_deg))
    return replace(panorama, pixels=_turned(pixels, heading_deg), horizontal_field_deg=360.0, heading_deg=0.0)


def ground_view(
    panorama: Panorama, heading_deg: float, vertical_field_deg: float, size_px: tuple[int, int]
) -> RGB:
    """The north-centred (H, W, 3) uint8 view that covers +-`vertical_field_deg`/2 around the horizon.

    What the photo does not show is filled with the mean colour of what it shows of the view.
    """
    height, width = size_px
    if panorama.horizontal_field_deg < 360:
        # shrink before padding: the full circle at the photo's own resolution could be very large
        columns = max(1, round(panorama.horizontal_field_deg / 360 * width))
        strip = _resize_rows(panorama, vertical_field_deg, (height, columns))
        return _turned(_on_full_circle(strip, width), heading_deg)
    return _resize_rows(panorama, vertical_field_deg, size_px, heading_deg)


def shown_columns(panorama: Panorama, heading_deg: float, count: int) -> NDArray[np.bool_]:
    """(count,) which of so many columns of the north-centred circle a photo shows by half or more, one at the least.

    `heading_deg` is where its centre column looks; columns are those of `ground_view`, south first, by west.
    """
    azimuth_deg = (np.arange(count) + 0.5) / count * 360 - 180
    off_deg = between_deg(azimuth_deg, heading_deg)
    return np.asarray(off_deg <= max(panorama.horizontal_field_deg / 2, off_deg.min()))


def crop_field(panorama: Panorama, direction_deg: float, field_deg: float) -> Panorama:
    """The `field_deg` of a full circle around a direction given in degrees right of the photo's centre."""
    if panorama.horizontal_field_deg != 360 or not 0 < field_deg <= 360:
        raise ValueError(f"expected a full circle and 0 < field_deg <= 360, found {field_deg}")
    width = panorama.pixels.shape[1]
    pixels_per_degree = width / panorama.horizontal_field_deg
    columns = max(1, round(field_deg * pixels_per_degree))
    first = round(width / 2 + direction_deg * pixels_per_degree - columns / 2)
    pixels = np.take(panorama.pixels, np.arange(first, first + columns) % width, axis=1)
    heading = None if panorama.heading_deg is None else (panorama.heading_deg + direction_deg) % 360
    return replace(panorama, pixels=pixels, horizontal_field_deg=field_deg, heading_deg=heading)


def _turned(circle: RGB, heading_deg: float) -> RGB:
    """Columns rolled right, so that what looks at `heading_deg` leaves the centre to north."""
    return np.roll(circle, round(heading_deg / 360 * circle.shape[1]), axis=1)


def _on_full_circle(pixels: RGB, width: int) -> RGB:
    """A photo in the middle of a circle of `width` columns, the rest in its mean colour."""
    height, columns = pixels.shape[:2]
    circle = np.empty((height, width, 3), np.uint8)
    circle[:] = _mean_colour(pixels)
    first = (width - columns) // 2
    circle[:, first : first + columns] = pixels
    return circle


def _resize_rows(
    panorama: Panorama, vertical_field_deg: float, size_px: tuple[int, int], heading_deg: float = 0.0
) -> RGB:
    """The rows between the elevations +-`vertical_field_deg`/2, turned to north, antialiased to `size_px`."""
    height, width = size_px
    source_height, source_width = panorama.pixels.shape[:2]
    half = vertical_field_deg / 2
    top, bottom = min(half, panorama.top_deg), max(-half, panorama.bottom_deg)
    if top <= bottom:  # the photo looks only at the sky or only at the ground: nothing of it is in the view
        view = np.empty((height, width, 3), np.uint8)
        view[:] = _mean_colour(panorama.pixels)
        return view
    rows_per_degree = source_height / (panorama.top_deg - panorama.bottom_deg)
    upper = max(0.0, (panorama.top_deg - top) * rows_per_degree)
    lower = min(float(source_height), (panorama.top_deg - bottom) * rows_per_degree)
    skipped = math.floor(upper)
    rows = _turned(panorama.pixels[skipped : math.ceil(lower)], heading_deg)
    box = (0.0, upper - skipped, float(source_width), lower - skipped)
    first = round((half - top) / vertical_field_deg * height)
    last = max(first + 1, round((half - bottom) / vertical_field_deg * height))
    first = min(first, height - 1)
    # reducing_gap: large photos are first averaged to three times the size, which is much faster
    part = Image.fromarray(rows).resize(
        (width, last - first), Image.Resampling.BILINEAR, box=box, reducing_gap=3.0
    )
    shown = np.asarray(part)
    if shown.shape[0] == height:
        return shown.copy()
    view = np.empty((height, width, 3), np.uint8)
    view[:] = _mean_colour(shown)
    view[first:last] = shown[: height - first]
    return view


def _mean_colour(pixels: RGB) -> RGB:
    return pixels.reshape(-1, 3).mean(axis=0).round().astype(np.uint8)
