"""A training step beside the same step written plainly: float32, no layout chosen, every token in every layer.

Run `make bench`, or `python -m benchmarks.training` (`--help` for a smaller run). The recipe is the one of
the checkpoint that ships; inputs are random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks import reference
from benchmarks.measure import race
from benchmarks.table import Row, Target, run
from l2ltr_core.training.batches import Batch
from l2ltr_core.training.config import TrainConfig, load_config
from l2ltr_core.training.device import Device
from l2ltr_core.training.ranks import Ranks
from l2ltr_core.training.stages import Stage, StageName, contrast, new_optimizer, train_step
from l2ltr_core.training.start import new_network

RECIPE = Path(__file__).parents[1] / "configs" / "world-l2ltr.toml"
WANTED_RATIO = 1.5
CPU = Device(torch.device("cpu"))


def rows(rounds: int) -> Iterator[Row]:
    """A step of each stage: over stems that stand still, and with them."""
    config = replace(load_config(RECIPE), stem_weights="")  # random ones cost the same
    yield measure("layers, stems frozen", new_stage("layers", config), config, rounds)
    yield measure("joint, stems moving", new_stage("joint", config), config, rounds)


def new_stage(name: StageName, config: TrainConfig) -> Stage:
    """A stage of a run at its start; where stems move they may stray."""
    torch.manual_seed(0)
    config = replace(config, objective=replace(config.objective, stay_weight=0.0))
    return Stage(name, new_network(config), config, CPU)


def measure(name: str, stage: Stage, config: TrainConfig, rounds: int) -> Row:
    """One line of the table."""
    batch = random_batch(stage, config)
    steps = plain_step(deepcopy(stage), config, batch), our_step(deepcopy(stage), config, batch)
    outcome = race(*steps, rounds)
    computed = "bfloat16" if CPU.mixes(config.run.precision) else "float32"
    return Row(
        f"training step, {name}",
        f"ms for {config.batches.pairs} pairs",
        outcome.ours_ms,
        outcome.reference_ms,
        outcome.ratios,
        targets=(Target.at_least("ratio", outcome.ratio, WANTED_RATIO),),
        note=f"{computed} beside float32; gradients equal in float32",
    )


def random_batch(stage: Stage, config: TrainConfig) -> Batch:
    """Pictures where the stems move, else what they see; as large as the recipe says, every other place a negative."""
    pairs, model = config.batches.pairs, config.model
    ground, aerial = (torch.randn(pairs, 3, *size) for size in (model.ground_size_px, model.aerial_size_px))
    if not stage.stem_factor:
        with torch.no_grad():
            ground, aerial = stage.network.ground.features(ground), stage.network.aerial.features(aerial)
    negative_mask = torch.ones(pairs, pairs, dtype=torch.bool)
    return Batch(ground, aerial, negative_mask, world=0, places=np.arange(pairs), mirrored=False)


def our_step(stage: Stage, config: TrainConfig, batch: Batch) -> Callable[[], object]:
    """What the trainer does with a batch."""
    optimizer = new_optimizer(stage, config.optimizer)
    return lambda: train_step(stage.train(), optimizer, batch, Ranks(), config.optimizer.clip_norm)


def plain_step(stage: Stage, config: TrainConfig, batch: Batch) -> Callable[[], object]:
    """The same, with nothing done for speed."""
    settings = config.optimizer
    optimizer = torch.optim.AdamW(
        stage.groups(), lr=0.0, weight_decay=settings.weight_decay, eps=settings.eps, foreach=False
    )

    def step() -> None:
        optimizer.zero_grad()
        plain_loss(stage, config, batch).backward()
        nn.utils.clip_grad_norm_(stage.parameters(), settings.clip_norm, foreach=False)
        optimizer.step()

    return step


def plain_loss(stage: Stage, config: TrainConfig, batch: Batch) -> Tensor:
    """What the stage minimises, by the reference network."""
    views = {"ground": batch.ground, "aerial": batch.aerial}
    model, objective, state = config.model, config.objective, dict(stage.network.named_parameters())
    cls, by_direction, distances = [], [], []
    for side, images in views.items():
        own = part(state, f"{side}.")
        seen = (
            plain_stem(getattr(stage.network, side).stem, own, config, images)
            if stage.stem_factor
            else images
        )
        descriptors, columns = reference.describe_features(own, model, seen)
        cls.append(descriptors)
        if columns is None:
            continue
        if stage.projection is not None:
            distances.append(
                1 - F.cosine_similarity(stage.projection(descriptors), columns.detach(), dim=1).mean()
            )
        if not stage.stem_factor:
            numbers = model.stem_column_width + model.column_width
            layers_alone = columns.unflatten(1, (-1, numbers))[..., model.stem_column_width :]
            columns = F.normalize(layers_alone.flatten(1), dim=1)
        by_direction.append(columns)
    compared = [cls, by_direction] if by_direction else [cls]
    contrastive = [contrast(ground, aerial, objective, batch.negative_mask) for ground, aerial in compared]
    return torch.stack([*contrastive, *(objective.teacher_weight * each for each in distances)]).sum()


def plain_stem(stem: nn.Module, state: Mapping[str, Tensor], config: TrainConfig, images: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, C, h, w) by the reference; a stem from timm as timm has it."""
    return stem(images) if config.model.stem == "timm" else reference.stem(state, config.model, images)


def part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose name begins with `prefix`, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


if __name__ == "__main__":
    run(rows, __doc__)
