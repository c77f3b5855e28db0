"""The encoder beside the plain reference: time, share of the machine's own ceiling, memory, agreement.

Run `python -m benchmarks.encoder` (`--help` for a smaller run). Both work on one core and take turns, and
the processor's own seconds are counted, so that a busy machine disturbs the ratio little.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import reference, table
from l2ltr_core.errors import ConfigurationError
from l2ltr_core.model.config import ModelConfig
from l2ltr_core.model.encoder import choose_dtype
from l2ltr_core.model.inference import InferenceBranch
from l2ltr_core.model.network import Branch

CPU = torch.device("cpu")
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
CEILING_SIZE = 2048


@dataclass(frozen=True)
class Case:
    """What is measured: a model by name, images at a time, and the precision of ours."""

    model: str
    batch: int
    precision: str = "exact"


@dataclass(frozen=True)
class Row:
    """Milliseconds an image (median of the rounds), the ratio's spread, and what else the table says."""

    case: Case
    reference_ms: float
    ours_ms: float
    ratios: tuple[float, ...]
    of_ceiling: float
    """The plain model's multiplications a second of ours, over those of a float32 matrix product."""
    reference_mb: float
    ours_mb: float
    difference: float
    """Largest absolute difference of any descriptor's number."""

    @property
    def ratio(self) -> float:
        """How many times faster ours is."""
        return self.reference_ms / self.ours_ms


CASES = [
    Case("R50+ViT-B/16", 1),
    Case("R50+ViT-B/16", 16),
    Case("R50+ViT-B/16", 1, "fast"),
    Case("R50+ViT-B/16", 16, "fast"),
    Case("small", 1),
    Case("small", 32),
]


WANTED = {("exact", 1): 1.5, ("exact", 16): 1.65, ("fast", 1): 4.0}
"""Ratios of the full-size model, by precision and images at a time."""


def rows(rounds: int) -> Iterator[table.Row]:
    """The cases that this machine can do, for `python -m benchmarks`. Raises ConfigurationError at another."""
    for case in CASES:
        row = measure(case, MODELS[case.model], rounds)
        wanted = WANTED.get((case.precision, case.batch)) if MODELS[case.model] is FULL else None
        yield table.Row(
            f"{case.model}, {case.precision}, {case.batch} at once",
            "ms an image",
            row.ours_ms,
            row.reference_ms,
            row.ratios,
            row.of_ceiling,
            row.reference_mb,
            row.ours_mb,
            ()
            if wanted is None
            else (table.Target.at_least("ratio", statistics.median(row.ratios), wanted),),
            f"differs by {row.difference:.0e}",
        )


def functions(case: Case, config: ModelConfig) -> dict[str, Callable[[Tensor], Tensor]]:
    """The reference and ours on the same random weights."""
    torch.manual_seed(0)
    branch = Branch(config, config.ground_size_px).eval().requires_grad_(False)
    state = branch.state_dict()
    ours = InferenceBranch(branch, CPU, choose_dtype(case.precision, CPU))
    return {"reference": lambda image: reference.describe(state, config, image), "ours": ours}


@torch.inference_mode()
def measure(case: Case, config: ModelConfig, rounds: int) -> Row:
    """One line of the table."""
    torch.set_num_threads(1)
    both = functions(case, config)
    images = torch.randn(case.batch, 3, *config.ground_size_px)
    results = {name: function(images) for name, function in both.items()}
    seconds: dict[str, list[float]] = {name: [] for name in both}
    ceilings = []
    for _ in range(rounds):
        ceilings.append(ceiling())
        for name, function in both.items():
            start = time.process_time()
            function(images)
            seconds[name].append((time.process_time() - start) / case.batch)
    ratios = [plain / ours for plain, ours in zip(seconds["reference"], seconds["ours"], strict=True)]
    ours_s = statistics.median(seconds["ours"])
    return Row(
        case,
        1000 * statistics.median(seconds["reference"]),
        1000 * ours_s,
        tuple(ratios),
        multiplications(config) / ours_s / max(ceilings),
        peak_memory_mb(case, "reference"),
        peak_memory_mb(case, "ours"),
        (results["reference"] - results["ours"]).abs().max().item(),
    )


def multiplications(config: ModelConfig) -> float:
    """Multiplications that the plain model needs for one image."""
    with torch.device("meta"):
        branch = Branch(config, config.ground_size_px).eval()
        with FlopCounterMode(display=False) as counter:
            branch(torch.empty(1, 3, *config.ground_size_px))
    return counter.get_total_flops() / 2


def ceiling() -> float:
    """Multiplications a second of this core in a large float32 matrix product, just now."""
    matrix = torch.ones(CEILING_SIZE, CEILING_SIZE)
    start = time.process_time()
    matrix @ matrix
    return CEILING_SIZE**3 / (time.process_time() - start)


def peak_memory_mb(case: Case, name: str) -> float:
    """The most memory of a process that encodes with one of the two alone, less that of an idle one."""
    if case.model not in MODELS:
        return float("nan")
    return _peak_mb(name, case) - _peak_mb("nothing", CASES[0])


@cache
def _peak_mb(name: str, case: Case) -> float:
    command = [sys.executable, "-m", "benchmarks.encoder", "--memory-of", name]
    command += [case.model, str(case.batch), case.precision]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


@torch.inference_mode()
def print_peak_memory(name: str, case: Case) -> None:
    """In a process of its own: encode twice with `name`, then print the peak of its memory in MB."""
    torch.set_num_threads(1)
    config = MODELS[case.model]
    if name != "nothing":
        function = functions(case, config).pop(name)
        for _ in range(2):
            function(torch.zeros(case.batch, 3, *config.ground_size_px))
    print(own_peak_mb())


def own_peak_mb() -> float:
    """The most memory this process has held; NaN where the system does not say.

    Not `getrusage`, whose answer a child process inherits from the process that started it.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return float("nan")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def report(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, under a line that names the machine."""
    machine = f"{processor()}, one core, torch {torch.__version__}"
    head = (
        "model | images | precision | reference ms | ours ms | ratio | of ceiling | reference MB | ours MB "
        "| differs by"
    )
    lines = [
        f"{row.case.model} | {row.case.batch} | {row.case.precision} | {row.reference_ms:,.1f} | {row.ours_ms:,.1f} "
        f"| {row.ratio:.2f} ({min(row.ratios):.2f} to {max(row.ratios):.2f}) | {row.of_ceiling:.0%} "
        f"| {row.reference_mb:,.0f} | {row.ours_mb:,.0f} | {row.difference:.0e}"
        for row in rows
    ]
    rule = "--- | ---: | --- | ---: | ---: | --- | ---: | ---: | ---: | ---:"
    return "\n".join([machine, "", *(f"| {line} |" for line in (head, rule, *lines))])


def processor() -> str:
    """The processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()} ({os.cpu_count()} cores)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the cases that this machine can do, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", choices=sorted(MODELS), help="this model alone")
    parser.add_argument("--memory-of", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.memory_of:
        name, model, batch, precision = options.memory_of
        print_peak_memory(name, Case(model, int(batch), precision))
        return 0
    rows, left_out = [], []
    for case in CASES:
        if options.model in (None, case.model):
            try:
                rows.append(measure(case, MODELS[case.model], options.rounds))
            except ConfigurationError as error:
                left_out.append(f"{case.model}, {case.batch}, {case.precision}: {error}")
    print(report(rows), *left_out, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
