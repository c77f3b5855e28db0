"""Numbers as people say them."""

from __future__ import annotations

from app import words
from l2ltr_core.types import LocationEstimate


def test_radii_are_told_of_one_place_and_not_of_places_far_apart() -> None:
    one = LocationEstimate(60.0, 25.0, 25.0, 0.9, radius_m=7.0, radius_95_m=31.0)
    several = LocationEstimate(60.0, 25.0, 25.0, 0.4, radius_m=780.0, radius_95_m=810.0)
    unmeasured = LocationEstimate(60.0, 25.0, 25.0, None)
    assert words.radii(one) == "68 of 100 such answers lie within 7 m, 95 within 31 m"
    assert words.radii(several) == "There are places far apart that it may be: the list names them"
    assert words.radii(unmeasured) == ""
    assert (one.shown_radius_m, several.shown_radius_m, unmeasured.shown_radius_m) == (7.0, 25.0, 25.0)
