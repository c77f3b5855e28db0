from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from l2ltr_core.errors import ConfigurationError, GalleryError
from l2ltr_core.gallery import Gallery, build_gallery, open_gallery
from l2ltr_core.geometry.geodesy import distance_between_m, distance_m, offset
from l2ltr_core.imagery import open_imagery
from l2ltr_core.localization import (
    ESTIMATE_PLACES,
    Calibration,
    Localization,
    best_apart,
    different_places,
    estimate_location,
    evidence,
    localize,
    log_odds,
    search_heading,
)
from l2ltr_core.photo import write_panorama
from l2ltr_core.types import Location, Match, Panorama
from tests.town import CHIP_M, ColourEncoder, DirectionEncoder, town, write_raster

ENCODER = ColourEncoder()
PLACE = 100


def photo_of(gallery: Gallery, place_id: int, heading_deg: float = 0.0) -> Panorama:
    """A "panorama" that shows the aerial square itself, turned as a camera that looks at `heading_deg`."""
    chip = gallery.imagery.chip(gallery.location(place_id), CHIP_M, 64)
    pixels = np.roll(chip, -round(heading_deg / 360 * 64), axis=1)
    return Panorama(pixels, heading_deg=heading_deg, location=gallery.location(place_id))


def test_a_photo_finds_its_place(gallery: Gallery) -> None:
    result = localize(photo_of(gallery, PLACE, 90), encoder=ENCODER, gallery=gallery)
    assert result.matches[0].place_id == PLACE
    assert result.matches[0].score == pytest.approx(1, abs=0.01)
    assert [match.rank for match in result.matches] == list(range(1, 11))
    scores = [match.score for match in result.matches]
    assert scores == sorted(scores, reverse=True)
    assert (result.gallery, result.checkpoint) == ("town", "colours")
    assert result.notes == ()


def test_the_best_places_are_put_in_the_order_in_which_they_agree_direction_by_direction(
    tmp_path: Path,
) -> None:
    streets = town()
    streets[:, 200:] = np.roll(streets[:, :200], 16, axis=1)  # the same blocks again, one further east
    raster = write_raster(tmp_path / "town.tif", streets)
    encoder = DirectionEncoder()
    twice = build_gallery(open_imagery(raster), tmp_path / "gallery", encoder, spacing_m=10)
    photos = [photo_of(twice, place) for place in range(0, len(twice.places), 5)]
    found = [localize(photo, encoder=encoder, gallery=twice, top_k=ESTIMATE_PLACES) for photo in photos]
    alone = [localize(photo, encoder=DirectionEncoder(columns=None), gallery=twice) for photo in photos]
    right = [result.error_m is not None and result.error_m < 25 for result in found]
    right_alone = [result.error_m is not None and result.error_m < 25 for result in alone]
    assert np.mean(right) > np.mean(right_alone)
    for result, other in zip(found, alone, strict=True):
        scores = [match.score for match in result.matches]
        assert scores == sorted(scores, reverse=True)
        assert result.evidence == pytest.approx(
            other.evidence + evidence(np.array(scores))
        )  # both speak for it


def test_the_known_heading_is_used(gallery: Gallery) -> None:
    result = localize(photo_of(gallery, PLACE, 90), encoder=ENCODER, gallery=gallery)
    assert (result.heading_deg, result.heading_source) == (90, "exif")


def test_a_given_heading_wins_over_the_photos_own(gallery: Gallery) -> None:
    wrong = replace(photo_of(gallery, PLACE, 90), heading_deg=0.0)
    result = localize(wrong, encoder=ENCODER, gallery=gallery, heading=450.0)
    assert (result.heading_deg, result.heading_source) == (90, "given")
    assert result.matches[0].place_id == PLACE


def test_without_a_heading_north_is_assumed_and_the_person_told(gallery: Gallery) -> None:
    unknown = replace(photo_of(gallery, PLACE), heading_deg=None)
    result = localize(unknown, encoder=ENCODER, gallery=gallery)
    assert (result.heading_deg, result.heading_source) == (0, "assumed")
    assert any("does not say which way it looks" in note for note in result.notes)


def test_a_search_finds_the_heading(gallery: Gallery) -> None:
    unknown = replace(photo_of(gallery, PLACE, 225), heading_deg=None)
    assert search_heading(unknown, ENCODER, gallery) == 225
    result = localize(unknown, encoder=ENCODER, gallery=gallery, heading="search")
    assert (result.heading_deg, result.heading_source) == (225, "search")
    assert result.matches[0].place_id == PLACE
    assert result.notes == ()


