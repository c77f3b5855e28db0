from __future__ import annotations

import pickle
import sys
from collections.abc import Iterable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

import l2ltr_core.gallery.build as building
from l2ltr_core.errors import CheckpointError, ConfigurationError, GalleryError, ImageryError
from l2ltr_core.gallery import add_index, build_gallery, load_places, open_gallery, verify_gallery
from l2ltr_core.gallery.engines import BlockEncoder
from l2ltr_core.geometry.geodesy import distance_m
from l2ltr_core.imagery import Imagery, open_imagery
from l2ltr_core.types import RGB, Bounds, Encoded, Location
from tests.town import CENTRE, CHIP_M, ColourEncoder, at


def test_a_grid_fills_what_the_imagery_covers(built: Path) -> None:
    gallery = open_gallery(built)
    places = gallery.places
    assert gallery.manifest.spacing_m == 10
    assert len(places) == 16 * 16  # of the 20 x 20 on 200 m, those half a chip of 32 m from the edge
    nearest = distance_m(
        places["latitude"][0], places["longitude"][0], places["latitude"][1:], places["longitude"][1:]
    )
    assert nearest.min() == pytest.approx(10, rel=1e-3)


def test_every_place_lies_where_its_chip_was_cut(built: Path) -> None:
    gallery, encoder = open_gallery(built), ColourEncoder()
    for place_id in (0, 77, 255):
        descriptor = encoder.describe_aerial(
            [gallery.imagery.chip(gallery.location(place_id), CHIP_M, None)]
        ).cls
        assert np.allclose(descriptor, gallery.descriptors(encoder)[place_id], atol=1e-6)


def test_the_manifest_says_what_the_gallery_is(built: Path) -> None:
    manifest = open_gallery(built).manifest
    assert (manifest.name, manifest.chip_m, manifest.attribution) == ("town", CHIP_M, "The town")
    assert (manifest.imagery, manifest.imagery_included, manifest.simulated) == ("town.tif", True, False)
    assert set(manifest.files) == {
        "places.parquet",
        "town.tif",
        "descriptors/c0105e0000000001.faiss",
        "descriptors/c0105e0000000001.json",
    }


def test_places_are_geoparquet(built: Path) -> None:
    points = gpd.read_parquet(built / "places.parquet")
    assert points.crs.to_epsg() == 4326
    assert np.allclose(points.geometry.x, points["longitude"])


def test_nothing_but_the_gallery_is_left(built: Path) -> None:
    assert {path.name for path in built.parent.iterdir()} == {"town.tif", "gallery"}
    assert {path.name for path in built.iterdir()} == {
        "gallery.json",
        "places.parquet",
        "town.tif",
        "descriptors",
    }


def test_a_box_limits_the_places(imagery: Imagery, tmp_path: Path) -> None:
    north_west, south_east = at(100, 100), at(200, 200)
    box = Bounds(north_west.longitude, south_east.latitude, south_east.longitude, north_west.latitude)
    gallery = build_gallery(imagery, tmp_path / "part", ColourEncoder(), bbox=box, spacing_m=10)
    assert len(gallery.places) == 6 * 6 or len(gallery.places) == 5 * 5
    assert all(box.contains(gallery.location(place)) for place in range(len(gallery.places)))


def test_listed_places_are_taken_as_they_are(imagery: Imagery, tmp_path: Path) -> None:
    places = [at(100, 100), at(300, 150), CENTRE]
    gallery = build_gallery(imagery, tmp_path / "listed", ColourEncoder(), places=places)
    assert [gallery.location(place) for place in range(3)] == places
    assert gallery.manifest.spacing_m is None


def test_a_listed_place_outside_the_imagery_is_refused(imagery: Imagery, tmp_path: Path) -> None:
    with pytest.raises(ImageryError, match=r"1 of 2 places lie outside the imagery .*10\.00000, 20\.00000"):
        build_gallery(imagery, tmp_path / "out", ColourEncoder(), places=[CENTRE, Location(10, 20)])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("box", "error", "words"),
    [
        (Bounds(0, 0, 1, 1), ImageryError, "outside the imagery"),
        (Bounds(25, 60.2, 24.9, 60.1), ConfigurationError, "empty"),
        (Bounds(24.94, 60.17, 24.94001, 60.17001), None, ""),
    ],
)
def test_a_box_that_makes_no_sense_is_refused(
    imagery: Imagery, tmp_path: Path, box: Bounds, error: type[Exception] | None, words: str
) -> None:
    if error is None:
        assert len(build_gallery(imagery, tmp_path / "out", ColourEncoder(), bbox=box).places) == 1
        return
    with pytest.raises(error, match=words):
        build_gallery(imagery, tmp_path / "out", ColourEncoder(), bbox=box)


