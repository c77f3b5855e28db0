"""The one place where names, shapes and values of foreign tensors are compared with what the model needs."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from l2ltr_core.errors import CheckpointError
from l2ltr_core.model.config import ModelConfig
from l2ltr_core.model.network import L2LTR

Shapes = Mapping[str, tuple[int, ...]]


def expected_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Every tensor of the network by name, without allocating any."""
    with torch.device("meta"):
        network = L2LTR(config)
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def require_shapes(found: Shapes, expected: Shapes, file: str) -> None:
    """Raise CheckpointError for the first name or shape that is not as expected."""
    if missing := sorted(set(expected) - set(found)):
        raise CheckpointError(
            f"{file} lacks {_some(missing)}; it is another architecture or was not saved completely."
        )
    if unexpected := sorted(set(found) - set(expected)):
        raise CheckpointError(f"{file} holds {_some(unexpected)}, which the model does not have.")
    for name, shape in expected.items():
        if found[name] != shape:
            raise CheckpointError(
                f"{file} holds {name} of shape {found[name]}, but the model needs {shape}; "
                "check the image sizes and the architecture on the card."
            )


def require_finite(tensors: Mapping[str, torch.Tensor], file: str) -> None:
    """Raise CheckpointError for the first tensor that holds NaN or infinity, or no real numbers at all."""
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise CheckpointError(f"{file} holds {name} as {tensor.dtype}; real numbers were expected.")
        if not torch.isfinite(tensor).all():
            raise CheckpointError(
                f"{file} holds {name} with values that are not finite; train or save again."
            )


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
