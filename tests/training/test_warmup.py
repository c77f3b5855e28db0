from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from l2ltr_core.model.columns import ColumnHead
from l2ltr_core.model.config import CheckpointCard
from l2ltr_core.model.network import Branch
from l2ltr_core.training.ranks import Ranks
from l2ltr_core.training.stages import Main
from l2ltr_core.training.warmup import (
    COLUMN_WIDTH,
    ColumnNetwork,
    initial_positions,
    new_network,
    structured_positions,
    warmed_up,
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
    head = ColumnHead(8, 2, COLUMN_WIDTH)
    features = torch.randn(1, 8, 2, 6, generator=torch.Generator().manual_seed(0))
    straight, turned = head(features), head(features.roll(2, 3))
    assert torch.allclose(straight.roll(2 * COLUMN_WIDTH, 1), turned, atol=1e-6)
    assert float(straight.detach().norm()) == pytest.approx(1, abs=1e-5)


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


def test_columns_begin_nearly_as_the_head_that_the_stems_were_warmed_up_under() -> None:
    torch.manual_seed(0)
    config = tiny_config()
    network = new_network(replace(config, model=replace(config.model, column_width=COLUMN_WIDTH)))
    branch, head = network.ground, ColumnNetwork(network).ground_head
    assert branch.columns is not None and not _of_layers(branch).any()
    head.mlp[0].weight.data = torch.randn(256, 20) @ torch.randn(20, head.mlp[0].weight.shape[1]) / 20  # type: ignore[union-attr]
    branch.columns.of_stem.begin_with(head)
    seen = torch.randn(2, int(branch.stem.channels), *branch.grid)
    tokens = torch.randn(2, 1 + branch.grid[0] * branch.grid[1], config.model.width)
    torch.testing.assert_close(branch.columns(seen, tokens), head(seen), rtol=1e-3, atol=1e-4)
    again = warmed_up(network).ground_head
    torch.testing.assert_close(again(seen), branch.columns(seen, tokens), rtol=1e-4, atol=1e-5)


def _of_layers(branch: Branch) -> torch.Tensor:
    """The last map of what the layers add to the columns."""
    assert branch.columns is not None
    return branch.columns.of_tokens.mlp[-1].weight  # type: ignore[return-value]


def test_columns_learn_beside_cls_and_are_what_is_remembered() -> None:
    config = tiny_config()
    config = replace(config, model=replace(config.model, column_width=8))
    network = new_network(config)
    stage = Main(network, ColumnNetwork(network), config)
    outcome = stage.outcome(make_batch(), Ranks())
    assert {"loss", "contrastive", "columns", "teacher"} < set(outcome.parts)
    columns, width = config.model.columns  # type: ignore[misc]
    assert outcome.ground.shape[1] == outcome.aerial.shape[1] == stage.width == columns * width
    outcome.parts["loss"].backward()
    last = _of_layers(network.aerial)
    assert last.grad is not None and float(last.grad.norm()) > 0
    assert not last.any()
    torch.optim.SGD(network.parameters(), lr=0.1).step()
    assert last.any()


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
