"""Aerial sources: any raster GDAL opens, a folder of tiles, or a tile service, as north-up squares."""

from __future__ import annotations

from pathlib import Path

from l2ltr_core.errors import ImageryError
from l2ltr_core.imagery.folder import open_folder
from l2ltr_core.imagery.raster import RasterImagery
from l2ltr_core.imagery.source import Imagery
from l2ltr_core.imagery.tile_service import open_tile_service

__all__ = ["Imagery", "open_imagery"]


def open_imagery(spec: str | Path) -> Imagery:
    """Open aerial imagery.

    Args:
        spec: The path or address of a raster that GDAL reads, a folder of tiles, or an address with {z}/{x}/{y}.

    Returns:
        A source of north-up chips, (S, S, 3) uint8 RGB.

    Raises:
        ImageryError: There is nothing of these forms, or it cannot be read.
    """
    text = str(spec)
    if not text.strip():
        raise ImageryError("No imagery was named; give a raster, a folder of tiles or a {z}/{x}/{y} address.")
    if "://" in text or text.startswith("/vsi"):
        return open_tile_service(text) if "{" in text else RasterImagery(text)
    path = Path(text).expanduser()
    if path.is_dir():
        return open_folder(path)
    if not path.exists():
        raise ImageryError(
            f"There is no imagery at {path}; give a raster that GDAL reads (GeoTIFF), a folder of tiles, "
            "or an address with {z}/{x}/{y}."
        )
    return RasterImagery(str(path))
