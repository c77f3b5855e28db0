"""What the steps of training minimise: the layers over frozen stems, then all of it together."""

from __future__ import annotations

import math
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from l2ltr_core.model.columns import split_columns
from l2ltr_core.model.config import ModelConfig
from l2ltr_core.model.encoder import Side
from l2ltr_core.model.inference import InferenceStem
from l2ltr_core.model.network import L2LTR, Branch
from l2ltr_core.training.batches import Batch
from l2ltr_core.training.config import ObjectiveConfig, OptimizerConfig, TrainConfig
from l2ltr_core.training.device import Device
from l2ltr_core.training.losses import MemoryNegatives, info_nce, soft_margin_triplet
from l2ltr_core.training.ranks import Ranks
from l2ltr_core.training.stem import features
from l2ltr_core.training.transformer import describe

StageName = Literal["features", "layers", "joint"]
Parts = dict[str, Tensor]
"""Named parts of a loss, each a scalar; `loss` is what is minimised."""


@dataclass(frozen=True)
class Outcome:
    """Of one batch: the losses, and the descriptors (B, D) of all processes for the memory."""

    parts: Parts
    ground: Tensor
    aerial: Tensor


class BranchOutput(NamedTuple):
    """The output of one branch: descriptors (B, D) and columns (B, w * (K + T)) where it has any, both unit rows."""

    cls: Tensor
    columns: Tensor | None


class Stage(nn.Module):
    """A network and what its steps minimise.

    CLS and the columns are contrasted each by itself; of the columns what the layers say, or all where the stems move.
    The columns are distilled into CLS: one linear projection for both branches predicts them from the descriptor. The
    cross-batch memory holds columns where there are any, and CLS is compared within the batch. Where photos are
    turned, what their columns say is turned back, and CLS, which knows north, is left alone.
    """

    def __init__(self, name: StageName, network: L2LTR, config: TrainConfig, device: Device) -> None:
        super().__init__()
        self.name = name
        self.network = network
        self.device, self.precision = device, config.run.precision
        self.objective = config.objective
        self.stem_factor = config.joint.stem_factor if name == "joint" else 0.0
        columns = config.model.columns
        distils = columns is not None and config.objective.teacher_weight > 0
        self.projection = nn.Linear(config.model.width, math.prod(columns or ())) if distils else None
        stays = self.stem_factor > 0 and columns is not None and config.objective.stay_weight > 0
        stems = _stems_of(network)
        self.aligned = deepcopy(stems).requires_grad_(False) if stays else None
        stems.requires_grad_(self.stem_factor > 0)
        self._frozen: dict[Side, InferenceStem] = {}
        self.width = config.model.width if columns is None else columns[0] * self._contrasted(config.model)
        self.to(device.kind)

    def _contrasted(self, model: ModelConfig) -> int:
        """Numbers of each column that are contrasted."""
        return model.column_width + (model.stem_column_width if self.stem_factor else 0)

    def outcome(self, batch: Batch, ranks: Ranks, memory_negatives: MemoryNegatives | None = None) -> Outcome:
        """The losses of one batch, `memory_negatives` being further negatives."""
        rows = ranks.rows(len(batch.ground))
        given: dict[Side, Tensor] = {"ground": batch.ground[rows], "aerial": batch.aerial[rows]}
        outputs = {side: self._describe(side, each) for side, each in given.items()}
        negative_mask = batch.negative_mask.to(self.device.kind)
        parts: Parts = {}
        ground, aerial = (ranks.gather(each.cls) for each in outputs.values())
        if not batch.turn:
            memory = None if outputs["ground"].columns is not None else memory_negatives
            parts["contrastive"] = contrast(ground, aerial, self.objective, negative_mask, memory)
            if self.projection is not None:
                parts["teacher"] = (
                    ranks.mean(_sum(self._distillation_loss(each) for each in outputs.values())) / 2
                )
        if outputs["ground"].columns is not None:
            ground, aerial = (ranks.gather(each) for each in self._compared(outputs, batch.turn))
            parts["columns"] = contrast(ground, aerial, self.objective, negative_mask, memory_negatives)
        if self.aligned is not None:
            parts["strayed"] = (
                ranks.mean(_sum(self._strayed(side, given[side], outputs[side]) for side in outputs)) / 2
            )
        weights = {"teacher": 2 * self.objective.teacher_weight, "strayed": 2 * self.objective.stay_weight}
        loss = _sum(weights.get(name, 1.0) * part for name, part in parts.items())
        return _with_in_batch_recall(
            {"loss": loss} | {k: v.detach() for k, v in parts.items()}, ground, aerial
        )

    def encode(self, side: Side, images: Tensor) -> BranchOutput:
        """(B, 3, H, W) normalised -> what a branch says."""
        if self.stem_factor:
            return self._describe(side, images)
        return self._describe(side, self._frozen_stem(side)(self.device.put(images)))

    def _describe(self, side: Side, given: Tensor) -> BranchOutput:
        """Of pictures where the stems move, else of what they saw."""
        branch: Branch = getattr(self.network, side)
        given = self.device.put(given)
        with self.device.autocast(self.precision):
            return BranchOutput(
                *describe(branch, features(branch.stem, given) if self.stem_factor else given)
            )

    def _frozen_stem(self, side: Side) -> InferenceStem:
        """Made when it is first needed: by then a resumed run has its weights."""
        if side not in self._frozen:
            branch, dtype = getattr(self.network, side), self.device.dtype(self.precision)
            self._frozen[side] = InferenceStem(branch, self.device.kind, dtype)
        return self._frozen[side]

    def _compared(self, outputs: dict[Side, BranchOutput], turn: int) -> list[Tensor]:
        """Of both sides (B, width) unit rows, the photos' as if they had not been turned."""
        both = []
        for side, each in outputs.items():
            assert each.columns is not None
            rows = each.columns if self.stem_factor else split_columns(each.columns, self.network.config)[1]
            columns = rows.reshape(len(rows), self.network.ground.grid[1], -1)
            both.append((columns.roll(-turn, 1) if side == "ground" else columns).flatten(1))
        return both

    def _distillation_loss(self, output: BranchOutput) -> Tensor:
        """Distillation loss: mean cosine distance from the columns that CLS predicts to the columns."""
        assert self.projection is not None and output.columns is not None
        return 1 - F.cosine_similarity(self.projection(output.cls), output.columns.detach(), dim=1).mean()

    def _strayed(self, side: Side, images: Tensor, output: BranchOutput) -> Tensor:
        """Mean cosine distance of the stem's columns from the aligned ones."""
        assert self.aligned is not None and output.columns is not None
        aligned: Any = self.aligned[side]
        with torch.no_grad(), self.device.autocast(self.precision):
            seen = features(aligned["stem"], self.device.put(images))
        was = aligned["columns"](seen.float()).flatten(1)
        now = split_columns(output.columns, self.network.config)[0].flatten(1)
        return 1 - F.cosine_similarity(now, was, dim=1).mean()

    def groups(self) -> list[dict[str, Any]]:
        """Parameter groups, each with a `factor` on the learning rate."""
        stems = list(_stems_of(self.network).parameters())
        known = {id(p) for p in stems}
        rest = [
            *self.network.parameters(),
            *(self.projection.parameters() if self.projection is not None else ()),
        ]
        moving = [{"params": [p for p in rest if id(p) not in known], "factor": 1.0}]
        return [*moving, {"params": stems, "factor": self.stem_factor}] if self.stem_factor else moving


