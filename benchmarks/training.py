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
from l2ltr_core.training.losses import info_nce
from l2ltr_core.training.ranks import Ranks
from l2ltr_core.training.stages import Main, WarmUp, contrast, descend, mixes, new_optimizer
from l2ltr_core.training.warmup import ColumnNetwork, new_network

RECIPE = Path(__file__).parents[1] / "configs" / "helsinki-l2ltr.toml"
WANTED_RATIO = 1.5


def rows(rounds: int) -> Iterator[Row]:
    """A step of the warm-up, and of the main stage with and without training its stems."""
    config = load_config(RECIPE)
    moving = replace(config, optimizer=replace(config.optimizer, stem_factor=0.2))
    frozen = replace(config, optimizer=replace(config.optimizer, stem_factor=0.0))
    yield measure("warm-up", new_stages(config)[0], config, rounds)
    yield measure("main, stems moving", new_stages(moving)[1], moving, rounds)
    yield measure("main, stems frozen", new_stages(frozen)[1], frozen, rounds)


def new_stages(config: TrainConfig) -> tuple[WarmUp, Main]:
    """Both stages of a run at its start."""
    torch.manual_seed(0)
    network = new_network(config)
    columns = ColumnNetwork(network)
    return WarmUp(columns, config), Main(deepcopy(network), columns, config)


def measure(name: str, stage: WarmUp | Main, config: TrainConfig, rounds: int) -> Row:
    """One line of the table."""
    batch = random_batch(config)
    steps = plain_step(deepcopy(stage), config, batch), our_step(deepcopy(stage), config, batch)
    outcome = race(*steps, rounds)
    return Row(
        f"training step, {name}",
        f"ms for {config.batches.pairs} pairs",
        outcome.ours_ms,
        outcome.reference_ms,
        outcome.ratios,
        targets=(Target.at_least("ratio", outcome.ratio, WANTED_RATIO),),
        note=f"{'bfloat16' if mixes(config.run.precision) else 'float32'} beside float32; gradients equal in float32",
    )


def random_batch(config: TrainConfig) -> Batch:
    """As large as the recipe says, every other place a negative."""
    pairs, model = config.batches.pairs, config.model
    ground, aerial = (torch.randn(pairs, 3, *size) for size in (model.ground_size_px, model.aerial_size_px))
    kept = torch.ones(pairs, pairs, dtype=torch.bool)
    return Batch(ground, aerial, kept, world=0, places=np.arange(pairs), mirrored=False)


def our_step(stage: WarmUp | Main, config: TrainConfig, batch: Batch) -> Callable[[], object]:
    """What the trainer does with a batch."""
    optimizer = new_optimizer(stage, config.optimizer)
    return lambda: descend(stage.train(), optimizer, batch, Ranks(), config.optimizer.clip_norm)


def plain_step(stage: WarmUp | Main, config: TrainConfig, batch: Batch) -> Callable[[], object]:
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


def plain_loss(stage: WarmUp | Main, config: TrainConfig, batch: Batch) -> Tensor:
    """What the stage minimises, by the reference network."""
    views = {"ground": batch.ground, "aerial": batch.aerial}
    if isinstance(stage, WarmUp):
        heads = {"ground": stage.columns.ground_head, "aerial": stage.columns.aerial_head}
        state = dict(stage.columns.named_parameters())
        columns = [heads[side](plain_stem(state, f"{side}_", config, views[side])) for side in views]
        return info_nce(columns[0], columns[1], config.objective.temperature, batch.kept)
    state = dict(stage.network.named_parameters())
    frozen = config.optimizer.stem_factor == 0
    cls, by_direction, distances = [], [], []
    for side, images in views.items():
        with torch.set_grad_enabled(not frozen):
            seen = plain_stem(state, f"{side}.", config, images)
        descriptors, columns = reference.describe_features(part(state, f"{side}."), config.model, seen)
        cls.append(descriptors)
        by_direction.append(columns)
        if stage.teacher is not None and stage.lift is not None:
            _, head = stage.teacher.of(side)
            with torch.no_grad():
                taught = dict(stage.teacher.named_parameters())
                taught_columns = head(seen if frozen else plain_stem(taught, f"{side}_", config, images))
            distances.append(1 - F.cosine_similarity(stage.lift(descriptors), taught_columns, dim=1).mean())
    pairs = [cls, by_direction] if config.model.column_width else [cls]
    contrastive = sum(contrast(ground, aerial, config.objective, batch.kept) for ground, aerial in pairs)
    return contrastive + config.objective.teacher_weight * sum(distances)


def plain_stem(state: Mapping[str, Tensor], prefix: str, config: TrainConfig, images: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, C, h, w) by the reference."""
    return reference.stem(part(state, prefix), config.model, images)


def part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose name begins with `prefix`, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


if __name__ == "__main__":
    run(rows, __doc__)
