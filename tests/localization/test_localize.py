from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from l2ltr_core.errors import ConfigurationError, GalleryError
from l2ltr_core.gallery import Gallery, build_gallery, open_gallery
from l2ltr_core.geometry.geodesy import distance_m, offset
from l2ltr_core.geometry.panorama import crop_field
from l2ltr_core.imagery import open_imagery
from l2ltr_core.localization import (
    Calibration,
    calibration_for,
    localize,
    localize_with_candidates,
    search_heading,
)
from l2ltr_core.notes import Note
from l2ltr_core.photo import write_panorama
from l2ltr_core.types import Location, Match, Panorama
from tests.town import ColourEncoder, DirectionEncoder, photo_of, town, write_raster

CLS_ONLY = ColourEncoder()
DIRECTIONS = DirectionEncoder()
PLACE = 100
SURE = {
    "temperature": 0.02, "photos": 1240, "measured_on": "the town", "least_excess": 0.05, "radius_temperature": 0.02,
    "position_std_m": 3.0,
}  # fmt: skip


def measured(**known: Any) -> DirectionEncoder:
    """An encoder that was measured on real imagery, with the heading known and searched."""
    return DirectionEncoder(
        calibration={"real": {"known": {**SURE, **known}, "searched": {**SURE, "photos": 300}}}
    )


def noise(seed: int = 1) -> Panorama:
    return Panorama(np.random.default_rng(seed).integers(0, 255, (8, 16, 3), dtype=np.uint8), heading_deg=0.0)


def away_m(one: Match, other: Match) -> float:
    return float(distance_m(one.latitude, one.longitude, other.latitude, other.longitude))


@pytest.fixture(params=["columns", "CLS alone"])
def product(
    request: pytest.FixtureRequest, gallery: Gallery, with_columns: Gallery
) -> tuple[ColourEncoder, Gallery]:
    """A checkpoint with columns or without any, and the town described by it."""
    return (DIRECTIONS, with_columns) if request.param == "columns" else (CLS_ONLY, gallery)


def test_a_photo_finds_its_place(product: tuple[ColourEncoder, Gallery]) -> None:
    encoder, gallery = product
    result = localize(photo_of(gallery, PLACE, 90), encoder=encoder, gallery=gallery)
    assert result.matches[0].place_id == PLACE
    assert result.matches[0].score == pytest.approx(1, abs=0.01)
    assert [match.rank for match in result.matches] == list(range(1, 11))
    scores = [match.score for match in result.matches]
    assert scores == sorted(scores, reverse=True)
    assert (result.gallery, result.checkpoint) == ("town", encoder.name)
    assert (result.photo_kind, result.gallery_kind) == ("real", "real")
    assert (result.notes, result.doubts) == ((), ())


def test_columns_find_more_than_cls(tmp_path: Path) -> None:
    streets = town()
    streets[:, 200:] = np.roll(streets[:, :200], 16, axis=1)  # the same blocks again, one further east
    raster = write_raster(tmp_path / "town.tif", streets)
    twice = build_gallery(open_imagery(raster), tmp_path / "gallery", DIRECTIONS, spacing_m=10)
    errors_m = {
        encoder.columns is not None: [
            localize(photo_of(twice, place), encoder=encoder, gallery=twice).error_m
            for place in range(0, len(twice.places), 5)
        ]
        for encoder in (DIRECTIONS, DirectionEncoder(columns=None))
    }
    by_columns, by_cls = (np.array(errors_m[each], float) < 25 for each in (True, False))
    assert by_columns.mean() > by_cls.mean()


def test_the_known_heading_is_used(gallery: Gallery) -> None:
    result = localize(photo_of(gallery, PLACE, 90), encoder=CLS_ONLY, gallery=gallery)
    assert (result.heading_deg, result.heading_source) == (90, "exif")


def test_a_given_heading_wins_over_the_photos_own(product: tuple[ColourEncoder, Gallery]) -> None:
    encoder, gallery = product
    wrong = replace(photo_of(gallery, PLACE, 90), heading_deg=0.0)
    result = localize(wrong, encoder=encoder, gallery=gallery, heading=450.0)
    assert (result.heading_deg, result.heading_source) == (90, "given")
    assert result.matches[0].place_id == PLACE


