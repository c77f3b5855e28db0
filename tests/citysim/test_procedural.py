import numpy as np
import pytest

from citysim.cities import load_city
from citysim.procedural import SIDE_M, procedural_city
from citysim.surfaces import AREA_SURFACES, ROAD_WIDTH_M


@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_procedural_city_has_streets_houses_and_trees_on_its_square(number: int) -> None:
    plan = procedural_city(number)
    assert (plan.width_m, plan.height_m) == (SIDE_M, SIDE_M)
    assert len(plan.buildings) > 200
    assert len(plan.trees) > 500
    assert sum(way.line.length for way in plan.ways) > 5000
    assert all(way.kind in (*ROAD_WIDTH_M, "footway") for way in plan.ways)
    assert all(area.kind in AREA_SURFACES for area in plan.areas)
    for shape in [building.footprint for building in plan.buildings]:
        assert shape.is_valid
        assert plan.rectangle.buffer(1e-6).contains(shape)


def test_no_house_stands_in_the_middle_of_a_street() -> None:
    plan = procedural_city(2)
    middles = [way.line.interpolate(0.5, normalized=True) for way in plan.ways if way.kind != "footway"]
    struck = [any(b.footprint.contains(point) for b in plan.buildings) for point in middles]
    assert np.mean(struck) < 0.02


def test_the_same_number_gives_the_same_city_and_another_another() -> None:
    assert procedural_city(3) == procedural_city(3)
    assert procedural_city(3).buildings != procedural_city(4).buildings


def test_a_procedural_city_is_loaded_by_its_name_and_number() -> None:
    plan, part = load_city("invented", variant=3)
    assert plan == procedural_city(3)
    assert not part.cameras


@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_uniform_city_is_straight_streets_between_houses_of_about_one_height(number: int) -> None:
    plan, _ = load_city("invented", "uniform", number)
    heights = [building.levels for building in plan.buildings]
    assert np.std(heights) < 1.0
    streets = [way.line for way in plan.ways if way.kind != "footway"]
    directions_deg = [
        np.degrees(np.arctan2(*np.subtract(*np.array(line.coords)[[-1, 0]]))) % 90 for line in streets
    ]
    turned = np.exp(4j * np.radians(directions_deg))  # crossing streets count as one direction
    assert abs(turned.mean()) > 0.99
