import pytest
from shapely import points

from citysim.build import EDGE_M
from citysim.cameras import camera_spots
from citysim.cities import load_city
from citysim.greenery import FORMS
from citysim.places import PLACE_SIDES_M, place
from citysim.surfaces import AREA_SURFACES, OPEN_ROADS, ROAD_SURFACES, ROAD_WIDTH_M
from citysim.world import Detail, World

pytestmark = pytest.mark.slow

KINDS = list(PLACE_SIDES_M)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_place_has_open_roads_and_only_what_the_renderer_knows(kind: str, number: int) -> None:
    plan = place(kind, number)
    assert plan.width_m == plan.height_m == PLACE_SIDES_M[kind]
    assert sum(way.line.length for way in plan.ways if way.kind in OPEN_ROADS) > 700
    assert {way.kind for way in plan.ways} <= {*OPEN_ROADS, "drive"} <= set(ROAD_WIDTH_M)
    assert {way.surface for way in plan.ways} <= set(ROAD_SURFACES)
    assert {area.kind for area in plan.areas} <= set(AREA_SURFACES)
    assert {tree.form for tree in plan.trees} <= set(FORMS)
    for shape in [building.footprint for building in plan.buildings]:
        assert shape.is_valid
        assert plan.rectangle.buffer(1e-6).contains(shape)


@pytest.mark.parametrize("kind", ["suburb", "grid", "village"])
def test_no_house_stands_on_a_road(kind: str) -> None:
    plan = place(kind, 1)
    assert len(plan.buildings) > 30
    lanes = [way.line.buffer(way.width_m / 2) for way in plan.ways if way.kind in OPEN_ROADS]
    assert not any(lane.intersects(b.footprint) for lane in lanes for b in plan.buildings)


def test_woods_have_trees_and_open_country_has_fields() -> None:
    assert len(place("woods", 1).trees) > 1000
    country = place("country", 1)
    assert sum(area.polygon.area for area in country.areas) > 0.8 * country.width_m**2


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_number_gives_the_same_place_and_another_another(kind: str) -> None:
    plan, part = load_city("invented", kind, 3)
    assert plan == place(kind, 3)
    assert plan.ways != place(kind, 4).ways
    assert not part.cameras


@pytest.mark.parametrize("kind", KINDS)
def test_cameras_stand_on_the_roads_of_a_place(kind: str) -> None:
    plan = place(kind, 2)
    world = World(plan, variant=2, detail=Detail(cell_m=1.0, leaf_cards=12))
    window = (EDGE_M, EDGE_M, plan.width_m - EDGE_M, plan.height_m - EDGE_M)
    spots = camera_spots(world, [window], 200, (0, 3, 2))
    assert len(spots) >= 150
    roads = [way.line for way in plan.ways if way.kind in OPEN_ROADS]
    from_road_m = [min(road.distance(point) for road in roads) for point in points(spots[:20])]
    assert max(from_road_m) < 4
