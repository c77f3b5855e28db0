"""Cities by name: their parts are kept apart, lie inside their extract, and an unknown one is refused."""

from __future__ import annotations

import pytest

from citysim.cities import bundled_cities, load_city
from citysim.errors import CitySimError
from citysim.plan import read_plan
from citysim.surfaces import STREETS


def test_validation_photos_are_taken_in_the_whole_city_as_held_out_ones_are_and_apart_from_both() -> None:
    train, validation, test = (
        bundled_cities()["helsinki"].parts[part] for part in ("train", "validation", "test")
    )
    assert validation.world is None and test.world is None
    assert train.world
    (strip,), (held_out,) = validation.cameras, test.cameras
    assert strip[3] < train.world[1]  # south of where training looks
    assert strip[2] < held_out[0]  # west of the held-out photos


def test_calibration_photos_stand_in_the_strip_and_between_what_training_sees_and_the_held_out_ones() -> None:
    parts = bundled_cities()["helsinki"].parts
    train, (held_out,) = parts["train"], parts["test"].cameras
    strip, between = parts["calibration"].cameras
    assert parts["calibration"].world is None and train.world
    assert (strip,) == parts["validation"].cameras
    assert between[0] > train.world[2] and between[2] + 25 < held_out[0]
    assert (between[1], between[3]) == (held_out[1], held_out[3])  # as far from south to north, so as varied


def test_an_unknown_part_is_refused_with_the_known_ones() -> None:
    with pytest.raises(CitySimError, match="it has all, train, validation, calibration, test"):
        load_city("helsinki", "north")


@pytest.mark.parametrize("city", list(bundled_cities()))
def test_every_part_of_a_bundled_city_lies_inside_it_and_has_streets_between_buildings(city: str) -> None:
    extract = bundled_cities()[city]
    whole = read_plan(extract.path(), city)
    for name, part in extract.parts.items():
        west, south, east, north = part.world or (0, 0, whole.width_m, whole.height_m)
        assert 0 <= west < east <= whole.width_m and 0 <= south < north <= whole.height_m, name
        there = whole.clipped(west, south, east, north)
        streets = sum(way.line.length for way in there.ways if way.kind in STREETS)
        assert len(there.buildings) > 40 and streets > 1000, name
