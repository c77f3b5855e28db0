from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from l2ltr_core.datasets import Query
from l2ltr_core.errors import ConfigurationError, DatasetError
from l2ltr_core.evaluation import evaluate, measure
from l2ltr_core.evaluation.evaluate import CORRECT_WITHIN_M, load_photos
from l2ltr_core.gallery import Gallery, build_gallery, open_gallery
from l2ltr_core.geometry.geodesy import distance_between_m, offset
from l2ltr_core.imagery import Imagery
from l2ltr_core.localization import localize
from l2ltr_core.types import RGB, Location, Panorama
from tests.town import CHIP_M, ColourEncoder, DirectionEncoder

ENCODER = ColourEncoder()


@dataclass(frozen=True)
class TownDataset:
    """Photos that show the aerial square around where they were taken."""

    imagery: Imagery
    queries: tuple[Query, ...]
    gallery_name: str | None = None
    name: str = "town"
    simulated: bool = True
    attribution: str = ""
    tile_count: int = field(default=0)

    def aerial(self, tile: int, chip_m: float) -> RGB:
        place = self.queries[tile].location
        assert place is not None
        return self.imagery.chip(place, chip_m, None)


@pytest.fixture(scope="module")
def looking_four_times(gallery: Gallery, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    out = tmp_path_factory.mktemp("views") / "gallery"
    return build_gallery(gallery.imagery, out, ENCODER, spacing_m=10, views_per_cell=4)


@pytest.fixture
def dataset(gallery: Gallery) -> TownDataset:
    """24 photos, 3 m off the places of the gallery, looking all around."""
    rows = range(5, 245, 10)
    queries = tuple(
        _query(gallery, number, offset(gallery.location(place), 2, -2), 15.0 * number)
        for number, place in enumerate(rows)
    )
    return TownDataset(gallery.imagery, queries, str(gallery.folder), tile_count=len(queries))


def _query(gallery: Gallery, number: int, place: Location, heading_deg: float | None) -> Query:
    def load() -> Panorama:
        square = gallery.imagery.chip(place, CHIP_M, 48)
        turned = np.roll(square, -round((heading_deg or 0) / 360 * 48), axis=1)
        return Panorama(turned, heading_deg=heading_deg, location=place)

    return Query(f"photo-{number}", place, heading_deg, number, load)


def test_the_paired_protocol_ranks_each_photos_own_square(dataset: TownDataset) -> None:
    report = evaluate(dataset, ENCODER, protocol="paired")
    assert report["protocol"] == "paired"
    assert (report["queries"], report["gallery_size"]) == (24, 24)
    assert report["recall_at_1"] == report["recall_at_1_percent"] == 1
    assert report["median_error_m"] == 0


def test_columns_put_the_right_place_first_where_cls_alone_does_not(
    dataset: TownDataset, tmp_path: Path
) -> None:
    encoder = DirectionEncoder()
    known = build_gallery(dataset.imagery, tmp_path / "gallery", encoder, spacing_m=10, views_per_cell=4)
    for protocol in ("places", "paired"):
        by_direction, by_cls = (
            evaluate(dataset, encoder, protocol=protocol, gallery=known, rerank=rerank)  # type: ignore[arg-type]
            for rerank in (True, False)
        )
        assert (by_direction["reranked"], by_cls["reranked"]) == (True, False)
        assert by_direction["recall_at_1"] >= by_cls["recall_at_1"]
    plain = evaluate(dataset, replace(encoder, columns=None), protocol="places", gallery=known)
    by_cls = evaluate(dataset, encoder, protocol="places", gallery=known, rerank=False)
    assert plain == {key: value for key, value in by_cls.items() if key != "reranked"}


@pytest.fixture(scope="module")
def with_columns(gallery: Gallery, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    out = tmp_path_factory.mktemp("columns") / "gallery"
    return build_gallery(gallery.imagery, out, DirectionEncoder(), spacing_m=10)


@pytest.mark.parametrize("heading", ["exif", "search"])
@pytest.mark.parametrize("fov_deg", [None, 90])
def test_places_are_ranked_by_columns_as_localization_ranks_them(
    dataset: TownDataset, with_columns: Gallery, heading: Any, fov_deg: float | None
) -> None:
    encoder = DirectionEncoder()
    measured = measure(
        dataset, encoder, protocol="places", gallery=with_columns, heading=heading, fov_deg=fov_deg
    )
    shown = list(load_photos(dataset.queries, fov_deg, None))
    for row, photo in zip(measured.photos.itertuples(), shown, strict=True):
        found = localize(photo, encoder=encoder, gallery=with_columns, heading=heading, top_k=1)
        first_m = distance_between_m(photo.location, found.matches[0].location)
        assert row.error_m == pytest.approx(first_m, abs=0.01)
        if heading == "search":
            assert row.heading_deg == pytest.approx(found.heading_deg)


def test_columns_find_the_heading_of_each_photo_to_the_column(
    dataset: TownDataset, with_columns: Gallery
) -> None:
    encoder = DirectionEncoder()
    for protocol in ("places", "paired"):
        measured = measure(dataset, encoder, protocol=protocol, gallery=with_columns, heading="search")
        off = [
            abs((found - 15.0 * number + 180) % 360 - 180)
            for number, found in enumerate(measured.photos["heading_deg"])
        ]
        assert measured.report["recall_at_1"] == 1
        assert max(off) < 360 / 16
    assert encoder.encoded == 2 * len(dataset.queries) + dataset.tile_count  # each photo once


def test_a_narrow_photo_finds_more_by_the_columns_that_it_shows_than_by_cls(
    dataset: TownDataset, with_columns: Gallery
) -> None:
    by_columns, by_cls = (
        evaluate(
            dataset, DirectionEncoder(), protocol="places", gallery=with_columns, fov_deg=90, rerank=rerank
        )
        for rerank in (True, False)
    )
    assert by_columns["recall_at_1"] > 0.9 > by_cls["recall_at_1"]


def test_the_places_protocol_searches_the_gallery_and_counts_25_metres(
    dataset: TownDataset, gallery: Gallery
) -> None:
    report = evaluate(dataset, ENCODER)
    assert report["protocol"] == "places"
    assert (report["queries"], report["gallery_size"]) == (24, 256)
    assert report["recall_at_1"] == 1
    assert report["recall_within_5m"] == report["recall_within_50m"] == 1
    assert report["median_error_m"] == pytest.approx(np.hypot(2, 2), abs=0.1)


def test_a_match_next_door_is_right_within_25_metres_only(dataset: TownDataset, gallery: Gallery) -> None:
    liars = [
        Query(q.name, offset(q.location, 20, 0), q.heading_deg, q.tile, q.load)
        for q in dataset.queries
        if q.location is not None
    ]
    report = evaluate(replace(dataset, queries=tuple(liars)), ENCODER, protocol="places")
    assert report["recall_at_1"] == report["recall_within_25m"] == 1
    assert report["recall_within_10m"] == 0
    farther = [
        Query(q.name, offset(q.location, 60, 0), q.heading_deg, q.tile, q.load) for q in liars if q.location
    ]
    assert evaluate(replace(dataset, queries=tuple(farther)), ENCODER, protocol="places")["recall_at_1"] < 0.2


def test_diversified_answers_are_ranked_as_localization_lists_them(
    dataset: TownDataset, gallery: Gallery
) -> None:
    moved = [replace(query, heading_deg=(query.heading_deg or 0) + 90) for query in dataset.queries]
    measured = measure(dataset, ENCODER, protocol="places", photos=moved)
    expected = []
    for query in moved:
        photo = replace(query.load(), heading_deg=query.heading_deg)
        listed = localize(photo, encoder=ENCODER, gallery=gallery, min_separation_m=CORRECT_WITHIN_M).matches
        right = [
            distance_between_m(query.location, Location(match.latitude, match.longitude)) <= CORRECT_WITHIN_M
            for match in listed
        ]
        expected.append(right.index(True) + 1 if any(right) else len(gallery.places) + 1)
    assert measured.photos["rank_apart"].tolist() == expected
    assert len(set(expected)) > 3
    assert measured.report["recall_at_5_apart"] == np.mean(np.array(expected) <= 5)


def test_paired_photos_that_lie_apart_are_ranked_among_their_own_tiles_alone(dataset: TownDataset) -> None:
    first = [query.location for query in dataset.queries[::2]]
    crowded = tuple(
        replace(
            query,
            location=offset(place, 10.0 * (query.tile % 2), 0),
            heading_deg=(query.heading_deg or 0) + 90,
        )
        for query, place in zip(dataset.queries, np.repeat(np.array(first, object), 2), strict=True)
    )
    measured = measure(replace(dataset, queries=crowded), ENCODER, protocol="paired")
    kept: list[int] = []
    for tile, query in enumerate(crowded):
        if all(distance_between_m(query.location, crowded[k].location) > CORRECT_WITHIN_M for k in kept):
            kept.append(tile)
    ranks = measured.photos["rank_apart"]
    assert ranks.dropna().index.tolist() == kept
    assert measured.report["queries_apart"] == len(kept)
    assert 5 < len(kept) <= 12
    assert measured.report["recall_at_1_apart"] == np.mean(ranks.dropna() == 1)
    assert (ranks.dropna() <= measured.photos["rank"][kept]).all()
    assert (ranks.dropna() < measured.photos["rank"][kept]).any()


def test_headings_are_found_where_they_are_searched(dataset: TownDataset) -> None:
    turned = [replace(query, heading_deg=None) for query in dataset.queries]
    unknown = replace(dataset, queries=tuple(turned))
    with pytest.raises(
        DatasetError, match=r"24 of 24 photos .* do not say which way.*search for their headings"
    ):
        evaluate(unknown, ENCODER)
    report = evaluate(unknown, ENCODER, heading="search")
    assert report["heading"] == "search"
    assert report["recall_at_1"] > 0.9


def test_a_narrow_field_of_view_finds_less_and_the_same_each_time(dataset: TownDataset) -> None:
    narrow = evaluate(dataset, ENCODER, protocol="places", fov_deg=60)
    assert narrow["fov_deg"] == 60
    assert narrow["recall_at_1"] < 0.9
    assert narrow == evaluate(dataset, ENCODER, protocol="places", fov_deg=60)


def test_the_whole_field_of_view_is_as_good_as_none(dataset: TownDataset) -> None:
    assert evaluate(dataset, ENCODER, protocol="places", fov_deg=360)["recall_at_1"] == 1


def test_some_of_the_photos_perhaps_altered_are_measured_alone(dataset: TownDataset) -> None:
    right = dataset.queries[:6]
    turned = [replace(query, heading_deg=(query.heading_deg or 0) + 180) for query in right]
    reports = [
        measure(dataset, ENCODER, protocol="paired", photos=photos).report for photos in (right, turned)
    ]
    assert [report["queries"] for report in reports] == [6, 6]
    assert [report["gallery_size"] for report in reports] == [24, 24]
    assert reports[0]["recall_at_1"] == 1 > reports[1]["recall_at_1"]


def test_a_search_says_which_heading_it_found(dataset: TownDataset) -> None:
    photos = measure(dataset, ENCODER, heading="search").photos
    off = [
        abs((found - 15.0 * number + 180) % 360 - 180) for number, found in enumerate(photos["heading_deg"])
    ]
    assert np.median(off) < 22.5  # what this encoder tells apart
    assert "heading_deg" not in measure(dataset, ENCODER).photos


def test_progress_counts_the_photos(dataset: TownDataset) -> None:
    calls: list[tuple[int, int]] = []
    evaluate(dataset, ENCODER, progress=lambda done, total: calls.append((done, total)))
    assert calls[0] == (1, 24) and calls[-1] == (24, 24)


def test_a_benchmark_without_positions_has_no_distances(dataset: TownDataset) -> None:
    nowhere = [replace(query, location=None) for query in dataset.queries]
    tiles = [dataset.aerial(tile, CHIP_M) for tile in range(24)]

    class Benchmark(TownDataset):
        def aerial(self, tile: int, chip_m: float) -> RGB:
            return tiles[tile]

    benchmark = Benchmark(dataset.imagery, tuple(nowhere), None, tile_count=24)
    report = evaluate(benchmark, ENCODER)
    assert report["protocol"] == "paired" and report["recall_at_1"] == 1
    assert "median_error_m" not in report
    with pytest.raises(ConfigurationError, match="names no gallery"):
        evaluate(benchmark, ENCODER, protocol="places")


@pytest.mark.parametrize(
    "setting",
    [{"fov_deg": 0}, {"fov_deg": 400}, {"fov_deg": float("nan")}, {"protocol": "some"}, {"heading": "given"}],
)
def test_impossible_settings_are_refused(dataset: TownDataset, setting: dict) -> None:
    with pytest.raises(ConfigurationError):
        evaluate(dataset, ENCODER, **setting)


def test_an_empty_dataset_is_refused(dataset: TownDataset) -> None:
    with pytest.raises(DatasetError, match="no photos"):
        evaluate(replace(dataset, queries=()), ENCODER)


def test_the_gallery_may_be_another_than_the_datasets(
    dataset: TownDataset, gallery: Gallery, tmp_path: Path
) -> None:
    named = replace(dataset, gallery_name="nowhere")
    opened = open_gallery(gallery.folder)
    assert evaluate(named, ENCODER, gallery=opened)["gallery_size"] == 256
    unnamed = replace(dataset, gallery_name=None)
    assert evaluate(unnamed, ENCODER, protocol="places", gallery=opened)["gallery_size"] == 256


def test_a_gallery_of_four_views_per_cell_is_ranked_place_by_place(
    gallery: Gallery, looking_four_times: Gallery, dataset: TownDataset
) -> None:
    one, four = (
        evaluate(dataset, ENCODER, protocol="places", gallery=g) for g in (gallery, looking_four_times)
    )
    assert one["gallery_size"] == four["gallery_size"] == 256
    assert four["recall_at_1"] >= one["recall_at_1"]
