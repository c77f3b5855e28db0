from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from l2ltr_core.errors import GalleryError
from l2ltr_core.gallery import Gallery, build_gallery
from l2ltr_core.geometry.panorama import crop_field
from l2ltr_core.imagery import Imagery
from l2ltr_core.localization import (
    Candidates,
    Comparison,
    EncodedPhoto,
    compare,
    encode_photos,
    kind_of,
    rank_places,
    searched_headings,
)
from l2ltr_core.localization.ranking import SEARCHED_HEADINGS, column_parts, search_by_views
from l2ltr_core.types import Panorama
from tests.town import DIRECTIONS, ColourEncoder, DirectionEncoder, photo_of

ENCODER = DirectionEncoder()
CLS_ONLY = ColourEncoder()
PLACE = 100
COLUMN_DEG = 360 / DIRECTIONS[0]


def encoded(photo: Panorama, heading_deg: float = 0.0, encoder: ColourEncoder = ENCODER) -> EncodedPhoto:
    [found] = encode_photos([photo], [heading_deg], encoder, "real")
    return found


def noise(seed: int) -> Panorama:
    """A photo of a place that no gallery holds."""
    return Panorama(np.random.default_rng(seed).integers(0, 255, (8, 16, 3), dtype=np.uint8))


def off_deg(one: float, other: float) -> float:
    return abs((one - other + 180) % 360 - 180)


@pytest.mark.parametrize("turn", [0, 1, 5, 15])
def test_a_turned_photo_finds_its_place_and_its_heading_to_the_column(
    with_columns: Gallery, turn: int
) -> None:
    photo = encoded(photo_of(with_columns, PLACE, turn * COLUMN_DEG))
    found = rank_places(photo, ENCODER, with_columns, 5, search=True)
    assert found.place_ids[0] == PLACE
    assert found.heading_scores is not None and found.heading_scores.argmax() == turn
    assert off_deg(found.headings_deg[0], turn * COLUMN_DEG) < COLUMN_DEG / 2


def test_a_heading_between_columns_is_found_by_the_parabola(with_columns: Gallery) -> None:
    quarter_deg = COLUMN_DEG / 4  # a pixel of the photo
    found = [
        rank_places(
            encoded(photo_of(with_columns, PLACE, 90 + step * quarter_deg)),
            ENCODER,
            with_columns,
            1,
            search=True,
        )
        for step in (-1, 0, 1)
    ]
    left, straight, right = (float(each.headings_deg[0]) for each in found)
    assert [each.place_ids[0] for each in found] == [PLACE] * 3
    assert left < straight < right
    assert off_deg(left, 90 - quarter_deg) < quarter_deg and off_deg(right, 90 + quarter_deg) < quarter_deg


def test_a_whole_turn_is_searched_from_one_encoding(with_columns: Gallery) -> None:
    encoder = DirectionEncoder()
    photo = encoded(photo_of(with_columns, PLACE), encoder=encoder)
    rank_places(photo, encoder, with_columns, 1, search=True)
    assert encoder.encoded == 1


def test_a_known_heading_is_the_only_one_tried(with_columns: Gallery) -> None:
    photo = encoded(photo_of(with_columns, PLACE, 90), 90.0)
    found = rank_places(photo, ENCODER, with_columns, 5)
    assert found.place_ids[0] == PLACE
    assert found.scores[0] == pytest.approx(1, abs=0.01)
    assert found.heading_scores is None
    assert found.headings_deg.tolist() == [0.0] * 5


@pytest.mark.parametrize("heading_deg", [0.0, 112.5, 180.0])
def test_a_photo_of_a_part_of_the_circle_is_compared_in_that_part_alone(
    with_columns: Gallery, heading_deg: float
) -> None:
    whole = photo_of(with_columns, PLACE)
    part = crop_field(whole, heading_deg, 90)
    photo = encoded(part, heading_deg)
    assert photo.columns is not None and photo.columns.shown.sum() == DIRECTIONS[0] // 4
    found = rank_places(photo, ENCODER, with_columns, 1)
    assert found.place_ids[0] == PLACE
    assert found.scores[0] > 0.9
    searched = rank_places(encoded(part), ENCODER, with_columns, 1, search=True)
    assert searched.place_ids[0] == PLACE
    assert off_deg(float(searched.headings_deg[0]), heading_deg) < COLUMN_DEG / 2


BOTH = {"real": {"known": 0.25, "searched": 0.125}, "rendered": {"known": 1.0}}


