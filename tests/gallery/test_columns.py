from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from l2ltr_core.errors import CheckpointError, GalleryError
from l2ltr_core.gallery import build_gallery, index, open_gallery, verify_gallery
from l2ltr_core.gallery.columns import (
    VIEW_POOL_TEMPERATURE,
    PhotoColumns,
    part_energy,
    peak_heading_deg,
    pool_views,
    similarity,
    similarity_by_azimuth,
)
from l2ltr_core.imagery import Imagery
from tests.town import ColourEncoder, DirectionEncoder

W, D = 16, 24
PARTS = ((8, 0.3), (16, 0.7))
ENCODER = DirectionEncoder()
turns = st.integers(0, W - 1)
seeds = st.integers(0, 10_000)
shown_somewhere = arrays(bool, W).filter(np.any)


def tiles_of(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, W, D)).astype(np.float32)


def photo_of(tile: np.ndarray, shown: np.ndarray | None = None, turn: int = 0) -> PhotoColumns:
    """The tile itself, seen by a camera that is turned by so many columns: north-centred as if it looked north."""
    shown = np.ones(W, bool) if shown is None else shown
    return PhotoColumns(np.roll(tile, -turn, axis=0), np.roll(shown, -turn), PARTS)


@given(seeds, shown_somewhere)
def test_a_photo_is_as_like_itself_as_can_be(seed: int, shown: np.ndarray) -> None:
    [tile] = tiles_of(1, seed)
    assert similarity(photo_of(tile, shown), tile[None], [0])[0, 0] == pytest.approx(1, abs=1e-5)


@given(seeds, shown_somewhere, turns)
def test_similarity_is_a_cosine(seed: int, shown: np.ndarray, turn: int) -> None:
    mine, *others = tiles_of(5, seed)
    scores = similarity(photo_of(mine, shown), np.stack(others), [turn])
    assert (np.abs(scores) <= 1 + 1e-5).all()


@given(seeds, shown_somewhere, turns)
def test_a_turned_photo_finds_the_same_place_and_by_how_much_it_is_turned(
    seed: int, shown: np.ndarray, turn: int
) -> None:
    tiles = tiles_of(6, seed)
    scores = similarity(photo_of(tiles[2], shown, turn), tiles, range(W))
    assert scores[2, turn] == pytest.approx(1, abs=1e-5)
    assert scores[2, turn] == scores.max()


@given(seeds, shown_somewhere, turns)
def test_turning_the_photo_turns_its_scores_and_nothing_else(seed: int, shown: np.ndarray, turn: int) -> None:
    mine, *others = tiles_of(4, seed)
    tiles = np.stack(others)
    straight = similarity(photo_of(mine, shown), tiles, range(W))
    turned = similarity(photo_of(mine, shown, turn), tiles, range(W))
    np.testing.assert_allclose(turned, np.roll(straight, turn, axis=1), atol=1e-5)


@given(seeds, shown_somewhere, turns)
def test_what_a_photo_does_not_show_changes_nothing(seed: int, shown: np.ndarray, turn: int) -> None:
    mine, tile, other = tiles_of(3, seed)
    hidden = ~np.roll(shown, turn)
    altered = np.where(hidden[:, None], 100 * other, tile)
    one, same = similarity(photo_of(mine, shown), np.stack([tile, altered]), [turn])[:, 0]
    assert one == pytest.approx(same, abs=1e-5)
    filled = PhotoColumns(np.where(shown[:, None], mine, 100 * other), shown, PARTS)
    assert similarity(filled, tile[None], [turn])[0, 0] == pytest.approx(one, abs=1e-5)


@given(seeds, st.sampled_from([0, 1]))
def test_a_part_without_weight_changes_nothing(seed: int, silent: int) -> None:
    mine, tile, other = tiles_of(3, seed)
    parts = tuple((count, float(number != silent)) for number, (count, _) in enumerate(PARTS))
    its_numbers = slice(0, 8) if silent == 0 else slice(8, D)
    altered = tile.copy()
    altered[:, its_numbers] = other[:, its_numbers]
    photo = PhotoColumns(mine, np.ones(W, bool), parts)
    one, same = similarity(photo, np.stack([tile, altered]), [3])[:, 0]
    assert one == same


