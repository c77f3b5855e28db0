"""Pairs as a folder holds them, of coloured tiles and of photos that show the same colours all around."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from l2ltr_core.datasets.pairs import COLUMNS
from l2ltr_core.types import RGB

ROWS, COLUMNS_PX = 8, 16
"""What the encoders of `tests.town` see of a picture."""


def tile(seed: int) -> RGB:
    """Coloured blocks, (64, 64, 3) uint8."""
    return _colours(seed).repeat(8, axis=0).repeat(4, axis=1)


def photo(seed: int, heading_deg: float = 0.0, height: int = 32) -> RGB:
    """A panorama of the tile's colours whose centre looks at `heading_deg`, (H, 64, 3) uint8."""
    pixels = _colours(seed).repeat(4, axis=0).repeat(4, axis=1)[:height]
    return np.roll(pixels, -round(heading_deg / 360 * pixels.shape[1]), axis=1)


def picture(path: Path, pixels: RGB) -> Path:
    """The pixels, written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def write_pairs(folder: Path, sets: Mapping[str, Sequence[int]], heading_deg: float = 90.0) -> Path:
    """A pair for each seed of each set, of tiles 32 m wide."""
    rows = []
    for name, seeds in sets.items():
        for seed in seeds:
            ground, aerial = f"{name}/{seed}_ground.png", f"{name}/{seed}_aerial.png"
            picture(folder / ground, photo(seed, heading_deg))
            picture(folder / aerial, tile(seed))
            rows.append([str(seed), name, ground, aerial, "32", f"{heading_deg}"])
    return write_table(folder, rows)


def write_table(folder: Path, rows: Sequence[Sequence[str]], columns: Sequence[str] = COLUMNS) -> Path:
    """`pairs.csv` with these rows; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "pairs.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return folder


def write_distractors(folder: Path, seeds: Sequence[int], pixel_m: float = 0.5) -> Path:
    """Further tiles, and the table beside their folder."""
    for seed in seeds:
        picture(folder / f"{seed}.png", tile(seed))
    lines = [f"{seed}.png,{pixel_m}\n" for seed in seeds]
    folder.with_name(f"{folder.name}.csv").write_text("file,metres_per_pixel\n" + "".join(lines))
    return folder


def _colours(seed: int) -> RGB:
    return np.random.default_rng(seed).integers(0, 255, (ROWS, COLUMNS_PX, 3), dtype=np.uint8)