@pytest.mark.parametrize(
    ("of_stem", "weights", "kind", "search", "parts"),
    [
        (0, {}, "real", False, ((24, 1.0),)),
        (8, {}, "real", False, ((8, 0.5), (16, 0.5))),
        (8, {}, "real", True, ((8, 1.0), (16, 0.0))),
        (8, BOTH, "real", False, ((8, 0.75), (16, 0.25))),
        (8, BOTH, "real", True, ((8, 0.875), (16, 0.125))),
        (8, BOTH, "rendered", False, ((8, 0.0), (16, 1.0))),
        (8, BOTH, "rendered", True, ((8, 1.0), (16, 0.0))),
    ],
)
def test_the_card_says_what_the_parts_of_a_column_weigh(
    of_stem: int, weights: dict, kind: str, search: bool, parts: tuple
) -> None:
    encoder = DirectionEncoder(stem_column_width=of_stem, layers_weight=weights)
    assert column_parts(encoder, kind, search=search) == parts  # type: ignore[arg-type]
    [photo] = encode_photos([noise(0)], [0.0], encoder, kind, search=search)  # type: ignore[arg-type]
    assert photo.columns is not None and photo.columns.parts == parts


def test_layers_without_weight_do_not_count(with_columns: Gallery) -> None:
    of_stem = DirectionEncoder(stem_column_width=8, layers_weight={"real": {"known": 0.0}})
    photo = encoded(photo_of(with_columns, PLACE), encoder=of_stem)
    assert photo.columns is not None
    altered = photo.columns.columns.copy()
    altered[:, 8:] = 1
    other = replace(photo, columns=replace(photo.columns, columns=altered))
    one, same = (compare(each, of_stem, with_columns) for each in (photo, other))
    assert np.array_equal(one.scores, same.scores) and np.array_equal(one.decoys, same.decoys)


def test_a_photo_is_encoded_with_what_it_shows(with_columns: Gallery) -> None:
    photos = [photo_of(with_columns, PLACE), crop_field(photo_of(with_columns, PLACE), 0, 45)]
    whole, part = encode_photos(photos, [0.0, 180.0], ENCODER, "real")
    assert whole.columns is not None and whole.columns.shown.all()
    assert part.columns is not None and part.columns.shown.nonzero()[0].tolist() == [0, 15]
    assert whole.columns.columns.shape == DIRECTIONS
    [plain] = encode_photos(photos[:1], [0.0], CLS_ONLY, "real")
    assert plain.columns is None and plain.cls.shape == (384,)


def test_a_photo_beside_every_place_and_its_decoys(with_columns: Gallery) -> None:
    photo, places = encoded(photo_of(with_columns, PLACE)), len(with_columns.places)
    known, searched = (compare(photo, ENCODER, with_columns, search=each) for each in (False, True))
    assert known.scores.shape == (places, 1) and not known.searched
    assert searched.scores.shape == (places, DIRECTIONS[0]) and searched.searched
    np.testing.assert_allclose(known.scores[:, 0], searched.scores[:, 0], atol=1e-6)
    assert photo.columns is not None
    mirrored = with_columns.similarity(photo.columns.mirrored(), ENCODER, range(DIRECTIONS[0])).max(axis=1)
    np.testing.assert_array_equal(known.decoys, mirrored)
    np.testing.assert_array_equal(searched.decoys, mirrored)


def test_the_best_places_come_first_and_equal_ones_by_number() -> None:
    scores = np.array([[0.1], [0.5], [0.9], [0.5]], np.float32)
    found = Comparison(scores, np.array([0.2, 0.1, 0.6, 0.0], np.float32)).best(3)
    assert found.place_ids.tolist() == [2, 1, 3]
    assert found.scores == pytest.approx([0.9, 0.5, 0.5])
    assert found.excess == pytest.approx(0.9 - 0.6)
    assert found.first(2).place_ids.tolist() == [2, 1]
    assert found.first(2).excess == found.excess


def test_more_places_than_there_are_means_all() -> None:
    scores = np.array([[0.1], [0.5]], np.float32)
    assert Comparison(scores, np.zeros(2, np.float32)).best(10).place_ids.tolist() == [1, 0]


def test_excluded_places_are_as_if_they_were_not_in_the_gallery() -> None:
    scores = np.array([[0.1], [0.5], [0.9], [0.4]], np.float32)
    decoys = np.array([0.2, 0.1, 0.6, 0.0], np.float32)
    found = Comparison(scores, decoys).best(4, np.array([False, False, True, False]))
    assert found.place_ids.tolist() == [1, 3, 0]
    assert found.excess == pytest.approx(0.5 - 0.2)


