"""Ranking the test part of CVUSA or CVACT beside the plain way: all distances at once, then photo by photo.

Run `make bench`, or `python -m benchmarks.evaluation` (`--help` for a smaller run). Descriptors are random.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.measure import peak_mb, race
from benchmarks.table import Row, Target, run
from l2ltr_core.evaluation import recalls
from l2ltr_core.evaluation.recall import one_percent
from l2ltr_core.types import Descriptors

PAIRS, WIDTH = 8884, 768
NOISE = 25.0
"""Of each number, beside the other view's: most photos rank their own square somewhere in the middle."""
MOST_SECONDS = 2.0
MOST_MB = 200.0


def rows(rounds: int) -> Iterator[Row]:
    """The size of both benchmarks' test part; the plain way takes long, so that it is seldom repeated."""
    yield measure(PAIRS, min(rounds, 2))


def measure(pairs: int, rounds: int) -> Row:
    """One line of the table."""
    ground, aerial = random_pairs(pairs)
    outcome = race(lambda: plain(ground, aerial), lambda: recalls(ground, aerial), rounds)
    memory = {way: peak_mb(way, ground, aerial) for way in (plain, recalls)}
    apart = max(
        abs(a - b) for a, b in zip(plain(ground, aerial), recalls(ground, aerial).values(), strict=True)
    )
    seconds = outcome.ours_ms / 1000
    return Row(
        f"evaluation, {pairs:,} x {pairs:,} pairs of {WIDTH}",
        "s",
        seconds,
        outcome.reference_ms / 1000,
        outcome.ratios,
        outcome.of_ceiling(pairs * pairs * WIDTH),
        memory[plain],
        memory[recalls],
        (
            Target.at_most("seconds", seconds, MOST_SECONDS),
            Target.at_most("MB beyond the descriptors", memory[recalls], MOST_MB),
        ),
        f"recalls differ by {apart:.0e}",
    )


def random_pairs(pairs: int) -> tuple[Descriptors, Descriptors]:
    """Two (pairs, `WIDTH`) arrays of unit rows, alike a little row by row."""
    random = np.random.default_rng(0)
    ground = random.standard_normal((pairs, WIDTH), np.float32)
    aerial = ground + NOISE * random.standard_normal((pairs, WIDTH), np.float32)
    return tuple(rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (ground, aerial))


def plain(ground: Descriptors, aerial: Descriptors) -> list[float]:
    """Recall@1, @5, @10 and @1 %, each by going through all photos and counting what is nearer."""
    distances = 2 - 2 * aerial @ ground.T
    found = []
    for cut in (1, 5, 10, one_percent(len(aerial))):
        hits = 0
        for photo in range(len(ground)):
            nearer = np.sum(distances[:, photo] < distances[photo, photo])
            hits += int(nearer < cut)
        found.append(hits / len(ground))
    return found


if __name__ == "__main__":
    run(rows, __doc__)
