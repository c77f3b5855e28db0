from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rasterio.shutil import copy as copy_raster
from rasterio.vrt import WarpedVRT

from l2ltr_core.errors import ImageryError
from l2ltr_core.imagery import open_imagery
from l2ltr_core.imagery.raster import RasterImagery
from l2ltr_core.types import Location
from tests.town import CENTRE, SIDE_M, at, town, write_raster


@pytest.fixture(scope="module")
def raster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raster")
    return write_raster(folder / "town.tif", town(), tags={"ATTRIBUTION": "The town"})


def test_it_knows_its_bounds_resolution_and_whom_to_credit(raster: Path) -> None:
    imagery = open_imagery(raster)
    assert imagery.bounds.contains(CENTRE)
    assert imagery.resolution_m == pytest.approx(0.5, rel=1e-3)
    assert imagery.attribution == "The town"
    assert imagery.places is None


def test_a_chip_at_the_rasters_own_resolution_is_the_pixels_around_the_place(raster: Path) -> None:
    chip = open_imagery(raster).chip(at(200, 120), 40.0, None)
    assert np.array_equal(chip, town()[120 - 40 : 120 + 40, 200 - 40 : 200 + 40])


def test_row_0_is_north_and_column_0_west(raster: Path) -> None:
    imagery = open_imagery(raster)
    north_east = imagery.chip(at(208, 192), 8.0, 16)
    assert np.array_equal(imagery.chip(at(200, 200), 16.0, 32)[:16, 16:], north_east)


def test_a_chip_has_the_size_asked_for(raster: Path) -> None:
    imagery = open_imagery(raster)
    for size_px in (1, 7, 64, 333):
        assert imagery.chip(CENTRE, 50.0, size_px).shape == (size_px, size_px, 3)


def test_reading_from_memory_and_from_the_file_give_the_same(raster: Path) -> None:
    remembered, read = RasterImagery(str(raster)), RasterImagery(str(raster), in_memory_pixels=0)
    for place in (CENTRE, at(33.3, 370.7), at(3, 5)):
        assert np.array_equal(remembered.chip(place, 30.0, 48), read.chip(place, 30.0, 48))


def test_a_chip_far_finer_than_asked_for_is_averaged(tmp_path: Path) -> None:
    checks = np.indices((512, 512)).sum(axis=0) % 2 * 255
    raster = write_raster(tmp_path / "checks.tif", np.dstack([checks] * 3).astype(np.uint8))
    chip = open_imagery(raster).chip(CENTRE, 200.0, 16)
    assert np.abs(chip.astype(int) - 127).max() <= 2


def test_a_chip_over_the_edge_is_filled_with_its_mean_colour(tmp_path: Path) -> None:
    grey = np.full((400, 400, 3), 100, np.uint8)
    grey[:, :20] = 200
    chip = open_imagery(write_raster(tmp_path / "grey.tif", grey)).chip(at(0, 200), 40.0, 80)
    assert (chip[:, 42:58] == 200).all() and (chip[:, 62:] == 100).all()
    assert (chip[:, :38] == 150).all()


def test_a_place_outside_is_refused_with_what_there_is(raster: Path) -> None:
    imagery = open_imagery(raster)
    with pytest.raises(ImageryError, match=r"^The place 0\.00000, 0\.00000 is outside the imagery.*\.$"):
        imagery.chip(Location(0, 0), 40.0, 64)


def test_coverage_counts_the_whole_square(raster: Path) -> None:
    imagery = open_imagery(raster)
    assert imagery.covers(CENTRE, SIDE_M)
    assert not imagery.covers(CENTRE, SIDE_M + 4)
    assert imagery.covers(at(40, 40), 40.0)
    assert not imagery.covers(at(30, 40), 40.0)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3067", "EPSG:32635"])
def test_the_coordinate_system_does_not_matter(raster: Path, tmp_path: Path, crs: str) -> None:
    with rasterio.open(raster) as origin, WarpedVRT(origin, crs=crs) as warped:
        copy_raster(warped, tmp_path / "other.tif", driver="GTiff")
    here, there = open_imagery(raster), open_imagery(tmp_path / "other.tif")
    assert there.resolution_m == pytest.approx(0.5, rel=0.5)
    chips = [imagery.chip(CENTRE, 60.0, 60).astype(int) for imagery in (here, there)]
    assert np.abs(chips[0] - chips[1]).mean() < 12  # resampled twice


