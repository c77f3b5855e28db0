from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from l2ltr_core.errors import CheckpointError
from l2ltr_core.evaluation import (
    Evaluation,
    HeldOut,
    aligned,
    bootstrap_difference,
    bootstrap_interval,
    error_curve,
    found_only_by,
    read_held_out,
    searched_fingerprint,
    write_held_out,
)
from l2ltr_core.evaluation.intervals import bootstrap_mean, wilson_interval
from l2ltr_core.gallery import Gallery
from tests.town import ColourEncoder

ENCODER = ColourEncoder()
PHOTOS = pd.DataFrame({"photo": ["a", "b"], "rank": [1, 7], "error_m": [3.5, np.nan]})
MEASURED = Evaluation({"dataset": "walk"}, PHOTOS)


def test_what_became_of_each_photo_is_read_as_it_was_written(gallery: Gallery, tmp_path: Path) -> None:
    card = tmp_path / "colours.json"
    path = write_held_out(MEASURED, ENCODER, gallery, card)
    assert list(tmp_path.iterdir()) == [path] == [tmp_path / "colours.heldout.parquet"]
    record = read_held_out(card)
    assert record is not None
    assert (record.dataset, record.gallery, record.checkpoint) == ("walk", "town", ENCODER.fingerprint)
    assert record.searched == searched_fingerprint(gallery, ENCODER.fingerprint)
    pd.testing.assert_frame_equal(record.photos, PHOTOS, check_dtype=False)


def test_a_checkpoint_that_was_not_measured_has_no_record(tmp_path: Path) -> None:
    assert read_held_out(tmp_path / "colours.json") is None


def test_a_damaged_record_is_refused(gallery: Gallery, tmp_path: Path) -> None:
    path = write_held_out(MEASURED, ENCODER, gallery, tmp_path / "colours.json")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CheckpointError, match="evaluate colours again"):
        read_held_out(tmp_path / "colours.json")


def record(photos: dict[str, tuple[int, float]], dataset: str = "walk") -> HeldOut:
    rows = [(photo, rank, error_m) for photo, (rank, error_m) in photos.items()]
    return HeldOut(dataset, "f", "town", "s", pd.DataFrame(rows, columns=["photo", "rank", "error_m"]))


def test_records_are_compared_on_the_photos_that_all_hold_in_one_order() -> None:
    a = record({"y": (1, 3), "x": (2, 90), "only a": (1, 1)})
    b = record({"x": (1, 2), "y": (9, 400)})
    tables = aligned({"a": a, "b": b})
    assert [list(table.index) for table in tables.values()] == [["x", "y"]] * 2
    assert list(tables["a"]["rank"]) == [2, 1]
    assert list(tables["b"]["error_m"]) == [2, 400]


def test_what_one_finds_and_the_other_misses_comes_with_the_worst_first() -> None:
    a = record({"p": (1, 3), "q": (1, 4), "r": (5, 80), "s": (1, 2)})
    b = record({"p": (7, 60), "q": (2, 900), "r": (1, 5), "s": (1, 2)})
    tables = aligned({"a": a, "b": b})
    assert found_only_by(tables["a"], tables["b"]) == ["q", "p"]
    assert found_only_by(tables["b"], tables["a"]) == ["r"]


def test_records_of_other_photos_are_not_compared() -> None:
    with pytest.raises(CheckpointError, match=r"a on walk, b on ride"):
        aligned({"a": record({"x": (1, 1)}), "b": record({"x": (1, 1)}, "ride")})
    with pytest.raises(CheckpointError, match="no photo in common"):
        aligned({"a": record({"x": (1, 1)}), "b": record({"z": (1, 1)})})


def test_the_interval_is_that_of_drawing_the_photos_again() -> None:
    hits = np.arange(200) < 60
    drawn = np.random.default_rng(1).choice(hits, (4000, 200)).mean(axis=1)
    low, high = bootstrap_interval(hits, seed=0)
    assert (low, high) == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.011)
    assert low < 0.3 < high
    assert (low, high) == bootstrap_interval(hits, seed=0)


def test_more_photos_and_a_lower_level_narrow_the_interval() -> None:
    def width(count: int, level: float) -> float:
        low, high = bootstrap_interval(np.arange(count) % 2 == 0, 0, level)
        return high - low

    assert width(1000, 0.95) < 0.5 * width(100, 0.95)
    assert width(100, 0.5) < 0.5 * width(100, 0.95)


def test_what_always_hits_leaves_the_bootstrap_no_doubt() -> None:
    assert bootstrap_interval(np.ones(30, bool), 0) == (1, 1)


@pytest.mark.parametrize(
    ("hits", "count", "interval"),
    [(27, 36, (0.589, 0.862)), (0, 5, (0, 0.434)), (5, 5, (0.566, 1)), (1, 1, (0.207, 1))],
)
def test_wilsons_interval_leaves_a_few_photos_their_doubt(
    hits: int, count: int, interval: tuple[float, float]
) -> None:
    assert wilson_interval(np.arange(count) < hits) == pytest.approx(interval, abs=1e-3)


def test_the_interval_of_a_mean_is_that_of_drawing_the_values_again() -> None:
    values = np.random.default_rng(3).random(50)
    spread = 1.96 * values.std() / np.sqrt(len(values))
    expected = (values.mean() - spread, values.mean() + spread)
    assert bootstrap_mean(values, seed=0) == pytest.approx(expected, abs=0.01)
    assert bootstrap_mean(np.ones(4), seed=0) == (1, 1)


@pytest.mark.parametrize("interval", [wilson_interval, lambda none: bootstrap_mean(none, 0)])
def test_nothing_has_no_interval(interval: Callable[[np.ndarray], object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        interval(np.array([], bool))


def test_the_interval_of_a_difference_is_that_of_drawing_photos_with_both_outcomes() -> None:
    random = np.random.default_rng(2)
    hard = random.random(300)
    first, second = hard < 0.6, hard < 0.5
    drawn = random.integers(0, 300, (4000, 300))
    differences = first[drawn].mean(axis=1) - second[drawn].mean(axis=1)
    low, high = bootstrap_difference(first, second, seed=0)
    assert (low, high) == pytest.approx(np.percentile(differences, [2.5, 97.5]), abs=0.011)
    assert bootstrap_difference(second, first, seed=0) == pytest.approx((-high, -low), abs=0.011)


def test_photos_that_both_find_or_both_miss_leave_no_doubt_about_the_difference() -> None:
    hits = np.arange(50) % 3 == 0
    assert bootstrap_difference(hits, hits, seed=0) == (0, 0)
    with pytest.raises(ValueError, match="same photos"):
        bootstrap_difference(hits, hits[1:], seed=0)


def test_an_error_curve_counts_each_photo_once_and_ends_at_one() -> None:
    distances, fractions = error_curve(np.array([5.0, 1.0, 5.0, 80.0], np.float32))
    assert list(distances) == [1, 5, 80]
    assert list(fractions) == [0.25, 0.75, 1]


@pytest.mark.parametrize("errors", [np.array([]), np.array([1.0, np.nan]), np.ones((2, 2))])
def test_errors_that_are_no_distances_have_no_curve(errors: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected"):
        error_curve(errors)


def test_no_hits_at_all_have_no_interval() -> None:
    with pytest.raises(ValueError, match="expected"):
        bootstrap_interval(np.array([], bool), 0)
