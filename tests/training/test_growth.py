"""Finer pictures and farther tiles than a checkpoint began with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch

from l2ltr_core.checkpoints import save_checkpoint
from l2ltr_core.model.config import CheckpointCard
from l2ltr_core.training.growth import take_over, with_finer_stem, with_rows_beyond
from l2ltr_core.training.warmup import ColumnNetwork, new_network
from tests.training.tiny_world import tiny_config


@pytest.mark.parametrize("stem", ["hybrid", "patch"])
def test_a_finer_stem_sees_in_a_picture_twice_as_large_what_it_saw_before(
    stem: Literal["hybrid", "patch"],
) -> None:
    config = tiny_config()
    coarse_model = replace(config.model, stem=stem)
    rows, columns = coarse_model.ground_size_px
    fine_model = replace(coarse_model, ground_size_px=(2 * rows, 2 * columns), ground_patch_px=32)
    assert fine_model.ground_grid == coarse_model.ground_grid
    coarse, fine = (
        ColumnNetwork(new_network(replace(config, model=model))) for model in (coarse_model, fine_model)
    )
    fine.load_state_dict(with_finer_stem(coarse.state_dict(), "ground", 2))
    large = torch.randn(2, 3, 2 * rows, 2 * columns, generator=torch.Generator().manual_seed(1))
    small = torch.nn.functional.avg_pool2d(large, 2)
    torch.testing.assert_close(fine.ground(large), coarse.ground(small), rtol=1e-3, atol=1e-4)


def test_rows_beyond_the_tile_change_nothing_until_they_are_learned() -> None:
    config = tiny_config()
    rows, columns = config.model.aerial_size_px
    farther = replace(config.model, aerial_size_px=(rows + 32, columns))
    near, far = (ColumnNetwork(new_network(replace(config, model=m))) for m in (config.model, farther))
    far.load_state_dict(with_rows_beyond(near.state_dict(), 2, 2))
    features = torch.randn(2, 512, 4, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(far.aerial_head(features), near.aerial_head(features[:, :, 2:]))


def test_a_checkpoint_of_nearer_tiles_places_farther_rows_where_its_farthest_was(tmp_path: Path) -> None:
    config = tiny_config()
    near = new_network(config)
    save_checkpoint(near, CheckpointCard("near", config.model, config.view), tmp_path, torch.float32)
    rows, columns = config.model.aerial_size_px
    far = new_network(replace(config, model=replace(config.model, aerial_size_px=(rows + 16, columns))))
    take_over(far, tmp_path / "near.safetensors", stems=True)
    positions = far.aerial.positional_embedding[0, 1:].unflatten(0, (3, 8))
    before = near.aerial.positional_embedding[0, 1:].unflatten(0, (2, 8))
    assert torch.equal(positions, torch.cat([before[:1], before]))
    assert torch.equal(far.ground.positional_embedding, near.ground.positional_embedding)
