"""Aerial squares from any raster that GDAL opens, in any coordinate system, through Web Mercator.

Web Mercator (EPSG:3857) keeps north exactly up everywhere and shapes true; its units are metres divided by
the cosine of the latitude. That cosine takes the Earth for a sphere: chips are off by at most 0.4 % in size.
"""

from __future__ import annotations

import math
import threading
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError, RasterioIOError
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from l2ltr_core.errors import ImageryError
from l2ltr_core.geometry.geodesy import mercator_bounds, mercator_units_per_m, to_mercator
from l2ltr_core.types import RGB, Bounds, Location

IN_MEMORY_PIXELS = 64_000_000
"""Largest raster, in pixels, that is held decoded (256 MB with its mask), which makes a chip a matter of 1 ms."""
FEWER_PIXELS_FROM = 4
"""Factor of oversampling from which a chip is read at a lower resolution (from overviews, where there are any)."""
_RGB_BANDS = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


@dataclass(frozen=True)
class Square:
    """A chip and which of its pixels the imagery has: (S, S, 3) uint8 and (S, S) bool."""

    pixels: RGB
    known: NDArray[np.bool_]


class RasterImagery:
    """One raster, local or remote. Each thread reads through its own handle."""

    places: list[Location] | None = None

    def __init__(
        self, source: str, *, dataset: str | None = None, in_memory_pixels: int = IN_MEMORY_PIXELS
    ) -> None:
        """Open `source`, anything GDAL takes; raises ImageryError if it is no raster or lies nowhere.

        `dataset` is what GDAL shall open where that differs from the `source` a person knows.
        """
        self.source = source
        self._dataset = dataset or source
        self._local = threading.local()
        self._loading = threading.Lock()
        raster = self._open()
        self._transform = raster.transform
        self._size = (raster.height, raster.width)
        self.pixel_count: int = raster.height * raster.width
        self._in_memory = self.pixel_count <= in_memory_pixels
        self.bounds: Bounds = mercator_bounds(*raster.bounds)
        middle = (self.bounds.south + self.bounds.north) / 2
        self.resolution_m: float = self._transform.a / mercator_units_per_m(middle)
        tags = self._local.origin.tags()
        self.attribution: str = (tags.get("ATTRIBUTION") or tags.get("TIFFTAG_COPYRIGHT") or "").strip()

    def chip(self, place: Location, size_m: float, size_px: int | None) -> RGB:
        """The (S, S, 3) uint8 square of `size_m` metres around `place`; see `Imagery.chip`."""
        return filled(self.square(place, size_m, size_px), place, self)

    def covers(self, place: Location, size_m: float) -> bool:
        """Whether the whole square is within the imagery, without gaps."""
        left, top, right, bottom = self._box(place, size_m)
        height, width = self._size
        if left < -0.5 or top < -0.5 or right > width + 0.5 or bottom > height + 0.5:
            return False
        return self._gapless or bool(self.square(place, size_m, 32).known.mean() > 0.99)

    def hold_in_memory(self) -> None:
        """Decode the raster once, at the first chip, whatever its size."""
        self._in_memory = True

    def native_px(self, place: Location, size_m: float) -> int:
        """How many pixels of its own the imagery has across a chip."""
        left, _, right, _ = self._box(place, size_m)
        return max(1, round(right - left))

    def square(self, place: Location, size_m: float, size_px: int | None) -> Square:
        """The chip with its mask, for sources made of several rasters; nothing known gives an empty mask."""
        box = self._box(place, size_m)
        size = size_px or self.native_px(place, size_m)
        fewer = max(1, int((box[2] - box[0]) / size / FEWER_PIXELS_FROM))
        left, top = math.floor(box[0]), math.floor(box[1])
        right, bottom = max(left + 1, math.ceil(box[2])), max(top + 1, math.ceil(box[3]))
        pixels, known = self._window(left, top, right, bottom, fewer)
        scale_x, scale_y = pixels.shape[1] / (right - left), pixels.shape[0] / (bottom - top)
        inner = (
            (box[0] - left) * scale_x,
            (box[1] - top) * scale_y,
            min((box[2] - left) * scale_x, pixels.shape[1]),
            min((box[3] - top) * scale_y, pixels.shape[0]),
        )
        resized = Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR, box=inner)
        if known.all():
            return Square(np.asarray(resized), np.ones((size, size), bool))
        mask = Image.fromarray(known).resize((size, size), Image.Resampling.NEAREST, box=inner)
        return Square(np.asarray(resized), np.asarray(mask))

    def _box(self, place: Location, size_m: float) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the square in pixels of the warped raster, fractions kept."""
        x, y = to_mercator(place.latitude, place.longitude)
        half = size_m / 2 * mercator_units_per_m(place.latitude)
        column, row = (x - self._transform.c) / self._transform.a, (y - self._transform.f) / self._transform.e
        half_columns, half_rows = half / self._transform.a, half / -self._transform.e
        return column - half_columns, row - half_rows, column + half_columns, row + half_rows

    def _window(self, left: int, top: int, right: int, bottom: int, fewer: int) -> tuple[RGB, NDArray]:
        """Pixels and mask of a window that may reach over the edge, at one `fewer`-th of the resolution."""
        height, width = self._size
        shape = (max(1, (bottom - top) // fewer), max(1, (right - left) // fewer))
        if min(left, top) >= 0 and right <= width and bottom <= height:
            return self._read(left, top, right, bottom, shape)
        pixels, known = np.zeros((*shape, 3), np.uint8), np.zeros(shape, bool)
        inside = (max(left, 0), max(top, 0), min(right, width), min(bottom, height))
        if inside[0] >= inside[2] or inside[1] >= inside[3]:
            return pixels, known
        first_row, first_column = (inside[1] - top) // fewer, (inside[0] - left) // fewer
        part_shape = (
            max(1, min((inside[3] - inside[1]) // fewer, shape[0] - first_row)),
            max(1, min((inside[2] - inside[0]) // fewer, shape[1] - first_column)),
        )
        first_row, first_column = min(first_row, shape[0] - 1), min(first_column, shape[1] - 1)
        part, part_known = self._read(*inside, part_shape)
        rows = slice(first_row, first_row + part_shape[0])
        columns = slice(first_column, first_column + part_shape[1])
        pixels[rows, columns], known[rows, columns] = part, part_known
        return pixels, known

    def _read(
        self, left: int, top: int, right: int, bottom: int, shape: tuple[int, int]
    ) -> tuple[RGB, NDArray]:
        if self._in_memory and shape == (bottom - top, right - left):
            pixels, known = self._whole
            return pixels[top:bottom, left:right], known[top:bottom, left:right]
        return self._read_file(Window(left, top, right - left, bottom - top), shape)

    @cached_property
    def _whole(self) -> tuple[RGB, NDArray[np.bool_]]:
        with self._loading:
            if "_whole" in self.__dict__:  # another thread was first
                return self.__dict__["_whole"]
            height, width = self._size
            self.__dict__["_whole"] = whole = self._read_file(Window(0, 0, width, height), self._size)
            return whole

    def _read_file(self, window: Window, shape: tuple[int, int]) -> tuple[RGB, NDArray[np.bool_]]:
        raster = self._open()
        resampling = Resampling.average if shape[0] < window.height else Resampling.bilinear
        try:
            bands = raster.read(
                self._bands, window=window, out_shape=(len(self._bands), *shape), resampling=resampling
            )
            known = raster.dataset_mask(window=window, out_shape=shape) > 0
        except RasterioError as error:
            raise ImageryError(
                f"The imagery {self.source} cannot be read ({_first_line(error)}); it may be cut short or "
                "out of reach, so copy it again or check the connection."
            ) from error
        return self._colours(bands), known

    def _colours(self, bands: NDArray) -> RGB:
        """(C, h, w) of any type -> (h, w, 3) uint8."""
        if self._palette is not None:
            return self._palette[bands[0]]
        if bands.dtype != np.uint8:
            low, high = self._range
            bands = ((np.nan_to_num(bands.astype(np.float32)) - low) / (high - low) * 255).clip(0, 255)
            bands = bands.round().astype(np.uint8)
        if len(bands) == 1:
            bands = np.repeat(bands, 3, axis=0)
        return np.ascontiguousarray(bands.transpose(1, 2, 0))

    @cached_property
    def _bands(self) -> list[int]:
        """The bands to read, from 1: red, green and blue where named, else the first three, else grey."""
        kinds = list(self._open().colorinterp)
        if all(kind in kinds for kind in _RGB_BANDS):
            return [kinds.index(kind) + 1 for kind in _RGB_BANDS]
        colours = [number for number, kind in enumerate(kinds, 1) if kind != ColorInterp.alpha]
        return colours[:3] if len(colours) >= 3 else colours[:1]

    @cached_property
    def _gapless(self) -> bool:
        """Whether every pixel within the bounds is known: nothing masked, and not turned by the warp."""
        self._open()
        origin = self._local.origin
        unmasked = all(flags == [MaskFlags.all_valid] for flags in origin.mask_flag_enums)
        return bool(unmasked and origin.crs is not None and origin.crs.to_epsg() == 3857)

    @cached_property
    def _palette(self) -> NDArray[np.uint8] | None:
        """(256, 3) uint8 for an indexed-colour raster."""
        self._open()
        origin = self._local.origin
        if origin.colorinterp[0] != ColorInterp.palette:
            return None
        palette = np.zeros((256, 3), np.uint8)
        for value, colour in origin.colormap(1).items():
            palette[value] = colour[:3]
        return palette

    @cached_property
    def _range(self) -> tuple[float, float]:
        """The values shown as black and white where bands are not 8-bit: the 2nd and 98th percentiles."""
        raster = self._open()
        height, width = self._size
        scale = min(1.0, 1024 / max(height, width))
        shape = (max(1, int(height * scale)), max(1, int(width * scale)))
        sample = raster.read(self._bands, out_shape=(len(self._bands), *shape)).astype(np.float32)
        values = sample[:, raster.dataset_mask(out_shape=shape) > 0]
        values = values[np.isfinite(values)]
        if not values.size:
            return 0.0, 1.0
        low, high = np.percentile(values, (2, 98))
        return float(low), float(max(high, low + 1e-6))

    def _open(self) -> Any:
        """This thread's view of the raster, warped to Web Mercator."""
        view = getattr(self._local, "view", None)
        if view is not None:
            return view
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                origin = rasterio.open(self._dataset)
        except RasterioIOError as error:
            raise ImageryError(
                f"{self.source} cannot be opened as imagery ({_first_line(error)}); a raster that GDAL "
                "reads was expected, for example a GeoTIFF."
            ) from error
        if origin.crs is None and not origin.gcps[0]:
            origin.close()
            raise ImageryError(
                f"{self.source} does not say where on the Earth it lies (no coordinate system); "
                "save it as GeoTIFF with one, for example with gdal_translate -a_srs -a_ullr."
            )
        resampling = (
            Resampling.nearest if origin.colorinterp[0] == ColorInterp.palette else Resampling.bilinear
        )
        has_alpha = any(MaskFlags.alpha in flags for flags in origin.mask_flag_enums)
        try:
            view = WarpedVRT(origin, crs="EPSG:3857", resampling=resampling, add_alpha=not has_alpha)
        except RasterioError as error:
            origin.close()
            raise ImageryError(
                f"{self.source} cannot be brought to Web Mercator ({_first_line(error)}); "
                "check its coordinate system."
            ) from error
        self._local.origin, self._local.view = origin, view
        return view


def filled(square: Square, place: Location, imagery: Any) -> RGB:
    """The square's pixels, gaps in the mean colour of the rest; raises ImageryError if all is gap."""
    if square.known.all():
        return square.pixels
    if not square.known.any():
        box = imagery.bounds
        raise ImageryError(
            f"The place {place.latitude:.5f}, {place.longitude:.5f} is outside the imagery, which covers "
            f"latitudes {box.south:.5f} to {box.north:.5f} and longitudes {box.west:.5f} to {box.east:.5f}; "
            "choose a place within it."
        )
    pixels = square.pixels.copy()
    pixels[~square.known] = square.pixels[square.known].mean(axis=0).round()
    return pixels


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
