from dataclasses import replace

import numpy as np
import pytest

from citysim.light import flight_light
from citysim.optics import SURVEY, Tone, as_stitched, as_survey
from citysim.plan import CityPlan
from citysim.render import orthophoto
from citysim.world import Detail, World

NOON = replace(flight_light(np.random.default_rng(1)), haze=0.0)


@pytest.fixture
def town(plan: CityPlan) -> World:
    return World(plan, detail=Detail(cell_m=0.5, leaf_cards=40))


def test_repainting_changes_colours_but_not_what_stands_where(town: World) -> None:
    before = orthophoto(town, NOON, pixel_m=2.0, samples=1)
    surface, mesh = town.ground.surface, town.mesh
    town.repaint(np.random.default_rng(5), 1.0)
    after = orthophoto(town, NOON, pixel_m=2.0, samples=1)
    assert town.ground.surface is surface
    assert town.mesh is mesh
    assert np.abs(after.astype(int) - before).mean() > 5
    town.repaint(np.random.default_rng(5), 1.0)  # starts again from the first paint
    assert np.array_equal(orthophoto(town, NOON, pixel_m=2.0, samples=1), after)


def test_repainting_leaves_paint_and_rails_on_the_ground(town: World) -> None:
    marks = town.ground.layers[..., 3:].copy()
    town.repaint(np.random.default_rng(5), 1.0)
    assert np.array_equal(town.ground.layers[..., 3:], marks)


def test_a_tone_brings_a_picture_towards_what_is_likely() -> None:
    rng = np.random.default_rng(2)
    dull = (150 + 30 * rng.standard_normal((60, 80, 1)) + np.array([8, 0, -8])).clip(0, 255).astype(np.uint8)
    toned = [
        Tone.drawn(dull, SURVEY, np.random.default_rng(k)).applied(dull.astype(np.float32)) for k in range(40)
    ]
    assert np.mean([each.mean() for each in toned]) == pytest.approx(SURVEY.mean[0], abs=10)
    assert np.std([each.mean() for each in toned]) > 8


@pytest.mark.parametrize("faults", [as_stitched, as_survey])
def test_faults_of_cameras_keep_the_size_and_depend_on_chance_alone(faults) -> None:
    pixels = np.random.default_rng(3).integers(60, 200, (64, 256, 3)).astype(np.uint8)
    first, second, other = (faults(pixels, np.random.default_rng(k)) for k in (1, 1, 2))
    assert first.shape == pixels.shape and first.dtype == np.uint8
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
