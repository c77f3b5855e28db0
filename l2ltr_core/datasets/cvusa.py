"""CVUSA (Workman, Souvenir, Jacobs 2015; pairs of Zhai et al. 2017), in the layout its authors distribute.

`splits/train-19zl.csv` and `splits/val-19zl.csv` hold one pair a line: aerial file, ground file, annotation
file. The ground photos are north-centred strips; about 65 degrees of elevation is the usual reading of their
shape.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import partial
from pathlib import Path

from l2ltr_core.datasets.paired import Query, Split
from l2ltr_core.datasets.tiles import TileDataset, split_name
from l2ltr_core.errors import DatasetError
from l2ltr_core.photo import load_panorama
from l2ltr_core.types import Panorama

SPLITS: dict[Split, Path] = {"train": Path("splits/train-19zl.csv"), "test": Path("splits/val-19zl.csv")}
HALF_FIELD_DEG = 32.5


def open_cvusa(folder: Path, split: Split = "test") -> TileDataset:
    """The 35,532 training or 8,884 test pairs (or whatever the split file lists) under `folder`."""
    listing = folder / SPLITS[split]
    if not listing.is_file():
        raise DatasetError(f"'{folder}' is not CVUSA: it lacks '{SPLITS[split]}'.")
    with listing.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row]
    if not rows or any(len(row) < 2 for row in rows):
        raise DatasetError(f"'{listing}' must list an aerial and a ground file on each line.")
    return TileDataset(
        name=split_name("cvusa", split),
        queries=tuple(
            Query(Path(ground).stem, None, 0.0, tile, partial(load_strip, folder / ground))
            for tile, (_, ground, *_) in enumerate(rows)
        ),
        tiles=tuple(folder / aerial for aerial, *_ in rows),
        attribution="CVUSA (Workman et al. 2015)",
    )


def load_strip(path: Path) -> Panorama:
    """One ground photo, placed on the sphere."""
    photo = load_panorama(path)
    return replace(
        photo, horizontal_field_deg=360.0, top_deg=HALF_FIELD_DEG, bottom_deg=-HALF_FIELD_DEG, heading_deg=0.0
    )
