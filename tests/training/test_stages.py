from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from l2ltr_core.model.columns import split_columns
from l2ltr_core.training.batches import Batch
from l2ltr_core.training.config import TrainConfig
from l2ltr_core.training.device import Device
from l2ltr_core.training.ranks import Ranks
from l2ltr_core.training.stages import Stage, StageName, new_optimizer, train_step
from l2ltr_core.training.start import new_network
from tests.training.tiny_world import tiny_config

CPU = Device.choose("cpu")


def make_batch(pairs: int = 4, turn: int = 0) -> Batch:
    draw = torch.Generator().manual_seed(0)
    images = [torch.randn(pairs, 3, *tiny_config().model.ground_size_px, generator=draw) for _ in range(2)]
    negative_mask = torch.rand(pairs, pairs, generator=draw) < 0.7
    images[0] = images[0].roll(turn * tiny_config().model.ground_patch_px, 3)
    return Batch(
        images[0], images[1], negative_mask, world=0, places=np.arange(pairs), mirrored=False, turn=turn
    )


def batch_for(stage: Stage, turn: int = 0) -> Batch:
    """What the stage's steps are given: pictures where the stems move, else what they see of them."""
    batch = make_batch(turn=turn)
    if stage.stem_factor:
        return batch
    network = stage.network
    with torch.no_grad():
        return replace(
            batch, ground=network.ground.stem(batch.ground), aerial=network.aerial.stem(batch.aerial)
        )


def make_stage(name: StageName = "layers", config: TrainConfig | None = None) -> Stage:
    torch.manual_seed(0)
    config = config or tiny_config()
    return Stage(name, new_network(config), config, CPU)


def moved_by_a_step(stage: Stage) -> set[str]:
    """Names of the network's tensors that one step has changed."""
    before = {name: value.clone() for name, value in stage.network.state_dict().items()}
    optimizer = new_optimizer(stage, tiny_config().optimizer)
    for group in optimizer.param_groups:
        group["lr"] = 1e-3 * group["factor"]
    train_step(stage, optimizer, batch_for(stage), Ranks(), 1.0)
    return {
        name for name, value in stage.network.state_dict().items() if not torch.equal(value, before[name])
    }


def is_of_stem(name: str) -> bool:
    return ".stem." in name or ".columns.of_stem." in name


def test_the_layers_learn_over_stems_and_columns_that_stand_still() -> None:
    moved = moved_by_a_step(make_stage("layers"))
    assert moved and not any(map(is_of_stem, moved))
    assert "ground.columns.of_tokens.mlp.2.weight" in moved and "aerial.cls_token" in moved


def test_everything_learns_together_and_the_stems_stay_near_the_aligned_ones() -> None:
    stage = make_stage("joint")
    aligned = {name: value.clone() for name, value in stage.aligned.state_dict().items()}  # type: ignore[union-attr]
    assert float(stage.outcome(batch_for(stage), Ranks()).parts["strayed"].detach()) == pytest.approx(
        0, abs=1e-6
    )
    moved = moved_by_a_step(stage)
    assert any(map(is_of_stem, moved)) and not all(map(is_of_stem, moved))
    assert float(stage.outcome(batch_for(stage), Ranks()).parts["strayed"].detach()) > 1e-7
    after = stage.aligned.state_dict()  # type: ignore[union-attr]
    assert all(torch.equal(after[name], aligned[name]) for name in aligned)


def test_the_memory_holds_the_layers_part_of_columns_and_where_stems_move_all_of_it() -> None:
    model = tiny_config().model
    columns = model.ground_grid[1]
    widths = {"layers": columns * 8, "joint": columns * 16}
    for name, width in widths.items():
        stage = make_stage(name)  # type: ignore[arg-type]
        outcome = stage.outcome(batch_for(stage), Ranks())
        assert {"loss", "contrastive", "columns", "teacher"} < set(outcome.parts)
        for rows in (outcome.ground, outcome.aerial):
            assert rows.shape == (4, stage.width) == (4, width)
            torch.testing.assert_close(rows.norm(dim=1), torch.ones(4))


def test_what_columns_of_turned_photos_say_is_turned_back_and_cls_is_left_alone() -> None:
    stage = make_stage("joint").eval()
    columns = stage.network.ground.grid[1]
    upright, turned = (stage.outcome(batch_for(stage, turn), Ranks()) for turn in (0, 3))
    assert set(upright.parts) - set(turned.parts) == {"contrastive", "teacher"}
    said = stage.encode("ground", make_batch(turn=3).ground).columns
    assert said is not None
    back = said.unflatten(1, (columns, -1)).roll(-3, 1).flatten(1)
    torch.testing.assert_close(turned.ground, back)
    assert torch.equal(turned.aerial, upright.aerial)


def test_without_columns_descriptors_alone_are_contrasted() -> None:
    config = tiny_config()
    config = replace(
        config,
        model=replace(config.model, column_width=0, stem_column_width=0),
        objective=replace(config.objective, teacher_weight=0.0),
    )
    stage = make_stage("layers", config)
    outcome = stage.outcome(batch_for(stage), Ranks())
    assert set(outcome.parts) == {"loss", "contrastive", "in_batch_recall"}
    assert outcome.ground.shape[1] == stage.width == config.model.width


def test_a_frozen_stem_sees_what_the_network_as_written_sees() -> None:
    stage = make_stage().eval()
    images = make_batch().ground
    said = stage.encode("ground", images)
    with torch.no_grad():
        written = stage.network.ground(images)
    assert said.columns is not None
    torch.testing.assert_close(torch.cat([said.cls, said.columns], dim=1), written, rtol=1e-4, atol=1e-5)


def test_both_halves_of_the_columns_count_alike() -> None:
    stage = make_stage().eval()
    said = stage.encode("aerial", make_batch().aerial)
    assert said.columns is not None
    for part in split_columns(said.columns, stage.network.config):
        torch.testing.assert_close(part.flatten(1).norm(dim=1), torch.ones(4))


def test_cls_is_taught_the_columns_and_teaches_them_nothing() -> None:
    stage = make_stage()
    images = make_batch().ground
    stage._distillation_loss(stage.encode("ground", images)).backward()
    gradients: dict[str, Tensor | None] = {
        name: p.grad for name, p in stage.network.ground.named_parameters()
    }
    assert gradients["cls_token"] is not None
    assert all(gradient is None for name, gradient in gradients.items() if name.startswith("columns."))


def test_a_loss_that_is_not_finite_changes_nothing() -> None:
    stage = make_stage()
    batch = batch_for(stage)
    before = {name: value.clone() for name, value in stage.state_dict().items()}
    optimizer = new_optimizer(stage, tiny_config().optimizer)
    for group in optimizer.param_groups:
        group["lr"] = 1e-3
    broken = replace(batch, aerial=batch.aerial * float("nan"))
    _, norm = train_step(stage, optimizer, broken, Ranks(), 1.0)
    assert not torch.isfinite(norm)
    assert all(torch.equal(value, before[name]) for name, value in stage.state_dict().items())


def test_branches_start_equal_but_for_random_stems() -> None:
    network = new_network(tiny_config())
    ground, aerial = network.ground.state_dict(), network.aerial.state_dict()
    assert all(torch.equal(ground[k], aerial[k]) for k in ground if not is_of_stem(f".{k}"))
    assert not all(torch.equal(ground[k], aerial[k]) for k in ground if is_of_stem(f".{k}"))