def test_columns_find_a_heading_that_cls_knows_nothing_of(gallery: Gallery, tmp_path: Path) -> None:
    encoder = DirectionEncoder()
    known = build_gallery(gallery.imagery, tmp_path / "gallery", encoder, spacing_m=10)
    for place in (PLACE, PLACE + 33):
        unknown = replace(photo_of(known, place, 225), heading_deg=None)
        assert search_heading(unknown, encoder, known) == 225


@pytest.mark.parametrize("heading", [float("nan"), float("inf"), "north"])
def test_a_heading_that_is_none_is_refused(gallery: Gallery, heading: float) -> None:
    with pytest.raises(ConfigurationError, match="The heading is"):
        localize(photo_of(gallery, PLACE), encoder=ENCODER, gallery=gallery, heading=heading)


def test_the_number_of_matches_is_what_was_asked_for(gallery: Gallery) -> None:
    for top_k, found in ((1, 1), (25, 25), (1000, 256)):
        result = localize(photo_of(gallery, PLACE), encoder=ENCODER, gallery=gallery, top_k=top_k)
        assert len(result.matches) == found
    with pytest.raises(ConfigurationError, match="number of matches is 0"):
        localize(photo_of(gallery, PLACE), encoder=ENCODER, gallery=gallery, top_k=0)


def test_matches_are_different_answers_where_that_is_asked_for(gallery: Gallery) -> None:
    photo = photo_of(gallery, PLACE)
    plain = localize(photo, encoder=ENCODER, gallery=gallery, top_k=256)
    apart = localize(photo, encoder=ENCODER, gallery=gallery, top_k=8, apart_m=25)
    assert (replace(apart.matches[0], probability=None), apart.estimate) == (plain.matches[0], plain.estimate)
    assert [match.rank for match in apart.matches] == list(range(1, 9))
    assert [match.probability for match in plain.matches] == [None] * 256
    likely = [match.probability or 0 for match in apart.matches]
    assert likely[1:] == sorted(likely[1:], reverse=True) and 0 < sum(likely) <= 1
    assert "probability" not in plain.to_dict()["matches"][0]
    assert apart.to_dict()["matches"][1]["probability"] == round(likely[1], 4)
    assert apart.to_csv().splitlines()[0] == "rank,place_id,latitude,longitude,score,probability"
    every = localize(photo, encoder=ENCODER, gallery=gallery, top_k=256, apart_m=25).matches
    assert all(away_m(one, other) > 25 for one, other in combinations(every, 2))
    for place in plain.matches:  # nothing is left out that is no neighbour of an answer
        assert min(away_m(place, answer) for answer in every) <= 25
    with pytest.raises(ConfigurationError, match="to be -1 m apart"):
        localize(photo, encoder=ENCODER, gallery=gallery, apart_m=-1)


def test_a_different_answer_is_where_most_of_the_rest_may_be() -> None:
    east_m = np.array(
        [0, 10, 200, 400, 410, 420]
    )  # one place scores as high as each of three that stand together
    places = [offset(Location(60, 25), east, 0) for east in east_m]
    latitudes, longitudes = (
        np.array([getattr(place, name) for place in places]) for name in ("latitude", "longitude")
    )
    scores = np.array([0.9, 0.8, 0.7, 0.7, 0.7, 0.7])
    chosen = partial(different_places, scores, latitudes, longitudes, 25.0)
    listed, likely = chosen(0.1, 3)
    assert listed.tolist() == [0, 3, 2]
    weights = np.exp(scores / 0.1)
    assert likely * weights.sum() == pytest.approx([weights[:2].sum(), weights[3:].sum(), weights[2]])
    assert chosen(0.1, 1)[0].tolist() == [0]
    assert chosen(0.1, 99)[0].tolist() == [0, 3, 2]  # there are no more
    assert best_apart(latitudes, longitudes, 25.0, 3).tolist() == [0, 2, 3]


def away_m(one: Match, other: Match) -> float:
    return float(distance_m(one.latitude, one.longitude, other.latitude, other.longitude))


def test_the_estimate_does_not_depend_on_how_many_matches_are_listed(gallery: Gallery) -> None:
    few, many = (
        localize(photo_of(gallery, PLACE), encoder=ENCODER, gallery=gallery, top_k=top_k)
        for top_k in (1, 256)
    )
    assert few.estimate == many.estimate


