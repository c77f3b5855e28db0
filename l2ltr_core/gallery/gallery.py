"""A gallery: places, their aerial imagery, and one descriptor index per checkpoint."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from l2ltr_core.assets import find_gallery, list_galleries
from l2ltr_core.errors import CheckpointError, GalleryError, ImageryError, L2LTRError, MissingIndexError
from l2ltr_core.gallery.columns import (
    PhotoColumns,
    part_energy,
    pool_views,
    similarity,
    similarity_by_azimuth,
)
from l2ltr_core.gallery.index import read_index, stored_descriptors
from l2ltr_core.gallery.manifest import PLACES, GalleryManifest, IndexRecord
from l2ltr_core.geometry.geodesy import median_spacing_m
from l2ltr_core.imagery import Imagery, open_imagery
from l2ltr_core.model.protocol import Weights
from l2ltr_core.types import RGB, Bounds, Descriptors, Location

CHECKED_AT_OPENING_BYTES = 64 * 2**20
"""Largest file, in bytes, whose checksum is verified when a gallery is opened; of larger ones the size is checked,
and `verify_gallery` reads them all."""
PLACE_COLUMNS = ["place_id", "latitude", "longitude"]


BLOCK_ROWS = 4096
"""Number of tiles whose columns are compared at once: a block in float32 stays in a few tens of megabytes."""


class Gallery:
    """An opened gallery. Safe to share between threads; indexes and imagery are read when first needed."""

    def __init__(self, folder: Path, manifest: GalleryManifest) -> None:
        """For an existing, checked folder: use `open_gallery`."""
        self.folder = folder
        self.manifest = manifest
        self._indexes: dict[str, Any] = {}
        """Index by file."""
        self._decoded: dict[str, NDArray[np.float16]] = {}
        """Columns by file."""
        self._energies: dict[tuple[str, tuple[int, ...]], NDArray[np.float32]] = {}
        """Squared lengths of the parts of columns, by checkpoint and parts."""
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The gallery's own name."""
        return self.manifest.name

    @property
    def bounds(self) -> Bounds:
        """The box that holds all places."""
        return self.manifest.bounds

    @property
    def simulated(self) -> bool:
        """Whether the imagery is rendered."""
        return self.manifest.simulated

    @property
    def attribution(self) -> str:
        """Whom to credit for the imagery."""
        return self.manifest.attribution

    @cached_property
    def places(self) -> pd.DataFrame:
        """One row a place: `place_id` (0, 1, 2, ...), `latitude`, `longitude` in degrees."""
        return read_places(self.folder, self.manifest)

    @cached_property
    def median_spacing_m(self) -> float | None:
        """Metres from a place to the nearest other, in the median; None for a single place."""
        return median_spacing_m(self.places["latitude"], self.places["longitude"])

    @cached_property
    def imagery(self) -> Imagery:
        """The aerial source; raises GalleryError when it lies outside the folder and is gone."""
        source = self.manifest.imagery
        try:
            return open_imagery(self.folder / source if self.manifest.imagery_included else source)
        except ImageryError as error:
            raise GalleryError(f"The imagery of the gallery {self.name} cannot be opened: {error}") from error

    def location(self, place_id: int) -> Location:
        """Where a place is; raises GalleryError for one that the gallery does not have."""
        if not 0 <= place_id < len(self.places):
            raise GalleryError(
                f"The gallery {self.name} has no place {place_id}; "
                f"its places are 0 to {len(self.places) - 1}."
            )
        row = self.places.iloc[place_id]
        return Location(float(row["latitude"]), float(row["longitude"]))

    def chip(self, place_id: int, size_px: int | None = None) -> RGB:
        """The (S, S, 3) uint8 aerial square of a place, `manifest.chip_m` metres wide, north up."""
        return self.imagery.chip(self.location(place_id), self.manifest.chip_m, size_px)

    def has_index(self, encoder: Weights) -> bool:
        """Whether photos encoded by `encoder` can be searched here."""
        return self.manifest.index_of(encoder.fingerprint) is not None

    def search(
        self, descriptors: Descriptors, encoder: Weights, k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The `k` best places of each ground descriptor (Q, D): scores and place ids, (Q, k), best first.

        Scores are cosine similarities, for a place with several views that of its best. With fewer than `k`
        places all are given. Raises GalleryError when the gallery lacks the checkpoint's index, CheckpointError
        for descriptors that are not numbers.
        """
        index, views = self._index(encoder), self.views_per_cell(encoder)
        if not np.isfinite(descriptors).all():
            raise CheckpointError(
                f"The checkpoint {encoder.name} gave descriptors that are not numbers; "
                "its weights are damaged."
            )
        rows = np.ascontiguousarray(descriptors, np.float32)
        scores, found = index.search(rows, min(k * views, index.ntotal))
        return (scores, found) if views == 1 else _best_view_of_each(scores, found // views, k)

    def views_per_cell(self, encoder: Weights) -> int:
        """How many aerial views of a place's cell, each with its descriptor, a checkpoint's index holds."""
        return self._record(encoder).looks

    def view_descriptors(self, place_id: int, encoder: Weights) -> Descriptors:
        """(V, D) float32 descriptors of the views of one place's cell."""
        views = self.views_per_cell(encoder)
        return stored_descriptors(self._index(encoder), place_id * views, views)

    def descriptors(self, encoder: Weights) -> Descriptors:
        """(N * V, D) float32 descriptors of all places, V views each, by place id; approximate for an ivfpq index."""
        return stored_descriptors(self._index(encoder))

    def similarity(self, photo: PhotoColumns, encoder: Weights, turns: Sequence[int]) -> NDArray[np.float32]:
        """(N, T) how alike a photo is to every place, turned by each of T columns, all views of a cell pooled.

        Exact, in time that grows with the places. Raises GalleryError when the gallery does not keep the columns of
        the checkpoint.
        """
        views, every = self.views_per_cell(encoder), self._columns(encoder)
        energy = self._energy(encoder, tuple(count for count, _ in photo.parts))
        blocks = [slice(first, first + BLOCK_ROWS) for first in range(0, len(every), BLOCK_ROWS)]
        scores = np.concatenate(
            [similarity(photo, every[block].astype(np.float32), turns, energy[block]) for block in blocks]
        )
        return scores if views == 1 else pool_views(scores.reshape(-1, views, len(turns)))

    def similarity_by_azimuth(
        self, photo: PhotoColumns, place_id: int, encoder: Weights, turn: int
    ) -> NDArray[np.float32]:
        """(w,) what each azimuth adds to the similarity of a photo and the most similar view of a place's cell."""
        views = self.views_per_cell(encoder)
        tiles = self._columns(encoder)[place_id * views : (place_id + 1) * views].astype(np.float32)
        return similarity_by_azimuth(photo, tiles[similarity(photo, tiles, [turn])[:, 0].argmax()], turn)

    def _columns(self, encoder: Weights) -> NDArray[np.float16]:
        """(N * V, w, d) columns of all places, decoded once."""
        record = self._record(encoder)
        if not record.columns:
            raise GalleryError(
                f"The gallery {self.name} keeps no columns of the checkpoint {encoder.name}; build it anew."
            )
        index = self._read(record, record.columns_file, math.prod(record.columns))
        with self._lock:
            if record.columns_file not in self._decoded:
                self._decoded[record.columns_file] = _decoded(index).reshape(-1, *record.columns)
            return self._decoded[record.columns_file]

    def _energy(self, encoder: Weights, parts: tuple[int, ...]) -> NDArray[np.float32]:
        """(N * V, P, w) what `part_energy` gives for all places, computed once."""
        every, key = self._columns(encoder), (encoder.fingerprint, parts)
        with self._lock:
            if key not in self._energies:
                self._energies[key] = np.concatenate(
                    [
                        part_energy(every[first : first + BLOCK_ROWS].astype(np.float32), parts)
                        for first in range(0, len(every), BLOCK_ROWS)
                    ]
                )
            return self._energies[key]

    def _record(self, encoder: Weights) -> IndexRecord:
        record = self.manifest.index_of(encoder.fingerprint)
        if record is None:
            raise _missing_index(self, encoder)
        return record

    def _index(self, encoder: Weights) -> Any:
        record = self._record(encoder)
        return self._read(record, record.file, record.dimensions)

    def _read(self, record: IndexRecord, file: str, dimensions: int) -> Any:
        with self._lock:
            if file not in self._indexes:
                self._indexes[file] = _checked_index(self.folder / file, record, dimensions)
            return self._indexes[file]


def open_gallery(name_or_path: str | Path) -> Gallery:
    """Open a gallery.

    Args:
        name_or_path: A name in the assets, or a folder that `build_gallery` wrote.

    Returns:
        The gallery; its indexes and imagery are read when first needed.

    Raises:
        GalleryError: There is no such gallery, or a file of it is missing, cut or altered.
    """
    folder = find_gallery(str(name_or_path)) or Path(name_or_path).expanduser()
    if not folder.is_dir():
        shipped = ", ".join(list_galleries()) or "none"
        raise GalleryError(
            f"There is no gallery {name_or_path}; give the name of a shipped one ({shipped}) or a folder "
            "made by `l2ltr gallery build`."
        )
    manifest = GalleryManifest.read(folder)
    for name, record in manifest.files.items():
        problem = record.problem(folder / name, read=record.bytes <= CHECKED_AT_OPENING_BYTES)
        if problem:
            raise GalleryError(
                f"The gallery {folder} is not whole: {name} {problem}; "
                "copy the folder again or build it anew."
            )
    return Gallery(folder, manifest)


def verify_gallery(folder: str | Path) -> list[str]:
    """Read every file of a gallery and compare it with its manifest.

    Args:
        folder: A name in the assets, or a folder.

    Returns:
        One sentence for each problem; empty when the gallery is whole.
    """
    path = find_gallery(str(folder)) or Path(folder).expanduser()
    try:
        manifest = GalleryManifest.read(path)
    except GalleryError as error:
        return [str(error)]
    problems = [
        f"{name} {problem}."
        for name, record in manifest.files.items()
        if (problem := record.problem(path / name))
    ]
    if problems:
        return problems
    gallery = Gallery(path, manifest)
    checks: list[Any] = [lambda: read_places(path, manifest), lambda: gallery.imagery]
    checks += [
        lambda index=index, file=file, dimensions=dimensions: _checked_index(path / file, index, dimensions)
        for index in manifest.indexes
        for file, dimensions in index.contents.items()
    ]
    for check in checks:
        try:
            check()
        except L2LTRError as error:
            problems.append(str(error))
    if not manifest.indexes:
        problems.append("The gallery has no descriptor index.")
    return problems


def read_places(folder: Path, manifest: GalleryManifest) -> pd.DataFrame:
    """The table of places; raises GalleryError where it does not fit the manifest."""
    try:
        table = pd.read_parquet(folder / PLACES, columns=PLACE_COLUMNS)
    except (OSError, ValueError, KeyError) as error:
        raise GalleryError(
            f"{folder / PLACES} cannot be read as the table of places; "
            "copy the gallery again or build it anew."
        ) from error
    if len(table) != manifest.places or not (table["place_id"] == np.arange(len(table))).all():
        raise GalleryError(
            f"{folder / PLACES} holds {len(table)} places, the gallery says {manifest.places}; build it anew."
        )
    return table


def _best_view_of_each(
    scores: NDArray[np.float32], places: NDArray[np.int64], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The first `k` different places of each row, best first; all rows are as long as the shortest.

    An approximate index may find fewer: its -1 for none stays, once.
    """
    first = [np.sort(np.unique(row, return_index=True)[1])[:k] for row in places]
    columns = np.stack([each[: min(map(len, first))] for each in first])
    return np.take_along_axis(scores, columns, axis=1), np.take_along_axis(places, columns, axis=1)


def _decoded(index: Any) -> NDArray[np.float16]:
    """(N, C) rows of an index, decoded block by block."""
    rows = np.empty((index.ntotal, index.d), np.float16)
    for first in range(0, len(rows), BLOCK_ROWS):
        block = rows[first : first + BLOCK_ROWS]
        block[:] = stored_descriptors(index, first, len(block))
    return rows


def _checked_index(path: Path, record: IndexRecord, dimensions: int) -> Any:
    index = read_index(path)
    if index.ntotal != record.places * record.looks or index.d != dimensions:
        raise GalleryError(
            f"The index {path} holds {index.ntotal} descriptors of {index.d} numbers, "
            f"the gallery says {record.places * record.looks} of {dimensions}; build it anew."
        )
    return index


def _missing_index(gallery: Gallery, encoder: Weights) -> MissingIndexError:
    there = ", ".join(f"{index.checkpoint} ({index.fingerprint})" for index in gallery.manifest.indexes)
    return MissingIndexError(
        f"The gallery {gallery.name} has no index for the checkpoint {encoder.name} ({encoder.fingerprint}), "
        f"only for {there or 'none'}; build that first.",
        gallery.folder,
        encoder.name,
    )
