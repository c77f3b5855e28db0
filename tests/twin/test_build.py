from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from l2ltr_core.datasets.geotagged import open_geotagged
from l2ltr_core.geometry.geodesy import distance_between_m
from l2ltr_core.twin import build
from l2ltr_core.twin.build import POSITION_ERROR_M, Part, build_city
from l2ltr_core.twin.cameras import camera_spots
from l2ltr_core.twin.plan import CityPlan
from l2ltr_core.twin.world import World

PHOTOS = 4


@pytest.fixture(autouse=True)
def _town_for_a_city(plan: CityPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "load_city", lambda *_: (plan, Part()))


def _built(out: Path) -> Path:
    build_city("town", out, seed=3, panoramas=PHOTOS, size_px=(16, 64), samples=1, pixel_m=2.0)
    return out


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


def test_recorded_positions_err_as_those_of_a_common_camera_do(plan: CityPlan, tmp_path: Path) -> None:
    errors_m = _errors_m(_built(tmp_path), plan)
    assert min(errors_m) > 0.02
    assert max(errors_m) <= 2 * np.sqrt(2) * POSITION_ERROR_M + 0.02


def test_the_same_seed_gives_the_same_bytes_and_a_second_build_only_what_is_missing(tmp_path: Path) -> None:
    first, second = _built(tmp_path / "a"), _built(tmp_path / "b")
    photos = sorted(path.relative_to(first) for path in first.rglob("*.jpg"))
    assert photos and all((first / name).read_bytes() == (second / name).read_bytes() for name in photos)
    made = [(first / name).stat().st_mtime_ns for name in photos]
    _built(first)
    assert [(first / name).stat().st_mtime_ns for name in photos] == made
    (first / photos[0]).unlink()
    _built(first)
    assert (first / photos[0]).read_bytes() == (second / photos[0]).read_bytes()
