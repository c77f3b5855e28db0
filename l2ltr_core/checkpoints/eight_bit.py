"""Weights at 8 bits a number, each row of a matrix or filter with a scale of its own: half the size of float16."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

SCALE = ".scale"
"""Suffix of the name of a quantised tensor's row scales."""
LEVELS = 127
LEAST_NUMBERS = 4096
"""Least size of a tensor that is quantised; smaller ones, and vectors, stay in float16."""


def to_eight_bit(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Large matrices and filters as int8 with float32 scales (rows,) beside them, the rest as float16."""
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if tensor.dim() < 2 or tensor.numel() < LEAST_NUMBERS or tensor.shape[0] == 1:
            stored[name] = tensor.half().contiguous()
            continue
        rows = tensor.float().flatten(1)
        scale = rows.abs().amax(dim=1).clamp_min(torch.finfo(torch.float32).tiny) / LEVELS
        stored[name] = torch.round(rows / scale[:, None]).to(torch.int8).view(tensor.shape).contiguous()
        stored[name + SCALE] = scale
    return stored


def without_scales(names: Iterable[str]) -> set[str]:
    """The names of the tensors themselves."""
    every = set(names)
    return {name for name in every if not (name.endswith(SCALE) and name.removesuffix(SCALE) in every)}


def read_tensor(name: str, names: Iterable[str], read: Callable[[str], Tensor]) -> Tensor:
    """One tensor in float32, whichever way it was stored."""
    tensor = read(name)
    if name + SCALE not in names:
        return tensor if not tensor.is_floating_point() else tensor.float()
    scale = read(name + SCALE).float()
    return tensor.float() * scale.view(-1, *[1] * (tensor.dim() - 1))
