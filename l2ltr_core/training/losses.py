"""Contrastive losses over a batch of pairs, both directions; every row may come from another process.

`kept[i, j]` says whether ground i and aerial j may be pushed apart: places too close to each other are
neither a pair nor a negative. The diagonal is the pairs themselves and is never pushed apart.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Remembered(NamedTuple):
    """Negatives from earlier batches, without gradient: M places."""

    ground: Tensor  # (M, D) unit rows
    aerial: Tensor  # (M, D) unit rows
    kept: Tensor  # (B, M) bool: may be pushed apart from the batch's places

    def joined(self, others: Remembered) -> Remembered:
        """Both, one after the other."""
        return Remembered(
            torch.cat([self.ground, others.ground]),
            torch.cat([self.aerial, others.aerial]),
            torch.cat([self.kept, others.kept], dim=1),
        )


def soft_margin_triplet(ground: Tensor, aerial: Tensor, alpha: float, kept: Tensor | None = None) -> Tensor:
    """The paper's loss: log(1 + exp(alpha (d_pair - d_negative))) over all in-batch negatives.

    Both inputs (B, D) unit rows; d is the squared distance; the mean over B(B-1) negatives of each
    direction, the two averaged (Hu et al., CVM-Net, 2018; L2LTR, section 3.4). As in the authors' code
    the sum also runs over the pairs themselves, which adds a constant of log 2 / (B - 1).
    """
    distance = 2 - 2 * ground @ aerial.t()  # (B ground, B aerial)
    pair = distance.diagonal()
    negatives = _negatives(len(pair), kept, distance.device)
    counted = negatives | torch.eye(len(pair), dtype=torch.bool, device=distance.device)
    to_aerial = F.softplus(alpha * (pair[:, None] - distance))
    to_ground = F.softplus(alpha * (pair[None, :] - distance))
    return ((to_aerial + to_ground) * counted).sum() / (2 * negatives.sum().clamp(min=1))


def info_nce(
    ground: Tensor,
    aerial: Tensor,
    temperature: float,
    kept: Tensor | None = None,
    remembered: Remembered | None = None,
) -> Tensor:
    """Cross-entropy of picking the own pair among the batch and what is remembered; (B, D) unit rows.

    Both directions averaged.
    """
    scores = ground @ aerial.t()
    pairs = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    allowed = _negatives(len(scores), kept, scores.device) | pairs
    to_aerial, to_ground, to_aerial_allowed, to_ground_allowed = scores, scores.t(), allowed, allowed.t()
    if remembered is not None:
        to_aerial = torch.cat([to_aerial, ground @ remembered.aerial.t()], dim=1)
        to_ground = torch.cat([to_ground, aerial @ remembered.ground.t()], dim=1)
        to_aerial_allowed = torch.cat([to_aerial_allowed, remembered.kept], dim=1)
        to_ground_allowed = torch.cat([to_ground_allowed, remembered.kept], dim=1)
    own = torch.arange(len(scores), device=scores.device)
    return (
        F.cross_entropy((to_aerial / temperature).masked_fill(~to_aerial_allowed, float("-inf")), own)
        + F.cross_entropy((to_ground / temperature).masked_fill(~to_ground_allowed, float("-inf")), own)
    ) / 2


def _negatives(size: int, kept: Tensor | None, device: torch.device) -> Tensor:
    others = ~torch.eye(size, dtype=torch.bool, device=device)
    return others if kept is None else others & kept
