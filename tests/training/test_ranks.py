from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.multiprocessing as multiprocessing

from l2ltr_core.checkpoints import load_card
from l2ltr_core.training.ranks import Ranks
from l2ltr_core.training.stages import StageName
from tests.training.test_stages import batch_for, make_stage
from tests.training.tiny_world import write_world


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


def run_rank(rank: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    found = losses_and_gradients(Ranks.join())
    torch.save(found, Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_two_processes_give_the_losses_and_gradients_of_one(tmp_path: Path) -> None:
    multiprocessing.spawn(run_rank, (free_port(), str(tmp_path)), nprocs=2)
    alone = losses_and_gradients(Ranks())
    for rank in range(2):
        together = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert len(together) == len(alone)
        for mine, theirs in zip(alone, together, strict=True):
            assert torch.allclose(mine, theirs, atol=1e-5 * max(1.0, float(mine.abs().max())))


def test_a_whole_run_of_two_processes_is_that_of_one(tmp_path: Path) -> None:
    """As `torchrun --nproc-per-node 2` starts it, resumed once on the way."""
    world = write_world(tmp_path / "world", 64, seed=0)
    program = tmp_path / "run.py"
    program.write_text(
        "import sys\n"
        "from dataclasses import replace\n"
        "from l2ltr_core.training import train\n"
        "from tests.training.tiny_world import tiny_config\n"
        "config = tiny_config(3, int(sys.argv[3]))\n"
        "config = replace(config, run=replace(config.run, threads=1, log_every=1))\n"
        "train(config, [sys.argv[1]], sys.argv[2], resume=sys.argv[4:] == ['resume'])\n"
    )
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={free_port()}"]

    def run(folder: str, joint_steps: int, *more: str, by: Sequence[str] = ()) -> None:
        command = [sys.executable, *by, program, world, tmp_path / folder, str(joint_steps), *more]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
        subprocess.run(list(map(str, command)), check=True, env=environment, capture_output=True)

    for folder, by in (("alone", ()), ("together", torchrun)):
        run(folder, 2, by=by)
        run(folder, 4, "resume", by=by)
    alone, together = (pd.read_csv(tmp_path / folder / "train.csv") for folder in ("alone", "together"))
    assert together["stage"].tolist() == ["align"] + ["layers"] * 3 + ["joint"] * 4
    assert together["step"].tolist() == alone["step"].tolist()
    for part in ("mean_correlation", "loss", "in_batch_recall", "teacher", "strayed"):
        np.testing.assert_allclose(together[part], alone[part], rtol=1e-3, atol=1e-5)
    assert load_card(tmp_path / "together" / "tiny.safetensors").training["main_steps"] == 7


@pytest.mark.parametrize("rank", [0, 1])
def test_every_process_has_its_own_rows(rank: int) -> None:
    assert list(range(4))[Ranks(rank, 2).rows(4)] == [[0, 1], [2, 3]][rank]
