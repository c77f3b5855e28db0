"""CVACT (Liu and Li 2019), in the layout its authors distribute.

`ACT_data.mat` holds `panoIds`, `utm` and the 1-based indices of each split. Ground photos are full 2:1
panoramas centred on north in `streetview/`; aerial tiles are in `satview_polish/`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from l2ltr_core.datasets.paired import Query, Split
from l2ltr_core.datasets.tiles import TileDataset, split_name
from l2ltr_core.errors import DatasetError
from l2ltr_core.photo import load_panorama
from l2ltr_core.types import Panorama

SPLITS = "ACT_data.mat"
INDICES: dict[Split, tuple[str, str]] = {"train": ("trainSet", "trainInd"), "test": ("valSet", "valInd")}
"""Entry of `ACT_data.mat` that lists a split; CVACT_val is what results are reported on."""


def open_cvact(folder: Path, split: Split = "test") -> TileDataset:
    """The 35,532 training or 8,884 validation pairs (or whatever `ACT_data.mat` lists) under `folder`.

    Pairs whose files are missing are left out, as in the authors' lists; none at all is an error.
    """
    pano_ids, indices = _read_split(folder / SPLITS, split)
    pairs = []
    for index in indices:
        ground = folder / "streetview" / f"{pano_ids[index]}_grdView.jpg"
        aerial = folder / "satview_polish" / f"{pano_ids[index]}_satView_polish.jpg"
        if ground.is_file() and aerial.is_file():
            pairs.append((ground, aerial))
    if not pairs:
        raise DatasetError(
            f"'{folder}' has none of the photos that '{SPLITS}' lists in streetview/ and satview_polish/."
        )
    return TileDataset(
        name=split_name("cvact", split),
        queries=tuple(
            Query(ground.stem.removesuffix("_grdView"), None, 0.0, tile, partial(load_north_centred, ground))
            for tile, (ground, _) in enumerate(pairs)
        ),
        tiles=tuple(aerial for _, aerial in pairs),
        attribution="CVACT (Liu and Li 2019)",
    )


def load_north_centred(path: Path) -> Panorama:
    """A full panorama whose centre column looks north, though the file does not say so."""
    return replace(load_panorama(path), heading_deg=0.0)


def _read_split(path: Path, split: Split) -> tuple[list[str], list[int]]:
    """Every panorama's identifier, and the 0-based indices of a split."""
    group, field = INDICES[split]
    if not path.is_file():
        raise DatasetError(f"'{path.parent}' is not CVACT: it lacks '{SPLITS}'.")
    try:
        contents: dict[str, Any] = loadmat(path, squeeze_me=True)
        pano_ids = [str(name).strip() for name in np.atleast_1d(contents["panoIds"])]
        indices = np.atleast_1d(contents[group][field].item()).astype(int) - 1
    except (
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        OSError,
        NotImplementedError,
        MatReadError,
    ) as error:
        raise DatasetError(f"'{path}' lacks panoIds and {group}.{field} in the form CVACT ships.") from error
    if indices.min(initial=0) < 0 or indices.max(initial=-1) >= len(pano_ids):
        raise DatasetError(f"'{path}' lists an index in {group}.{field} outside 1..{len(pano_ids)}.")
    return pano_ids, indices.tolist()
