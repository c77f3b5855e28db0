from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from l2ltr_core.model.config import CheckpointCard
from l2ltr_core.model.position_init import initial_positions, structured_positions
from l2ltr_core.training.start import new_network
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
    wider = replace(config.model, width=64)
    for model, settings in ((config.model, replace(config, position_std=0.0)), (wider, config)):
        card = CheckpointCard("x", model, config.view, training={"configuration": settings.to_dict()})
        assert initial_positions(card, "ground") is None
