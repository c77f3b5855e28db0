from __future__ import annotations

import csv
import io
import json
from dataclasses import astuple, replace
from typing import Literal

import numpy as np
import pytest

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.gallery import Gallery, build_gallery
from l2ltr_core.geometry.geodesy import distance_between_m
from l2ltr_core.localization import Candidates, localize
from l2ltr_core.types import Location, LocationEstimate
from l2ltr_core.walks import MOST_PHOTOS, Walk, estimates_along, localize_walk
from tests.town import ColourEncoder, DirectionEncoder, photo_of

ENCODER = ColourEncoder()
SOUTHWARD = [3 * 16 + 2, 7 * 16 + 2, 11 * 16 + 2]
"""Places of the 16 x 16 grid, 40 m from each to the next."""
FAR, ANY = 15 * 16 + 15, 15
TEMPERATURE = 0.02


def candidates(**scores: float) -> Candidates:
    """A photo's candidates: `p12=0.5` gives place 12 that score, and any other place next to none."""
    scores |= {f"p{ANY}": 0.0}
    best = sorted(scores, key=lambda name: -scores[name])
    ids, values = [int(name[1:]) for name in best], [scores[name] for name in best]
    return Candidates(np.array(ids), np.array(values, np.float32), np.zeros(len(ids)))


def off_m(gallery: Gallery, place_id: int, estimate: LocationEstimate) -> float:
    return distance_between_m(gallery.location(place_id), Location(estimate.latitude, estimate.longitude))


def test_a_photo_that_could_be_of_two_places_is_of_the_one_that_can_be_walked_to(gallery: Gallery) -> None:
    first, middle, last = SOUTHWARD
    unsure = candidates(**{f"p{FAR}": 0.52, f"p{middle}": 0.5})
    sure = [candidates(**{f"p{place}": 0.6, f"p{FAR}": 0.4}) for place in (first, last)]
    alone = estimates_along([unsure, unsure], gallery, TEMPERATURE)  # by itself it is the far one
    assert off_m(gallery, FAR, alone[0]) < 1
    walked = estimates_along([sure[0], unsure, sure[1]], gallery, TEMPERATURE)
    for place, estimate in zip(SOUTHWARD, walked, strict=True):
        assert off_m(gallery, place, estimate) < 1
        assert estimate.confidence is not None and estimate.confidence > 0.9


def test_what_comes_later_helps_as_much_as_what_came_before(gallery: Gallery) -> None:
    first, middle, last = SOUTHWARD
    photos = [
        candidates(**{f"p{FAR}": 0.51, f"p{first}": 0.5}),
        candidates(**{f"p{middle}": 0.6, f"p{FAR}": 0.3}),
        candidates(**{f"p{FAR}": 0.51, f"p{last}": 0.5}),
    ]
    there = estimates_along(photos, gallery, TEMPERATURE)
    back = estimates_along(photos[::-1], gallery, TEMPERATURE)
    for one, other in zip(there, reversed(back), strict=True):
        assert astuple(one)[:4] == pytest.approx(astuple(other)[:4])
    assert off_m(gallery, first, there[0]) < 1 and off_m(gallery, last, there[2]) < 1


def test_who_walks_goes_on_rather_than_back(gallery: Gallery) -> None:
    first, middle, last = SOUTHWARD
    photos = [candidates(**{f"p{place}": 0.6}) for place in (first, middle)]
    photos.append(candidates(**{f"p{first}": 0.5, f"p{last}": 0.5}))
    [*_, estimate] = estimates_along(photos, gallery, TEMPERATURE)
    assert off_m(gallery, last, estimate) < 1
    assert estimate.confidence is not None and 0.6 < estimate.confidence < 0.9  # one in seven turns back


def test_a_longer_step_leaves_more_possible(gallery: Gallery) -> None:
    first, middle, _ = SOUTHWARD
    photos = [
        candidates(**{f"p{first}": 0.7, f"p{FAR}": 0.3}),
        candidates(**{f"p{FAR}": 0.52, f"p{middle}": 0.5}),
    ]
    assert off_m(gallery, middle, estimates_along(photos, gallery, TEMPERATURE, step_m=45)[1]) < 1
    assert off_m(gallery, FAR, estimates_along(photos, gallery, TEMPERATURE, step_m=500)[1]) < 1


def test_a_photo_of_another_place_does_not_carry_the_others_away(gallery: Gallery) -> None:
    first, middle, last = SOUTHWARD
    stray = candidates(**{f"p{FAR}": 0.95, f"p{middle}": 0.1})
    sure = [candidates(**{f"p{place}": 0.6, f"p{FAR}": 0.2}) for place in (first, last)]
    walked = estimates_along([sure[0], stray, sure[1]], gallery, TEMPERATURE)
    assert [off_m(gallery, *each) < 1 for each in zip((first, FAR, last), walked, strict=True)] == [True] * 3


def test_photos_of_a_walk_are_localized_each_alone_and_together(gallery: Gallery) -> None:
    done: list[tuple[int, int]] = []
    photos = [photo_of(gallery, place) for place in SOUTHWARD]
    walk = localize_walk(
        photos, encoder=ENCODER, gallery=gallery, progress=lambda at, of: done.append((at, of))
    )
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert walk.alone[1].to_dict() == localize(photos[1], encoder=ENCODER, gallery=gallery).to_dict()
    assert [error is not None and error < 5 for error in walk.errors_m] == [True] * 3
    assert walk.in_gallery is None  # this encoder was never calibrated


