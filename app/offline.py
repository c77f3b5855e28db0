"""Files the browser needs and git does not hold: Leaflet, and each gallery's aerial image.

They are made on demand in `app/static/`, which Streamlit serves, so that the map shows without internet.
Addresses are relative to the map component's own frame and so survive any base path or proxy.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from xstatic.pkg import leaflet

from app.encoding import jpeg
from l2ltr_core.files import atomic_write
from l2ltr_core.gallery import Gallery
from l2ltr_core.geometry.geodesy import from_mercator, mercator_bounds, mercator_units_per_m, to_mercator
from l2ltr_core.imagery import Imagery
from l2ltr_core.types import RGB, Bounds, Location

STATIC = Path(__file__).parent / "static"
STATIC_URL = "../../app/static"
LONGEST_SIDE_PX = 3072
"""Longest side of a gallery's picture: about 1.5 MB, and 0.5 m a pixel for a city centre."""
QUALITY = 82
"""JPEG quality of that picture."""
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
    manifest = gallery.manifest
    version = hashlib.sha256(
        repr((manifest.imagery, manifest.files.get(manifest.imagery))).encode()
    ).hexdigest()
    name = f"{gallery.folder.name}-{version[:12]}.jpg"
    target = STATIC / "galleries" / name
    box = _Box.around(gallery.imagery, LONGEST_SIDE_PX)
    if not target.exists():
        pixels = box.cut(gallery.imagery)
        _write(target, jpeg(Image.fromarray(pixels), QUALITY, progressive=True))
    return BaseImage(f"{STATIC_URL}/galleries/{name}", box.bounds, gallery.attribution)


def picture(imagery: Imagery, longest_px: int) -> tuple[Bounds, RGB]:
    """All of an aerial source as one picture, north up in EPSG:3857, and where it lies."""
    box = _Box.around(imagery, longest_px)
    return box.bounds, box.cut(imagery)


@dataclass(frozen=True)
class _Box:
    """A square of imagery around `centre`, and the (left, top, right, bottom) pixels of it that are shown."""

    centre: Location
    side_m: float
    side_px: int
    shown_px: tuple[int, int, int, int]
    bounds: Bounds

    @classmethod
    def around(cls, imagery: Imagery, longest_px: int) -> _Box:
        """All of `imagery`, which gives squares only: the one around it, cut to its bounds."""
        whole = imagery.bounds
        (left, right), (bottom, top) = to_mercator([whole.south, whole.north], [whole.west, whole.east])
        x, y, side = (left + right) / 2, (bottom + top) / 2, max(right - left, top - bottom)
        centre = Location(*map(float, from_mercator(x, y)))
        side_m = side / mercator_units_per_m(centre.latitude)
        side_px = min(longest_px, max(1, round(side_m / imagery.resolution_m)))
        columns = max(1, round(side_px * (right - left) / side))
        rows = max(1, round(side_px * (top - bottom) / side))
        column, row, unit = (side_px - columns) // 2, (side_px - rows) // 2, side / side_px
        west, north = x - side / 2 + column * unit, y + side / 2 - row * unit
        bounds = mercator_bounds(west, north - rows * unit, west + columns * unit, north)
        return cls(centre, side_m, side_px, (column, row, column + columns, row + rows), bounds)

    def cut(self, imagery: Imagery) -> RGB:
        """Its pixels."""
        left, top, right, bottom = self.shown_px
        return imagery.chip(self.centre, self.side_m, self.side_px)[top:bottom, left:right]


def leaflet_assets() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(scripts, style sheets) as folium wants them: (name, address) pairs."""
    root = f"{STATIC_URL}/leaflet"
    return [("leaflet", f"{root}/leaflet.js")], [("leaflet_css", f"{root}/leaflet.css")]


def _write(target: Path, data: bytes) -> None:
    """Whole or not at all, so that a visitor never loads half a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as path:
        path.write_bytes(data)
