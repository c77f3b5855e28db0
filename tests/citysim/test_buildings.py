"""Roofs that the map names."""

from __future__ import annotations

import numpy as np
import pytest
from shapely.geometry import Polygon, box

from citysim.buildings import ROOF_SHAPES, tagged_roof
from citysim.mesh import Mesh, joined

HOUSE = box(0, 0, 20, 10)
BENT = Polygon([(0, 0), (20, 0), (20, 10), (12, 10), (12, 6), (0, 6)])
EAVES = 8.0


def roof(shape: str, footprint: Polygon = HOUSE) -> Mesh:
    return joined(tagged_roof(footprint, shape, EAVES, owner=3))


def height_at(mesh: Mesh, x: float, y: float) -> float:
    """Of the highest triangle above a point."""
    heights = []
    for a, b, c in mesh.triangles.astype(float):
        sides = np.array([b[:2] - a[:2], c[:2] - a[:2]]).T
        if abs(np.linalg.det(sides)) > 1e-9:
            u, v = np.linalg.solve(sides, np.array([x, y]) - a[:2])
            if u >= -1e-9 and v >= -1e-9 and u + v <= 1 + 1e-9:
                heights.append(a[2] + u * (b[2] - a[2]) + v * (c[2] - a[2]))
    return max(heights)


@pytest.mark.parametrize(
    ("shape", "middle", "long_end", "long_side", "quarter"),
    [
        ("gabled", 3.5, 3.5, 0.0, 1.75),
        ("gambrel", 3.5, 3.5, 0.0, 2.625),
        ("pyramidal", 3.5, 0.0, 0.0, 1.75),
        ("cone", 3.5, 0.0, 0.0, 1.75),
    ],
)
def test_a_roof_rises_as_its_name_says(
    shape: str, middle: float, long_end: float, long_side: float, quarter: float
) -> None:
    mesh = roof(shape)
    assert height_at(mesh, 10.01, 5) == pytest.approx(EAVES + middle, abs=0.02)
    assert height_at(mesh, 0.001, 5) == pytest.approx(EAVES + long_end, abs=0.02)
    assert height_at(mesh, 10.01, 0.001) == pytest.approx(EAVES + long_side, abs=0.02)
    assert height_at(mesh, 10.01, 2.5) == pytest.approx(EAVES + quarter, abs=0.02)


def test_a_skillion_falls_from_one_long_side_to_the_other() -> None:
    sides = sorted(height_at(roof("skillion"), 10, y) for y in (0.001, 9.999))
    assert sides == pytest.approx([EAVES, EAVES + 3.5], abs=0.02)


def test_a_dome_stands_on_the_roof() -> None:
    mesh = roof("dome")
    assert mesh.triangles[..., 2].max() > EAVES + 7
    assert mesh.triangles[..., 2].min() == pytest.approx(EAVES)


@pytest.mark.parametrize("shape", ROOF_SHAPES)
def test_every_roof_covers_its_footprint_and_stays_above_the_eaves(shape: str) -> None:
    mesh = roof(shape, BENT)
    assert np.isfinite(mesh.triangles).all()
    assert mesh.triangles[..., 2].min() >= EAVES - 1e-3
    for x, y in ((1, 1), (19, 9), (6, 3), (11, 5)):
        assert height_at(mesh, x, y) >= EAVES - 1e-3
