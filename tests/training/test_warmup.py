from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from l2ltr_core.checkpoints import save_checkpoint
from l2ltr_core.model.config import CheckpointCard
from l2ltr_core.training.ranks import Ranks
from l2ltr_core.training.stages import Main
from l2ltr_core.training.warmup import (
    COLUMN_WIDTH,
    ColumnHead,
    ColumnNetwork,
    initial_positions,
    new_network,
    structured_positions,
    take_over,
    with_finer_stem,
    with_rows_beyond,
)
from tests.training.test_ranks import make_batch
from tests.training.tiny_world import tiny_config


def test_positions_start_at_the_scale_that_is_asked_for() -> None:
    assert float(structured_positions((4, 16), 192, 0.6).std()) == pytest.approx(0.6, rel=1e-4)


def test_positions_go_round_the_azimuth() -> None:
    grid = structured_positions((4, 16), 192, 0.6).unflatten(0, (4, 16))
    alike = F.cosine_similarity(grid[2, :1], grid[2], dim=1)
    assert float(alike[15]) == pytest.approx(float(alike[1]), abs=0.12)
    assert float(alike[1]) > float(alike[4]) and float(alike[15]) > float(alike[8])


def test_positions_tell_every_token_apart() -> None:
    distances = torch.cdist(*(structured_positions((4, 16), 192, 0.6),) * 2)
    assert float((distances + 1e9 * torch.eye(64)).min()) > 1.0


def test_the_start_of_a_checkpoint_that_was_trained_is_remade_from_its_card() -> None:
    config = tiny_config()
    network = new_network(config)
    card = CheckpointCard("tiny", config.model, config.view, training={"configuration": config.to_dict()})
    for side, branch in (("ground", network.ground), ("aerial", network.aerial)):
        remade = initial_positions(card, side)  # type: ignore[arg-type]
        assert remade is not None
        np.testing.assert_array_equal(remade[1:], branch.positional_embedding[0, 1:].detach().numpy())
        assert not remade[0].any()


def test_what_cards_already_shipped_say_of_their_start_stays_true() -> None:
    first, last = structured_positions((2, 4), 3, 0.6)[[0, -1]].tolist()
    assert first == pytest.approx([1.0695, -0.1775, 0.4868], abs=1e-4)
    assert last == pytest.approx([-0.6186, 0.4157, 0.4202], abs=1e-4)


@pytest.mark.parametrize("training", [{}, {"configuration": {}}, {"configuration": "lost"}])
def test_a_card_without_its_configuration_tells_no_start(training: dict) -> None:
    config = tiny_config()
    assert (
        initial_positions(CheckpointCard("x", config.model, config.view, training=training), "ground") is None
    )


def test_a_random_start_or_one_of_another_architecture_is_not_remade() -> None:
    config = tiny_config()
    wider = replace(config.model, width=128)
    for model, settings in ((config.model, replace(config, position_std=0.0)), (wider, config)):
        card = CheckpointCard("x", model, config.view, training={"configuration": settings.to_dict()})
        assert initial_positions(card, "ground") is None


def test_both_branches_start_equal_but_for_their_stems() -> None:
    network = new_network(tiny_config())
    ground, aerial = network.ground.state_dict(), network.aerial.state_dict()
    assert all(torch.equal(ground[k], aerial[k]) for k in ground if not k.startswith("stem."))
    assert not all(torch.equal(ground[k], aerial[k]) for k in ground if k.startswith("stem."))


def test_a_turned_view_turns_the_column_descriptor() -> None:
    head = ColumnHead(8, 2)
    features = torch.randn(1, 8, 2, 6, generator=torch.Generator().manual_seed(0))
    straight, turned = head(features), head(features.roll(2, 3))
    assert torch.allclose(straight.roll(2 * COLUMN_WIDTH, 1), turned, atol=1e-6)
    assert float(straight.detach().norm()) == pytest.approx(1, abs=1e-5)


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


def test_the_teacher_never_changes() -> None:
    config = tiny_config()
    network = new_network(config)
    columns = ColumnNetwork(network)
    stage = Main(network, columns, config)
    before = {k: v.clone() for k, v in stage.teacher.state_dict().items()}  # type: ignore[union-attr]
    optimizer = torch.optim.AdamW([p for g in stage.groups() for p in g["params"]], lr=0.1)
    stage.outcome(make_batch(), Ranks()).parts["loss"].backward()
    optimizer.step()
    after = stage.teacher.state_dict()  # type: ignore[union-attr]
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert not torch.equal(before["ground_stem.root.conv.weight"], network.ground.stem.root.conv.weight)


def test_frozen_stems_teach_the_same_without_looking_twice() -> None:
    config = tiny_config()
    frozen = replace(config, optimizer=replace(config.optimizer, stem_factor=0.0))
    torch.manual_seed(0)
    network = new_network(config)
    columns = ColumnNetwork(network)
    stages = [Main(network, columns, c) for c in (config, frozen)]
    stages[1].lift.load_state_dict(stages[0].lift.state_dict())  # type: ignore[union-attr]
    moving, still = (stage.outcome(make_batch(), Ranks()).parts for stage in stages)
    assert float(moving["teacher"]) == pytest.approx(float(still["teacher"]), abs=1e-6)
    still["loss"].backward()
    assert all(p.grad is None for p in network.ground.stem.parameters())
    assert network.ground.positional_embedding.grad is not None
