from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from l2ltr_core.errors import CheckpointError, GalleryError
from l2ltr_core.gallery import build_gallery, open_gallery, verify_gallery
from l2ltr_core.imagery import open_imagery
from tests.town import ColourEncoder, town, write_raster

INDEX = "descriptors/c0105e0000000001.faiss"


def test_a_place_is_found_by_its_own_square_first(built: Path) -> None:
    gallery, encoder = open_gallery(built), ColourEncoder()
    scores, place_ids = gallery.search(encoder.describe_aerial([gallery.chip(42)]).cls, encoder, 5)
    assert place_ids[0, 0] == 42
    assert scores[0, 0] == pytest.approx(1, abs=1e-5)
    assert (np.diff(scores[0]) <= 0).all()


def test_no_more_matches_than_places_are_given(built: Path) -> None:
    gallery, encoder = open_gallery(built), ColourEncoder()
    scores, place_ids = gallery.search(gallery.descriptors(encoder)[:2], encoder, 10_000)
    assert scores.shape == (2, 256)
    assert sorted(place_ids[0]) == list(range(256))


def test_a_checkpoint_without_an_index_is_told_how_to_get_one(built: Path) -> None:
    other = ColourEncoder("another", "ffffffffffffffff")
    gallery = open_gallery(built)
    assert not gallery.has_index(other)
    with pytest.raises(
        GalleryError, match=r"no index for the checkpoint another .*only for colours .*build that first"
    ):
        gallery.search(np.ones((1, 4), np.float32), other, 1)


def test_descriptors_that_are_not_numbers_find_nothing(built: Path) -> None:
    gallery, encoder = open_gallery(built), ColourEncoder()
    with pytest.raises(CheckpointError, match="not numbers"):
        gallery.search(np.full((1, 384), np.nan, np.float32), encoder, 1)


def test_a_place_that_is_not_there_is_named(built: Path) -> None:
    with pytest.raises(GalleryError, match="no place 256; its places are 0 to 255"):
        open_gallery(built).chip(256)


def test_how_far_places_lie_apart_is_measured(built: Path, tmp_path: Path) -> None:
    assert open_gallery(built).median_spacing_m == pytest.approx(10, abs=0.05)
    raster, alone = write_raster(tmp_path / "town.tif", town()), tmp_path / "alone"
    middle = open_gallery(built).location(120)
    build_gallery(open_imagery(raster), alone, ColourEncoder(), name="alone", places=[middle])
    assert open_gallery(alone).median_spacing_m is None


def test_a_name_is_looked_up_among_the_shipped_galleries(
    built: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("l2ltr_core.assets.ASSETS", tmp_path)
    (tmp_path / "galleries").mkdir()
    (tmp_path / "galleries" / "springfield").symlink_to(built)
    assert open_gallery("springfield").name == "town"
    with pytest.raises(GalleryError, match=r"no gallery shelbyville; .*\(springfield\)"):
        open_gallery("shelbyville")


def test_a_folder_that_is_no_gallery_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="is not a gallery"):
        open_gallery(tmp_path)


def test_a_whole_gallery_has_no_problems(built: Path) -> None:
    assert verify_gallery(built) == []


@pytest.mark.parametrize("name", ["places.parquet", INDEX, "town.tif", "descriptors/c0105e0000000001.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "altered"])
def test_a_damaged_file_is_named_in_one_sentence(gallery_dir: Path, name: str, damage: str) -> None:
    path = gallery_dir / name
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    else:
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(GalleryError) as refusal:
        open_gallery(gallery_dir)
    assert name in str(refusal.value) and "\n" not in str(refusal.value)
    problems = verify_gallery(gallery_dir)
    assert len(problems) == 1 and name in problems[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"format": "something else", "version": 1}',
        '{"format": "l2ltr gallery", "version": 99}',
    ],
)
def test_a_damaged_manifest_is_refused_in_one_sentence(gallery_dir: Path, text: str) -> None:
    (gallery_dir / "gallery.json").write_text(text)
    with pytest.raises(GalleryError, match="damaged or not a gallery of this version") as refusal:
        open_gallery(gallery_dir)
    assert "\n" not in str(refusal.value)
    assert len(verify_gallery(gallery_dir)) == 1


def test_a_manifest_cannot_reach_outside_its_folder(gallery_dir: Path) -> None:
    values = json.loads((gallery_dir / "gallery.json").read_text())
    values["files"]["../secret"] = values["files"]["places.parquet"]
    (gallery_dir / "gallery.json").write_text(json.dumps(values))
    with pytest.raises(GalleryError, match="outside the gallery"):
        open_gallery(gallery_dir)


def test_places_and_manifest_must_agree(gallery_dir: Path) -> None:
    from l2ltr_core.gallery.manifest import FileRecord

    pd.read_parquet(gallery_dir / "places.parquet").head(100).to_parquet(gallery_dir / "places.parquet")
    values = json.loads((gallery_dir / "gallery.json").read_text())
    record = FileRecord.of(gallery_dir / "places.parquet")
    values["files"]["places.parquet"] = {"sha256": record.sha256, "bytes": record.bytes}
    (gallery_dir / "gallery.json").write_text(json.dumps(values))
    assert "holds 100 places" in verify_gallery(gallery_dir)[0]
