from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from l2ltr_core.checkpoints import load_card
from l2ltr_core.training import train
from l2ltr_core.training.ranks import Ranks
from l2ltr_core.training.stages import StageName
from tests.training.test_stages import batch_for, make_stage
from tests.training.tiny_world import tiny_config, write_world


def losses_and_gradients(ranks: Ranks) -> list[torch.Tensor]:
    """Both stages' losses and gradients, summed over ranks; what the first process says; a sum over processes."""
    found = []
    names: tuple[StageName, ...] = ("layers", "joint")
    for name in names:
        stage = make_stage(name)
        parts = stage.outcome(batch_for(stage), ranks).parts
        parts["loss"].backward()
        parameters = [p for group in stage.groups() for p in group["params"]]
        ranks.sum_gradients(parameters)
        found += [p.grad.clone() for p in parameters if p.grad is not None]
        found.append(parts["loss"].detach())
    share = torch.ones(3, dtype=torch.float64) / ranks.count
    return [*found, torch.tensor(ranks.broadcast(1.0 + ranks.rank, 0.0)), ranks.sum(share)]


def in_two_sittings(world: str | Path, out: str | Path) -> None:
    """A run that is resumed once, with more steps."""
    config = tiny_config(3, 2)
    config = replace(config, run=replace(config.run, threads=1, log_every=1))
    train(config, [world], out)
    train(replace(config, joint=replace(config.joint, steps=4)), [world], out, resume=True)


PROGRAM = """
import sys
import torch
from l2ltr_core.training import train
from l2ltr_core.training.ranks import Ranks
from tests.training.test_ranks import in_two_sittings, losses_and_gradients

world, out = sys.argv[1:]
ranks = Ranks.join()
torch.save(losses_and_gradients(ranks), f"{out}-{ranks.rank}.pt")
in_two_sittings(world, out)
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("worlds") / "world", 48, seed=0)


@pytest.fixture(scope="module")
def together(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the two processes of `torchrun --nproc-per-node 2` leave: losses beside it, and the folder of a run."""
    folder = tmp_path_factory.mktemp("together")
    (program := folder / "program.py").write_text(PROGRAM)
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={free_port()}"]
    subprocess.run(
        [sys.executable, *torchrun, str(program), str(world), str(folder / "run")], check=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return folder / "run"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_two_processes_give_the_losses_and_gradients_of_one(together: Path) -> None:
    alone = losses_and_gradients(Ranks())
    for rank in range(2):
        found = torch.load(together.with_name(f"run-{rank}.pt"), weights_only=True)
        assert len(found) == len(alone)
        for mine, theirs in zip(alone, found, strict=True):
            assert torch.allclose(mine, theirs, atol=1e-5 * max(1.0, float(mine.abs().max())))


@pytest.mark.slow
def test_a_whole_run_of_two_processes_is_that_of_one(together: Path, world: Path, tmp_path: Path) -> None:
    in_two_sittings(world, tmp_path)
    alone, both = (pd.read_csv(folder / "train.csv") for folder in (tmp_path, together))
    assert both["stage"].tolist() == ["align"] + ["layers"] * 3 + ["joint"] * 4
    assert both["step"].tolist() == alone["step"].tolist()
    for part in ("mean_correlation", "loss", "in_batch_recall", "teacher", "strayed"):
        np.testing.assert_allclose(both[part], alone[part], rtol=1e-3, atol=1e-5)
    assert load_card(together / "tiny.safetensors").training["main_steps"] == 7


@pytest.mark.parametrize("rank", [0, 1])
def test_every_process_has_its_own_rows(rank: int) -> None:
    assert list(range(4))[Ranks(rank, 2).rows(4)] == [[0, 1], [2, 3]][rank]
