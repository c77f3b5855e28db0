"""CVUSA (Workman, Souvenir, Jacobs 2015; pairs of Zhai et al. 2017), in the layout its authors distribute.

`splits/val-19zl.csv` holds one pair a line: aerial file, ground file, annotation file. The ground
photos are north-centred strips; about 65 degrees of elevation is the usual reading of their shape.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import partial
from pathlib import Path

from l2ltr_core.datasets.paired import Query
from l2ltr_core.datasets.tiles import TileDataset
from l2ltr_core.errors import DatasetError
from l2ltr_core.photo import load_panorama
from l2ltr_core.types import Panorama

SPLIT = Path("splits/val-19zl.csv")
HALF_FIELD_DEG = 32.5


def open_cvusa(folder: Path) -> TileDataset:
    """The 8,884 test pairs (or whatever the split file lists) under `folder`."""
    split = folder / SPLIT
    if not split.is_file():
        raise DatasetError(f"'{folder}' is not CVUSA: it lacks '{SPLIT}'.")
    with split.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row]
    if not rows or any(len(row) < 2 for row in rows):
        raise DatasetError(f"'{split}' must list an aerial and a ground file on each line.")
    return TileDataset(
        name="cvusa",
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