def test_imagery_smaller_than_a_chip_is_refused(imagery: Imagery, tmp_path: Path) -> None:
    with pytest.raises(ImageryError, match="No square of 500 m fits"):
        build_gallery(imagery, tmp_path / "out", ColourEncoder(chip_m=500))


def test_a_grid_of_too_many_places_is_refused(imagery: Imagery, tmp_path: Path) -> None:
    with pytest.raises(ImageryError, match="larger spacing"):
        build_gallery(imagery, tmp_path / "out", ColourEncoder(), spacing_m=0.01)


@pytest.mark.parametrize(
    "setting", [{"spacing_m": 0}, {"spacing_m": float("nan")}, {"chip_m": -1}, {"index": "tree"}]
)
def test_impossible_settings_are_refused(imagery: Imagery, tmp_path: Path, setting: dict) -> None:
    with pytest.raises(ConfigurationError):
        build_gallery(imagery, tmp_path / "out", ColourEncoder(), **setting)


def test_a_gallery_is_never_overwritten(imagery: Imagery, built: Path, tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="already holds a gallery"):
        build_gallery(imagery, built, ColourEncoder())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(GalleryError, match="not an empty folder"):
        build_gallery(imagery, tmp_path / "mine", ColourEncoder())


class Interrupted(ColourEncoder):
    """Stops after so many squares, as a person would."""

    def describe_aerial(self, images: Iterable[RGB]) -> Encoded:
        if self.encoded >= 100:
            raise KeyboardInterrupt
        return super().describe_aerial(images)


def test_an_interrupted_build_leaves_no_gallery_and_goes_on_where_it_stopped(
    imagery: Imagery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "BLOCK_PLACES", 50)
    out = tmp_path / "gallery"
    with pytest.raises(KeyboardInterrupt):
        build_gallery(imagery, out, Interrupted(), spacing_m=10)
    assert not out.exists()
    encoder, calls = ColourEncoder(), []
    gallery = build_gallery(imagery, out, encoder, spacing_m=10, progress=lambda *call: calls.append(call))
    assert encoder.encoded == 256 - 100
    assert calls[0] == (100, 256) and calls[-1] == (256, 256)
    whole = build_gallery(imagery, tmp_path / "again", ColourEncoder(), spacing_m=10)
    assert np.array_equal(gallery.descriptors(encoder), whole.descriptors(encoder))


def test_what_another_job_left_behind_is_not_mixed_in(
    imagery: Imagery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "BLOCK_PLACES", 50)
    with pytest.raises(KeyboardInterrupt):
        build_gallery(imagery, tmp_path / "gallery", Interrupted(), spacing_m=10)
    other = ColourEncoder(fingerprint="c0105e0000000002")
    build_gallery(imagery, tmp_path / "gallery", other, spacing_m=10)
    assert other.encoded == 256


def test_descriptors_that_are_not_numbers_make_no_gallery(imagery: Imagery, tmp_path: Path) -> None:
    class Broken(ColourEncoder):
        def describe_aerial(self, images: Iterable[RGB]) -> Encoded:
            return Encoded(np.full((len(list(images)), 4), np.nan, np.float32), None)

    with pytest.raises(CheckpointError, match="not numbers"):
        build_gallery(imagery, tmp_path / "gallery", Broken())
    assert not (tmp_path / "gallery").exists()


def test_large_imagery_stays_where_it_is(
    imagery: Imagery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "COPIED_IMAGERY_BYTES", 1000)
    gallery = build_gallery(imagery, tmp_path / "gallery", ColourEncoder(), spacing_m=50)
    assert not gallery.manifest.imagery_included
    assert gallery.chip(0, 16).shape == (16, 16, 3)
    (tmp_path / "town.tif").rename(tmp_path / "moved.tif")
    with pytest.raises(
        GalleryError, match=r"imagery of the gallery .* cannot be opened: There is no imagery"
    ):
        open_gallery(tmp_path / "gallery").chip(0, 16)