def test_the_estimate_is_near_the_truth_and_says_how_near(gallery: Gallery) -> None:
    result = localize(photo_of(gallery, PLACE), encoder=ENCODER, gallery=gallery)
    assert result.truth == gallery.location(PLACE)
    assert result.error_m is not None and result.error_m < result.estimate.radius_m
    assert 0.5 < result.estimate.confidence <= 1


def test_the_view_is_what_the_model_saw(gallery: Gallery) -> None:
    photo = photo_of(gallery, PLACE, 90)
    result = localize(photo, encoder=ENCODER, gallery=gallery)
    assert np.array_equal(result.ground_view, ENCODER.ground_view(photo, 90))


def test_a_photo_from_elsewhere_is_told_so(gallery: Gallery) -> None:
    away = replace(photo_of(gallery, PLACE), location=Location(48.2, 16.4))
    notes = localize(away, encoder=ENCODER, gallery=gallery).notes
    assert any("km from the nearest place of the gallery town" in note for note in notes)


STRICT = ColourEncoder(calibration={"least_evidence": 0.9, "gallery": "town", "gallery_places": 256})


def test_a_photo_that_matches_badly_is_probably_not_in_the_gallery(gallery: Gallery) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    result = localize(Panorama(noise, heading_deg=0.0), encoder=STRICT, gallery=gallery)
    assert result.in_gallery is False
    assert any("probably not taken in the gallery town" in note for note in result.notes)
    assert (result.to_dict()["in_gallery"], result.to_dict()["least_evidence"]) == (False, 0.9)


def test_a_photo_that_matches_well_is_probably_in_the_gallery(gallery: Gallery) -> None:
    result = localize(photo_of(gallery, PLACE), encoder=STRICT, gallery=gallery)
    assert result.in_gallery is True
    assert result.notes == ()


@pytest.mark.parametrize(
    "measured_in",
    [
        {},
        {"gallery": "village", "gallery_places": 256},
        {"gallery": "town", "gallery_places": 513},
        {"gallery": "town", "gallery_places": 256, "gallery_looks": 4},
    ],
)
def test_a_least_evidence_of_another_gallery_tells_nothing(gallery: Gallery, measured_in: dict) -> None:
    other = ColourEncoder(calibration={"least_evidence": 0.999, **measured_in})
    result = localize(photo_of(gallery, PLACE, 90), encoder=other, gallery=gallery)
    assert result.in_gallery is None
    assert result.to_dict()["in_gallery"] is result.to_dict()["least_evidence"] is None


def test_what_is_a_little_like_every_place_speaks_less_than_what_is_like_one() -> None:
    like_one, like_all = np.array([0.8, 0.2, 0.2, 0.2]), np.array([0.8, 0.7, 0.7, 0.7])
    assert evidence(like_one) == pytest.approx(0.8 + 0.5 * (0.8 - 0.35))
    assert evidence(like_all) < evidence(like_one)
    assert evidence(np.array([0.8])) == pytest.approx(0.8)


def test_a_heading_that_is_not_known_tells_nothing_about_the_gallery(gallery: Gallery) -> None:
    unknown = replace(photo_of(gallery, PLACE), heading_deg=None)
    assert localize(unknown, encoder=STRICT, gallery=gallery).in_gallery is None
    assert localize(unknown, encoder=STRICT, gallery=gallery, heading="search").in_gallery is None
    assert localize(unknown, encoder=STRICT, gallery=gallery, heading=0.0).in_gallery is True


def test_the_line_in_the_log_odds_bends_the_confidence_and_nothing_else(gallery: Gallery) -> None:
    photo = photo_of(gallery, PLACE)
    plain = localize(photo, encoder=ENCODER, gallery=gallery).estimate
    timid = ColourEncoder(calibration={"slope": 0.5, "offset": -1.0})
    bent = localize(photo, encoder=timid, gallery=gallery).estimate
    assert log_odds(bent.confidence) == pytest.approx(0.5 * log_odds(plain.confidence) - 1, abs=1e-6)
    assert replace(bent, confidence=plain.confidence) == plain


def test_what_else_a_card_notes_about_its_calibration_is_left_alone() -> None:
    assert Calibration.of_card({"temperature": 0.1, "measured_on": "walk"}) == Calibration(temperature=0.1)