def test_without_a_heading_north_is_assumed(product: tuple[ColourEncoder, Gallery]) -> None:
    encoder, gallery = product
    unknown = replace(photo_of(gallery, PLACE), heading_deg=None)
    result = localize(unknown, encoder=encoder, gallery=gallery)
    assert (result.heading_deg, result.heading_source) == (0, "assumed")


def test_a_search_finds_the_heading(product: tuple[ColourEncoder, Gallery]) -> None:
    encoder, gallery = product
    unknown = replace(photo_of(gallery, PLACE, 225), heading_deg=None)
    assert search_heading(unknown, encoder, gallery) == pytest.approx(225, abs=6)
    result = localize(unknown, encoder=encoder, gallery=gallery, heading="search")
    assert result.heading_source == "search"
    assert result.heading_deg == search_heading(unknown, encoder, gallery)
    assert result.matches[0].place_id == PLACE
    assert result.heading_scores is not None
    whole_turn = len(result.heading_scores)
    assert result.heading_scores.argmax() == whole_turn * 225 // 360
    assert localize(unknown, encoder=encoder, gallery=gallery).heading_scores is None


@pytest.mark.parametrize("heading", ["exif", "search"])
def test_a_result_keeps_the_columns_that_it_was_compared_by(
    with_columns: Gallery, heading: Literal["exif", "search"]
) -> None:
    photo = photo_of(with_columns, PLACE, 90)
    result = localize(photo, encoder=DIRECTIONS, gallery=with_columns, heading=heading)
    assert result.columns is not None
    best = result.matches[0]
    parts = with_columns.similarity_by_azimuth(result.columns, best.place_id, DIRECTIONS, turn=0)
    assert float(parts.sum()) == pytest.approx(best.score, abs=1e-5)


def test_a_result_of_cls_alone_has_no_columns(gallery: Gallery) -> None:
    assert localize(photo_of(gallery, PLACE, 90), encoder=CLS_ONLY, gallery=gallery).columns is None


def test_a_search_does_not_depend_on_the_heading_that_the_photo_tells(with_columns: Gallery) -> None:
    photo = photo_of(with_columns, PLACE, 225)
    told, untold = (
        localize(each, encoder=DIRECTIONS, gallery=with_columns, heading="search")
        for each in (photo, replace(photo, heading_deg=None))
    )
    assert told.to_dict() == untold.to_dict()


@pytest.mark.parametrize("heading", [float("nan"), float("inf"), "north"])
def test_a_heading_that_is_none_is_refused(gallery: Gallery, heading: Any) -> None:
    with pytest.raises(ConfigurationError, match="The heading is"):
        localize(photo_of(gallery, PLACE), encoder=CLS_ONLY, gallery=gallery, heading=heading)


def test_the_number_of_matches_is_what_was_asked_for(product: tuple[ColourEncoder, Gallery]) -> None:
    encoder, gallery = product
    for top_k, found in ((1, 1), (25, 25), (1000, 256)):
        result = localize(photo_of(gallery, PLACE), encoder=encoder, gallery=gallery, top_k=top_k)
        assert len(result.matches) == found
    with pytest.raises(ConfigurationError, match="number of matches is 0"):
        localize(photo_of(gallery, PLACE), encoder=encoder, gallery=gallery, top_k=0)


def test_matches_are_different_answers_where_that_is_asked_for(with_columns: Gallery) -> None:
    photo, encoder = photo_of(with_columns, PLACE), measured()
    plain = localize(photo, encoder=encoder, gallery=with_columns, top_k=256)
    apart = localize(photo, encoder=encoder, gallery=with_columns, top_k=8, min_separation_m=25)
    assert (replace(apart.matches[0], probability=None), apart.estimate) == (plain.matches[0], plain.estimate)
    assert [match.rank for match in apart.matches] == list(range(1, 9))
    assert [match.probability for match in plain.matches] == [None] * 256
    likely = [match.probability or 0 for match in apart.matches]
    assert likely[1:] == sorted(likely[1:], reverse=True) and 0 < sum(likely) <= 1 + 1e-9
    every = localize(photo, encoder=encoder, gallery=with_columns, top_k=256, min_separation_m=25).matches
    assert all(away_m(one, other) > 25 for one, other in combinations(every, 2))
    for place in plain.matches:  # nothing is left out that is no neighbour of an answer
        assert min(away_m(place, answer) for answer in every) <= 25
    with pytest.raises(ConfigurationError, match="to be -1 m apart"):
        localize(photo, encoder=encoder, gallery=with_columns, min_separation_m=-1)


