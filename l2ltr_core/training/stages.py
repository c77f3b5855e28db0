"""The two stages of training: warming up the stems, then the whole network under a frozen teacher."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from l2ltr_core.model.network import L2LTR, Branch
from l2ltr_core.model.runtime import CPU, gains_by_bfloat16
from l2ltr_core.training.batches import Batch
from l2ltr_core.training.config import ObjectiveConfig, OptimizerConfig, TrainConfig
from l2ltr_core.training.losses import Remembered, info_nce, soft_margin_triplet
from l2ltr_core.training.ranks import Ranks
from l2ltr_core.training.stem import features
from l2ltr_core.training.transformer import describe
from l2ltr_core.training.warmup import ColumnNetwork

StageName = Literal["warmup", "main"]
Parts = dict[str, Tensor]
"""Named parts of a loss, each a scalar; `loss` is what is minimised."""


@dataclass(frozen=True)
class Outcome:
    """Of one batch: the losses, and the descriptors (B, D) of all processes."""

    parts: Parts
    ground: Tensor
    aerial: Tensor


class Stage(Protocol):
    """What the training loop needs to know."""

    name: StageName
    width: int
    """Numbers in a descriptor."""

    def outcome(self, batch: Batch, ranks: Ranks, remembered: Remembered | None = None) -> Outcome:
        """The losses of one batch, `remembered` being further negatives."""

    def groups(self) -> list[dict[str, Any]]:
        """Parameter groups, each with a `factor` on the learning rate."""

    def ground(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) normalised -> (B, D) unit rows."""

    def aerial(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) normalised -> (B, D) unit rows."""


class WarmUp(nn.Module):
    """Both stems learn to see alike, judged column by column (InfoNCE)."""

    name: StageName = "warmup"

    def __init__(self, columns: ColumnNetwork, config: TrainConfig) -> None:
        super().__init__()
        self.columns = columns
        self.width = columns.width
        self.precision = config.run.precision
        self.temperature = config.objective.temperature

    def outcome(self, batch: Batch, ranks: Ranks, remembered: Remembered | None = None) -> Outcome:
        """InfoNCE of the column descriptors."""
        rows = ranks.rows(len(batch.ground))
        ground = ranks.gather(self.ground(batch.ground[rows]))
        aerial = ranks.gather(self.aerial(batch.aerial[rows]))
        loss = info_nce(ground, aerial, self.temperature, batch.kept, remembered)
        return _with_matches({"loss": loss}, ground, aerial)

    def groups(self) -> list[dict[str, Any]]:
        """Everything at the full rate."""
        return [{"params": list(self.columns.parameters()), "factor": 1.0}]

    def ground(self, images: Tensor) -> Tensor:
        """The column descriptor of ground views."""
        with _compute_in(self.precision):
            return self.columns.ground(images)

    def aerial(self, images: Tensor) -> Tensor:
        """The column descriptor of aerial views."""
        with _compute_in(self.precision):
            return self.columns.aerial(images)


class Main(nn.Module):
    """The network, its CLS descriptor also asked to foretell the frozen column descriptor.

    One linear map for both branches carries the descriptor over, so both must say the same thing. A network with
    columns of its own learns them beside it; then it is they that are remembered, and CLS is compared within the
    batch.
    """

    name: StageName = "main"

    def __init__(self, network: L2LTR, teacher: ColumnNetwork | None, config: TrainConfig) -> None:
        super().__init__()
        self.network = network
        self.teacher = None if teacher is None else deepcopy(teacher).requires_grad_(False)
        self.lift = None if teacher is None else nn.Linear(config.model.width, teacher.width)
        columns = config.model.columns
        self.width = config.model.width if columns is None else math.prod(columns)
        self.objective = config.objective
        self.precision = config.run.precision
        self.stem_factor = config.optimizer.stem_factor

    def outcome(self, batch: Batch, ranks: Ranks, remembered: Remembered | None = None) -> Outcome:
        """The contrastive losses and, with a teacher, the cosine distance to what it says."""
        rows = ranks.rows(len(batch.ground))
        ground = self._encode(self.network.ground, batch.ground[rows])
        aerial = self._encode(self.network.aerial, batch.aerial[rows])
        cls, columns = (ranks.gather(ground.cls), ranks.gather(aerial.cls)), None
        if ground.columns is not None and aerial.columns is not None:
            columns = ranks.gather(ground.columns), ranks.gather(aerial.columns)
        contrastive = contrast(*cls, self.objective, batch.kept, None if columns else remembered)
        parts = {"loss": contrastive, "contrastive": contrastive.detach()}
        if columns:
            by_direction = contrast(*columns, self.objective, batch.kept, remembered)
            parts |= {"loss": contrastive + by_direction, "columns": by_direction.detach()}
        if ground.off is not None and aerial.off is not None:
            off = ranks.mean(ground.off + aerial.off)
            parts["loss"] = parts["loss"] + self.objective.teacher_weight * off
            parts["teacher"] = off.detach() / 2
        return _with_matches(parts, *(columns or cls))

    def _encode(self, branch: Branch, images: Tensor) -> _Said:
        with _compute_in(self.precision):
            with torch.set_grad_enabled(self.stem_factor > 0):
                seen = features(branch.stem, images)
            descriptors, columns = describe(branch, seen)
            if self.teacher is None or self.lift is None:
                return _Said(descriptors, columns, None)
            stem, head = self.teacher.of("ground" if branch is self.network.ground else "aerial")
            with torch.no_grad():
                taught = head(seen if self.stem_factor == 0 else features(stem, images))
        off = 1 - F.cosine_similarity(self.lift(descriptors), taught, dim=1).mean()
        return _Said(descriptors, columns, off)

    def groups(self) -> list[dict[str, Any]]:
        """The stems, already warm, learn more slowly than the rest; with factor 0 they do not move at all."""
        stems = [*self.network.ground.stem.parameters(), *self.network.aerial.stem.parameters()]
        known = {id(p) for p in stems}
        rest = [p for p in self.parameters() if p.requires_grad and id(p) not in known]
        moving = [{"params": rest, "factor": 1.0}]
        return [*moving, {"params": stems, "factor": self.stem_factor}] if self.stem_factor else moving

    def ground(self, images: Tensor) -> Tensor:
        """What is remembered of ground views: their descriptors, or their columns where the network has any."""
        return self._describe(self.network.ground, images)

    def aerial(self, images: Tensor) -> Tensor:
        """The same of aerial views."""
        return self._describe(self.network.aerial, images)

    def _describe(self, branch: Branch, images: Tensor) -> Tensor:
        with _compute_in(self.precision):
            descriptors, columns = describe(branch, features(branch.stem, images))
        return descriptors if columns is None else columns


class _Said(NamedTuple):
    """Of one branch: descriptors (B, D), columns (B, C) where it has any, and how far on average the descriptors
    are from foretelling the teacher's, in [0, 2], where there is one."""

    cls: Tensor
    columns: Tensor | None
    off: Tensor | None