MEASURED = DirectionEncoder(
    calibration={"real": {heading: {"temperature": 0.02, "photos": 99} for heading in ("known", "searched")}}
)


@pytest.fixture(scope="module")
def with_columns(gallery: Gallery, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    out = tmp_path_factory.mktemp("columns") / "gallery"
    return build_gallery(gallery.imagery, out, MEASURED, name="town", spacing_m=10)


@pytest.mark.parametrize("heading", ["exif", "search"])
def test_a_walk_tells_percentages_where_those_of_its_photos_were_measured(
    with_columns: Gallery, heading: Literal["exif", "search"]
) -> None:
    photos = [photo_of(with_columns, place, 90) for place in SOUTHWARD]
    walk = localize_walk(photos, encoder=MEASURED, gallery=with_columns, heading=heading)
    assert walk.temperature == 0.02
    for place, estimate in zip(SOUTHWARD, walk.estimates, strict=True):
        assert off_m(with_columns, place, estimate) < 12
        assert estimate.confidence is not None and estimate.confidence > 0.9


def test_a_single_photo_that_was_not_measured_leaves_the_walk_without_percentages(
    with_columns: Gallery,
) -> None:
    photos = [photo_of(with_columns, place) for place in SOUTHWARD]
    photos[1] = replace(photos[1], heading_deg=None)  # taken for north
    walk = localize_walk(photos, encoder=MEASURED, gallery=with_columns)
    assert [photo.estimate.confidence is None for photo in walk.alone] == [False, True, False]
    for steps in (walk, walk.with_step(200, with_columns)):
        assert [estimate.confidence for estimate in steps.estimates] == [None] * 3
    assert off_m(with_columns, SOUTHWARD[1], walk.estimates[1]) < 12


def test_another_step_is_as_if_it_had_been_asked_for_at_once(gallery: Gallery) -> None:
    photos = [photo_of(gallery, place) for place in (*SOUTHWARD, FAR)]
    walk = localize_walk(photos, encoder=ENCODER, gallery=gallery)
    encoded = ENCODER.encoded
    longer = walk.with_step(200, gallery)
    assert ENCODER.encoded == encoded  # nothing is compared again
    assert longer.to_dict() == localize_walk(photos, encoder=ENCODER, gallery=gallery, step_m=200).to_dict()
    assert longer.estimates != walk.estimates
    with pytest.raises(ConfigurationError, match="step is"):
        walk.with_step(0, gallery)


@pytest.mark.parametrize(("number", "found"), [(0, "0 photos"), (1, "1 photo was"), (MOST_PHOTOS + 1, "51")])
def test_a_walk_has_some_photos_but_not_any_number(gallery: Gallery, number: int, found: str) -> None:
    photos = [photo_of(gallery, SOUTHWARD[0])] * number
    with pytest.raises(ConfigurationError, match=rf"{found}.*give 2 to 50"):
        localize_walk(photos, encoder=ENCODER, gallery=gallery)


@pytest.mark.parametrize("step_m", [0, -5, float("nan"), float("inf")])
def test_a_step_is_a_distance(gallery: Gallery, step_m: float) -> None:
    photos = [photo_of(gallery, place) for place in SOUTHWARD]
    with pytest.raises(ConfigurationError, match="step is"):
        localize_walk(photos, encoder=ENCODER, gallery=gallery, step_m=step_m)


def test_json_csv_and_geojson_say_the_same(gallery: Gallery) -> None:
    photos = [photo_of(gallery, place) for place in SOUTHWARD]
    photos[2] = replace(photos[2], location=None)
    walk = localize_walk(photos, encoder=ENCODER, gallery=gallery)
    values = json.loads(walk.to_json())
    assert values == walk.to_dict()
    assert (values["gallery"], values["checkpoint"], values["step_m"]) == ("town", "colours", 50.0)
    assert ["error_m" in photo for photo in values["photos"]] == [True, True, False]
    rows = list(csv.DictReader(io.StringIO(walk.to_csv())))
    assert [float(row["latitude"]) for row in rows] == [p["estimate"]["latitude"] for p in values["photos"]]
    assert [row["alone_confidence"] for row in rows] == [""] * 3  # never measured
    assert all(row["confidence"] == "" for row in rows)
    line, *points = walk.to_geojson()["features"]
    assert line["geometry"]["coordinates"] == [
        [p["estimate"]["longitude"], p["estimate"]["latitude"]] for p in values["photos"]
    ]
    kinds = [point["properties"]["kind"] for point in points]
    assert (kinds.count("estimate"), kinds.count("alone"), kinds.count("truth")) == (3, 3, 2)


def test_most_photos_say_whether_a_walk_is_in_the_gallery(gallery: Gallery) -> None:
    photo = localize(photo_of(gallery, SOUTHWARD[0]), encoder=ENCODER, gallery=gallery)
    here, away = (replace(photo, excess=0.1, least_excess=least) for least in (0.0, 0.2))
    estimates = (photo.estimate,) * 3
    assert Walk(50, (here, away, here), estimates).in_gallery is True
    assert Walk(50, (here, away, away), estimates).in_gallery is False
    assert Walk(50, (photo, photo, away), estimates).in_gallery is False
    assert Walk(50, (photo,) * 3, estimates).errors_m == Walk(50, (here,) * 3, estimates).errors_m
