from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio

from citysim import build
from citysim.build import build_city
from citysim.cameras import camera_spots
from citysim.cities import Part
from citysim.errors import CitySimError
from citysim.plan import CityPlan
from citysim.shooting import POSITION_ERROR_M, Shooting, take_photos
from citysim.world import World
from l2ltr_core.datasets.geotagged import open_geotagged
from l2ltr_core.geometry.geodesy import distance_between_m
from l2ltr_core.photo import load_panorama

pytestmark = pytest.mark.slow

PHOTOS = 4


@pytest.fixture(autouse=True, scope="module")
def _town_for_a_city(plan: CityPlan) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "load_city", lambda *_: (plan, Part()))
        yield


@pytest.fixture(scope="module")
def plain(_town_for_a_city: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The town's pictures; not to be changed."""
    return _built(tmp_path_factory.mktemp("plain"))


def _built(out: Path, varied: bool = False, jobs: int = 1) -> Path:
    build_city(
        "town",
        out,
        seed=3,
        panoramas=PHOTOS,
        size_px=(16, 64),
        samples=1,
        pixel_m=2.0,
        varied=varied,
        jobs=jobs,
    )
    return out


def _bytes(folder: Path) -> dict[Path, bytes]:
    """What is in every picture of a folder."""
    files = [*folder.rglob("*.jpg"), *folder.rglob("*.tif")]
    return {path.relative_to(folder): path.read_bytes() for path in files}


def _errors_m(folder: Path, plan: CityPlan) -> list[float]:
    """From each recorded position to where the photo was taken."""
    window = (build.EDGE_M, build.EDGE_M, plan.width_m - build.EDGE_M, plan.height_m - build.EDGE_M)
    spots = camera_spots(World(plan), [window], PHOTOS, (3, 3, 0))
    queries = open_geotagged(folder).queries
    assert len(queries) == len(spots) > 0
    return [
        distance_between_m(query.location, plan.frame.to_location(*spot))  # type: ignore[arg-type]
        for query, spot in zip(queries, spots, strict=True)
    ]


def test_recorded_positions_err_as_those_of_a_common_camera_do(plan: CityPlan, plain: Path) -> None:
    errors_m = _errors_m(plain, plan)
    assert min(errors_m) > 0.02
    assert max(errors_m) <= 2 * np.sqrt(2) * POSITION_ERROR_M + 0.02


def test_the_library_takes_a_photo_for_a_rendered_one(plain: Path) -> None:
    photos = list((plain / "panoramas").glob("*.jpg"))
    assert photos and all(load_panorama(photo).rendered for photo in photos)


def test_the_same_seed_gives_the_same_bytes_and_a_second_build_only_what_is_missing(
    plain: Path, tmp_path: Path
) -> None:
    first, second = _built(tmp_path), plain
    photos = sorted(path.relative_to(first) for path in first.rglob("*.jpg"))
    assert photos and all((first / name).read_bytes() == (second / name).read_bytes() for name in photos)
    made = [(first / name).stat().st_mtime_ns for name in photos]
    _built(first)
    assert [(first / name).stat().st_mtime_ns for name in photos] == made
    (first / photos[0]).unlink()
    _built(first)
    assert (first / photos[0]).read_bytes() == (second / photos[0]).read_bytes()


def test_two_processes_take_the_same_photos_as_one_and_tell_of_each(plain: Path, tmp_path: Path) -> None:
    first, second = plain, shutil.copytree(plain, tmp_path / "b")
    photos = list(second.rglob("*.jpg"))
    for photo in photos[1:]:
        photo.unlink()
    (second / "panoramas" / ".00001.77.jpg").write_bytes(b"of a process that was killed")
    told: list[tuple[int, int]] = []
    build_city(
        "town", second, seed=3, panoramas=PHOTOS, size_px=(16, 64), samples=1, pixel_m=2.0, jobs=2,
        progress=lambda *numbers: told.append(numbers),
    )  # fmt: skip
    assert _bytes(first) == _bytes(second)
    assert told == [(k, len(photos)) for k in range(2, len(photos) + 1)]


def test_varied_pictures_are_others_of_the_same_places(plan: CityPlan, plain: Path, tmp_path: Path) -> None:
    varied = _built(tmp_path / "b", varied=True)
    again = _built(tmp_path / "c", varied=True)
    assert _bytes(varied) == _bytes(again)
    assert _bytes(plain).keys() == _bytes(varied).keys()
    assert not set(_bytes(plain).values()) & set(_bytes(varied).values())
    assert _errors_m(varied, plan) == _errors_m(plain, plan)
    with rasterio.open(varied / "orthophoto.tif") as raster:
        pixel_m = raster.res[0] * plan.frame.scale
    assert 0.2 <= pixel_m <= 0.6


def test_a_process_that_dies_is_told_of(world: World, tmp_path: Path) -> None:
    spots = camera_spots(world, [(40, 40, 180, 160)], 2, (0,))
    nowhere = Shooting(spots, tmp_path / "missing", 0, (16, 64), 1, False, False)
    with pytest.raises(CitySimError, match="ended early"):
        take_photos(world, nowhere, 2, None)
