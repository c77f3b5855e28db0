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

from l2ltr_core.datasets.paired import Query
from l2ltr_core.datasets.tiles import TileDataset
from l2ltr_core.errors import DatasetError
from l2ltr_core.photo import load_panorama
from l2ltr_core.types import Panorama

SPLITS = "ACT_data.mat"


def open_cvact(folder: Path) -> TileDataset:
    """The 8,884 validation pairs (or whatever `valSet.valInd` lists) under `folder`.

    Pairs whose files are missing are left out, as in the authors' lists; none at all is an error.
    """
    pano_ids, validation = _read_splits(folder / SPLITS)
    pairs = []
    for index in validation:
        ground = folder / "streetview" / f"{pano_ids[index]}_grdView.jpg"
        aerial = folder / "satview_polish" / f"{pano_ids[index]}_satView_polish.jpg"
        if ground.is_file() and aerial.is_file():
            pairs.append((ground, aerial))
    if not pairs:
        raise DatasetError(
            f"'{folder}' has none of the photos that '{SPLITS}' lists in streetview/ and satview_polish/."
        )
    return TileDataset(
        name="cvact",
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


def _read_splits(path: Path) -> tuple[list[str], list[int]]:
    """Every panorama's identifier, and the 0-based indices of the validation split."""
    if not path.is_file():
        raise DatasetError(f"'{path.parent}' is not CVACT: it lacks '{SPLITS}'.")
    try:
        splits: dict[str, Any] = loadmat(path, squeeze_me=True)
        pano_ids = [str(name).strip() for name in np.atleast_1d(splits["panoIds"])]
        validation = np.atleast_1d(splits["valSet"]["valInd"].item()).astype(int) - 1
    except (
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        OSError,
        NotImplementedError,
        MatReadError,
    ) as error:
        raise DatasetError(f"'{path}' lacks panoIds and valSet.valInd in the form CVACT ships.") from error
    if validation.min(initial=0) < 0 or validation.max(initial=-1) >= len(pano_ids):
        raise DatasetError(f"'{path}' lists a validation index outside 1..{len(pano_ids)}.")
    return pano_ids, validation.tolist()