def test_a_raster_that_the_warp_turns_is_not_covered_in_its_corners(tmp_path: Path) -> None:
    flat = write_raster(tmp_path / "town.tif", town())
    with rasterio.open(flat) as origin, WarpedVRT(origin, crs="EPSG:2056") as swiss:  # far from there: turned
        copy_raster(swiss, tmp_path / "turned.tif", driver="GTiff")
    with rasterio.open(tmp_path / "turned.tif") as turned:
        assert turned.crs.to_epsg() == 2056
    imagery = open_imagery(tmp_path / "turned.tif")
    box = imagery.bounds
    assert imagery.covers(CENTRE, 50.0)
    assert not imagery.covers(Location(box.north - 5e-5, box.west + 1e-4), 8.0)


def test_a_fourth_band_is_left_out(tmp_path: Path) -> None:
    pixels = np.dstack([town(), np.full((400, 400), 255, np.uint8)])
    imagery = open_imagery(write_raster(tmp_path / "four.tif", pixels))
    assert np.array_equal(imagery.chip(at(200, 120), 40.0, None), town()[80:160, 160:240])


def test_bands_are_taken_by_colour_not_by_order(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "bgr.tif", town()[..., ::-1])
    with rasterio.open(path, "r+") as raster:
        raster.colorinterp = [ColorInterp.blue, ColorInterp.green, ColorInterp.red]
    assert np.array_equal(open_imagery(path).chip(at(200, 120), 40.0, None), town()[80:160, 160:240])


def test_one_band_is_shown_grey(tmp_path: Path) -> None:
    chip = open_imagery(write_raster(tmp_path / "grey.tif", town()[..., :1])).chip(at(200, 120), 40.0, None)
    assert np.array_equal(chip, town()[80:160, 160:240, :1].repeat(3, axis=2))


def test_deep_bands_are_stretched_over_what_they_hold(tmp_path: Path) -> None:
    deep = town().astype(np.uint16) * 8 + 1000
    chip = open_imagery(write_raster(tmp_path / "deep.tif", deep)).chip(at(200, 120), 40.0, None)
    expected = town()[80:160, 160:240].astype(int)
    assert np.corrcoef(chip.ravel(), expected.ravel())[0, 1] > 0.99
    assert chip.min() < 20 and chip.max() > 235


def test_indexed_colours_are_looked_up(tmp_path: Path) -> None:
    indexes = (town()[..., :1] > 127).astype(np.uint8)
    path = write_raster(tmp_path / "indexed.tif", indexes, photometric="palette")
    with rasterio.open(path, "r+") as raster:
        raster.write_colormap(1, {0: (10, 20, 30), 1: (200, 210, 220)})
    chip = open_imagery(path).chip(at(200, 120), 40.0, None)
    expected = np.array([(10, 20, 30), (200, 210, 220)])[indexes[80:160, 160:240, 0]]
    assert np.array_equal(chip, expected)


def test_pixels_without_data_are_gaps(tmp_path: Path) -> None:
    pixels = np.full((400, 400, 3), 90, np.uint8)
    pixels[180:220, 180:200] = 0
    imagery = open_imagery(write_raster(tmp_path / "gaps.tif", pixels, nodata=0))
    assert not imagery.covers(CENTRE, 20.0)
    assert imagery.covers(at(300, 300), 20.0)
    assert (imagery.chip(CENTRE, 20.0, 40) == 90).all()


def test_many_threads_get_the_same_chips(raster: Path) -> None:
    imagery = RasterImagery(str(raster), in_memory_pixels=0)
    places = [at(100 + step, 200) for step in range(40)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda place: imagery.chip(place, 30.0, 60), places))
    assert np.array_equal(together, [imagery.chip(place, 30.0, 60) for place in places])


def test_what_is_no_imagery_is_refused_in_one_sentence(tmp_path: Path) -> None:
    text = tmp_path / "text.tif"
    text.write_text("not a raster")
    nowhere = tmp_path / "nowhere.tif"
    with rasterio.open(nowhere, "w", driver="GTiff", height=8, width=8, count=3, dtype="uint8"):
        pass
    cases = {
        text: "cannot be opened",
        nowhere: "does not say where",
        tmp_path / "no": "There is no imagery",
        "": "No imagery",
    }
    for spec, words in cases.items():
        with pytest.raises(ImageryError, match=words) as refusal:
            open_imagery(spec)
        assert "\n" not in str(refusal.value)


def test_a_raster_that_is_cut_short_is_refused(raster: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.tif"
    cut.write_bytes(raster.read_bytes()[:200_000])
    with pytest.raises(ImageryError):
        open_imagery(cut).chip(at(200, 390), 10.0, None)
