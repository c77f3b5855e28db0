from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from l2ltr_core.model.columns import StemColumns, unit_columns
from l2ltr_core.model.network import L2LTR
from l2ltr_core.training.align import (
    Moments,
    align,
    canonical_maps,
    column_features,
    set_columns,
    stem_columns,
)
from l2ltr_core.training.config import AlignConfig
from l2ltr_core.training.device import Device
from l2ltr_core.training.features import see
from l2ltr_core.training.ranks import Ranks
from l2ltr_core.training.start import new_network
from l2ltr_core.training.views import Views
from l2ltr_core.training.worlds import World, load_world
from tests.training.tiny_world import tiny_config, write_world

FEATURES, PLANTED = 24, 3
SETTINGS = AlignConfig(principal=20, ridge=0.01)


def planted(seed: int, count: int = 4000) -> tuple[torch.Tensor, torch.Tensor]:
    """Two sides of noise, of very different scales and means, with three numbers in common."""
    draw = torch.Generator().manual_seed(seed)
    mixes = [torch.randn(PLANTED, FEATURES, generator=torch.Generator().manual_seed(k)) for k in (1, 2)]
    common = torch.randn(count, PLANTED, generator=draw)
    scale, mean = torch.logspace(-1, 1, FEATURES), 5 * torch.arange(FEATURES)
    sides = [(common @ mix + torch.randn(count, FEATURES, generator=draw)) * scale + mean for mix in mixes]
    return sides[0], sides[1]


def test_what_both_sides_have_in_common_is_found_and_told_on_others() -> None:
    found = canonical_maps(Moments.of(*planted(0)), 6, SETTINGS)
    assert (found.correlations[:PLANTED] > 0.7).all() and (found.correlations[PLANTED:] < 0.15).all()
    ground, aerial = (
        side @ each.weight.T + each.bias
        for side, each in zip(planted(7), (found.ground, found.aerial), strict=True)
    )
    together = torch.corrcoef(torch.cat([ground, aerial], dim=1).T)[:6, 6:].diagonal()
    assert (together[:PLANTED] > 0.7).all() and (together[PLANTED:].abs() < 0.15).all()
    assert float(ground.mean(0).abs().max()) < 0.1
    scale = (found.correlations**SETTINGS.power).float()  # the more a direction tells, the more it counts
    assert ground.std(0) == pytest.approx(scale.numpy(), abs=0.15)


def test_sums_of_parts_are_those_of_the_whole() -> None:
    ground, aerial = planted(0)
    whole = Moments.of(ground, aerial)
    parts = Moments.of(ground[:1000], aerial[:1000]) + Moments.of(ground[1000:], aerial[1000:])
    for name, value in vars(whole).items():
        torch.testing.assert_close(getattr(parts, name), value, rtol=1e-5, atol=1e-2)


def test_a_map_becomes_columns_that_say_the_same() -> None:
    seen = torch.randn(2, 5, 8, 6, generator=torch.Generator().manual_seed(0))
    columns = StemColumns(5, 7, mean_weight=1.0)
    found = canonical_maps(Moments.of(column_features(seen), column_features(seen.flip(1))), 7, SETTINGS)
    set_columns(columns, found.ground)
    expected = column_features(seen) @ found.ground.weight.T + found.ground.bias
    torch.testing.assert_close(columns(seen).flatten(0, 1), expected, rtol=1e-4, atol=1e-4)


def test_features_of_a_column_are_its_bands_then_those_of_its_neighbours() -> None:
    seen = torch.arange(2 * 8 * 4.0).view(1, 2, 8, 4)
    first = column_features(seen)[0]
    bands = seen[0, :, :, 0].view(2, 4, 2).mean(2).flatten()
    beside = (seen[0, :, :, 1] + seen[0, :, :, 3]).view(2, 4, 2).mean(2).flatten() / 2
    assert torch.equal(first, torch.cat([bands, beside]))


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> list[World]:
    folder, config = tmp_path_factory.mktemp("worlds"), tiny_config()
    made = [write_world(folder / name, 40, seed) for seed, name in enumerate(("one", "two"))]
    return [load_world(each, config.model, config.view, folder / "views") for each in made]


def aligned(worlds: list[World], cache: Path) -> L2LTR:
    torch.manual_seed(0)
    config, device = tiny_config(), Device.choose("cpu")
    network = new_network(config)
    features = see(network, worlds, config, cache, device, Ranks(), lambda *_: True)
    align(network, features, config, device, Ranks())
    return network


@pytest.fixture(scope="module")
def network(worlds: list[World], tmp_path_factory: pytest.TempPathFactory) -> L2LTR:
    return aligned(worlds, tmp_path_factory.mktemp("features"))


def test_columns_depend_on_the_pairs_alone(network: L2LTR, worlds: list[World], tmp_path: Path) -> None:
    again = aligned(worlds, tmp_path).state_dict()
    for name, value in network.state_dict().items():
        assert torch.equal(value, again[name])


def test_pairs_that_the_alignment_has_not_seen_are_told_apart(network: L2LTR, tmp_path: Path) -> None:
    config = tiny_config()
    folder = write_world(tmp_path / "other", 40, seed=9)
    other = load_world(folder, config.model, config.view, tmp_path)
    pair = Views(config.model, config.view).plain(other, np.arange(40))
    with torch.no_grad():
        ground, aerial = (
            unit_columns(stem_columns(branch)(branch.features(images))).flatten(1)
            for branch, images in zip((network.ground, network.aerial), pair, strict=True)
        )
    found = (ground @ aerial.T).argmax(dim=1) == torch.arange(40)
    assert float(found.float().mean()) > 0.5  # by chance 0.025
