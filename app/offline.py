"""Files the browser needs and git does not hold: Leaflet, and each gallery's aerial image.

They are made on demand in `app/static/`, which Streamlit serves, so that the map shows without internet.
Addresses are relative to the map component's own frame and so survive any base path or proxy.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from xstatic.pkg import leaflet

from l2ltr_core.gallery import Gallery
from l2ltr_core.geometry.geodesy import from_mercator, mercator_bounds, mercator_units_per_m, to_mercator
from l2ltr_core.imagery import Imagery
from l2ltr_core.types import RGB, Bounds, Location

STATIC = Path(__file__).parent / "static"
STATIC_URL = "../../app/static"
LONGEST_SIDE_PX = 3072
"""Of a gallery's picture: about 1.5 MB, and 0.5 m a pixel for a city centre."""
LEAFLET_FILES = ("leaflet.js", "leaflet.css", "images/layers.png", "images/layers-2x.png")


@dataclass(frozen=True)
class BaseImage:
    """An aerial picture for the map, north-up in EPSG:3857; `url` as the map's frame sees it."""

    url: str
    bounds: Bounds
    attribution: str


def ensure_leaflet() -> None:
    """Copy Leaflet from its installed package to where Streamlit serves it, once."""
    for name in LEAFLET_FILES:
        target = STATIC / "leaflet" / name
        if not target.exists():
            _write(target, (Path(leaflet.BASE_DIR) / name).read_bytes())


def base_image(gallery: Gallery) -> BaseImage:
    """The aerial image of a gallery as one JPEG, made when it is first asked for."""
    pixels_box = _picture_box(gallery.imagery)
    manifest = (gallery.folder / "gallery.json").read_bytes()
    name = f"{gallery.folder.name}-{hashlib.sha256(manifest).hexdigest()[:12]}.jpg"
    target = STATIC / "galleries" / name
    if not target.exists():
        _write(target, _jpeg(_picture(gallery.imagery, pixels_box)))
    return BaseImage(f"{STATIC_URL}/galleries/{name}", pixels_box.bounds, gallery.attribution)


@dataclass(frozen=True)
class _Box:
    """A square of imagery around `centre`, and the (left, top, right, bottom) pixels of it that are shown."""

    centre: Location
    side_m: float
    side_px: int
    shown_px: tuple[int, int, int, int]
    bounds: Bounds


def _picture_box(imagery: Imagery) -> _Box:
    """Where the picture lies: imagery gives squares, so the one around it all, cut to its bounds."""
    box = imagery.bounds
    (left, right), (bottom, top) = to_mercator([box.south, box.north], [box.west, box.east])
    x, y, side = (left + right) / 2, (bottom + top) / 2, max(right - left, top - bottom)
    centre = Location(*map(float, from_mercator(x, y)))
    side_m = side / mercator_units_per_m(centre.latitude)
    side_px = min(LONGEST_SIDE_PX, max(1, round(side_m / imagery.resolution_m)))
    columns = max(1, round(side_px * (right - left) / side))
    rows = max(1, round(side_px * (top - bottom) / side))
    first_column, first_row = (side_px - columns) // 2, (side_px - rows) // 2
    unit = side / side_px
    west, north = x - side / 2 + first_column * unit, y + side / 2 - first_row * unit
    shown = mercator_bounds(west, north - rows * unit, west + columns * unit, north)
    return _Box(
        centre, side_m, side_px, (first_column, first_row, first_column + columns, first_row + rows), shown
    )


def _picture(imagery: Imagery, box: _Box) -> RGB:
    left, top, right, bottom = box.shown_px
    return imagery.chip(box.centre, box.side_m, box.side_px)[top:bottom, left:right]


def _jpeg(pixels: RGB) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=82, progressive=True)
    return buffer.getvalue()


def leaflet_assets() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(scripts, style sheets) as folium wants them: (name, address) pairs."""
    root = f"{STATIC_URL}/leaflet"
    return [("leaflet", f"{root}/leaflet.js")], [("leaflet_css", f"{root}/leaflet.css")]


def _write(target: Path, data: bytes) -> None:
    """Write by renaming, so that a visitor never loads half a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, suffix=".partial")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    Path(temporary).chmod(0o644)
    shutil.move(temporary, target)