@given(seeds, st.floats(0, 1))
def test_each_part_is_a_cosine_of_its_own_and_counts_by_its_weight(seed: int, weight: float) -> None:
    mine, tile = tiles_of(2, seed)

    def score(*weights: float) -> float:
        parts = tuple((count, each) for (count, _), each in zip(PARTS, weights, strict=True))
        return float(similarity(PhotoColumns(mine, np.ones(W, bool), parts), tile[None], [0])[0, 0])

    assert score(1 - weight, weight) == pytest.approx(
        (1 - weight) * score(1, 0) + weight * score(0, 1), abs=1e-5
    )
    first = mine[:, :8].ravel(), tile[:, :8].ravel()
    cosine = first[0] @ first[1] / np.linalg.norm(first[0]) / np.linalg.norm(first[1])
    assert score(1, 0) == pytest.approx(cosine, abs=1e-5)


@given(seeds, st.floats(0.01, 100))
def test_how_strong_a_part_is_does_not_matter(seed: int, times: float) -> None:
    mine, tile = tiles_of(2, seed)
    loud = tile.copy()
    loud[:, :8] *= times
    scores = similarity(photo_of(mine), np.stack([tile, loud]), [0])[:, 0]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)


def test_energy_that_is_known_need_not_be_computed_again() -> None:
    mine, *others = tiles_of(4)
    tiles = np.stack(others)
    energy = part_energy(tiles, [8, 16])
    assert energy.shape == (3, 2, W)
    np.testing.assert_allclose(energy.sum(axis=1), (tiles**2).sum(axis=2), rtol=1e-5)
    photo = photo_of(mine, np.arange(W) < 5)
    np.testing.assert_array_equal(
        similarity(photo, tiles, range(W)), similarity(photo, tiles, range(W), energy)
    )


def test_a_tile_that_is_empty_where_the_photo_looks_scores_0() -> None:
    mine, tile = tiles_of(2)
    tile[:4] = 0
    assert similarity(photo_of(mine, np.arange(W) < 4), tile[None], [0])[0, 0] == 0


@given(seeds, shown_somewhere, turns)
def test_what_azimuths_add_is_the_similarity(seed: int, shown: np.ndarray, turn: int) -> None:
    mine, tile = tiles_of(2, seed)
    photo = photo_of(mine, shown)
    each = similarity_by_azimuth(photo, tile, turn)
    assert each.sum() == pytest.approx(similarity(photo, tile[None], [turn])[0, 0], abs=1e-5)
    assert (each[~np.roll(shown, turn)] == 0).all()


def test_columns_that_are_not_numbers_compare_with_nothing() -> None:
    mine, tile = tiles_of(2)
    mine[3, 3] = np.nan
    with pytest.raises(CheckpointError, match="not numbers"):
        similarity(photo_of(mine), tile[None], [0])


@given(seeds, shown_somewhere, turns)
def test_a_turned_photo_is_compared_as_the_photo_was_under_that_turn(
    seed: int, shown: np.ndarray, turn: int
) -> None:
    tiles = tiles_of(5, seed)
    photo = photo_of(tiles[2], shown)
    turned = similarity(photo.turned(turn * 360 / W), tiles, [0])
    np.testing.assert_allclose(turned, similarity(photo, tiles, [turn]), atol=1e-6)