def test_a_place_among_many_alike_is_not_trusted(gallery: Gallery) -> None:
    vague = ColourEncoder(calibration={"temperature": 10.0})
    result = localize(photo_of(gallery, PLACE), encoder=vague, gallery=gallery)
    assert result.estimate.confidence < 0.2
    assert any("No place stands out" in note for note in result.notes)


def test_a_checkpoint_without_an_index_is_refused(gallery: Gallery) -> None:
    with pytest.raises(GalleryError, match="no index"):
        localize(photo_of(gallery, PLACE), encoder=ColourEncoder(fingerprint="other"), gallery=gallery)


def test_a_file_its_bytes_and_its_panorama_give_the_same(gallery: Gallery, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    photo = photo_of(gallery, PLACE, 45)
    assert photo.location is not None
    wide = np.repeat(photo.pixels, 2, axis=1)
    write_panorama(path, wide, location=photo.location, heading_deg=45)
    first = localize(path, encoder=ENCODER, gallery=gallery).to_dict()
    assert first == localize(path.read_bytes(), encoder=ENCODER, gallery=gallery).to_dict()
    assert first["heading_source"] == "exif" and first["error_m"] < 25


def test_the_mean_of_a_cluster_beats_a_lone_high_score() -> None:
    origin = Location(60.17, 24.94)
    near = [offset(origin, east, 0) for east in (0, 10, 20)]
    lone = offset(origin, 500, 0)
    places = [lone, *near]
    latitudes = np.array([place.latitude for place in places])
    longitudes = np.array([place.longitude for place in places])
    estimate = estimate_location(
        np.array([0.8, 0.79, 0.79, 0.79]), latitudes, longitudes, Calibration(), 25.0
    )
    assert distance_between_m(Location(estimate.latitude, estimate.longitude), near[1]) < 1
    assert estimate.confidence == pytest.approx(3 * np.exp(-0.2) / (1 + 3 * np.exp(-0.2)), abs=1e-6)
    assert estimate.radius_m == 25


def test_one_place_is_its_own_estimate() -> None:
    estimate = estimate_location(np.array([0.3]), np.array([60.0]), np.array([25.0]), Calibration(), 25.0)
    assert (estimate.latitude, estimate.longitude) == (60, 25)
    assert estimate.confidence == pytest.approx(0.999)  # nothing is surer than that


@pytest.fixture(scope="module")
def result(gallery: Gallery) -> Localization:
    return localize(photo_of(gallery, PLACE, 90), encoder=ENCODER, gallery=gallery, top_k=3)


def test_the_result_has_the_documented_entries(result: Localization) -> None:
    values = result.to_dict()
    assert list(values) == [
        "gallery", "checkpoint", "heading_deg", "heading_source", "estimate", "matches", "in_gallery",
        "evidence", "least_evidence", "truth", "error_m",
    ]  # fmt: skip
    assert list(values["estimate"]) == ["latitude", "longitude", "radius_m", "confidence"]
    assert list(values["matches"][0]) == ["rank", "place_id", "latitude", "longitude", "score"]
    assert json.loads(result.to_json()) == values


def test_without_a_position_there_is_no_truth_and_no_error(result: Localization) -> None:
    values = replace(result, truth=None).to_dict()
    assert "truth" not in values and "error_m" not in values


def test_the_table_holds_the_same_matches(result: Localization) -> None:
    rows = list(csv.DictReader(io.StringIO(result.to_csv())))
    matches = result.to_dict()["matches"]
    assert [{key: float(value) for key, value in row.items()} for row in rows] == matches


def test_the_geojson_holds_the_same_points(result: Localization) -> None:
    values, collection = result.to_dict(), result.to_geojson()
    kinds = [feature["properties"]["kind"] for feature in collection["features"]]
    assert kinds == ["match"] * 3 + ["estimate", "truth"]
    first = collection["features"][0]
    assert first["geometry"]["coordinates"] == [
        values["matches"][0]["longitude"],
        values["matches"][0]["latitude"],
    ]
    assert first["properties"]["score"] == values["matches"][0]["score"]


def test_the_gallery_may_be_opened_again(gallery: Gallery) -> None:
    again = open_gallery(gallery.folder)
    photo = photo_of(gallery, PLACE)
    assert (
        localize(photo, encoder=ENCODER, gallery=again).to_dict()
        == localize(photo, encoder=ENCODER, gallery=gallery).to_dict()
    )
