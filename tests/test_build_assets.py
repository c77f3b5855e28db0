"""The list of worlds that checkpoints learn from and are measured on."""

from __future__ import annotations

import importlib.util
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

from citysim.cities import PROCEDURAL, PROCEDURAL_SIDES_M, bundled_cities

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "build_assets.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_assets", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_every_listed_world_is_a_part_that_can_be_rendered_and_has_a_folder_of_its_own(
    script: ModuleType,
) -> None:
    listed = script.read_worlds()
    worlds = [*listed.to_measure_on(), *listed.to_learn_from()]
    parts = {name: set(extract.parts) for name, extract in bundled_cities().items()}
    parts[PROCEDURAL] = set(PROCEDURAL_SIDES_M)
    assert all(world.part in parts[world.city] for world in worlds)
    assert len({world.folder for world in worlds}) == len(worlds) == 70


def test_nothing_is_learned_from_the_parts_of_helsinki_to_measure_on(script: ModuleType) -> None:
    listed = script.read_worlds()
    assert {world.part for world in listed.to_learn_from() if world.city == "helsinki"} == {"train"}
    assert [world.part for world in listed.to_measure_on()] == ["validation", "calibration"]


def test_no_two_procedural_places_share_the_light_of_their_photos(script: ModuleType) -> None:
    places = [world for world in script.read_worlds().to_learn_from() if world.seed != script.DEFAULT_SEED]
    seeds = sorted(world.seed + world.variant for world in places)
    assert len(seeds) == 54 and all(first < second for first, second in pairwise(seeds))