@given(seeds, shown_somewhere)
def test_the_mirrored_photo_exchanges_east_and_west_and_its_mirror_is_the_photo(
    seed: int, shown: np.ndarray
) -> None:
    photo = photo_of(tiles_of(1, seed)[0], shown)
    mirrored = photo.mirrored()
    north, east = W // 2, 3 * W // 4  # columns from 0 and from 90 degrees on, south first, by west
    assert (mirrored.columns[east] == photo.columns[W // 4 - 1]).all()
    assert (mirrored.columns[north] == photo.columns[north - 1]).all()
    assert (mirrored.shown == photo.shown[::-1]).all()
    assert (mirrored.mirrored().columns == photo.columns).all()


def test_a_decoy_is_as_often_above_a_photo_of_nowhere_as_below_it() -> None:
    random = np.random.default_rng(0)
    tiles = random.normal(size=(40, W, D)).astype(np.float32)
    excess = []
    for photo in (photo_of(each) for each in random.normal(size=(200, W, D)).astype(np.float32)):
        best, decoy = (similarity(each, tiles, range(W)).max() for each in (photo, photo.mirrored()))
        excess.append(best - decoy)
    assert 0.4 < np.mean(np.array(excess) > 0) < 0.6


def test_a_photo_of_a_place_stands_above_its_decoy() -> None:
    tiles = tiles_of(40)
    photo = photo_of(tiles[7] + 0.5 * tiles_of(1, seed=1)[0])
    best, decoy = (similarity(each, tiles, range(W)).max() for each in (photo, photo.mirrored()))
    assert best - decoy > 0.3


@given(arrays(np.float32, (3, 4, 2), elements=st.floats(-1, 1, width=32)))
def test_pooled_views_lie_between_the_mean_and_the_best(scores: np.ndarray) -> None:
    pooled = pool_views(scores)
    assert pooled.shape == (3, 2)
    assert (pooled >= scores.mean(axis=1) - 1e-5).all() and (pooled <= scores.max(axis=1) + 1e-5).all()


def test_views_that_score_alike_say_what_each_says_and_one_that_stands_out_nearly_decides() -> None:
    views = np.array([[0.3, 0.3, 0.3, 0.3], [0.6, 0.1, 0.1, 0.1], [0.6, 0.6, 0.1, 0.1]], np.float32)
    alike, one, two = pool_views(views[..., None])[:, 0]
    assert alike == pytest.approx(0.3)
    assert one == pytest.approx(0.6 - VIEW_POOL_TEMPERATURE * np.log(4), abs=1e-5)
    assert two == pytest.approx(0.6 - VIEW_POOL_TEMPERATURE * np.log(2), abs=1e-5)


@given(st.floats(0, 359), st.integers(8, 64))
def test_the_heading_lies_between_columns_where_the_parabola_peaks(heading_deg: float, count: int) -> None:
    at_deg = np.arange(count) * 360 / count
    scores = np.cos(np.radians(at_deg - heading_deg)).astype(np.float32)
    off_deg = abs((peak_heading_deg(scores) - heading_deg + 180) % 360 - 180)
    assert off_deg < 0.02 * 360 / count + 0.01


def test_a_parabola_is_met_exactly_and_a_peak_at_north_wraps_around() -> None:
    steps = np.array([0, 1, 2, 3, 4, -3, -2, -1], np.float32)
    assert peak_heading_deg(1 - 0.01 * (steps - 0.25) ** 2) == pytest.approx(45 / 4, abs=1e-3)
    assert peak_heading_deg(1 - 0.01 * (steps + 0.25) ** 2) == pytest.approx(360 - 45 / 4, abs=1e-3)


def test_scores_that_are_all_the_same_say_north() -> None:
    assert peak_heading_deg(np.full(8, 0.5, np.float32)) == 0


@pytest.mark.parametrize("views_per_cell", [1, 4])
def test_a_gallery_compares_a_photo_with_every_place(
    imagery: Imagery, tmp_path: Path, views_per_cell: int
) -> None:
    gallery = build_gallery(
        imagery, tmp_path / "gallery", ENCODER, spacing_m=50, views_per_cell=views_per_cell
    )
    gallery = open_gallery(gallery.folder)
    count = len(gallery.places)
    record = gallery.manifest.indexes[0]
    assert (record.dimensions, record.columns) == (ENCODER.columns[0], ENCODER.columns)  # type: ignore[index]
    kept = ENCODER.describe_aerial(map(gallery.chip, range(count))).columns
    assert kept is not None
    parts = ((kept.shape[2], 1.0),)
    for place in range(count):
        photo = PhotoColumns(kept[place], np.ones(kept.shape[1], bool), parts)
        scores = gallery.similarity(photo, ENCODER, [0, 5])
        assert scores.shape == (count, 2)
        if views_per_cell == 1:
            np.testing.assert_allclose(scores, similarity(photo, kept, [0, 5]), atol=0.01)
            assert scores[:, 0].argmax() == place
        each = gallery.similarity_by_azimuth(photo, place, ENCODER, 0)
        assert each.sum() >= scores[place, 0] - 0.01  # the most similar view
    assert verify_gallery(gallery.folder) == []


def test_views_of_a_cell_are_pooled(imagery: Imagery, tmp_path: Path) -> None:
    gallery = build_gallery(imagery, tmp_path / "gallery", ENCODER, spacing_m=50, views_per_cell=4)
    columns = ENCODER.describe_aerial([gallery.chip(3)]).columns
    assert columns is not None
    photo = PhotoColumns(columns[0], np.ones(len(columns[0]), bool), ((columns.shape[2], 1.0),))
    every = gallery._columns(ENCODER).astype(np.float32)
    expected = pool_views(similarity(photo, every, [0]).reshape(-1, 4, 1))
    np.testing.assert_allclose(gallery.similarity(photo, ENCODER, [0]), expected, atol=1e-5)


def test_blocks_of_places_are_compared_as_all_at_once(
    imagery: Imagery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = build_gallery(imagery, tmp_path / "gallery", ENCODER, spacing_m=50)
    photo = PhotoColumns(
        np.random.default_rng(0).normal(size=ENCODER.columns or ()).astype(np.float32),
        np.arange(16) > 5,
        ((ENCODER.columns[1], 1.0),),  # type: ignore[index]
    )
    at_once = built.similarity(photo, ENCODER, range(16))
    monkeypatch.setattr("l2ltr_core.gallery.gallery.BLOCK_ROWS", 5)
    np.testing.assert_allclose(
        open_gallery(built.folder).similarity(photo, ENCODER, range(16)), at_once, atol=1e-6
    )


def test_a_gallery_without_columns_cannot_compare_them(imagery: Imagery, tmp_path: Path) -> None:
    gallery = build_gallery(imagery, tmp_path / "gallery", ColourEncoder(), spacing_m=50)
    with pytest.raises(GalleryError, match="keeps no columns"):
        gallery.similarity(photo_of(tiles_of(1)[0]), ColourEncoder(), [0])


def test_columns_that_are_gone_are_named_in_one_sentence(imagery: Imagery, tmp_path: Path) -> None:
    gallery = build_gallery(imagery, tmp_path / "gallery", ENCODER, spacing_m=50)
    file = gallery.folder / gallery.manifest.indexes[0].columns_file
    file.unlink()
    with pytest.raises(GalleryError, match=f"{file.name} is missing"):
        open_gallery(gallery.folder)


def test_many_columns_are_kept_in_half_a_byte_a_number_and_read_back_nearly_as_they_were() -> None:
    rows = np.random.default_rng(0).normal(size=(3000, 1024)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    kept = index.make_columns_index([rows[:1000], rows[1000:]])
    assert kept.sa_code_size() == 1024 // 2
    back = index.stored_descriptors(kept, 995, 10)
    cosines = (back * rows[995:1005]).sum(axis=1) / np.linalg.norm(back, axis=1)
    assert (cosines > 0.985).all()


def test_few_columns_are_kept_whole() -> None:
    rows = tiles_of(20).reshape(20, -1)
    back = index.stored_descriptors(index.make_columns_index([rows]), 3, 17)
    np.testing.assert_allclose(back, rows[3:], rtol=1e-3, atol=1e-3)
