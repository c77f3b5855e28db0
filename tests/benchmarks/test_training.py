"""The benchmark of a training step, run small; its plain step is what ours is held to."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks.table import report
from benchmarks.training import RECIPE, measure, new_stage, plain_loss, random_batch
from l2ltr_core.training.config import RunConfig, TrainConfig, load_config
from l2ltr_core.training.ranks import Ranks
from l2ltr_core.training.stages import StageName
from tests.training.tiny_world import tiny_config


def small_config(pairs: int = 4) -> TrainConfig:
    config = tiny_config()
    return replace(config, batches=replace(config.batches, pairs=pairs))


@pytest.mark.parametrize("name", ["layers", "joint"])
def test_a_step_has_the_gradients_of_the_plain_step_in_float32(name: StageName) -> None:
    config = small_config()
    stage = new_stage(name, config)
    batch = random_batch(stage, config)
    moving = {name: p for name, p in stage.named_parameters() if p.requires_grad}
    gradients = []
    for loss in (plain_loss(stage, config, batch), stage.outcome(batch, Ranks()).parts["loss"]):
        gradients.append(torch.autograd.grad(loss, list(moving.values()), allow_unused=True))
    known = [g for g in gradients[0] if g is not None]
    scale = max(float(gradient.norm()) for gradient in known)
    assert len(known) > 20
    for name, expected, ours in zip(moving, *gradients, strict=True):
        assert (expected is None) == (ours is None), name
        if expected is not None:
            difference = float((expected - ours).norm())
            assert difference < 1e-4 * float(expected.norm()) + 1e-6 * scale, name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["layers", "joint"])
def test_the_plain_step_knows_the_recipe_that_ships(name: StageName) -> None:
    """A stem from timm. Noise looks alike to a new network, so its gradients are known less exactly."""
    recipe = load_config(RECIPE)
    config = replace(
        recipe,
        batches=replace(recipe.batches, pairs=4),
        run=replace(recipe.run, precision="float32"),
        stem_weights="",
    )
    stage = new_stage(name, config)
    batch = random_batch(stage, config)
    moving = [parameter for parameter in stage.parameters() if parameter.requires_grad]
    plain, ours = plain_loss(stage, config, batch), stage.outcome(batch, Ranks()).parts["loss"]
    assert float(ours.detach()) == pytest.approx(float(plain.detach()), rel=1e-4)
    expected, found = (torch.autograd.grad(loss, moving, allow_unused=True) for loss in (plain, ours))
    pairs = [(e, f) for e, f in zip(expected, found, strict=True) if e is not None and f is not None]
    assert len(pairs) == sum(each is not None for each in expected) > 40
    apart = torch.stack([(e - f).norm() for e, f in pairs]).norm()
    assert apart < 0.1 * torch.stack([e.norm() for e, _ in pairs]).norm()


def test_the_small_benchmark_gives_a_row() -> None:
    config = replace(small_config(), run=RunConfig(threads=1, precision="bfloat16"))
    row = measure("tiny", new_stage("layers", config), config, rounds=1)
    assert len(row.ratios) == 1
    assert "| training step, tiny | ms for 4 pairs |" in report([row])
