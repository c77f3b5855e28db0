"""`fast` by OpenVINO: the same function but for rounding, converted once, and said by name."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from l2ltr_core.checkpoints import load_encoder, save_checkpoint
from l2ltr_core.checkpoints.converted import FOLDER
from l2ltr_core.errors import CheckpointError
from l2ltr_core.model import runtime
from l2ltr_core.model.config import CheckpointCard, ModelConfig, ViewConfig
from l2ltr_core.model.encoder import Encoder
from l2ltr_core.model.network import L2LTR, Branch

pytestmark = pytest.mark.openvino
pytest.importorskip("openvino", reason="the extra `fast` is not installed")
if runtime.describe_openvino() is None:
    pytest.skip("this CPU has no fast int8", allow_module_level=True)

HYBRID = ModelConfig(
    stem_stages=(1, 2, 1),
    stem_width=0.5,
    width=64,
    depth=3,
    heads=2,
    mlp_width=128,
    ground_size_px=(32, 64),
    aerial_size_px=(32, 64),
)
TIMM = replace(HYBRID, stem="timm", stem_model="tf_efficientnet_lite0", stem_stage=3, stem_out_channels=112)
VARIANTS = {
    "hybrid stem": HYBRID,
    "timm's EfficientNet-Lite": TIMM,
    "plain ViT": replace(HYBRID, stem="patch"),
    "columns": replace(HYBRID, column_width=8),
    "self-attention": replace(HYBRID, attention="self"),
    "one layer": replace(HYBRID, depth=1),
}
VIEWS = np.random.default_rng(0).integers(0, 255, (5, 32, 64, 3), np.uint8)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_checkpoint(L2LTR(HYBRID), CheckpointCard("tiny", HYBRID, ViewConfig(chip_m=50)), tmp_path)
    return tmp_path / "tiny.json"


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_every_variant_is_compiled_to_the_same_function_but_for_rounding(name: str) -> None:
    torch.manual_seed(0)
    config = VARIANTS[name]
    branch = Branch(config, config.ground_size_px).eval().requires_grad_(False)
    for parameter in branch.parameters():
        if parameter.dim() == 1:
            parameter.add_(0.2 * torch.randn_like(parameter))
    images = torch.randn(3, 3, 32, 64)
    compiled = runtime.CompiledBranch(lambda: branch, config, branch.grid, name, None)
    agreement = (compiled(images) * branch(images)).sum(dim=1)
    assert agreement.min() > 0.998


def test_fast_is_openvino_by_name_and_close_to_exact(checkpoint: Path) -> None:
    exact, fast = load_encoder(checkpoint), load_encoder(checkpoint, device="cpu", precision="fast")
    assert fast.runtime == runtime.describe_openvino()
    assert fast.runtime.startswith("OpenVINO 20") and "int8 linear maps" in fast.runtime
    expected = exact.encode_ground(VIEWS, prepared=True)
    found = fast.encode_ground(VIEWS, prepared=True)
    agreement = (expected * found).sum(axis=1)
    assert agreement.min() > 0.998
    assert agreement.min() < 1 - 1e-7  # it really computed in another precision
    one_by_one = fast.encode_ground(VIEWS, prepared=True, batch_size=1)
    assert (one_by_one * found).sum(axis=1).min() > 0.999


def test_attention_under_fast_is_exact(checkpoint: Path) -> None:
    exact, fast = load_encoder(checkpoint), load_encoder(checkpoint, device="cpu", precision="fast")
    for plain, other in zip(
        exact.attention(VIEWS[0], layers=(0, 2), prepared=True),
        fast.attention(VIEWS[0], layers=(0, 2), prepared=True),
        strict=True,
    ):
        np.testing.assert_array_equal(other, plain)
    _, rows = fast.cls_attention(VIEWS[0], layers=(1,), prepared=True)
    np.testing.assert_array_equal(rows, exact.cls_attention(VIEWS[0], layers=(1,), prepared=True)[1])


def test_a_branch_is_converted_once_and_the_next_start_gives_the_same_without_its_weights(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_encoder(checkpoint, device="cpu", precision="fast").encode_aerial(VIEWS[:1], prepared=True)
    assert len(list((checkpoint.parent / FOLDER).iterdir())) == 1
    monkeypatch.setattr(Encoder, "_read", lambda self, side: pytest.fail("the weights were read again"))
    again = load_encoder(checkpoint, device="cpu", precision="fast").encode_aerial(VIEWS[:1], prepared=True)
    np.testing.assert_array_equal(again, first)


def test_a_converted_branch_that_is_cut_short_is_converted_anew(checkpoint: Path) -> None:
    first = load_encoder(checkpoint, device="cpu", precision="fast").encode_aerial(VIEWS[:1], prepared=True)
    (kept,) = (checkpoint.parent / FOLDER).iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2])
    again = load_encoder(checkpoint, device="cpu", precision="fast").encode_aerial(VIEWS[:1], prepared=True)
    np.testing.assert_array_equal(again, first)
    assert kept.stat().st_size == len(whole)


def test_a_folder_that_cannot_be_written_to_leaves_the_users_cache(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("l2ltr_core.checkpoints.converted.os.access", lambda *_: False)
    load_encoder(checkpoint, device="cpu", precision="fast").encode_aerial(VIEWS[:1], prepared=True)
    assert not (checkpoint.parent / FOLDER).exists()
    assert len(list((tmp_path / "cache" / "l2ltr").rglob("*-aerial-*"))) == 1


def test_a_full_disk_while_converting_is_one_sentence_and_leaves_nothing(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    fast = load_encoder(checkpoint, device="cpu", precision="fast")
    with pytest.raises(CheckpointError, match=r"cannot be written to .*: No space left on device") as caught:
        fast.encode_aerial(VIEWS[:1], prepared=True)
    assert "\n" not in str(caught.value)
    assert list((checkpoint.parent / FOLDER).iterdir()) == []


def test_the_environment_may_choose_the_precision(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("L2LTR_PRECISION", "fast")
    assert load_encoder(checkpoint, device="cpu").runtime == runtime.describe_openvino()
    assert load_encoder(checkpoint, device="cpu", precision="exact").runtime.startswith("torch")
