"""Build a gallery from imagery: resumable block by block, and there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from l2ltr_core.errors import CheckpointError, ConfigurationError, GalleryError, ImageryError
from l2ltr_core.files import atomic_write
from l2ltr_core.gallery.engines import ENGINES, BlockEncoder
from l2ltr_core.gallery.gallery import Gallery, open_gallery
from l2ltr_core.gallery.index import KINDS, make_columns_index, make_index, write_index
from l2ltr_core.gallery.manifest import DESCRIPTORS, NAME, PLACES, FileRecord, GalleryManifest, IndexRecord
from l2ltr_core.geometry.geodesy import grid, grid_size, median_spacing_m, offset
from l2ltr_core.imagery import Imagery
from l2ltr_core.model.protocol import EncoderLike
from l2ltr_core.types import Bounds, Columns, Descriptors, Encoded, Location, Progress

DEFAULT_SPACING_M = 10.0
VIEWS_PER_CELL = (1, 4)
BLOCK_PLACES = 256
"""Number of places encoded between two points from which an interrupted build resumes."""
MAX_PLACES = 5_000_000
COPIED_IMAGERY_BYTES = 100 * 2**20
"""Largest single raster, in bytes, that is copied into the gallery, so that the folder can travel."""


def build_gallery(
    imagery: Imagery,
    out_dir: str | Path,
    encoder: EncoderLike,
    *,
    name: str | None = None,
    places: Sequence[Location] | None = None,
    spacing_m: float = DEFAULT_SPACING_M,
    bbox: Bounds | None = None,
    chip_m: float | None = None,
    index: str = "flat",
    views_per_cell: int = 1,
    engine: str = "local",
    attribution: str | None = None,
    licence: str = "",
    simulated: bool = False,
    progress: Progress | None = None,
) -> Gallery:
    """Encode the aerial square of every place and write a gallery folder.

    Interrupted, it leaves `OUT.partial`, and the same call resumes from there.

    Args:
        imagery: The aerial source, as `open_imagery` gives it.
        out_dir: The folder to write; it must be empty or not exist.
        encoder: The checkpoint, as `load_encoder` gives it.
        name: The gallery's name; by default that of the folder.
        places: The places; by default the imagery's own, else a grid over what the imagery covers.
        spacing_m: Metres between places of the grid.
        bbox: Only places within this box.
        chip_m: Width of the aerial squares in metres; by default the checkpoint's.
        index: `flat` (exact), `half` or `byte` (rounded), `hnsw` (fast) or `ivfpq` (small).
        views_per_cell: 1, or 4 to encode the squares around the middles of the four quarters of each place's cell: no
            photo is then farther from one than 0.35 of the spacing, at four times the cost.
        engine: `local` (this process) or `ray` (a Ray cluster).
        attribution: Whom to credit for the imagery; by default what the imagery says.
        licence: The imagery's licence.
        simulated: Whether the imagery is rendered.
        progress: Called with (squares done, squares in all).

    Returns:
        The new gallery, opened.

    Raises:
        GalleryError: `out_dir` is taken.
        ImageryError: Places lie outside the imagery, or there is none.
        ConfigurationError: A setting is out of its range.
    """
    out = Path(out_dir).expanduser().resolve()
    _check_settings(spacing_m, chip_m, index, views_per_cell, engine)
    if (out / NAME).exists():
        raise GalleryError(
            f"{out} already holds a gallery; give another folder, or no imagery to add a checkpoint's index to it."
        )
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise GalleryError(f"{out} is not an empty folder; give another.")
    width_m = float(chip_m or encoder.card.view.chip_m)
    chosen, used_spacing_m = _places(imagery, places, spacing_m, bbox, width_m)
    points = _points(imagery, chosen, views_per_cell, width_m)
    job = _Job.of(imagery.source, encoder, points, width_m)
    work = out.with_name(out.name + ".partial")
    job.prepare(work)
    encoded = _encode(imagery, encoder, points, width_m, work / "blocks", engine, progress)
    _write_places(chosen, work / PLACES)
    source, included = _include_imagery(imagery, work)
    files = [PLACES, source] if included else [PLACES]
    manifest = GalleryManifest(
        name=name or out.name,
        bounds=_bounds(chosen),
        places=len(chosen),
        spacing_m=used_spacing_m,
        chip_m=width_m,
        imagery=source,
        imagery_included=included,
        attribution=imagery.attribution if attribution is None else attribution,
        licence=licence,
        simulated=simulated,
        files={file: FileRecord.of(work / file) for file in files},
    )
    _store_index(work, manifest, encoder, encoded, index, width_m, views_per_cell).write(work)
    shutil.rmtree(work / "blocks")
    (work / _Job.NAME).unlink()
    if out.is_dir():
        out.rmdir()
    work.replace(out)
    return open_gallery(out)


def add_index(
    gallery_dir: str | Path,
    encoder: EncoderLike,
    *,
    index: str | None = None,
    views_per_cell: int | None = None,
    engine: str = "local",
    progress: Progress | None = None,
) -> Gallery:
    """Add the index of one more checkpoint to an existing gallery.

    Args:
        gallery_dir: A name in the assets, or a folder.
        encoder: The checkpoint, as `load_encoder` gives it.
        index: The kind of index, as for `build_gallery`; by default that of the gallery's latest index, so that
            checkpoints can be compared.
        views_per_cell: 1 or 4; by default as the latest index.
        engine: `local` or `ray`.
        progress: Called with (squares done, squares in all).

    Returns:
        The gallery, opened again.

    Raises:
        GalleryError: The gallery has that index already, or its imagery is gone.
        ConfigurationError: A setting is out of its range.
    """
    gallery = open_gallery(gallery_dir)
    latest = gallery.manifest.indexes[-1] if gallery.manifest.indexes else None
    if index is None:
        index = latest.kind if latest else "flat"
    if views_per_cell is None:
        views_per_cell = latest.looks if latest else 1
    _check_settings(DEFAULT_SPACING_M, None, index, views_per_cell, engine)
    if gallery.has_index(encoder):
        raise GalleryError(
            f"The gallery {gallery.name} already has the index of the checkpoint {encoder.name} "
            f"({encoder.fingerprint}); nothing needs to be built."
        )
    places = [Location(row.latitude, row.longitude) for row in gallery.places.itertuples()]
    width_m = float(encoder.card.view.chip_m)
    points = _points(gallery.imagery, places, views_per_cell, width_m)
    job = _Job.of(gallery.manifest.imagery, encoder, points, width_m)
    work = gallery.folder / f"{encoder.fingerprint}.partial"
    job.prepare(work)
    encoded = _encode(gallery.imagery, encoder, points, width_m, work / "blocks", engine, progress)
    manifest = GalleryManifest.read(gallery.folder)  # another index may have come while this one was made
    _store_index(gallery.folder, manifest, encoder, encoded, index, width_m, views_per_cell).write(
        gallery.folder
    )
    shutil.rmtree(work)
    return open_gallery(gallery.folder)


def _check_settings(
    spacing_m: float, chip_m: float | None, index: str, views_per_cell: int, engine: str
) -> None:
    if not (math.isfinite(spacing_m) and spacing_m > 0):
        raise ConfigurationError(f"The spacing is {spacing_m} m; give a positive number of metres.")
    if chip_m is not None and not (math.isfinite(chip_m) and chip_m > 0):
        raise ConfigurationError(f"The chip width is {chip_m} m; give a positive number of metres.")
    if index not in KINDS:
        raise ConfigurationError(f"The index kind is {index!r}; give one of {', '.join(KINDS)}.")
    if views_per_cell not in VIEWS_PER_CELL:
        raise ConfigurationError(f"The views per cell are {views_per_cell!r}; give one of {VIEWS_PER_CELL}.")
    if engine not in ENGINES:
        raise ConfigurationError(f"The engine is {engine!r}; give one of {', '.join(ENGINES)}.")


def _places(
    imagery: Imagery, given: Sequence[Location] | None, spacing_m: float, bbox: Bounds | None, chip_m: float
) -> tuple[list[Location], float | None]:
    """The places to encode and their spacing, None where they are not a grid."""
    listed = list(given) if given is not None else imagery.places
    if listed is not None:
        within = [place for place in listed if bbox is None or bbox.contains(place)]
        if not within:
            raise ImageryError("There is no place to build a gallery of; check the list and the box.")
        outside = [place for place in within if not imagery.bounds.contains(place)]
        if outside:
            raise ImageryError(
                f"{len(outside)} of {len(within)} places lie outside the imagery ({_text(imagery.bounds)}), "
                f"the first at {outside[0].latitude:.5f}, {outside[0].longitude:.5f}; remove them or use "
                "other imagery."
            )
        return within, None
    area = imagery.bounds if bbox is None else _overlap(imagery.bounds, bbox)
    rows, columns = grid_size(area, spacing_m)
    if rows * columns > MAX_PLACES:
        raise ImageryError(
            f"A grid of {spacing_m:g} m over {_text(area)} would have {rows * columns:,} places, more than "
            f"{MAX_PLACES:,}; give a smaller box or a larger spacing."
        )
    covered = [place for place in grid(area, spacing_m) if imagery.covers(place, chip_m)]
    if not covered:
        raise ImageryError(
            f"No square of {chip_m:g} m fits into the imagery within {_text(area)}; give a larger box, "
            "larger imagery, or a checkpoint with smaller squares."
        )
    return covered, spacing_m


def _points(
    imagery: Imagery, places: Sequence[Location], views_per_cell: int, chip_m: float
) -> Sequence[Location]:
    """The middles of the squares to encode, `views_per_cell` for each place; the place itself where imagery ends."""
    if views_per_cell == 1:
        return places
    between_m = median_spacing_m([place.latitude for place in places], [place.longitude for place in places])
    if between_m is None:
        raise ConfigurationError("A single place has no cell to sample at four points; give 1 view per cell.")
    aside = between_m / 4
    around = [
        (place, offset(place, east_m, north_m))
        for place in places
        for north_m in (aside, -aside)
        for east_m in (-aside, aside)
    ]
    return [point if imagery.covers(point, chip_m) else place for place, point in around]


def _overlap(imagery: Bounds, bbox: Bounds) -> Bounds:
    if not (bbox.west < bbox.east and bbox.south < bbox.north):
        raise ConfigurationError(
            f"The box {_text(bbox)} is empty; give west, south, east, north in degrees, in this order."
        )
    area = Bounds(
        max(imagery.west, bbox.west),
        max(imagery.south, bbox.south),
        min(imagery.east, bbox.east),
        min(imagery.north, bbox.north),
    )
    if area.west >= area.east or area.south >= area.north:
        raise ImageryError(
            f"The box {_text(bbox)} is outside the imagery, which covers {_text(imagery)}; "
            "give west, south, east, north in degrees, in this order."
        )
    return area


def _text(bounds: Bounds) -> str:
    return f"{bounds.west:.5f} {bounds.south:.5f} {bounds.east:.5f} {bounds.north:.5f}"


def _bounds(places: Sequence[Location]) -> Bounds:
    latitudes, longitudes = [p.latitude for p in places], [p.longitude for p in places]
    return Bounds(min(longitudes), min(latitudes), max(longitudes), max(latitudes))


@dataclass(frozen=True)
class _Job:
    """What an interrupted build must have in common with this one for its blocks to be of use."""

    imagery: str
    fingerprint: str
    chip_m: float
    places_sha256: str

    NAME = "job.json"

    @classmethod
    def of(cls, imagery: str, encoder: EncoderLike, places: Sequence[Location], chip_m: float) -> _Job:
        table = np.array([(place.latitude, place.longitude) for place in places])
        return cls(imagery, encoder.fingerprint, chip_m, hashlib.sha256(table.tobytes()).hexdigest())

    def prepare(self, work: Path) -> None:
        """An empty folder for this job, or the one that the same job left behind."""
        record = json.dumps(asdict(self))
        if work.is_dir():
            left = work / self.NAME
            if left.is_file() and left.read_text(encoding="utf-8") == record:
                return
            shutil.rmtree(work)
        (work / "blocks").mkdir(parents=True)
        (work / self.NAME).write_text(record, encoding="utf-8")


def _encode(
    imagery: Imagery,
    encoder: EncoderLike,
    places: Sequence[Location],
    chip_m: float,
    blocks: Path,
    engine: str,
    progress: Progress | None,
) -> list[Encoded]:
    """The descriptors of all places in blocks, mapped from files; a finished block is not computed again."""
    files = {first: _BlockFiles(blocks, first) for first in range(0, len(places), BLOCK_PLACES)}
    todo = {
        first: places[first : first + BLOCK_PLACES] for first, block in files.items() if not block.finished
    }
    done = len(places) - sum(map(len, todo.values()))
    if progress is not None and done:
        progress(done, len(places))
    for first, part in ENGINES[engine](BlockEncoder(imagery.source, encoder, chip_m, imagery), todo):
        if not all(np.isfinite(each).all() for each in part if each is not None):
            raise CheckpointError(
                f"The checkpoint {encoder.name} gave descriptors that are not numbers; its weights are damaged."
            )
        files[first].write(part)
        done += len(part.cls)
        if progress is not None:
            progress(done, len(places))
    return [block.read() for block in files.values()]


@dataclass(frozen=True)
class _BlockFiles:
    """Where the descriptors of one block of places are kept while a build goes on."""

    folder: Path
    first: int

    @property
    def finished(self) -> bool:
        return self._path("cls").is_file()

    def write(self, part: Encoded) -> None:
        """Columns first: with the CLS descriptors the block is finished."""
        if part.columns is not None:
            self._save("columns", part.columns)
        self._save("cls", part.cls)

    def read(self) -> Encoded:
        """The block, mapped from its files."""
        columns = self._path("columns")
        return Encoded(
            np.load(self._path("cls"), mmap_mode="r"),
            np.load(columns, mmap_mode="r") if columns.is_file() else None,
        )

    def _save(self, name: str, values: Descriptors | Columns) -> None:
        with atomic_write(self._path(name)) as path:
            np.save(path, values)

    def _path(self, name: str) -> Path:
        return self.folder / f"{self.first:09d}-{name}.npy"


def _store_index(
    folder: Path,
    manifest: GalleryManifest,
    encoder: EncoderLike,
    blocks: Sequence[Encoded],
    kind: str,
    chip_m: float,
    views_per_cell: int,
) -> GalleryManifest:
    """The index and its record in `folder`, and the manifest that knows them; the caller writes that."""
    places, shape = sum(len(block.cls) for block in blocks) // views_per_cell, encoder.columns
    dimensions = blocks[0].cls.shape[1]
    record = IndexRecord(
        encoder.fingerprint, encoder.name, kind, dimensions, places, chip_m, views_per_cell, shape
    )
    (folder / DESCRIPTORS).mkdir(exist_ok=True)
    write_index(make_index([block.cls for block in blocks], kind), folder / record.file)
    columns = [block.columns.reshape(len(block.columns), -1) for block in blocks if block.columns is not None]
    if columns:
        write_index(make_columns_index(columns), folder / record.columns_file)
    (folder / record.card_file).write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    files = {file: FileRecord.of(folder / file) for file in (*record.contents, record.card_file)}
    return manifest.with_index(record, files)


def _write_places(places: Sequence[Location], path: Path) -> None:
    import geopandas as gpd

    latitudes = np.array([place.latitude for place in places])
    longitudes = np.array([place.longitude for place in places])
    table = pd.DataFrame({"place_id": np.arange(len(places)), "latitude": latitudes, "longitude": longitudes})
    points = gpd.points_from_xy(longitudes, latitudes)
    gpd.GeoDataFrame(table, geometry=points, crs="EPSG:4326").to_parquet(path, index=False)


def _include_imagery(imagery: Imagery, work: Path) -> tuple[str, bool]:
    """The imagery's name inside the gallery, or where it stays; and whether it is inside."""
    path = Path(imagery.source)
    if path.is_file():
        if path.stat().st_size <= COPIED_IMAGERY_BYTES and path.suffix.lower() != ".vrt":
            shutil.copyfile(path, work / path.name)
            return path.name, True
        return str(path.resolve()), False
    return (str(path.resolve()) if path.is_dir() else imagery.source), False
