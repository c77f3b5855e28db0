"""Building a gallery beside doing one thing after the other: time, the encoder's share of it, memory.

Run `make bench`, or `python -m benchmarks.gallery` (`--help` for a smaller run). The shipped orthophoto, places
and checkpoint are used. Encoding has one core, preparing the next squares another where there is one.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.measure import peak_mb, race
from benchmarks.table import Row, Target, run
from l2ltr_core.assets import list_galleries
from l2ltr_core.checkpoints import list_checkpoints, load_encoder
from l2ltr_core.errors import GalleryError
from l2ltr_core.gallery import build_gallery, open_gallery
from l2ltr_core.model.encoder import Encoder
from l2ltr_core.types import RGB, Descriptors

PLACES = 1000
TIMES = 9
"""How many times more places the second build has whose memory is measured."""
BUSY_SHARE = 0.9
MOST_GROWTH_MB = 50.0
BATCH = 32


def rows(rounds: int) -> Iterator[Row]:
    """Of the shipped gallery. Raises GalleryError where none is."""
    checkpoints, galleries = list_checkpoints(), list_galleries()
    if not (checkpoints and galleries):
        raise GalleryError("The assets hold no checkpoint or no gallery: build them first.")
    yield measure(checkpoints[0].name, galleries[0], PLACES, rounds)


def measure(checkpoint: str | Path, gallery: str | Path, places: int, rounds: int) -> Row:
    """One line of the table; the encoder is busy for the time that encoding the prepared views takes alone."""
    encoder = load_encoder(checkpoint)
    chips = [chip for batch in squares(gallery, places) for chip in batch]
    views = [encoder.aerial_view(chip) for chip in chips]
    outcome = race(
        lambda: one_after_the_other(encoder, gallery, places),
        lambda: build(encoder, gallery, places),
        rounds,
        time.perf_counter,
    )
    alone_s = []
    for _ in range(rounds):
        start = time.perf_counter()
        encoder.encode_aerial(views, prepared=True, batch_size=BATCH)
        alone_s.append(time.perf_counter() - start)
    busy = statistics.median(alone_s) / statistics.median(outcome.ours_s)
    less, more = (peak_mb(load_and_build, checkpoint, gallery, count) for count in (places, TIMES * places))
    return Row(
        f"gallery of {places:,} places",
        "s",
        outcome.ours_ms / 1000,
        outcome.reference_ms / 1000,
        outcome.ratios,
        ours_mb=less,
        targets=(
            Target.at_least("share of the time that the encoder is busy", busy, BUSY_SHARE),
            Target.at_most(f"MB more for {TIMES} times the places", more - less, MOST_GROWTH_MB),
        ),
        note=f"encoder busy {busy:.0%}; {TIMES * places:,} places: {more:,.0f} MB; {os.cpu_count()} cores",
    )


def squares(gallery: str | Path, places: int) -> Iterator[list[RGB]]:
    """The chips of the first places, `BATCH` at a time; after the last place the first comes again."""
    opened = open_gallery(gallery)
    every = [place % len(opened.places) for place in range(places)]
    for first in range(0, places, BATCH):
        yield [opened.chip(place) for place in every[first : first + BATCH]]


def one_after_the_other(encoder: Encoder, gallery: str | Path, places: int) -> Sequence[Descriptors]:
    """Cut a batch, bring it into the polar view, encode it, and so on."""
    return [
        encoder.encode_aerial(np.stack([encoder.aerial_view(chip) for chip in batch]), prepared=True)
        for batch in squares(gallery, places)
    ]


def load_and_build(checkpoint: str | Path, gallery: str | Path, places: int) -> None:
    """All that a process does that builds a gallery."""
    build(load_encoder(checkpoint), gallery, places)


def build(encoder: Encoder, gallery: str | Path, places: int) -> None:
    """The same by `build_gallery`, into a folder that is removed."""
    opened = open_gallery(gallery)
    chosen = [opened.location(place % len(opened.places)) for place in range(places)]
    with tempfile.TemporaryDirectory() as folder:
        build_gallery(
            opened.imagery,
            Path(folder) / "gallery",
            encoder,
            places=chosen,
            chip_m=opened.manifest.chip_m,
        )


if __name__ == "__main__":
    run(rows, __doc__)
