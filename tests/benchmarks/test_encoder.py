"""The benchmark, run small, and its reference held to the golden numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import encoder, reference
from benchmarks.__main__ import measure as measure_all
from benchmarks.encoder import Case, measure, measure_attention, multiplications
from benchmarks.table import Row
from l2ltr_core.checkpoints import import_authors, infer_authors_config, load_network
from l2ltr_core.model.config import IMAGENET_MEAN, IMAGENET_STD, ModelConfig, ViewConfig
from l2ltr_core.model.runtime import describe_openvino

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


def test_a_row_compares_two_that_agree_and_says_what_computed() -> None:
    row = measure(Case("tiny", 2), TINY, rounds=2)
    assert row.reference is not None
    assert row.reference > 0
    assert row.ours > 0
    assert float(row.note.rpartition(" ")[2]) < 1e-5
    assert row.note.startswith("torch ")
    assert row.case == "tiny, exact, 2 at once"
    assert row.targets == ()  # they are the full-size model's


def test_the_price_of_attention_has_a_target() -> None:
    row = measure_attention("tiny", TINY, rounds=2)
    assert row.case == "tiny, exact, attention of CLS in layer 2"
    assert [target.text for target in row.targets] == ["per cent more <= 5"]


@pytest.mark.parametrize("bfloat16", [True, False])
@pytest.mark.parametrize("openvino", [True, False])
def test_a_machine_gives_the_rows_that_it_can_and_says_what_it_cannot(
    bfloat16: bool, openvino: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Row("measured", "ms", 1.0)
    monkeypatch.setattr(encoder, "describe_openvino", lambda: "OpenVINO" if openvino else None)
    monkeypatch.setattr(encoder, "gains_by_bfloat16", lambda device: bfloat16)
    monkeypatch.setattr(encoder, "with_memory", lambda case, rounds: row)
    monkeypatch.setattr(encoder, "measure_attention", lambda model, config, rounds: row)
    found, left_out = measure_all(["encoder"], 1)
    assert len(found) == len(encoder.EXACT) + 1 + 2 * bfloat16 + 2 * openvino
    told = "".join(left_out)
    assert ("gains nothing by bfloat16" in told) == (not bfloat16)
    assert ("OpenVINO is not installed" in told) == (not openvino)


@pytest.mark.openvino
def test_openvinos_row_names_it() -> None:
    if describe_openvino() is None:
        pytest.skip("OpenVINO is not installed or would not help")
    row = measure(Case("tiny", 2, "fast", "OpenVINO"), TINY, rounds=1)
    assert row.case == "tiny, fast by OpenVINO, 2 at once"
    assert row.note.startswith("OpenVINO 20")


def test_the_full_size_model_needs_28_4_billion_multiplications_an_image() -> None:
    assert multiplications(ModelConfig()) / 1e9 == pytest.approx(28.4, abs=0.05)
