"""The benchmark, run small, and its reference held to the golden numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import reference
from benchmarks.encoder import Case, measure, multiplications, own_peak_mb, report
from l2ltr_core.checkpoints import import_authors, infer_authors_config, load_network
from l2ltr_core.model.config import IMAGENET_MEAN, IMAGENET_STD, ModelConfig, ViewConfig

GOLDEN = Path(__file__).parents[1] / "golden"
TINY = ModelConfig(
    stem="patch", width=32, depth=2, heads=2, mlp_width=32, ground_size_px=(16, 64), aerial_size_px=(16, 64)
)


@pytest.mark.parametrize("name", ["hybrid_polar", "plain_vit"])
@pytest.mark.parametrize("side", ["ground", "aerial"])
def test_the_reference_gives_the_golden_numbers(name: str, side: str, tmp_path: Path) -> None:
    file = GOLDEN / f"{name}.pth"
    config = infer_authors_config(file, heads=4, ground_size_px=(64, 256), aerial_size_px=(64, 256))
    import_authors(file, config, ViewConfig(chip_m=50), tmp_path, name)
    state = getattr(load_network(tmp_path), side).state_dict()
    numbers = np.load(GOLDEN / f"{name}.npz")
    pixels = (numbers[f"{side}_image"] / 255 - IMAGENET_MEAN) / IMAGENET_STD
    images = torch.from_numpy(pixels.astype(np.float32)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        np.testing.assert_allclose(
            reference.describe(state, config, images), numbers[f"{side}_embedding"], atol=1e-4
        )
        np.testing.assert_allclose(
            reference.tokens(state, config, images), numbers[f"{side}_tokens"], atol=1e-4
        )


def test_a_row_compares_two_that_agree() -> None:
    row = measure(Case("tiny", 2), TINY, rounds=2)
    assert row.reference_ms > 0
    assert row.ours_ms > 0
    assert row.difference < 1e-5
    assert "| tiny | 2 | exact |" in report([row])


def test_the_full_size_model_needs_28_4_billion_multiplications_an_image() -> None:
    assert multiplications(ModelConfig()) / 1e9 == pytest.approx(28.4, abs=0.05)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_the_peak_of_memory_is_this_processs_own() -> None:
    before = own_peak_mb()
    assert torch.ones(60 * 2**20 // 4).sum() > 0
    assert own_peak_mb() >= before > 50