@pytest.mark.parametrize("kind", ["flat", "half", "byte", "hnsw", "ivfpq"])
def test_every_kind_of_index_finds_a_place_by_its_own_square(
    imagery: Imagery, tmp_path: Path, kind: str
) -> None:
    encoder = ColourEncoder()
    gallery = build_gallery(imagery, tmp_path / kind, encoder, spacing_m=5, index=kind)
    chips: list[RGB] = [gallery.chip(place) for place in (0, 500, 1000)]
    scores, place_ids = gallery.search(encoder.describe_aerial(chips).cls, encoder, 10)
    assert scores.shape == place_ids.shape == (3, 10)
    assert all(place in found for place, found in zip((0, 500, 1000), place_ids, strict=True))
    assert (np.diff(scores, axis=1) <= 1e-6).all()
    assert verify_gallery(gallery.folder) == []
    if rounding := {"flat": 1e-7, "half": 1e-3, "byte": 4e-3}.get(kind):
        stored = gallery.descriptors(encoder)[:1001:500]
        np.testing.assert_allclose(stored, encoder.describe_aerial(chips).cls, atol=rounding)


def test_a_product_quantiser_needs_enough_places(imagery: Imagery, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="use a flat index"):
        build_gallery(imagery, tmp_path / "few", ColourEncoder(), spacing_m=10, index="ivfpq")


def test_a_second_checkpoint_gets_its_own_index(gallery_dir: Path) -> None:
    first, second = ColourEncoder(), ColourEncoder("greys", "c0105e0000000002", chip_m=20)
    gallery = add_index(gallery_dir, second)
    assert gallery.has_index(first) and gallery.has_index(second)
    record = gallery.manifest.index_of(second.fingerprint)
    assert record is not None and record.chip_m == 20
    assert verify_gallery(gallery_dir) == []
    with pytest.raises(GalleryError, match="already has the index"):
        add_index(gallery_dir, second)


def test_indexes_that_are_made_at_the_same_time_both_stay(gallery_dir: Path) -> None:
    second, third = ColourEncoder("greys", "c0105e0000000002"), ColourEncoder("reds", "c0105e0000000003")
    asked: list[int] = []

    def meanwhile(done: int, total: int) -> None:
        if not asked:
            asked.append(done)
            add_index(gallery_dir, third)

    gallery = add_index(gallery_dir, second, progress=meanwhile)
    assert gallery.has_index(second) and gallery.has_index(third)
    assert verify_gallery(gallery_dir) == []


def test_places_are_read_from_tables_and_points(tmp_path: Path) -> None:
    expected = [Location(60.1, 24.9), Location(60.2, 25.0)]
    table = pd.DataFrame({"latitude": [60.1, 60.2], "longitude": [24.9, 25.0]})
    table.to_csv(tmp_path / "places.csv", index=False)
    table.rename(columns={"latitude": "lat", "longitude": "lon"}).to_parquet(tmp_path / "places.parquet")
    points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(table["longitude"], table["latitude"]), crs=4326)
    points.to_file(tmp_path / "places.geojson")
    for name in ("places.csv", "places.parquet", "places.geojson"):
        assert load_places(tmp_path / name) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        ("x,y\n1,2", "columns x, y"),
        ("latitude,longitude\n60,25\n95,25\n", "1 rows that are no position .* row 2"),
        ("latitude,longitude\nnorth,25\n", "no position"),
    ],
)
def test_a_table_that_is_no_list_of_places_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "places.csv").write_text(text)
    with pytest.raises(GalleryError, match=words) as refusal:
        load_places(tmp_path / "places.csv")
    assert "\n" not in str(refusal.value)


def test_an_unknown_engine_is_refused_with_the_known_ones(imagery: Imagery, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="give one of local, ray"):
        build_gallery(imagery, tmp_path / "gallery", ColourEncoder(), engine="spark")


def test_without_ray_its_engine_says_how_to_get_it(
    imagery: Imagery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'ray\[data\]'"):
        build_gallery(imagery, tmp_path / "gallery", ColourEncoder(), engine="ray")


def test_blocks_travel_without_their_open_imagery_and_give_the_same_elsewhere(imagery: Imagery) -> None:
    here = BlockEncoder(imagery.source, ColourEncoder(), CHIP_M, imagery)
    elsewhere = pickle.loads(pickle.dumps(here))
    assert elsewhere.imagery is None
    places = [CENTRE, at(10, 20)]
    assert np.array_equal(elsewhere(places).cls, here(places).cls)


def test_ray_builds_what_one_process_builds(built: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the engine ray is an extra: pip install 'ray[data]'")
    imagery = open_imagery(str(next(built.glob("*.tif"))))
    distributed = build_gallery(imagery, tmp_path / "gallery", ColourEncoder(), spacing_m=10, engine="ray")
    encoder = ColourEncoder()
    assert np.allclose(distributed.descriptors(encoder), open_gallery(built).descriptors(encoder), atol=1e-6)
