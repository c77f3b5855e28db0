from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.gallery import add_index, build_gallery, open_gallery, verify_gallery
from l2ltr_core.geometry.geodesy import offset
from l2ltr_core.imagery import Imagery, open_imagery
from tests.town import CHIP_M, ColourEncoder, town, write_raster

SPACING_M = 10.0


@pytest.fixture(scope="module")
def imagery(tmp_path_factory: pytest.TempPathFactory) -> Imagery:
    return open_imagery(write_raster(tmp_path_factory.mktemp("map") / "town.tif", town()))


@pytest.fixture(scope="module")
def folder(imagery: Imagery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("views") / "gallery"
    return build_gallery(imagery, out, ColourEncoder(), spacing_m=SPACING_M, views_per_cell=4).folder


def test_a_place_is_found_from_any_quarter_of_its_cell(folder: Path, built: Path, imagery: Imagery) -> None:
    encoder, gallery, plain = ColourEncoder(), open_gallery(folder), open_gallery(built)
    for east_m, north_m in ((2.5, 2.5), (-2.5, 2.5), (2.5, -2.5), (-2.5, -2.5)):
        seen = imagery.chip(offset(gallery.location(120), east_m, north_m), CHIP_M, None)
        scores, place_ids = gallery.search(encoder.describe_aerial([seen]).cls, encoder, 5)
        assert place_ids[0, 0] == 120
        assert scores[0, 0] == pytest.approx(1, abs=2e-3)
        assert scores[0, 0] > plain.search(encoder.describe_aerial([seen]).cls, encoder, 1)[0][0, 0] + 0.01


def test_every_place_is_given_once_and_best_first(folder: Path) -> None:
    encoder, gallery = ColourEncoder(), open_gallery(folder)
    asked = gallery.descriptors(encoder)[::97]
    every = (asked @ gallery.descriptors(encoder).T).reshape(len(asked), -1, 4).max(axis=2)
    for k in (1, 7, 10_000):
        scores, place_ids = gallery.search(asked, encoder, k)
        assert place_ids.shape == (len(asked), min(k, len(gallery.places)))
        assert all(len(set(row)) == len(row) for row in place_ids.tolist())
        np.testing.assert_allclose(scores, -np.sort(-every, axis=1)[:, :k], atol=1e-5)


def test_a_gallery_says_how_many_views_each_cell_has(folder: Path, gallery_dir: Path) -> None:
    encoder, second = ColourEncoder(), ColourEncoder("greys", "c0105e0000000002")
    gallery = open_gallery(folder)
    assert gallery.views_per_cell(encoder) == 4
    assert len(gallery.descriptors(encoder)) == 4 * len(gallery.places)
    assert np.array_equal(gallery.view_descriptors(7, encoder), gallery.descriptors(encoder)[28:32])
    assert verify_gallery(folder) == []
    mixed = add_index(gallery_dir, second, views_per_cell=4)
    assert (mixed.views_per_cell(encoder), mixed.views_per_cell(second)) == (1, 4)
    assert verify_gallery(gallery_dir) == []


def test_another_index_is_by_default_like_the_latest(gallery_dir: Path) -> None:
    second, third = ColourEncoder("greys", "c0105e0000000002"), ColourEncoder("reds", "c0105e0000000003")
    add_index(gallery_dir, second, index="byte", views_per_cell=4)
    record = add_index(gallery_dir, third).manifest.index_of(third.fingerprint)
    assert record is not None
    assert (record.kind, record.looks) == ("byte", 4)


def test_a_gallery_from_before_there_were_several_views_per_cell_has_one(gallery_dir: Path) -> None:
    manifest = json.loads((gallery_dir / "gallery.json").read_text())
    for index in manifest["indexes"]:
        del index["looks"]
    (gallery_dir / "gallery.json").write_text(json.dumps(manifest))
    assert open_gallery(gallery_dir).views_per_cell(ColourEncoder()) == 1


def test_no_view_leaves_the_imagery(imagery: Imagery, tmp_path: Path) -> None:
    encoder = ColourEncoder()
    middle = build_gallery(imagery, tmp_path / "corner", encoder, spacing_m=1).location(0)
    places = [middle, offset(middle, SPACING_M, 0)]
    gallery = build_gallery(imagery, tmp_path / "edge", encoder, places=places, views_per_cell=4)
    first = gallery.descriptors(encoder)[:4]
    own = encoder.describe_aerial([imagery.chip(middle, CHIP_M, None)]).cls[0]
    as_itself = np.isclose(first, own, atol=1e-5).all(axis=1)
    south_east = [False, False, False, True]  # only there the corner has more to see
    assert (~as_itself).tolist() == south_east


def test_a_single_place_has_no_cell(imagery: Imagery, tmp_path: Path, built: Path) -> None:
    alone = [open_gallery(built).location(120)]
    with pytest.raises(ConfigurationError, match="single place"):
        build_gallery(imagery, tmp_path / "alone", ColourEncoder(), places=alone, views_per_cell=4)


@pytest.mark.parametrize("views_per_cell", [0, 2, 9])
def test_other_numbers_of_views_per_cell_are_refused(
    imagery: Imagery, tmp_path: Path, views_per_cell: int
) -> None:
    with pytest.raises(ConfigurationError, match=f"views per cell are {views_per_cell}"):
        build_gallery(imagery, tmp_path / "out", ColourEncoder(), views_per_cell=views_per_cell)


def test_none_at_all_is_refused_where_there_are_some(gallery_dir: Path) -> None:
    with pytest.raises(ConfigurationError, match="views per cell are 0"):
        add_index(gallery_dir, ColourEncoder("greys", "c0105e0000000002"), views_per_cell=0)