def test_different_answers_have_no_probabilities_where_none_were_measured(with_columns: Gallery) -> None:
    photo = photo_of(with_columns, PLACE)
    apart = localize(photo, encoder=DIRECTIONS, gallery=with_columns, top_k=8, min_separation_m=25)
    assert [match.probability for match in apart.matches] == [None] * 8


def test_the_estimate_does_not_depend_on_how_many_matches_are_listed(with_columns: Gallery) -> None:
    few, many = (
        localize(photo_of(with_columns, PLACE), encoder=measured(), gallery=with_columns, top_k=top_k)
        for top_k in (1, 256)
    )
    assert few.estimate == many.estimate


def test_the_shortlist_is_as_long_as_asked_for(with_columns: Gallery) -> None:
    found, best = localize_with_candidates(
        photo_of(with_columns, PLACE), encoder=DIRECTIONS, gallery=with_columns, top_k=3, shortlist_size=250
    )
    assert (len(found.matches), len(best.place_ids)) == (3, 250)


def test_a_measured_checkpoint_says_how_sure_it_is_and_on_what_that_rests(with_columns: Gallery) -> None:
    photo = photo_of(with_columns, PLACE)
    known = localize(photo, encoder=measured(), gallery=with_columns)
    assert known.estimate.confidence is not None and known.estimate.confidence > 0.85
    assert known.verdict == "almost certain" and known.in_gallery is True
    assert known.rests_on == "Measured on 1,240 photos of the town."
    assert known.error_m is not None and known.estimate.radius_m is not None
    assert known.error_m < known.estimate.radius_m < (known.estimate.radius_95_m or 0)
    searched = localize(photo, encoder=measured(), gallery=with_columns, heading="search")
    assert searched.rests_on == "Measured on 300 photos of the town."


def test_the_ceiling_is_never_exceeded(with_columns: Gallery) -> None:
    for place in range(0, 256, 51):
        found = localize(photo_of(with_columns, place), encoder=measured(ceiling=0.7), gallery=with_columns)
        assert found.estimate.confidence is not None and found.estimate.confidence <= 0.7


UNMEASURED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a rendered photo": ({"rendered": True}, {}, "the photo is rendered and the gallery's imagery is real"),
    "no heading": ({"heading_deg": None}, {}, "the photo does not say which way it faces"),
    "another imagery": (
        {},
        {"calibration": {"rendered": {"known": SURE}}},
        "was never measured on real imagery",
    ),
    "another heading": ({}, {"calibration": {"real": {"searched": SURE}}}, "with a known heading"),
    "never": ({}, {"calibration": {}}, "this checkpoint was never measured"),
}


@pytest.mark.parametrize("case", UNMEASURED)
def test_what_was_not_measured_is_told_without_a_percentage_and_never_called_found(
    with_columns: Gallery, case: str
) -> None:
    photo, encoder, because = UNMEASURED[case]
    result = localize(
        replace(photo_of(with_columns, PLACE), **photo),
        encoder=replace(measured(), **encoder),
        gallery=with_columns,
    )
    assert (result.estimate.confidence, result.estimate.radius_m, result.estimate.radius_95_m) == (None,) * 3
    assert (result.verdict, result.in_gallery, result.least_excess) == ("not measured", None, None)
    assert result.rests_on.startswith("Not measured: ") and because in result.rests_on
    assert result.rests_on.endswith(".")
    assert result.matches[0].place_id == PLACE
    assert result.doubts == ()


def test_a_part_of_the_circle_is_found_but_was_not_measured(with_columns: Gallery) -> None:
    part = crop_field(photo_of(with_columns, PLACE), 40, 120)
    result = localize(part, encoder=measured(), gallery=with_columns)
    assert result.matches[0].place_id == PLACE
    assert result.estimate.confidence is None
    assert "a part of the circle" in result.rests_on


def test_a_calibration_is_that_of_the_imagery_and_of_the_heading() -> None:
    encoder = measured()
    for source, photos in (("exif", 1240), ("given", 1240), ("assumed", 1240), ("search", 300)):
        found = calibration_for(encoder, "real", source)  # type: ignore[arg-type]
        assert isinstance(found, Calibration) and found.photos == photos
    assert calibration_for(encoder, "rendered", "exif") is None