def new_optimizer(stage: Stage, settings: OptimizerConfig) -> torch.optim.AdamW:
    """AdamW at rate zero: the schedule sets the rate of each group."""
    return torch.optim.AdamW(
        stage.groups(), lr=0.0, weight_decay=settings.weight_decay, eps=settings.eps, fused=True
    )


def descend(
    stage: Stage,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    ranks: Ranks,
    clip_norm: float,
    remembered: Remembered | None = None,
) -> tuple[Outcome, Tensor]:
    """One step on one batch; what came out of it, and the norm of the gradient before clipping.

    A gradient that is not finite changes nothing: one overflowing batch must not cost the run.
    """
    outcome = stage.outcome(batch, ranks, remembered)
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
    kept: Tensor,
    remembered: Remembered | None = None,
) -> Tensor:
    """The contrastive loss that the configuration names."""
    if objective.loss == "triplet":
        return soft_margin_triplet(ground, aerial, objective.alpha, kept)
    return info_nce(ground, aerial, objective.temperature, kept, remembered)


def mixes(precision: str) -> bool:
    """Whether a CPU computes in bfloat16 under a configuration's `precision`: where asked for, or where it pays."""
    return precision == "bfloat16" or (precision == "auto" and gains_by_bfloat16(CPU))


def _compute_in(precision: str) -> torch.autocast:
    """Mixed precision; descriptors and losses stay float32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=mixes(precision))


def _with_matches(parts: Parts, ground: Tensor, aerial: Tensor) -> Outcome:
    """Adds the part of the batch whose own pair scores best, a tie counted as a miss."""
    with torch.no_grad():
        scores = ground @ aerial.t()
        first = (scores >= scores.diagonal()[:, None]).sum(dim=1) == 1
    return Outcome({**parts, "in_batch_recall": first.float().mean()}, ground, aerial)
