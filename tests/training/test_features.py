from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.model.network import L2LTR
from l2ltr_core.training.config import TrainConfig
from l2ltr_core.training.device import Device
from l2ltr_core.training.features import Features, StoppedError, see
from l2ltr_core.training.ranks import Ranks
from l2ltr_core.training.start import new_network
from l2ltr_core.training.views import Views
from l2ltr_core.training.worlds import World, load_world
from tests.training.tiny_world import STILL, tiny_config, write_world

CONFIG = tiny_config()


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> list[World]:
    folder = tmp_path_factory.mktemp("worlds")
    made = [write_world(folder / name, 40, seed) for seed, name in enumerate(("one", "two"))]
    return [load_world(each, CONFIG.model, CONFIG.view, folder / "views") for each in made]


@pytest.fixture(scope="module")
def network() -> L2LTR:
    torch.manual_seed(0)
    return new_network(CONFIG)


def seen(
    network: L2LTR, worlds: list[World], cache: Path, config: TrainConfig = CONFIG, stop_after: int = 1000
) -> list[Features]:
    calls: list[int] = []

    def advance(done: int, views: int) -> bool:
        calls.append(done)
        assert views == config.batches.views * 40 * len(worlds)
        return done < stop_after

    features = see(network, worlds, config, cache, Device.choose("cpu"), Ranks(), advance)
    assert calls == sorted(calls)
    return features


def test_the_first_view_is_what_the_stems_see_of_the_pairs_as_they_are(
    network: L2LTR, worlds: list[World], tmp_path: Path
) -> None:
    _, two = seen(network, worlds, tmp_path)
    places = np.array([3, 17])
    pair = Views(CONFIG.model, CONFIG.view).plain(worlds[1], places)
    with torch.no_grad():
        expected = network.ground.stem(pair[0]), network.aerial.stem(pair[1])
    for kept, stem in zip(two.of(0, places), expected, strict=True):
        torch.testing.assert_close(kept, stem, rtol=5e-3, atol=5e-3)


def test_views_of_odd_number_are_mirrored(network: L2LTR, worlds: list[World], tmp_path: Path) -> None:
    still = replace(CONFIG, augment=STILL)
    (one,) = seen(network, worlds[:1], tmp_path, still)
    assert np.array_equal(one.ground[0], one.ground[2]) and np.array_equal(one.ground[1], one.ground[3])
    assert not np.array_equal(one.ground[0], one.ground[1])


def test_photo_and_tile_are_drawn_from_views_of_their_own_both_mirrored_or_neither(
    network: L2LTR, worlds: list[World], tmp_path: Path
) -> None:
    (one,) = seen(network, worlds[:1], tmp_path)
    places, drawn = np.arange(40), {False: set(), True: set()}
    for mirrored in (False, True):
        both = one.drawn(places, mirrored, np.random.default_rng(0))
        for kept, got in zip((one.ground, one.aerial), both, strict=True):
            views = [
                next(v for v in range(len(kept)) if np.array_equal(kept[v, place], row.half().numpy()))
                for place, row in zip(places, got, strict=True)
            ]
            drawn[mirrored].add(tuple(views))
            assert set(views) == set(range(int(mirrored), len(kept), 2))
    assert all(len(both) == 2 for both in drawn.values())


def test_what_a_stopped_run_has_seen_is_kept_by_datasets(
    network: L2LTR, worlds: list[World], tmp_path: Path
) -> None:
    with pytest.raises(StoppedError):
        seen(network, worlds, tmp_path, stop_after=250)
    kept = sorted(tmp_path.iterdir())
    assert [each.name.split("-")[0] for each in kept] == ["one", "one"]
    written_at = kept[0].stat().st_mtime_ns
    resumed = seen(network, worlds, tmp_path)
    assert kept[0].stat().st_mtime_ns == written_at and len(list(tmp_path.iterdir())) == 4
    for one, another in zip(resumed, seen(network, worlds, tmp_path / "anew"), strict=True):
        assert np.array_equal(one.ground, another.ground) and np.array_equal(one.aerial, another.aerial)


def test_features_of_another_recipe_are_not_used(network: L2LTR, worlds: list[World], tmp_path: Path) -> None:
    for augment in (CONFIG.augment, replace(CONFIG.augment, gain_std=0.3)):
        seen(network, worlds[:1], tmp_path, replace(CONFIG, augment=augment))
    assert len(list(tmp_path.iterdir())) == 4


def test_damaged_features_are_refused_in_one_sentence(
    network: L2LTR, worlds: list[World], tmp_path: Path
) -> None:
    seen(network, worlds[:1], tmp_path)
    for kept in tmp_path.iterdir():
        kept.write_bytes(b"cut")
    with pytest.raises(ConfigurationError, match="cannot be read; delete the files"):
        seen(network, worlds[:1], tmp_path)
