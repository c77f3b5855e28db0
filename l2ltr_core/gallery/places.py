"""A person's own list of places, from CSV, GeoJSON or Parquet."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from l2ltr_core.errors import GalleryError
from l2ltr_core.types import Location

EXPECTED = "a CSV or Parquet table with the columns latitude and longitude (degrees), or GeoJSON points"


def load_places(path: str | Path) -> list[Location]:
    """The positions in a file, in its order; raises GalleryError, saying what was expected."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise GalleryError(f"There is no file {file}; give {EXPECTED}.")
    try:
        table = _read(file)
    except (OSError, ValueError, RuntimeError) as error:
        raise GalleryError(f"{file} cannot be read; {EXPECTED} was expected.") from error
    table = table.rename(columns={"lat": "latitude", "lon": "longitude"})
    if "latitude" not in table or "longitude" not in table:
        found = ", ".join(map(str, table.columns))
        raise GalleryError(f"{file} has the columns {found}; {EXPECTED} was expected.")
    latitude = pd.to_numeric(table["latitude"], errors="coerce")
    longitude = pd.to_numeric(table["longitude"], errors="coerce")
    wrong = ~(latitude.abs().le(90) & longitude.abs().le(180))
    if wrong.any():
        raise GalleryError(
            f"{file} has {int(wrong.sum())} rows that are no position on the Earth, the first is "
            f"row {int(wrong.to_numpy().argmax()) + 1}; latitude -90 to 90 and longitude -180 to 180 were "
            "expected."
        )
    return [Location(float(a), float(b)) for a, b in zip(latitude, longitude, strict=True)]


def _read(file: Path) -> pd.DataFrame:
    suffix = file.suffix.lower()
    if suffix in {".json", ".geojson"}:
        import geopandas as gpd

        points = gpd.read_file(file).to_crs("EPSG:4326").geometry
        return pd.DataFrame({"latitude": points.y, "longitude": points.x})
    return pd.read_parquet(file) if suffix == ".parquet" else pd.read_csv(file)
