"""What a checkpoint did with each held-out photo: a small table beside its card, never typed by hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from l2ltr_core.errors import CheckpointError, GalleryError
from l2ltr_core.evaluation.evaluate import Evaluation
from l2ltr_core.files import atomic_write
from l2ltr_core.gallery import Gallery
from l2ltr_core.model.protocol import EncoderLike

SUFFIX = ".heldout.parquet"
KEY = b"l2ltr held out"
COLUMNS = {"photo": "str", "rank": "int64", "error_m": "float64"}


@dataclass(frozen=True)
class HeldOut:
    """Per photo: `photo`, `rank` of the first right place (from 1), `error_m` of the first match, metres.

    `checkpoint` is the fingerprint of the weights, `searched` that of the descriptors they were compared with
    (`searched_fingerprint`): another checkpoint or a gallery built anew makes another record.
    """

    dataset: str
    checkpoint: str
    gallery: str
    searched: str
    photos: pd.DataFrame


def searched_fingerprint(gallery: Gallery, encoder_fingerprint: str) -> str:
    """Which descriptors of a gallery exactly: 16 hex digits from their files' sha256; raises GalleryError."""
    index = gallery.manifest.index_of(encoder_fingerprint)
    if index is None:
        raise GalleryError(
            f"The gallery {gallery.name} has no index for the checkpoint {encoder_fingerprint}."
        )
    digests = "".join(gallery.manifest.files[file].sha256 for file in index.contents)
    return hashlib.sha256(digests.encode()).hexdigest()[:16]


def held_out_file(card: Path) -> Path:
    """Where the record of a checkpoint lies: beside its card."""
    return card.with_name(card.stem + SUFFIX)


def write_held_out(measured: Evaluation, encoder: EncoderLike, gallery: Gallery, card: Path) -> Path:
    """Write what `measure` found by the places protocol in `gallery` beside the card; returns where.

    Whole or not at all. Raises GalleryError.
    """
    about = {
        "dataset": measured.report["dataset"],
        "checkpoint": encoder.fingerprint,
        "gallery": gallery.name,
        "searched": searched_fingerprint(gallery, encoder.fingerprint),
    }
    table = pa.Table.from_pandas(measured.photos, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: json.dumps(about)})
    path = held_out_file(card)
    with atomic_write(path) as file:
        pq.write_table(table, file)
    return path


def read_held_out(card: Path) -> HeldOut | None:
    """The record beside a card, None if there is none; raises CheckpointError for one that is damaged."""
    path = held_out_file(card)
    if not path.is_file():
        return None
    try:
        table = pq.read_table(path)
        about: dict[str, Any] = json.loads((table.schema.metadata or {})[KEY])
        photos = table.to_pandas()[list(COLUMNS)].astype(COLUMNS)
        return HeldOut(photos=photos, **about)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is damaged; evaluate {card.stem} again and write the result on its card."
        ) from error


def aligned(records: Mapping[str, HeldOut]) -> dict[str, pd.DataFrame]:
    """`rank` and `error_m` of the photos that all records hold, by photo name and in one order.

    Raises CheckpointError for records of different datasets or without a photo in common.
    """
    datasets = {record.dataset: name for name, record in records.items()}
    if len(datasets) > 1:
        measured_on = ", ".join(f"{name} on {dataset}" for dataset, name in datasets.items())
        raise CheckpointError(
            f"These checkpoints were measured on different photos ({measured_on}); "
            "evaluate one of them on the other's dataset and write the result on its card."
        )
    tables = {name: record.photos.set_index("photo") for name, record in records.items()}
    common = sorted(set.intersection(*(set(table.index) for table in tables.values())))
    if not common:
        raise CheckpointError(f"The records of {', '.join(records)} have no photo in common.")
    return {name: table.loc[common] for name, table in tables.items()}


def found_only_by(first: pd.DataFrame, second: pd.DataFrame) -> list[str]:
    """Photos whose first match is right in `first` and wrong in `second`, the farthest gone astray first.

    Both as `aligned` gives them.
    """
    apart = second[(first["rank"] == 1) & (second["rank"] > 1)]
    return [str(photo) for photo in apart.sort_values("error_m", ascending=False, kind="stable").index]
