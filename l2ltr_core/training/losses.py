"""Contrastive losses over a batch of pairs, both directions; every row may come from another process.

`negative_mask[i, j]` says whether ground i and aerial j may be pushed apart: places too close to each other are
neither a pair nor a negative. The diagonal is the pairs themselves and is never pushed apart.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class MemoryNegatives(NamedTuple):
    """Negatives from earlier batches, without gradient: M places."""

    ground: Tensor  # (M, D) unit rows
    aerial: Tensor  # (M, D) unit rows
    negative_mask: Tensor  # (B, M) bool: may be pushed apart from the batch's places

    def joined(self, others: MemoryNegatives) -> MemoryNegatives:
        """Both, one after the other."""
        return MemoryNegatives(
            torch.cat([self.ground, others.ground]),
            torch.cat([self.aerial, others.aerial]),
            torch.cat([self.negative_mask, others.negative_mask], dim=1),
        )


def soft_margin_triplet(
    ground: Tensor, aerial: Tensor, alpha: float, negative_mask: Tensor | None = None
) -> Tensor:
    """The paper's loss: log(1 + exp(alpha (d_pair - d_negative))) over all in-batch negatives.

    Both inputs (B, D) unit rows; d is the squared distance; the mean over B(B-1) negatives of each
    direction, the two averaged (Hu et al., CVM-Net, 2018; L2LTR, section 3.4). As in the authors' code
    the sum also runs over the pairs themselves, which adds a constant of log 2 / (B - 1).
    """
    distance = 2 - 2 * ground @ aerial.t()  # (B ground, B aerial)
    pair = distance.diagonal()
    negatives = _negatives(len(pair), negative_mask, distance.device)
    counted = negatives | torch.eye(len(pair), dtype=torch.bool, device=distance.device)
    to_aerial = F.softplus(alpha * (pair[:, None] - distance))
    to_ground = F.softplus(alpha * (pair[None, :] - distance))
    return ((to_aerial + to_ground) * counted).sum() / (2 * negatives.sum().clamp(min=1))


def info_nce(
    ground: Tensor,
    aerial: Tensor,
    temperature: float,
    negative_mask: Tensor | None = None,
    memory_negatives: MemoryNegatives | None = None,
) -> Tensor:
    """Cross-entropy of picking the own pair among the batch and the cross-batch memory; (B, D) unit rows.

    Both directions averaged.
    """
    scores = ground @ aerial.t()
    pairs = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    allowed = _negatives(len(scores), negative_mask, scores.device) | pairs
    to_aerial, to_ground, to_aerial_allowed, to_ground_allowed = scores, scores.t(), allowed, allowed.t()
    if memory_negatives is not None:
        to_aerial = torch.cat([to_aerial, ground @ memory_negatives.aerial.t()], dim=1)
        to_ground = torch.cat([to_ground, aerial @ memory_negatives.ground.t()], dim=1)
        to_aerial_allowed = torch.cat([to_aerial_allowed, memory_negatives.negative_mask], dim=1)
        to_ground_allowed = torch.cat([to_ground_allowed, memory_negatives.negative_mask], dim=1)
    own = torch.arange(len(scores), device=scores.device)
    return (
        F.cross_entropy((to_aerial / temperature).masked_fill(~to_aerial_allowed, float("-inf")), own)
        + F.cross_entropy((to_ground / temperature).masked_fill(~to_ground_allowed, float("-inf")), own)
    ) / 2


def _negatives(size: int, negative_mask: Tensor | None, device: torch.device) -> Tensor:
    others = ~torch.eye(size, dtype=torch.bool, device=device)
    return others if negative_mask is None else others & negative_mask
