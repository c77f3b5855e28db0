"""What a gallery folder says about itself: `gallery.json`, with the checksum of each of its files."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from l2ltr_core.errors import GalleryError
from l2ltr_core.files import atomic_write
from l2ltr_core.types import Bounds

NAME = "gallery.json"
FORMAT = "l2ltr gallery"
VERSION = 1
PLACES = "places.parquet"
DESCRIPTORS = "descriptors"


@dataclass(frozen=True)
class FileRecord:
    """One file of the folder as it was when the manifest was written."""

    sha256: str
    bytes: int

    @classmethod
    def of(cls, path: Path) -> FileRecord:
        """Read from the file."""
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256") if hasattr(hashlib, "file_digest") else None
            if digest is None:  # Python 3.10
                digest = hashlib.sha256(stream.read())
        return cls(digest.hexdigest(), path.stat().st_size)

    def problem(self, path: Path, *, read: bool = True) -> str | None:
        """What is wrong with the file there, None if nothing; `read` False looks only at its size."""
        if not path.is_file():
            return "is missing"
        size = path.stat().st_size
        if size != self.bytes:
            return f"has {size} bytes instead of {self.bytes}"
        if read and FileRecord.of(path) != self:
            return "was altered (its checksum differs)"
        return None


@dataclass(frozen=True)
class IndexRecord:
    """One descriptor index: which checkpoint made it, of chips how wide, in which form it is searched.

    Each place has `looks` rows (views per cell, under the name that files give it), one after the other: squares
    around the place, or around points close by.
    """

    fingerprint: str
    checkpoint: str
    kind: str
    dimensions: int
    places: int
    chip_m: float
    looks: int = 1
    columns: tuple[int, int] | None = None
    """Azimuths of the column descriptors that are kept beside it, and the numbers of each; None without."""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> IndexRecord:
        """What `asdict` gave, back from JSON."""
        columns = values.get("columns")
        return cls(**values | {"columns": None if columns is None else tuple(columns)})

    @property
    def contents(self) -> dict[str, int]:
        """The files, relative to the gallery, and how many numbers a row has in each."""
        kept = {self.columns_file: math.prod(self.columns)} if self.columns else {}
        return {self.file: self.dimensions, **kept}

    @property
    def columns_file(self) -> str:
        """The column descriptors, relative to the gallery."""
        return f"{DESCRIPTORS}/{self.fingerprint}.columns.faiss"

    @property
    def file(self) -> str:
        """The index, relative to the gallery; a JSON of the same stem holds this record."""
        return f"{DESCRIPTORS}/{self.fingerprint}.faiss"

    @property
    def card_file(self) -> str:
        """This record as a file, relative to the gallery."""
        return f"{DESCRIPTORS}/{self.fingerprint}.json"


@dataclass(frozen=True)
class GalleryManifest:
    """`imagery` is a file of the folder, or where it is when `imagery_included` is false."""

    name: str
    bounds: Bounds
    places: int
    spacing_m: float | None
    chip_m: float
    imagery: str
    imagery_included: bool
    attribution: str = ""
    licence: str = ""
    simulated: bool = False
    indexes: tuple[IndexRecord, ...] = ()
    files: Mapping[str, FileRecord] = field(default_factory=dict)

    def index_of(self, fingerprint: str) -> IndexRecord | None:
        """The index of that checkpoint, None if the gallery lacks it."""
        return next((index for index in self.indexes if index.fingerprint == fingerprint), None)

    def with_index(self, index: IndexRecord, files: Mapping[str, FileRecord]) -> GalleryManifest:
        """The same gallery with one more index and its files."""
        return replace(self, indexes=(*self.indexes, index), files={**self.files, **files})

    def write(self, folder: Path) -> None:
        """Write `gallery.json` whole or not at all."""
        values = {"format": FORMAT, "version": VERSION, **asdict(self)}
        text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
        with atomic_write(folder / NAME) as path:
            path.write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> GalleryManifest:
        """From `gallery.json`; raises GalleryError if it is missing or not what `write` wrote."""
        path = folder / NAME
        if not path.is_file():
            raise GalleryError(
                f"{folder} is not a gallery (it has no {NAME}); make one with `l2ltr gallery build`."
            )
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls._from_dict(values)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise GalleryError(
                f"{path} is damaged or not a gallery of this version ({error}); build the gallery again."
            ) from error

    @classmethod
    def _from_dict(cls, values: dict[str, Any]) -> GalleryManifest:
        if values.pop("format") != FORMAT or values.pop("version") != VERSION:
            raise ValueError(f"expected {FORMAT!r} version {VERSION}")
        unknown = set(values) - {one.name for one in fields(cls)}
        if unknown:
            raise ValueError(f"unknown entries {sorted(unknown)}")
        values["bounds"] = Bounds(**values["bounds"])
        values["indexes"] = tuple(IndexRecord.from_dict(index) for index in values["indexes"])
        values["files"] = {name: FileRecord(**record) for name, record in values["files"].items()}
        outside = [name for name in values["files"] if Path(name).is_absolute() or ".." in Path(name).parts]
        if outside:
            raise ValueError(f"the file {outside[0]} is outside the gallery")
        return cls(**values)
