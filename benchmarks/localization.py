"""How long each step from a photo to a place takes here, and FAISS beside the plain product it stands for.

Run `make bench`, or `python -m benchmarks.localization --help`. Every time is the median of several calls,
on one core, by the clock on the wall.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from benchmarks.measure import race
from benchmarks.table import Row, Target, run
from l2ltr_core.assets import ASSETS, list_galleries
from l2ltr_core.checkpoints import list_checkpoints, load_encoder
from l2ltr_core.errors import GalleryError
from l2ltr_core.gallery import Gallery, open_gallery
from l2ltr_core.localization import compare, encode_photos, kind_of, localize
from l2ltr_core.localization.ranking import SEARCHED_HEADINGS
from l2ltr_core.model.encoder import Encoder
from l2ltr_core.photo import load_panorama

CHIPS = 32
QUERIES = 100
TOP_K = 10
MOST_MS = 300.0
"""A photo is to be answered in, heading known or searched."""
T = TypeVar("T")


def rows(rounds: int) -> Iterator[Row]:
    """Of the shipped checkpoint, gallery and sample photo. Raises GalleryError without them."""
    checkpoints, galleries = list_checkpoints(), list_galleries()
    samples = sorted((ASSETS / "samples").glob("*.jpg"))
    if not (checkpoints and galleries and samples):
        raise GalleryError(
            "The assets hold no checkpoint, gallery or sample: build them, or measure another."
        )
    yield from measure(checkpoints[0].name, galleries[0], samples[0], rounds)


def measure(checkpoint: str | Path, gallery: str | Path, photo: Path, repeats: int) -> Iterator[Row]:
    """Every row for one checkpoint, gallery and photo."""
    torch.set_num_threads(1)
    start = time.perf_counter()
    encoder, places = load_encoder(checkpoint), open_gallery(gallery)
    localize(photo, encoder=encoder, gallery=places)
    first_ms = 1000 * (time.perf_counter() - start)
    yield Row("first localization, all loaded from disk", "ms", first_ms)
    yield from whole_road(encoder, places, photo, repeats)
    yield from encoding(encoder, places, photo, repeats)
    if encoder.columns is not None:
        yield from comparing(encoder, places, photo, repeats)
    yield searching(encoder, places, repeats)


def whole_road(encoder: Encoder, gallery: Gallery, photo: Path, repeats: int) -> Iterator[Row]:
    """A photo to a place, everything loaded: heading known, heading searched."""
    known_ms, _ = timed(lambda: localize(photo, encoder=encoder, gallery=gallery, heading=0.0), repeats)
    yield Row("localization, heading known", "ms", known_ms, targets=_in_time(known_ms))
    searched_ms, found = timed(
        lambda: localize(photo, encoder=encoder, gallery=gallery, heading="search"), repeats
    )
    turns = 0 if found.heading_scores is None else len(found.heading_scores)
    how = "one encoding" if encoder.columns is not None else f"{turns} encodings"
    yield Row(
        "localization, heading searched", "ms", searched_ms, targets=_in_time(searched_ms),
        note=f"{turns} headings from {how}",
    )  # fmt: skip


def encoding(encoder: Encoder, gallery: Gallery, photo: Path, repeats: int) -> Iterator[Row]:
    """The parts of the road before the search, and those of building a gallery."""
    panorama = load_panorama(photo)
    height, width, _ = panorama.pixels.shape
    read_ms, _ = timed(lambda: load_panorama(photo), repeats)
    yield Row("read the photo", "ms", read_ms, note=f"{width} x {height} px")
    turn_ms, view = timed(lambda: encoder.ground_view(panorama, 0.0), repeats)
    yield Row("turn and crop", "ms", turn_ms)
    one_ms, _ = timed(lambda: encoder.encode_ground([view], prepared=True), repeats)
    yield Row("encode one ground view", "ms", one_ms)
    if encoder.columns is None:  # a searched heading encodes so many
        views = [view] * SEARCHED_HEADINGS
        all_ms, _ = timed(lambda: encoder.encode_ground(views, prepared=True), repeats)
        yield Row(
            "encode ground views in a batch", "ms a view", all_ms / len(views), note=f"{len(views)} at once"
        )
    ids = range(min(CHIPS, len(gallery.places)))
    cut_ms, chips = timed(lambda: [gallery.chip(place_id) for place_id in ids], repeats)
    yield Row("cut an aerial chip", "ms", cut_ms / len(chips), note=f"{gallery.manifest.chip_m:g} m wide")
    aerial_ms, _ = timed(lambda: encoder.encode_aerial(chips), repeats)
    per_chip_ms = aerial_ms / len(chips)
    yield Row("encode aerial chips in a batch", "ms a chip", per_chip_ms, note="polar transform included")


def comparing(encoder: Encoder, gallery: Gallery, photo: Path, repeats: int) -> Iterator[Row]:
    """One photo's columns beside those of every place, and its decoys: heading known, heading searched."""
    [encoded] = encode_photos([load_panorama(photo)], [0.0], encoder, kind_of(gallery.simulated), search=True)
    assert encoded.columns is not None
    turns = encoded.columns.turns
    for heading, search in (("known", False), ("searched", True)):
        spent_ms, _ = timed(partial(compare, encoded, encoder, gallery, search=search), repeats)
        yield Row(
            f"compare columns, heading {heading}",
            "ms",
            spent_ms,
            note=f"{len(gallery.places):,} places, {gallery.views_per_cell(encoder)} views, {turns} decoy headings",
        )


def searching(encoder: Encoder, gallery: Gallery, repeats: int) -> Row:
    """The gallery's index beside the product of all descriptors, for noisy copies of its own places."""
    descriptors = gallery.descriptors(encoder)
    views_per_cell = gallery.views_per_cell(encoder)
    k = min(TOP_K, len(descriptors) // views_per_cell)
    random = np.random.default_rng(0)
    chosen = descriptors[random.integers(0, len(descriptors), QUERIES)]
    queries = chosen + 0.05 * random.standard_normal(chosen.shape, np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)

    def product() -> np.ndarray:
        scores = (queries @ descriptors.T).reshape(QUERIES, -1, views_per_cell).max(axis=2)
        best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        return np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, 1), axis=1), 1)

    _, found = gallery.search(queries, encoder, k)
    shared = np.mean([len(set(a) & set(b)) / k for a, b in zip(found, product(), strict=True)])
    outcome = race(product, lambda: gallery.search(queries, encoder, k), repeats)
    return Row(
        f"search among {len(descriptors) // views_per_cell:,} places",
        "ms a query",
        outcome.ours_ms / QUERIES,
        outcome.reference_ms / QUERIES,
        outcome.ratios,
        note=f"{QUERIES} queries at once; {shared:.1%} of top {k} the same as by the plain product",
    )


def _in_time(spent_ms: float) -> tuple[Target, ...]:
    return (Target.at_most("ms", spent_ms, MOST_MS),)


def timed(call: Callable[[], T], repeats: int) -> tuple[float, T]:
    """Median milliseconds of a call over `repeats`, after one that is not counted, and what it returned."""
    result = call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times), result


if __name__ == "__main__":
    run(rows, __doc__)
