"""The stem as training runs it, held to the stem as it is written."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from l2ltr_core.model.config import ModelConfig
from l2ltr_core.model.stem import Stem, build_stem
from l2ltr_core.training.stem import features

CONFIGS = [
    ModelConfig(stem_stages=(1, 1, 1), stem_width=0.5),
    ModelConfig(stem_stages=(1, 2, 1), stem_width=1.0),
    ModelConfig(stem="patch", width=48),
    ModelConfig(stem="timm", stem_model="tf_efficientnet_lite0", stem_stage=3, stem_out_channels=112),
]


def gradients(stem: Stem, out: Tensor) -> list[Tensor]:
    """Of a sum that weighs every number differently."""
    weights = torch.sin(torch.arange(out.numel(), dtype=torch.float32)).view(out.shape)
    return list(torch.autograd.grad((out * weights).sum(), list(stem.parameters())))


@pytest.mark.parametrize("config", CONFIGS)
def test_training_sees_the_same_features_and_gradients_as_the_stem_as_written(config: ModelConfig) -> None:
    torch.manual_seed(0)
    stem = build_stem(config)
    for module in stem.modules():
        if isinstance(module, nn.GroupNorm):
            nn.init.normal_(module.weight, 1, 0.3)
            nn.init.normal_(module.bias, 0, 0.3)
    images = torch.randn(2, 3, 64, 256)
    plain, ours = stem(images), features(stem, images)
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-4)
    for mine, expected in zip(gradients(stem, ours), gradients(stem, plain), strict=True):
        assert float((mine - expected).norm() / expected.norm()) < 1e-3  # 2e-4 without AVX-512


@torch.no_grad()
def test_mixed_precision_rounds_no_more_than_the_stem_as_written_does() -> None:
    torch.manual_seed(0)
    stem = build_stem(CONFIGS[0])
    images = torch.randn(4, 3, 64, 256)
    exact = stem(images)
    with torch.autocast("cpu", torch.bfloat16):
        ours, written = features(stem, images), stem(images)
    assert ours.dtype == torch.bfloat16
    assert float((ours - exact).norm()) < 1.1 * float((written - exact).norm())