def test_a_photo_that_hardly_stands_out_is_probably_not_in_the_gallery(with_columns: Gallery) -> None:
    result = localize(noise(), encoder=measured(), gallery=with_columns)
    assert result.in_gallery is False and result.verdict == "not here"
    [doubt] = result.doubts
    assert doubt == Note("not_in_the_gallery", ("town",))
    assert result.to_dict()["least_excess"] == 0.05 > result.to_dict()["excess"]


@pytest.mark.parametrize("encoder", [DIRECTIONS, measured()])
@pytest.mark.parametrize("heading", ["exif", "search"])
def test_a_photo_from_elsewhere_is_not_here_however_well_it_matches(
    with_columns: Gallery, encoder: DirectionEncoder, heading: Any
) -> None:
    away = replace(photo_of(with_columns, PLACE), location=Location(48.2, 16.4))
    result = localize(away, encoder=encoder, gallery=with_columns, heading=heading)
    assert result.verdict == "not here" and result.in_gallery is False
    [doubt] = result.doubts
    assert result.outside_m is not None
    assert doubt == Note("outside_the_gallery", (result.outside_m / 1000, "town"))


def test_a_position_beside_the_last_places_is_still_in_the_gallery(with_columns: Gallery) -> None:
    photo = photo_of(with_columns, 0)
    assert photo.location is not None
    for away_m, outside in ((-90, False), (-110, True)):
        moved = replace(photo, location=offset(photo.location, away_m, 0))
        found = localize(moved, encoder=measured(), gallery=with_columns)
        assert (found.outside_m is not None) == outside


def test_a_place_among_many_alike_is_doubted(with_columns: Gallery) -> None:
    vague = measured(temperature=10.0, radius_temperature=10.0)
    result = localize(photo_of(with_columns, PLACE), encoder=vague, gallery=with_columns)
    assert result.estimate.confidence is not None and result.estimate.confidence < 0.2
    assert result.verdict == "unsure"
    assert [doubt.kind for doubt in result.doubts] == ["nothing_stands_out"]


def test_the_line_in_the_log_odds_bends_the_confidence_and_nothing_else(with_columns: Gallery) -> None:
    photo = photo_of(with_columns, PLACE)
    plain, bent = (
        localize(photo, encoder=measured(**line), gallery=with_columns).estimate
        for line in ({}, {"slope": 0.5, "offset": -1.0})
    )
    assert bent.confidence is not None and plain.confidence is not None
    assert bent.confidence < plain.confidence
    assert replace(bent, confidence=plain.confidence) == plain


def test_the_view_is_what_the_model_saw(gallery: Gallery) -> None:
    photo = photo_of(gallery, PLACE, 90)
    result = localize(photo, encoder=CLS_ONLY, gallery=gallery)
    assert np.array_equal(result.ground_view, CLS_ONLY.ground_view(photo, 90))


def test_whose_imagery_it_is_goes_with_the_result(with_columns: Gallery) -> None:
    result = localize(photo_of(with_columns, PLACE), encoder=DIRECTIONS, gallery=with_columns)
    assert result.attribution == with_columns.attribution == "The town"


def test_a_checkpoint_without_an_index_is_refused(gallery: Gallery) -> None:
    with pytest.raises(GalleryError, match="no index"):
        localize(photo_of(gallery, PLACE), encoder=ColourEncoder(fingerprint="other"), gallery=gallery)


def test_a_file_its_bytes_and_its_panorama_give_the_same(gallery: Gallery, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    photo = photo_of(gallery, PLACE, 45)
    assert photo.location is not None
    wide = np.repeat(photo.pixels, 2, axis=1)
    write_panorama(path, wide, location=photo.location, heading_deg=45)
    first = localize(path, encoder=CLS_ONLY, gallery=gallery).to_dict()
    assert first == localize(path.read_bytes(), encoder=CLS_ONLY, gallery=gallery).to_dict()
    assert first["heading_source"] == "exif" and first["error_m"] < 25


def test_the_gallery_may_be_opened_again(product: tuple[ColourEncoder, Gallery]) -> None:
    encoder, gallery = product
    again, photo = open_gallery(gallery.folder), photo_of(gallery, PLACE)
    assert (
        localize(photo, encoder=encoder, gallery=again).to_dict()
        == localize(photo, encoder=encoder, gallery=gallery).to_dict()
    )
