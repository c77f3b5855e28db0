from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from l2ltr_core.geometry.geodesy import distance_between_m
from l2ltr_core.localization import Localization
from l2ltr_core.types import Location, LocationEstimate, Match

TRUTH = Location(60.1701, 24.9401)
MATCHES = (
    Match(1, 42, 60.17012345678, 24.94, 0.87654321),
    Match(2, 7, 60.171, 24.941, 0.8),
)
MEASURED = Localization(
    gallery="town",
    checkpoint="directions",
    heading_deg=90.0,
    heading_source="exif",
    estimate=LocationEstimate(60.1701234567, 24.94, 25.0, 0.912345, 6.789, 40.123),
    matches=MATCHES,
    truth=TRUTH,
    ground_view=np.zeros((8, 16, 3), np.uint8),
    rests_on="Measured on 240 photos of the town.",
    photo_kind="real",
    gallery_kind="real",
    attribution="The town, CC BY 4.0",
    excess=0.0512345678,
    least_excess=0.01,
)
UNMEASURED = replace(
    MEASURED,
    estimate=LocationEstimate(60.17, 24.94, 25.0, None),
    least_excess=None,
    rests_on="Not measured: the photo is rendered and the gallery's imagery is real.",
)


def told(confidence: float | None, found: Localization = MEASURED) -> Localization:
    return replace(found, estimate=replace(found.estimate, confidence=confidence))


@pytest.mark.parametrize(
    ("confidence", "verdict"),
    [
        (1.0, "almost certain"), (0.85, "almost certain"), (0.84, "probable"), (0.6, "probable"),
        (0.59, "possible"), (0.3, "possible"), (0.29, "unsure"), (0.0, "unsure"), (None, "not measured"),
    ],
)  # fmt: skip
def test_a_confidence_is_said_in_a_word(confidence: float | None, verdict: str) -> None:
    assert told(confidence).verdict == verdict


@pytest.mark.parametrize("confidence", [0.99, 0.1, None])
def test_a_rejected_photo_is_never_called_found(confidence: float | None) -> None:
    assert replace(told(confidence), excess=0.0).verdict == "not here"
    assert replace(told(confidence), outside_m=5_000.0).verdict == "not here"


@pytest.mark.parametrize(
    ("excess", "least", "outside_m", "in_gallery"),
    [
        (0.02, 0.01, None, True),
        (0.01, 0.01, None, True),
        (0.0, 0.01, None, False),
        (0.02, None, None, None),
        (None, 0.01, None, None),
        (0.02, 0.01, 120.0, False),
        (None, None, 120.0, False),
    ],
)
def test_a_photo_is_in_the_gallery_if_it_stands_out_enough_and_does_not_say_otherwise(
    excess: float | None, least: float | None, outside_m: float | None, in_gallery: bool | None
) -> None:
    found = replace(MEASURED, excess=excess, least_excess=least, outside_m=outside_m)
    assert found.in_gallery is in_gallery


def test_the_result_has_the_documented_entries() -> None:
    values = MEASURED.to_dict()
    assert list(values) == [
        "gallery", "checkpoint", "heading_deg", "heading_source", "verdict", "estimate", "certainty_rests_on",
        "matches", "in_gallery", "excess", "least_excess", "photo_kind", "gallery_kind", "attribution", "truth",
        "error_m",
    ]  # fmt: skip
    assert values["estimate"] == {
        "latitude": 60.1701235, "longitude": 24.94, "radius_m": 6.79, "radius_95_m": 40.12,
        "confidence": 0.9123, "confidence_within_m": 25.0,
    }  # fmt: skip
    assert values["matches"][0] == {
        "rank": 1, "place_id": 42, "latitude": 60.1701235, "longitude": 24.94, "score": 0.876543,
    }  # fmt: skip
    assert (values["excess"], values["least_excess"], values["in_gallery"]) == (0.051235, 0.01, True)
    assert json.loads(MEASURED.to_json()) == values


def test_what_was_not_measured_is_null_and_says_why() -> None:
    values = json.loads(UNMEASURED.to_json())
    assert values["verdict"] == "not measured"
    assert values["certainty_rests_on"].startswith("Not measured: the photo is rendered")
    estimate = values["estimate"]
    assert (estimate["confidence"], estimate["radius_95_m"]) == (None, None)
    assert estimate["radius_m"] == estimate["confidence_within_m"] == 25.0
    assert (values["in_gallery"], values["least_excess"]) == (None, None)


def test_different_answers_have_probabilities_and_a_plain_list_none() -> None:
    different = replace(MEASURED, matches=(replace(MATCHES[0], probability=0.654321), MATCHES[1]))
    assert [match.get("probability") for match in different.to_dict()["matches"]] == [0.6543, None]
    assert "probability" not in MEASURED.to_dict()["matches"][0]


def test_the_error_is_the_distance_to_the_photos_own_position() -> None:
    assert MEASURED.error_m == distance_between_m(TRUTH, MEASURED.estimate.location)
    values = replace(MEASURED, truth=None).to_dict()
    assert replace(MEASURED, truth=None).error_m is None
    assert "truth" not in values and "error_m" not in values


def test_every_row_of_the_table_says_how_certain_the_answer_is_and_whose_the_imagery() -> None:
    text = MEASURED.to_csv()
    assert text.splitlines()[0] == (
        "rank,place_id,latitude,longitude,score,confidence,verdict,certainty_rests_on,attribution"
    )
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(MATCHES)
    for row, match in zip(rows, MEASURED.to_dict()["matches"], strict=True):
        assert {name: float(row[name]) for name in match} == match
        assert (row["confidence"], row["verdict"]) == ("0.9123", "almost certain")
        assert row["certainty_rests_on"] == MEASURED.rests_on
        assert row["attribution"] == MEASURED.attribution


def test_a_table_without_a_percentage_leaves_its_place_empty() -> None:
    [row, _] = csv.DictReader(io.StringIO(UNMEASURED.to_csv()))
    assert (row["confidence"], row["verdict"]) == ("", "not measured")


def test_the_geojson_holds_the_same_points() -> None:
    values, collection = MEASURED.to_dict(), MEASURED.to_geojson()
    assert [feature["properties"]["kind"] for feature in collection["features"]] == [
        "match", "match", "estimate", "truth",
    ]  # fmt: skip
    first, _, estimate, truth = collection["features"]
    assert first["geometry"]["coordinates"] == [24.94, 60.1701235]
    assert first["properties"]["score"] == values["matches"][0]["score"]
    assert estimate["properties"] == {
        "kind": "estimate",
        **{
            name: value for name, value in values["estimate"].items() if name not in ("latitude", "longitude")
        },
        **{name: values[name] for name in ("verdict", "certainty_rests_on", "attribution")},
    }
    assert truth["properties"] == {"kind": "truth", "error_m": values["error_m"]}
