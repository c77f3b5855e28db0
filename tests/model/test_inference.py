from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import reference
from l2ltr_core.model import inference
from l2ltr_core.model.config import ModelConfig
from l2ltr_core.model.inference import InferenceBranch
from l2ltr_core.model.network import Branch

CPU = torch.device("cpu")
HYBRID = ModelConfig(
    stem_stages=(1, 2, 1),
    stem_width=0.5,
    width=48,
    depth=4,
    heads=3,
    mlp_width=96,
    ground_size_px=(32, 64),
    aerial_size_px=(32, 64),
)
TIMM = replace(HYBRID, stem="timm", stem_model="tf_efficientnet_lite0", stem_stage=3, stem_out_channels=112)
VARIANTS = {
    "hybrid stem": HYBRID,
    "timm's EfficientNet-Lite": TIMM,
    "timm's ResNet": replace(TIMM, stem_model="resnet18", stem_out_channels=256),
    "timm's MobileNetV3": replace(TIMM, stem_model="mobilenetv3_large_100"),
    "plain ViT": replace(HYBRID, stem="patch"),
    "self-attention": replace(HYBRID, attention="self"),
    "two layers": replace(HYBRID, depth=2),
    "one layer": replace(HYBRID, depth=1),
    "columns": replace(HYBRID, column_width=8),
    "columns over a plain ViT": replace(HYBRID, stem="patch", column_width=8),
    "one layer of self-attention": replace(HYBRID, depth=1, attention="self"),
}


def random_branch(config: ModelConfig) -> Branch:
    """A branch whose norms and biases matter, as they do after training."""
    torch.manual_seed(0)
    branch = Branch(config, config.ground_size_px).eval().requires_grad_(False)
    for parameter in branch.parameters():
        if parameter.dim() == 1:
            parameter.add_(0.5 * torch.randn_like(parameter))
    return branch


@pytest.fixture(params=sorted(VARIANTS))
def branch(request: pytest.FixtureRequest) -> Branch:
    return random_branch(VARIANTS[request.param])


@pytest.mark.parametrize("packed", [True, False], ids=["oneDNN's order", "torch's order"])
@torch.inference_mode()
def test_the_fast_descriptors_are_the_branchs_within_1e_5(
    branch: Branch, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "_can_pack", lambda: packed and torch.backends.mkldnn.is_available())
    images = torch.randn(5, 3, 32, 64)
    np.testing.assert_allclose(InferenceBranch(branch, CPU)(images), branch(images), atol=1e-5)


@torch.inference_mode()
def test_the_fast_cls_rows_are_the_branchs(branch: Branch) -> None:
    images = torch.randn(5, 3, 32, 64)
    layers = range(branch.config.depth)
    _, rows = InferenceBranch(branch, CPU).look(images, layers)
    full = torch.stack([weights[:, :, 0] for weights in branch.attention(images, layers)], dim=1)
    np.testing.assert_allclose(rows, full, atol=1e-5)


@torch.inference_mode()
def test_a_batch_may_be_larger_than_what_is_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "TOKENS_AT_ONCE", 20)
    branch = random_branch(HYBRID)
    fast = InferenceBranch(branch, CPU)
    assert fast.images_at_once == 2
    images = torch.randn(5, 3, 32, 64)
    np.testing.assert_allclose(fast(images), branch(images), atol=1e-5)


@torch.inference_mode()
def test_the_branch_it_was_made_from_may_change_or_go() -> None:
    branch, images = random_branch(HYBRID), torch.randn(2, 3, 32, 64)
    fast = InferenceBranch(branch, CPU)
    before = fast(images)
    for parameter in branch.parameters():
        parameter.zero_()
    assert torch.equal(fast(images), before)


@pytest.mark.parametrize("name", sorted(name for name, config in VARIANTS.items() if config.stem != "timm"))
@torch.inference_mode()
def test_the_plain_reference_is_the_same_function(name: str) -> None:
    branch = random_branch(VARIANTS[name])
    images = torch.randn(3, 3, 32, 64)
    result = reference.describe(branch.state_dict(), branch.config, images)
    np.testing.assert_allclose(result, branch(images)[:, : branch.config.width], atol=1e-5)
