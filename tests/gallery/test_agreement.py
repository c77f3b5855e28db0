from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from l2ltr_core.errors import CheckpointError, GalleryError
from l2ltr_core.gallery import build_gallery, index, open_gallery, verify_gallery
from l2ltr_core.gallery.agreement import (
    HIDDEN_AGREEMENT,
    LOOKS_TEMPERATURE,
    SOFTNESS,
    agreement,
    agreement_by_direction,
    agreement_of_looks,
    split,
)
from l2ltr_core.imagery import Imagery
from tests.town import ColourEncoder, DirectionEncoder

W, D = 16, 64
ENCODER = DirectionEncoder()
ALL = np.arange(9)


def columns(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, W * D)).astype(np.float32)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).reshape(count, W, D)


def test_looks_that_agree_alike_say_what_each_says_and_one_that_stands_out_nearly_decides() -> None:
    alike = np.full((1, 4), 0.3, np.float32)
    one_stands_out = np.array([[0.6, 0.1, 0.1, 0.1]], np.float32)
    two_stand_out = np.array([[0.6, 0.6, 0.1, 0.1]], np.float32)
    assert agreement_of_looks(alike)[0] == pytest.approx(0.3)
    assert agreement_of_looks(one_stands_out)[0] == pytest.approx(
        0.6 - LOOKS_TEMPERATURE * np.log(4), abs=1e-5
    )
    assert (
        one_stands_out.mean() < agreement_of_looks(one_stands_out)[0] < agreement_of_looks(two_stand_out)[0]
    )
    assert agreement_of_looks(two_stand_out)[0] < 0.6


def test_a_single_look_says_what_the_place_says() -> None:
    single = np.array([[0.2], [0.7]], np.float32)
    np.testing.assert_allclose(agreement_of_looks(single), [0.2, 0.7], rtol=1e-6)


def test_what_directions_agree_is_the_cosine_shared_out_among_them() -> None:
    one, many = columns(1)[0], columns(5, seed=1)
    parts = agreement_by_direction(one, many)
    assert parts.shape == (5, W)
    np.testing.assert_allclose(parts.sum(axis=1), many.reshape(5, -1) @ one.ravel(), atol=1e-6)


def test_directions_that_agree_well_count_by_what_exceeds_the_hidden() -> None:
    one = np.zeros((1, D), np.float32)
    one[0, 0] = 1
    for part in (0.2, 0.4, 1.0):
        said = agreement(one, part * one[None])[0]
        assert said == pytest.approx(part - HIDDEN_AGREEMENT, abs=SOFTNESS * 1e-4)


def test_a_hidden_direction_does_not_speak_against_the_others() -> None:
    one = columns(1)[0]
    hidden, opposed = one.copy(), one.copy()
    hidden[3], opposed[3] = 0, -one[3]
    loss = agreement(one, hidden[None])[0] - agreement(one, opposed[None])[0]
    assert 0 < loss < SOFTNESS / 2 < 0.2 * float((one[3] ** 2).sum())  # of what the cosine would lose
    assert agreement(one, hidden[None])[0] > 0.9 * agreement(one, one[None])[0]


def test_columns_that_are_not_numbers_compare_with_nothing() -> None:
    one = columns(1)[0]
    broken = np.where(one == one[3, 3], np.nan, one)
    with pytest.raises(CheckpointError, match="not numbers"):
        agreement(broken, one[None])


def test_rows_are_taken_apart_into_cls_and_columns() -> None:
    rows = np.arange(2 * 10, dtype=np.float32).reshape(2, 10)
    cls, seen = split(rows, (3, 2))
    assert cls.tolist() == rows[:, :4].tolist()
    assert seen is not None and seen[1].tolist() == [[14, 15], [16, 17], [18, 19]]
    assert split(rows, None)[1] is None


@pytest.mark.parametrize("looks", [1, 4])
def test_a_gallery_says_how_far_a_photo_agrees_with_each_place(
    imagery: Imagery, tmp_path: Path, looks: int
) -> None:
    gallery = build_gallery(imagery, tmp_path / "gallery", ENCODER, spacing_m=50, looks=looks)
    gallery = open_gallery(gallery.folder)
    points = len(gallery.places) * looks
    record = gallery.manifest.indexes[0]
    assert (record.dimensions, record.columns) == (W, ENCODER.columns)
    chips = [gallery.chip(place) for place in range(len(gallery.places))]
    _, photos = split(ENCODER.encode_aerial(chips, columns=True), ENCODER.columns)
    assert photos is not None
    agreeing = np.stack([gallery.agreement(photo, np.arange(len(photos)), ENCODER) for photo in photos])
    assert agreeing.shape == (len(photos), points // looks)
    if looks == 1:
        np.testing.assert_array_equal(agreeing.argmax(axis=1), np.arange(len(photos)))
        np.testing.assert_allclose(agreeing.diagonal(), [agreement(p, p[None])[0] for p in photos], atol=0.01)
    assert verify_gallery(gallery.folder) == []


def test_a_gallery_without_columns_cannot_compare_them(imagery: Imagery, tmp_path: Path) -> None:
    gallery = build_gallery(imagery, tmp_path / "gallery", ColourEncoder(), spacing_m=50)
    with pytest.raises(GalleryError, match="keeps no columns"):
        gallery.agreement(columns(1)[0], ALL, ColourEncoder())


def test_columns_that_are_gone_are_named_in_one_sentence(imagery: Imagery, tmp_path: Path) -> None:
    gallery = build_gallery(imagery, tmp_path / "gallery", ENCODER, spacing_m=50)
    file = gallery.folder / gallery.manifest.indexes[0].columns_file
    file.unlink()
    with pytest.raises(GalleryError, match=f"{file.name} is missing"):
        open_gallery(gallery.folder)


def test_many_columns_are_kept_in_a_byte_for_each_principal_direction_and_read_back_nearly_as_they_were() -> (
    None
):
    random = np.random.default_rng(0)
    few = random.normal(size=(100, W * D)).astype(np.float32)  # directions that the rows spread in
    rows = random.normal(size=(3000, 100)).astype(np.float32) @ few
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    kept = index.make_columns_index([rows[:1000], rows[1000:]])
    assert kept.sa_code_size() == index.COLUMN_DIRECTIONS
    chosen = np.array([5, 2999, 5, 0])
    back = index.chosen_descriptors(kept, chosen)
    assert ((back * rows[chosen]).sum(axis=1) > 0.998).all()


def test_few_columns_are_kept_whole() -> None:
    rows = columns(20).reshape(20, -1)
    back = index.chosen_descriptors(index.make_columns_index([rows]), np.array([19, 3]))
    np.testing.assert_allclose(back, rows[[19, 3]], atol=1e-4)
