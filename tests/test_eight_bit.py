"""Weights at 8 bits a number."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from l2ltr_core.checkpoints import load_encoder, save_checkpoint
from l2ltr_core.checkpoints.eight_bit import SCALE, read_tensor, to_eight_bit, without_scales
from l2ltr_core.errors import CheckpointError
from l2ltr_core.model.config import CheckpointCard, ModelConfig, ViewConfig
from l2ltr_core.model.network import L2LTR


def test_a_matrix_comes_back_within_half_a_level_of_its_row() -> None:
    matrix = torch.randn(64, 128) * torch.logspace(-3, 2, 64)[:, None]
    stored = to_eight_bit({"weight": matrix})
    back = read_tensor("weight", stored, stored.__getitem__)
    level = matrix.abs().amax(dim=1, keepdim=True) / 127
    assert ((back - matrix).abs() <= level * 0.501).all()


def test_filters_keep_their_shape() -> None:
    filters = torch.randn(32, 16, 3, 3)
    stored = to_eight_bit({"conv": filters})
    assert stored["conv"].shape == filters.shape and stored["conv"].dtype == torch.int8
    assert read_tensor("conv", stored, stored.__getitem__).shape == filters.shape


def test_vectors_and_small_tensors_stay_in_float16() -> None:
    stored = to_eight_bit({"bias": torch.ones(8192), "small": torch.ones(4, 4)})
    assert {name: tensor.dtype for name, tensor in stored.items()} == {
        "bias": torch.float16,
        "small": torch.float16,
    }


def test_a_row_of_zeros_stays_zero() -> None:
    stored = to_eight_bit({"weight": torch.zeros(64, 128)})
    assert (read_tensor("weight", stored, stored.__getitem__) == 0).all()


def test_names_of_scales_are_told_from_those_of_tensors() -> None:
    assert without_scales({"a", "a" + SCALE, "b.scale"}) == {"a", "b.scale"}


def test_a_checkpoint_at_8_bits_loads_and_describes_almost_the_same(tmp_path: Path) -> None:
    model = ModelConfig(
        stem="patch",
        width=64,
        depth=2,
        heads=4,
        mlp_width=128,
        ground_size_px=(32, 64),
        aerial_size_px=(32, 64),
    )
    torch.manual_seed(0)
    network = L2LTR(model).eval()
    card = CheckpointCard("tiny", model, ViewConfig(chip_m=50.0))
    save_checkpoint(network, card, tmp_path / "exact")
    save_checkpoint(network, card, tmp_path / "eight", torch.int8)
    photo = np.random.default_rng(0).integers(0, 255, (32, 64, 3), dtype=np.uint8)
    exact, eight = (
        load_encoder(tmp_path / folder).encode_ground([photo], prepared=True) for folder in ("exact", "eight")
    )
    assert (exact @ eight.T).item() > 0.999
    sizes = [(tmp_path / folder / "tiny.safetensors").stat().st_size for folder in ("exact", "eight")]
    assert sizes[1] < 0.4 * sizes[0]


def test_integers_without_a_scale_are_refused(tmp_path: Path) -> None:
    model = ModelConfig(
        stem="patch",
        width=64,
        depth=1,
        heads=4,
        mlp_width=128,
        ground_size_px=(32, 64),
        aerial_size_px=(32, 64),
    )
    save_checkpoint(
        L2LTR(model), CheckpointCard("tiny", model, ViewConfig(chip_m=50.0)), tmp_path, torch.int8
    )
    weights = tmp_path / "tiny.safetensors"
    tensors = load_file(weights)
    del tensors["ground.layers.0.mlp.expand.weight" + SCALE]
    save_file(tensors, weights)
    fingerprint = hashlib.sha256(weights.read_bytes()).hexdigest()[:16]
    card = json.loads((tmp_path / "tiny.json").read_text())
    (tmp_path / "tiny.json").write_text(json.dumps(card | {"fingerprint": fingerprint}))
    with pytest.raises(CheckpointError, match="real numbers were expected"):
        load_encoder(tmp_path).branch("ground")
