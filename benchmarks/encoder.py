"""The encoder beside the plain reference, and the price of looking at its attention; random weights.

Run `make bench`, or `python -m benchmarks encoder` (`--help` for a smaller run).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import reference
from benchmarks.measure import peak_mb, race
from benchmarks.table import Row, Target
from l2ltr_core.errors import ConfigurationError
from l2ltr_core.model.config import ModelConfig
from l2ltr_core.model.encoder import Precision, choose_dtype
from l2ltr_core.model.inference import InferenceBranch
from l2ltr_core.model.network import Branch
from l2ltr_core.model.runtime import CPU, CompiledBranch, describe_openvino, describe_torch, gains_by_bfloat16

FULL = ModelConfig()
SMALL = ModelConfig(
    stem_stages=(1, 1, 1),
    stem_width=0.5,
    width=192,
    depth=6,
    heads=3,
    mlp_width=384,
    ground_size_px=(64, 256),
    aerial_size_px=(64, 256),
)
MODELS = {"R50+ViT-B/16": FULL, "small": SMALL}
Description = Callable[[Tensor], Tensor]
"""(B, 3, H, W) normalised RGB -> (B, D) unit rows."""


@dataclass(frozen=True)
class Case:
    """What is measured: a model by name, images at a time, and how ours computes."""

    model: str
    batch: int
    precision: Precision = "exact"
    runtime: Literal["torch", "OpenVINO"] = "torch"

    def __str__(self) -> str:
        how = self.precision if self.precision == "exact" else f"{self.precision} by {self.runtime}"
        return f"{self.model}, {how}, {self.batch} at once"


EXACT = [Case("R50+ViT-B/16", 1), Case("R50+ViT-B/16", 16), Case("small", 1), Case("small", 32)]
FAST_TORCH = [Case("R50+ViT-B/16", batch, "fast") for batch in (1, 16)]
FAST_OPENVINO = [replace(case, runtime="OpenVINO") for case in FAST_TORCH]
WANTED_RATIOS = {("exact", 1): 1.5, ("exact", 16): 1.65, ("fast", 1): 4.0}
"""Of the full-size model, by precision and images at a time."""
ATTENTION_LAYER = 5
ATTENTION_ROUNDS = 4
"""A few per cent are seen in so many times more rounds than a factor is."""
WANTED_PERCENT_MORE = 5


def rows(rounds: int) -> Iterator[Row]:
    """What every machine can do, then what this one can. Raises ConfigurationError at what it cannot."""
    yield from (with_memory(case, rounds) for case in EXACT)
    yield measure_attention("R50+ViT-B/16", FULL, rounds * ATTENTION_ROUNDS)
    left_out = []
    if gains_by_bfloat16(CPU):
        yield from (with_memory(case, rounds) for case in FAST_TORCH)
    else:
        left_out.append("this CPU gains nothing by bfloat16")
    if describe_openvino() is not None:
        yield from (with_memory(case, rounds) for case in FAST_OPENVINO)
    else:
        left_out.append("OpenVINO is not installed, or this CPU does not multiply int8 fast")
    if left_out:
        raise ConfigurationError(f"{'; '.join(left_out)}.")


def with_memory(case: Case, rounds: int) -> Row:
    """One line of the table."""
    config = MODELS[case.model]
    row = measure(case, config, rounds)
    return replace(
        row,
        reference_mb=peak_mb(encode, plain, case, config),
        ours_mb=peak_mb(encode, arranged, case, config),
    )


@torch.inference_mode()
def measure(case: Case, config: ModelConfig, rounds: int) -> Row:
    """One line of the table without its memory."""
    torch.set_num_threads(1)
    theirs, ours = plain(case, config), arranged(case, config)
    images = torch.randn(case.batch, 3, *config.ground_size_px)
    difference = (theirs(images) - ours(images)).abs().max().item()
    outcome = race(lambda: theirs(images), lambda: ours(images), rounds)
    chosen = case.precision == "exact" or (case.runtime == "OpenVINO") == (describe_openvino() is not None)
    wanted = WANTED_RATIOS.get((case.precision, case.batch)) if config == FULL and chosen else None
    return Row(
        str(case),
        "ms an image",
        outcome.ours_ms / case.batch,
        outcome.reference_ms / case.batch,
        outcome.ratios,
        outcome.of_ceiling(multiplications(config) * case.batch),
        targets=() if wanted is None else (Target.at_least("ratio", outcome.ratio, wanted),),
        note=f"{runtime(case)}; differs by {difference:.0e}",
    )


@torch.inference_mode()
def measure_attention(model: str, config: ModelConfig, rounds: int) -> Row:
    """The CLS row of one layer's attention with the descriptor, beside the descriptor alone."""
    torch.set_num_threads(1)
    branch = InferenceBranch(new_branch(config), CPU)
    image = torch.randn(1, 3, *config.ground_size_px)
    layer = min(ATTENTION_LAYER, config.depth - 1)
    outcome = race(lambda: branch(image), lambda: branch.look(image, (layer,)), rounds)
    more = 100 * (1 / outcome.ratio - 1)
    return Row(
        f"{model}, exact, attention of CLS in layer {layer + 1}",
        "ms an image",
        outcome.ours_ms,
        outcome.reference_ms,
        outcome.ratios,
        targets=(Target.at_most("per cent more", more, WANTED_PERCENT_MORE),),
        note=f"{more:+.1f} per cent; the reference is ours without attention",
    )


def new_branch(config: ModelConfig) -> Branch:
    """The same random weights for everyone."""
    torch.manual_seed(0)
    return Branch(config, config.ground_size_px).eval().requires_grad_(False)


def plain(_: Case, config: ModelConfig) -> Description:
    """The reference."""
    state = new_branch(config).state_dict()
    return lambda images: reference.describe(state, config, images)


def arranged(case: Case, config: ModelConfig) -> Description:
    """Ours."""
    branch = new_branch(config)
    if case.runtime == "OpenVINO":
        return CompiledBranch(lambda: branch, config, branch.grid, str(case), None)
    return InferenceBranch(branch, CPU, choose_dtype(case.precision, CPU))


def runtime(case: Case) -> str:
    """What computes ours, in the encoder's words."""
    by_openvino = describe_openvino() if case.runtime == "OpenVINO" else None
    return by_openvino or describe_torch(choose_dtype(case.precision, CPU))


@torch.inference_mode()
def encode(new: Callable[[Case, ModelConfig], Description], case: Case, config: ModelConfig) -> None:
    """All that a process does whose memory is measured."""
    describe = new(case, config)
    for _ in range(2):
        describe(torch.zeros(case.batch, 3, *config.ground_size_px))


def multiplications(config: ModelConfig) -> float:
    """Multiplications that the plain model needs for one image."""
    with torch.device("meta"):
        branch = Branch(config, config.ground_size_px).eval()
        with FlopCounterMode(display=False) as counter:
            branch(torch.empty(1, 3, *config.ground_size_px))
    return counter.get_total_flops() / 2
