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
@pytest.mark.parametrize("widths", [(0, 0), (8, 0), (8, 4)], ids=["no columns", "one sum", "side by side"])
def test_training_gives_the_same_descriptors_and_gradients_as_the_branch_as_written(
    attention: str, depth: int, widths: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    column, stem_column = widths
    config = replace(
        MODEL,
        attention=attention,
        depth=depth,
        column_width=column,
        stem_column_width=stem_column,  # type: ignore[arg-type]
    )
    branch = Branch(config, VIEW_PX)
    for parameter in branch.parameters():
        if parameter.dim() == 1:  # norms and biases, which start as ones and zeros
            nn.init.normal_(parameter, float(parameter.detach().mean()), 0.3)
    seen = torch.randn(3, branch.stem.channels, *branch.grid)
    monkeypatch.setattr(branch, "features", lambda _: seen)
    plain, ours = (
        branch(seen),
        torch.cat([part for part in describe(branch, seen) if part is not None], dim=1),
    )
    weights = torch.randn_like(plain)
    torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-5)
    moved = {name: p for name, p in branch.named_parameters() if not name.startswith("stem.")}
    expected, mine = (
        torch.autograd.grad((out * weights).sum(), list(moved.values())) for out in (plain, ours)
    )
    scale = max(float(gradient.norm()) for gradient in expected)
    for name, one, other in zip(moved, expected, mine, strict=True):
        assert float((one - other).norm()) < 1e-4 * float(one.norm()) + 1e-6 * scale, name
