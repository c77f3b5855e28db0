"""Trunks from timm: what is folded computes what timm does, and what cannot be a stem is refused."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.model.config import CheckpointCard, ModelConfig, ViewConfig
from l2ltr_core.model.network import L2LTR
from l2ltr_core.model.stem import TimmStem
from l2ltr_core.model.trunk import build_extractor, build_trunk, fold_batch_norm

LITE = ModelConfig(
    stem="timm",
    stem_model="tf_efficientnet_lite2",
    stem_stage=3,
    stem_out_channels=120,
    width=32,
    depth=1,
    heads=2,
    mlp_width=64,
)
BATCH_NORM = nn.modules.batchnorm._BatchNorm


def trained_extractor(model: str) -> nn.Module:
    """timm's, with batch norms that matter, as they do after training."""
    torch.manual_seed(0)
    extractor = build_extractor(model, 3)
    for norm in extractor.modules():
        if isinstance(norm, BATCH_NORM):
            nn.init.uniform_(norm.weight, 0.7, 1.3)
            nn.init.normal_(norm.bias, std=0.1)
            nn.init.normal_(norm.running_mean, std=0.1)
            nn.init.uniform_(norm.running_var, 0.7, 1.3)
    return extractor


@pytest.mark.parametrize("model", ["tf_efficientnet_lite2", "resnet18", "mobilenetv3_large_100"])
@torch.inference_mode()
def test_folded_convolutions_compute_what_timm_does_with_its_batch_norms(model: str) -> None:
    extractor, images = trained_extractor(model), torch.randn(2, 3, 64, 128)
    (expected,) = extractor(images)
    trunk = fold_batch_norm(extractor)
    torch.testing.assert_close(
        trunk.eval()(images) / expected.std(), expected / expected.std(), rtol=0, atol=1e-4
    )


def test_a_trunk_has_no_batch_norm_and_nothing_behind_its_stage() -> None:
    trunk = build_trunk("tf_efficientnet_lite2", 3)
    assert not any(isinstance(module, BATCH_NORM) for module in trunk.modules())
    assert all(conv.bias.requires_grad for conv in trunk.modules() if isinstance(conv, nn.Conv2d))
    assert any(isinstance(conv, Conv2dSame) for conv in trunk.modules())
    names = trunk.state_dict()
    assert any(name.startswith("blocks.4.") for name in names)
    assert not any(name.startswith(("blocks.5.", "blocks.6.")) for name in names)


@torch.inference_mode()
def test_training_mode_changes_nothing_that_the_trunk_says() -> None:
    trunk, images = build_trunk("tf_efficientnet_lite0", 3), torch.randn(2, 3, 32, 64)
    assert trunk.training
    assert torch.equal(trunk(images), trunk.eval()(images))


@torch.inference_mode()
def test_a_trunk_travels_to_another_process() -> None:
    trunk, images = build_trunk("tf_efficientnet_lite0", 3).eval(), torch.randn(1, 3, 32, 64)
    assert torch.equal(pickle.loads(pickle.dumps(trunk))(images), trunk(images))


@torch.inference_mode()
def test_both_branches_have_a_stem_of_their_own_with_a_cell_for_16_pixels() -> None:
    network = L2LTR(LITE)
    images = torch.randn(2, 3, 128, 512)
    assert network.ground.features(images).shape == (2, 120, 8, 32)
    assert network.aerial.features(images).shape == (2, 120, 8, 32)
    own = {parameter.data_ptr() for parameter in network.ground.stem.parameters()}
    assert own.isdisjoint(parameter.data_ptr() for parameter in network.aerial.stem.parameters())


def test_a_card_says_which_trunk_and_an_older_card_needs_no_such_words() -> None:
    card = CheckpointCard("lite", LITE, ViewConfig(chip_m=50))
    assert CheckpointCard.from_dict(card.to_dict()) == card
    older = ModelConfig().to_dict()
    for key in ("stem_model", "stem_stage", "stem_out_channels"):
        del older[key]
    assert ModelConfig.from_dict(older) == ModelConfig()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"stem_model": "lite3"}, r"stem_model is 'lite3', which timm [0-9.]+ does not know\."),
        ({"stem_stage": 9}, r"stem_model 'tf_efficientnet_lite2' has no stage 9 that timm gives"),
        (
            {"stem_stage": 2},
            r"stem_stage is 2, where tf_efficientnet_lite2 has a stride of 8; give a stage with 16\.",
        ),
        (
            {"stem_out_channels": 112},
            r"stem_out_channels is 112, but tf_efficientnet_lite2 has 120 at stage 3\.",
        ),
        (
            {"stem_model": "resnetv2_50", "stem_out_channels": 1024},
            r"The batch norm \S+ follows no convolution to be folded into; give another stem_model\.",
        ),
        (
            {"stem_model": "vit_tiny_patch16_224", "stem_out_channels": 192},
            r"'vit_tiny_patch16_224' is made for one size of image or another layout of features",
        ),
        ({"aerial_patch_px": 32}, r"aerial_patch_px is 32; a timm stem allows 16 alone\."),
    ],
)
def test_what_cannot_be_a_stem_is_refused_in_one_sentence(changes: dict, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        replace(LITE, **changes)
    assert "\n" not in str(caught.value)


def test_a_turned_view_is_a_rolled_row_of_columns() -> None:
    torch.manual_seed(0)
    stem = TimmStem(LITE).eval()
    view = torch.randn(1, 3, 64, 512)
    with torch.no_grad():
        expected = stem(view).roll(5, 3)
        turned = stem(view.roll(5 * 16, 3))
    agreement = torch.nn.functional.cosine_similarity(turned.flatten(), expected.flatten(), dim=0)
    assert agreement > 0.99
