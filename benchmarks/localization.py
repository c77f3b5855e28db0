"""How long each step from a photo to a place takes here, and FAISS beside the plain product it stands for.

Run `make bench`, or `python -m benchmarks.localization --help`. Every time is the median of several calls.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import faiss
import numpy as np
import torch

from l2ltr_core.assets import ASSETS, list_galleries
from l2ltr_core.checkpoints import list_checkpoints, load_encoder
from l2ltr_core.errors import L2LTRError
from l2ltr_core.gallery import Gallery, open_gallery
from l2ltr_core.localization import SEARCHED_HEADINGS, localize, turned_views
from l2ltr_core.model.encoder import Encoder
from l2ltr_core.photo import load_panorama

CHIPS = 32
QUERIES = 100
TOP_K = 10
T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """One line of the report; `each` tells what the time is for, `note` what was found on the way."""

    step: str
    milliseconds: float
    each: str = "call"
    note: str = ""


def timed(call: Callable[[], T], repeats: int) -> tuple[float, T]:
    """Median milliseconds of a call over `repeats`, after one that is not counted, and what it returned."""
    result = call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times), result


def measure(checkpoint: str | Path, gallery: str | Path, photo: Path, repeats: int) -> list[Row]:
    """Every row of the report for one checkpoint, gallery and photo."""
    start = time.perf_counter()
    encoder, places = load_encoder(checkpoint), open_gallery(gallery)
    localize(photo, encoder=encoder, gallery=places)
    first_ms = 1000 * (time.perf_counter() - start)
    return [
        Row("first localization, all loaded from disk", first_ms),
        *whole_road(encoder, places, photo, repeats),
        *encoding(encoder, places, photo, repeats),
        *searching(encoder, places, repeats),
    ]


def whole_road(encoder: Encoder, gallery: Gallery, photo: Path, repeats: int) -> list[Row]:
    """A photo to a place, everything loaded: heading known, heading searched."""
    known_ms, _ = timed(lambda: localize(photo, encoder=encoder, gallery=gallery, heading=0.0), repeats)
    searched_ms, _ = timed(
        lambda: localize(photo, encoder=encoder, gallery=gallery, heading="search"), repeats
    )
    return [
        Row("localization, heading known", known_ms),
        Row("localization, heading searched", searched_ms, note=f"{SEARCHED_HEADINGS} headings"),
    ]


def encoding(encoder: Encoder, gallery: Gallery, photo: Path, repeats: int) -> list[Row]:
    """The parts of the road before the search, and those of building a gallery."""
    panorama = load_panorama(photo)
    height, width, _ = panorama.pixels.shape
    read_ms, _ = timed(lambda: load_panorama(photo), repeats)
    turn_ms, views = timed(lambda: turned_views(panorama, encoder), repeats)
    one_ms, _ = timed(lambda: encoder.encode_ground(views[:1], prepared=True), repeats)
    all_ms, _ = timed(lambda: encoder.encode_ground(views, prepared=True), repeats)
    ids = range(min(CHIPS, len(gallery.places)))
    cut_ms, chips = timed(lambda: [gallery.chip(place_id) for place_id in ids], repeats)
    aerial_ms, _ = timed(lambda: encoder.encode_aerial(chips), repeats)
    return [
        Row("read the photo", read_ms, note=f"{width} x {height} px"),
        Row("turn and crop", turn_ms / len(views), "view"),
        Row("encode one ground view", one_ms, "view"),
        Row("encode ground views in a batch", all_ms / len(views), "view", f"{len(views)} at once"),
        Row("cut an aerial chip", cut_ms / len(chips), "chip", f"{gallery.manifest.chip_m:g} m wide"),
        Row("encode aerial chips in a batch", aerial_ms / len(chips), "chip", "polar transform included"),
    ]


def searching(encoder: Encoder, gallery: Gallery, repeats: int) -> list[Row]:
    """The gallery's index beside the product of all descriptors, for noisy copies of its own places."""
    descriptors = gallery.descriptors(encoder)
    k = min(TOP_K, len(descriptors))
    random = np.random.default_rng(0)
    chosen = descriptors[random.integers(0, len(descriptors), QUERIES)]
    queries = chosen + 0.05 * random.standard_normal(chosen.shape, np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)

    def product() -> np.ndarray:
        scores = queries @ descriptors.T
        best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        return np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, 1), axis=1), 1)

    index_ms, (_, found) = timed(lambda: gallery.search(queries, encoder, k), repeats)
    product_ms, expected = timed(product, repeats)
    shared = np.mean([len(set(a) & set(b)) / k for a, b in zip(found, expected, strict=True)])
    size = f"{len(descriptors):,} places, {QUERIES} queries"
    return [
        Row("search with the gallery's index", index_ms / QUERIES, "query", size),
        Row(
            "search with the plain product",
            product_ms / QUERIES,
            "query",
            f"{shared:.1%} of top {k} the same",
        ),
    ]


def report(rows: list[Row]) -> str:
    """The rows as a Markdown table, under a line that says what they were measured on."""
    machine = (
        f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, "
        f"Python {platform.python_version()}, torch {torch.__version__}, FAISS {faiss.__version__}"
    )
    lines = [f"{row.step} | {row.milliseconds:,.2f} | {row.each} | {row.note}" for row in rows]
    table = ["step | ms | per | note", "--- | ---: | --- | ---", *lines]
    return "\n".join([machine, "", *(f"| {line} |" for line in table)])


def main() -> int:
    """Measure the shipped files, or those named, and print the report."""
    checkpoints, galleries = list_checkpoints(), list_galleries()
    samples = sorted((ASSETS / "samples").glob("*.jpg"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", default=checkpoints[0].name if checkpoints else None)
    parser.add_argument("--gallery", default=galleries[0] if galleries else None)
    parser.add_argument("--photo", type=Path, default=samples[0] if samples else None)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if None in (options.checkpoint, options.gallery, options.photo):
        parser.error("the assets hold no checkpoint, gallery or sample: name them")
    try:
        print(report(measure(options.checkpoint, options.gallery, options.photo, options.repeats)))
    except L2LTRError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
