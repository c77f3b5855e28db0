from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.localization import Calibration, log_odds, read_calibration
from l2ltr_core.localization.calibration import unmeasured_because

CALIBRATION = Calibration(
    0.07, 0.8, 12.0, -0.3, 0.96, 0.012, 0.1, 3.0, 240, "helsinki-validation, in the gallery helsinki"
)
shares = st.floats(0, 1)
excesses = st.floats(-1, 1)


@given(shares, excesses)
def test_a_confidence_is_a_logistic_regression_on_log_odds_and_excess(mass: float, excess: float) -> None:
    calibration = Calibration(slope=0.8, excess_slope=2.0, offset=-0.3, ceiling=1.0)
    expected = 0.8 * log_odds(mass) + 2.0 * excess - 0.3
    confidence = calibration.confidence(mass, excess)
    assert np.log(confidence / (1 - confidence)) == pytest.approx(expected, abs=1e-6)


@given(shares, excesses, shares)
def test_no_confidence_is_above_the_ceiling(mass: float, excess: float, ceiling: float) -> None:
    confidence = Calibration(slope=3.0, excess_slope=50.0, offset=5.0, ceiling=ceiling).confidence(
        mass, excess
    )
    assert 0 <= confidence <= ceiling


def test_confidences_of_many_photos_are_given_at_once() -> None:
    confidence = CALIBRATION.confidence(np.array([0.1, 0.9]), np.array([0.0, 0.05]))
    assert confidence.tolist() == [CALIBRATION.confidence(0.1, 0.0), CALIBRATION.confidence(0.9, 0.05)]


def test_log_odds_stay_finite_at_certainty() -> None:
    assert log_odds([0.0, 0.5, 1.0]) == pytest.approx([-np.log(999), 0, np.log(999)])


def test_what_a_card_says_is_read_as_it_was_written() -> None:
    card = {"rendered": {"known": CALIBRATION.to_dict(), "searched": Calibration(offset=-1.0).to_dict()}}
    assert read_calibration(card, "rendered", "known") == CALIBRATION
    assert read_calibration(card, "rendered", "searched") == Calibration(offset=-1.0)


def test_a_card_keeps_four_places_and_nothing_that_is_missing() -> None:
    values = Calibration(temperature=0.0123456, photos=20).to_dict()
    assert values["temperature"] == 0.0123
    assert {"least_excess", "radius_temperature", "position_std_m"}.isdisjoint(values)


@pytest.mark.parametrize(
    "card",
    [
        {},
        {"rendered": {"known": {}}},
        {"real": {}},
        {"real": {"searched": {}}},
        {"temperature": 0.05, "least_evidence": 0.6},  # of a card from before
    ],
)
def test_what_was_not_measured_is_none(card: dict[str, Any]) -> None:
    assert read_calibration(card, "real", "known") is None


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (3, r"\[calibration.real.known\] is 3"),
        ({"warmth": 1}, "no setting 'calibration.real.known.warmth'"),
        ({"temperature": "hot"}, "'calibration.real.known.temperature' is 'hot'; give a number"),
        ({"temperature": 0}, r"calibration.real.known.temperature is 0.0; a number above 0 was expected"),
        ({"temperature": float("inf")}, "temperature is inf; a finite number was expected"),
        ({"slope": float("nan")}, "slope is nan; a finite number was expected"),
        ({"least_excess": float("nan")}, "least_excess is nan; a finite number was expected"),
        ({"ceiling": 1.2}, "ceiling is 1.2; a number from 0 to 1 was expected"),
        ({"radius_temperature": -1.0}, "radius_temperature is -1.0; a number above 0 was expected"),
        ({"position_std_m": 0.0}, "position_std_m is 0.0; a number above 0 was expected"),
        ({"photos": 2.5}, "'calibration.real.known.photos' is 2.5; give int"),
    ],
)
def test_nonsense_on_a_card_is_refused_in_one_sentence(entry: Any, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as refused:
        read_calibration({"real": {"known": entry}}, "real", "known")
    assert "\n" not in str(refused.value)


def test_a_kind_that_is_no_table_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"calibration\.real is 0\.5; a table was expected"):
        read_calibration({"real": 0.5}, "real", "known")


@pytest.mark.parametrize(
    ("source", "photo", "gallery", "full_circle", "measured", "because"),
    [
        ("exif", "real", "real", True, True, None),
        ("given", "rendered", "rendered", True, True, None),
        ("search", "real", "real", True, True, None),
        ("exif", "real", "rendered", True, True, "a real photograph and the gallery's imagery is simulated"),
        ("exif", "rendered", "real", True, True, "the photo is rendered and the gallery's imagery is real"),
        ("assumed", "real", "real", True, True, "does not say which way it faces, and north was only assumed"),
        ("exif", "real", "real", False, True, "shows a part of the circle, and only full panoramas were measured"),
        ("exif", "real", "real", True, False, "never measured on real imagery with a known heading"),
        ("search", "rendered", "rendered", True, False, "never measured on rendered imagery with a searched heading"),
        ("assumed", "real", "rendered", False, False, "the photo is a real photograph"),
        ("assumed", "real", "real", False, False, "north was only assumed"),
        ("search", "real", "real", False, False, "a part of the circle"),
    ],
)  # fmt: skip
def test_why_there_is_no_confidence(
    source: Any, photo: Any, gallery: Any, full_circle: bool, measured: bool, because: str | None
) -> None:
    said = unmeasured_because(source, photo, gallery, full_circle, CALIBRATION if measured else None)
    assert said is None if because is None else because in str(said)