def test_each_place_has_the_heading_that_suits_it_best() -> None:
    scores = np.array([[0.1, 0.2, 0.1, 0.0], [0.5, 0.3, 0.1, 0.3], [0.1, 0.1, 0.2, 0.9]], np.float32)
    found = Comparison(scores, np.zeros(3, np.float32)).best(3)
    assert found.place_ids.tolist() == [2, 1, 0]
    assert found.headings_deg[1:] == pytest.approx([0, 90])
    assert found.heading_scores is not None and found.heading_scores.tolist() == scores[2].tolist()


def test_a_photo_of_nowhere_is_about_as_often_above_its_decoy_as_below_it(with_columns: Gallery) -> None:
    excess = np.array(
        [
            rank_places(encoded(noise(seed)), ENCODER, with_columns, 1, search=True).excess
            for seed in range(120)
        ]
    )
    assert 0.35 < (excess > 0).mean() < 0.65


def test_a_known_heading_gives_a_photo_of_nowhere_one_try_against_the_decoys_whole_turn(
    with_columns: Gallery,
) -> None:
    excess = [rank_places(encoded(noise(seed)), ENCODER, with_columns, 1).excess for seed in range(60)]
    assert np.mean(np.array(excess) > 0) < 0.2


def test_a_photo_of_a_place_of_the_gallery_stands_above_its_decoy(with_columns: Gallery) -> None:
    for place in range(0, 256, 25):
        for search in (False, True):
            found = rank_places(
                encoded(photo_of(with_columns, place)), ENCODER, with_columns, 1, search=search
            )
            assert found.excess is not None and found.excess > 0.1


def test_a_checkpoint_without_columns_ranks_by_cls_and_knows_no_excess(gallery: Gallery) -> None:
    photo = encoded(photo_of(gallery, PLACE, 90), 90.0, CLS_ONLY)
    found = rank_places(photo, CLS_ONLY, gallery, 5)
    assert found.place_ids[0] == PLACE
    assert (found.excess, found.heading_scores) == (None, None)
    scores, place_ids = gallery.search(photo.cls[None], CLS_ONLY, 5)
    assert (found.place_ids.tolist(), found.scores.tolist()) == (place_ids[0].tolist(), scores[0].tolist())


def test_what_an_approximate_index_does_not_find_is_left_out(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def few(*_: object) -> tuple[np.ndarray, np.ndarray]:
        return np.array([[0.9, 0.8, -9.0]], np.float32), np.array([[7, 3, -1]])

    monkeypatch.setattr(gallery, "search", few)
    found = rank_places(EncodedPhoto(np.zeros(384, np.float32), None), CLS_ONLY, gallery, 3)
    assert found.place_ids.tolist() == [7, 3]
    assert found.headings_deg.tolist() == [0, 0]


def test_without_columns_32_views_are_tried(gallery: Gallery) -> None:
    encoder = ColourEncoder()
    heading_deg, photo, scores = search_by_views(photo_of(gallery, PLACE, 225), encoder, gallery)
    assert searched_headings() == [11.25 * step for step in range(SEARCHED_HEADINGS)]
    assert heading_deg == 225 and scores.argmax() == 20 and scores.shape == (SEARCHED_HEADINGS,)
    assert encoder.encoded == SEARCHED_HEADINGS
    assert rank_places(photo, encoder, gallery, 1).place_ids[0] == PLACE


def test_a_gallery_without_the_checkpoint_is_refused(gallery: Gallery) -> None:
    with pytest.raises(GalleryError, match="no index"):
        rank_places(encoded(noise(0)), ENCODER, gallery, 1)


def test_a_place_of_four_views_is_found_by_all_of_them(
    gallery: Gallery, tmp_path_factory: pytest.TempPathFactory
) -> None:
    imagery: Imagery = gallery.imagery
    folder = tmp_path_factory.mktemp("views") / "gallery"
    four = build_gallery(imagery, folder, ENCODER, spacing_m=10, views_per_cell=4)
    found: Candidates = rank_places(encoded(photo_of(four, PLACE)), ENCODER, four, 3, search=True)
    assert found.place_ids[0] == PLACE
    assert len(set(found.place_ids.tolist())) == 3


@pytest.mark.parametrize(("simulated", "kind"), [(True, "rendered"), (False, "real")])
def test_simulated_imagery_is_compared_with_rendered_photos(simulated: bool, kind: str) -> None:
    assert kind_of(simulated) == kind