def _stems_of(network: L2LTR) -> nn.ModuleDict:
    """Of each side the stem and, where there are any, the columns that it says alone; shared with the network."""
    return nn.ModuleDict(
        {
            side: nn.ModuleDict(
                {"stem": branch.stem}
                | ({"columns": branch.columns.of_stem} if branch.columns is not None else {})
            )
            for side, branch in (("ground", network.ground), ("aerial", network.aerial))
        }
    )


def new_optimizer(stage: Stage, settings: OptimizerConfig) -> torch.optim.AdamW:
    """AdamW at rate zero: the schedule sets the rate of each group."""
    return torch.optim.AdamW(
        stage.groups(), lr=0.0, weight_decay=settings.weight_decay, eps=settings.eps, fused=True
    )


def train_step(
    stage: Stage,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    ranks: Ranks,
    clip_norm: float,
    memory_negatives: MemoryNegatives | None = None,
) -> tuple[Outcome, Tensor]:
    """One step on one batch; what came out of it, and the norm of the gradient before clipping.

    A loss or a gradient that is not finite changes nothing: one overflowing batch must not cost the run.
    """
    outcome = stage.outcome(batch, ranks, memory_negatives)
    optimizer.zero_grad(set_to_none=True)
    outcome.parts["loss"].backward()
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    ranks.sum_gradients(parameters)
    norm = nn.utils.clip_grad_norm_(parameters, clip_norm, foreach=True)
    if torch.isfinite(norm):
        optimizer.step()
    return outcome, norm


def contrast(
    ground: Tensor,
    aerial: Tensor,
    objective: ObjectiveConfig,
    negative_mask: Tensor,
    memory_negatives: MemoryNegatives | None = None,
) -> Tensor:
    """The contrastive loss that the configuration names."""
    if objective.loss == "triplet":
        return soft_margin_triplet(ground, aerial, objective.alpha, negative_mask)
    return info_nce(ground, aerial, objective.temperature, negative_mask, memory_negatives)


def _sum(values: Iterable[Tensor]) -> Tensor:
    """The sum of scalars."""
    return torch.stack(list(values)).sum()


def _with_in_batch_recall(parts: Parts, ground: Tensor, aerial: Tensor) -> Outcome:
    """Adds the part of the batch whose own pair scores best, a tie counted as a miss."""
    with torch.no_grad():
        scores = ground @ aerial.t()
        first = (scores >= scores.diagonal()[:, None]).sum(dim=1) == 1
    return Outcome({**parts, "in_batch_recall": first.float().mean()}, ground, aerial)
