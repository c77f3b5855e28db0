"""A town of four houses, a street, a pond and three trees: small enough to render in a moment."""

from __future__ import annotations

import pytest
from shapely.geometry import LineString, box

from citysim.frame import LocalFrame
from citysim.plan import Area, Building, CityPlan, Rail, Tree, Way
from citysim.world import Detail, World

COARSE = Detail(cell_m=0.5, leaf_cards=40)


@pytest.fixture(scope="session")
def plan() -> CityPlan:
    return CityPlan(
        name="town",
        frame=LocalFrame(60.17, 24.94),
        width_m=220.0,
        height_m=200.0,
        buildings=(
            Building(1, box(20, 120, 70, 160), "yes", height_m=18, facade_colour="#ff0000"),
            Building(2, box(150, 120, 200, 160), "yes", height_m=12),
            Building(3, box(20, 20, 60, 70), "yes", levels=5),
            Building(4, box(150, 30, 190, 70), "church"),
        ),
        ways=(Way(9, LineString([(0, 100), (220, 100)]), "residential", 8.0, "asphalt", False),),
        rails=(Rail(LineString([(0, 100), (220, 100)]), "tram"),),
        areas=(Area(box(85, 20, 125, 60), "natural:water"),),
        trees=(Tree(100, 130, 5), Tree(110, 150, 6), Tree(120, 170, 7)),
    )


@pytest.fixture(scope="session")
def world(plan: CityPlan) -> World:
    return World(plan, detail=COARSE)
