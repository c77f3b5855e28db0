"""One process or several (torchrun): the loss sees the descriptors of all, and two give the loss of one.

Every rank prepares the same batch and encodes its own rows. Descriptors are gathered, each rank computes
the whole loss, and the gradient that reaches a rank's own rows is already the right one: parameters'
gradients are summed over ranks, not averaged.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn


def leads() -> bool:
    """Whether this is the one process, of those that torchrun started, that speaks."""
    return os.environ.get("RANK", "0") == "0"


@dataclass(frozen=True)
class Ranks:
    """Which process this is, out of how many."""

    rank: int = 0
    count: int = 1

    @classmethod
    def join(cls, device: str = "cpu") -> Ranks:
        """Meet the other processes that torchrun started; alone otherwise. `device` is torch's kind: cpu, cuda."""
        if int(os.environ.get("WORLD_SIZE", "1")) < 2:
            return cls()
        if not dist.is_initialized():
            dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo")
        return cls(dist.get_rank(), dist.get_world_size())

    def meet(self) -> None:
        """Wait until every process is here: what one has written, all may read."""
        if self.count > 1:
            dist.barrier()

    def rows(self, size: int) -> slice:
        """The part of a batch that this process encodes; `size` is a multiple of `count`."""
        part = size // self.count
        return slice(self.rank * part, (self.rank + 1) * part)

    def gather(self, descriptors: Tensor) -> Tensor:
        """(b, D) of this process -> (B, D) of all, in rank order; gradients flow to this process's rows."""
        if self.count == 1:
            return descriptors
        parts = [torch.empty_like(descriptors) for _ in range(self.count)]
        dist.all_gather(parts, descriptors.detach().contiguous())
        parts[self.rank] = descriptors
        return torch.cat(parts)

    def mean(self, value: Tensor) -> Tensor:
        """Of a scalar over the processes; each one's gradient is its own share, since gradients are summed."""
        if self.count == 1:
            return value
        total = value.detach().clone()
        dist.all_reduce(total)
        own = value / self.count
        return own + (total / self.count - own.detach())

    def sum(self, value: Tensor) -> Tensor:
        """Of a tensor without gradient over the processes."""
        if self.count > 1:
            dist.all_reduce(value)
        return value

    def broadcast(self, *values: float) -> tuple[float, ...]:
        """The first process's values on every process: clocks and signals differ, decisions must not."""
        if self.count == 1:
            return values
        shared = torch.tensor(values, dtype=torch.float64)
        dist.broadcast(shared, src=0)
        return tuple(shared.tolist())

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add up every parameter's gradient over the processes, in place."""
        if self.count == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        dist.all_reduce(flat)
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))
