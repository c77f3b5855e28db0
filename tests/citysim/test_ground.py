from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from shapely.geometry import LineString

from citysim.ground import Ground, paint_ground
from citysim.plan import CityPlan, Way
from citysim.surfaces import Surface

NO_LAMPS = np.zeros((0, 3))


@pytest.fixture(scope="module")
def street() -> Way:
    return Way(7, LineString([(0, 60), (220, 60)]), "residential", 10.0, "asphalt", False)


def ground_of(plan: CityPlan, variant: int = 0) -> Ground:
    return paint_ground(plan, NO_LAMPS, 0.5, variant)


def along(ground: Ground, y: float) -> NDArray[np.float32]:
    """(N,) brightness of the asphalt every half metre along a line to the east."""
    x = np.arange(10.25, 210, 0.5, dtype=np.float32)
    there = np.full_like(x, y)
    seen = ground.albedo_at(x, there).mean(1)
    return seen[ground.surface_at(x, there) == Surface.ASPHALT]


def test_a_street_shows_its_repairs_and_always_the_same(plan: CityPlan, street: Way) -> None:
    patched = replace(plan, ways=(street,), rails=(), areas=())
    lanes = [np.concatenate([along(ground_of(patched), y) for y in (57, 59, 61, 63)]) for _ in range(2)]
    assert (lanes[0] == lanes[1]).all()
    usual = np.median(lanes[0])
    assert (lanes[0] < 0.8 * usual).mean() > 0.03
    assert (np.abs(lanes[0] / usual - 1) < 0.2).mean() > 0.5


def test_another_variant_and_another_street_are_repaired_elsewhere(plan: CityPlan, street: Way) -> None:
    bare = replace(plan, rails=(), areas=())
    here, variant, other = (
        along(ground_of(replace(bare, ways=(way,)), number), 61)
        for way, number in ((street, 0), (street, 1), (replace(street, osm_id=8), 0))
    )
    for another in (variant, other):
        assert np.corrcoef(here, another)[0, 1] < 0.5


def test_lawns_and_water_do_not_wear(plan: CityPlan, street: Way) -> None:
    with_street, without = (ground_of(replace(plan, ways=ways)) for ways in ((street,), ()))
    soft = (with_street.surface == without.surface) & np.isin(
        with_street.surface, (Surface.GRASS, Surface.WATER)
    )
    assert soft.any()
    assert (with_street.layers[soft][:, :3] == without.layers[soft][:, :3]).all()
