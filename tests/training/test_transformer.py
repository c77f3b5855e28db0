"""The layers as training runs them, held to the branch as it is written."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from l2ltr_core.model.network import Branch
from l2ltr_core.training.transformer import describe
from tests.training.tiny_world import MODEL, VIEW_PX


@pytest.mark.parametrize("attention", ["self-cross", "self"])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_training_gives_the_same_descriptors_and_gradients_as_the_branch_as_written(
    attention: str, depth: int
) -> None:
    torch.manual_seed(0)
    branch = Branch(replace(MODEL, attention=attention, depth=depth), VIEW_PX)  # type: ignore[arg-type]
    for parameter in branch.parameters():
        if parameter.dim() == 1:  # norms and biases, which start as ones and zeros
            nn.init.normal_(parameter, float(parameter.detach().mean()), 0.3)
    seen = torch.randn(3, branch.stem.channels, *branch.grid)
    weights = torch.randn(3, MODEL.width)
    plain, ours = branch.describe(branch.tokens_from_features(seen)), describe(branch, seen)
    torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-5)
    moved = {name: p for name, p in branch.named_parameters() if not name.startswith("stem.")}
    expected, mine = (
        torch.autograd.grad((out * weights).sum(), list(moved.values())) for out in (plain, ours)
    )
    scale = max(float(gradient.norm()) for gradient in expected)
    for name, one, other in zip(moved, expected, mine, strict=True):
        assert float((one - other).norm()) < 1e-4 * float(one.norm()) + 1e-6 * scale, name
