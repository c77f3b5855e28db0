from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing as multiprocessing

from l2ltr_core.training.batches import Batch
from l2ltr_core.training.ranks import Ranks
from l2ltr_core.training.stages import Main, WarmUp
from l2ltr_core.training.warmup import ColumnNetwork, new_network
from tests.training.tiny_world import tiny_config


def make_batch() -> Batch:
    draw = torch.Generator().manual_seed(0)
    images = (torch.randn(4, 3, *tiny_config().model.ground_size_px, generator=draw) for _ in range(2))
    return Batch(
        *images, torch.rand(4, 4, generator=draw) < 0.7, world=0, places=np.arange(4), mirrored=False
    )


def losses_and_gradients(ranks: Ranks) -> list[torch.Tensor]:
    """Both stages' gradients, summed over ranks; the warm-up's loss; what the first process says."""
    torch.manual_seed(0)
    config = tiny_config()
    network = new_network(config)
    columns = ColumnNetwork(network)
    found = []
    for stage in (WarmUp(columns, config), Main(network, columns, config)):
        parts = stage.outcome(make_batch(), ranks).parts
        stage.zero_grad()
        parts["loss"].backward()
        parameters = [p for group in stage.groups() for p in group["params"]]
        ranks.sum_gradients(parameters)
        found += [p.grad.clone() for p in parameters if p.grad is not None]
        if stage.name == "warmup":
            found.append(parts["loss"].detach())
    return [*found, torch.tensor(ranks.leader_says(1.0 + ranks.rank, 0.0))]


def run_rank(rank: int, port: int, folder: str) -> None:
    import os

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


@pytest.mark.parametrize("rank", [0, 1])
def test_every_process_has_its_own_rows(rank: int) -> None:
    assert list(range(4))[Ranks(rank, 2).rows(4)] == [[0, 1], [2, 3]][rank]
