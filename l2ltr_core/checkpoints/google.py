"""Google's ImageNet-21k weights (`R50+ViT-B_16.npz`) as the start of both branches.

Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021. A layer of L2LTR has two LayerNorms before its
attention where the file has one: both start from it.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from l2ltr_core.checkpoints.positions import resample_positions
from l2ltr_core.checkpoints.strict import require_finite, require_shapes
from l2ltr_core.errors import CheckpointError
from l2ltr_core.model.network import L2LTR, Branch

Arrays = Mapping[str, NDArray]

_ATTENTION = "MultiHeadDotProductAttention_1"
_IN_LAYER = {  # ours: Google's
    "attention_norm": "LayerNorm_0",
    "key_norm": "LayerNorm_0",
    "mlp_norm": "LayerNorm_2",
    "attention.query": f"{_ATTENTION}/query",
    "attention.key": f"{_ATTENTION}/key",
    "attention.value": f"{_ATTENTION}/value",
    "attention.out": f"{_ATTENTION}/out",
    "mlp.expand": "MlpBlock_3/Dense_0",
    "mlp.contract": "MlpBlock_3/Dense_1",
}
_POSITIONS = "Transformer/posembed_input/pos_embedding"
_CLASSIFIER = ("head/", "pre_logits/")


def initialize_from_google(network: L2LTR, file: str | Path) -> None:
    """Start both branches from the npz; its square positional grid is resampled bilinearly to theirs.

    Raises CheckpointError, with the network untouched, when names or shapes are not those of the network.
    """
    file = Path(file)
    if network.config.stem == "timm":
        raise CheckpointError(f"{file.name} has no weights for a stem from timm; start that from `trunks`.")
    arrays = _read(file)
    branches = (network.ground, network.aerial)
    states = [_to_ours(arrays, branch, file.name) for branch in branches]
    for branch, state in zip(branches, states, strict=True):
        branch.load_state_dict(state)


def google_name(name: str) -> str:
    """Google's name for one of a `Branch`'s tensors."""
    if name == "cls_token":
        return "cls"
    if name == "positional_embedding":
        return _POSITIONS
    place, _, kind = name.rpartition(".")
    if place.startswith("layers."):
        _, index, part = place.split(".", 2)
        leaf = {"weight": "scale" if part.endswith("norm") else "kernel", "bias": "bias"}[kind]
        return f"Transformer/encoderblock_{index}/{_IN_LAYER[part]}/{leaf}"
    if place == "norm":
        return f"Transformer/encoder_norm/{'scale' if kind == 'weight' else 'bias'}"
    if place in ("projection", "stem.patches"):
        return f"embedding/{'kernel' if kind == 'weight' else 'bias'}"
    return _stem_name(place, kind)


def _stem_name(place: str, kind: str) -> str:
    parts = place.split(".")
    leaf = {"weight": "scale" if "norm" in parts[-1] else "kernel", "bias": "bias"}[kind]
    if parts[1] == "root":
        return f"{'conv_root' if parts[2] == 'conv' else 'gn_root'}/{leaf}"
    unit = f"block{int(parts[2]) + 1}/unit{int(parts[4]) + 1}"
    if parts[5] == "downsample":
        return f"{unit}/{'conv_proj' if parts[6] == 'conv' else 'gn_proj'}/{leaf}"
    return f"{unit}/{parts[5].replace('norm', 'gn')}/{leaf}"


def _read(file: Path) -> dict[str, NDArray]:
    if not file.is_file():
        raise CheckpointError(f"There is no file {file}.")
    try:
        with np.load(file, allow_pickle=False) as content:
            return {name: content[name] for name in content if not name.startswith(_CLASSIFIER)}
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{file.name} is not an npz file of arrays, or is damaged.") from error


def _to_ours(arrays: Arrays, branch: Branch, file: str) -> dict[str, Tensor]:
    expected = branch.state_dict()
    names = {name: google_name(name) for name in expected}
    if missing := sorted(set(names.values()) - set(arrays)):
        raise CheckpointError(f"{file} lacks {missing[0]}; it is another architecture than the network.")
    if unexpected := sorted(set(arrays) - set(names.values())):
        raise CheckpointError(f"{file} holds {unexpected[0]}, which the network does not have.")
    state = {name: _as_ours(name, arrays[google], expected[name]) for name, google in names.items()}
    state["positional_embedding"] = _square_to(state["positional_embedding"], branch.grid, file)
    require_shapes(
        {name: tuple(tensor.shape) for name, tensor in state.items()},
        {name: tuple(tensor.shape) for name, tensor in expected.items()},
        file,
    )
    require_finite(state, file)
    return state


def _as_ours(name: str, array: NDArray, ours: Tensor) -> Tensor:
    """Google's axes to torch's: heads are folded into the width, inputs come last."""
    tensor = torch.from_numpy(np.array(array, dtype=np.float32))
    if name in ("cls_token", "positional_embedding"):
        return tensor
    if ours.dim() == 4 and tensor.dim() == 4:  # (height, width, in, out)
        return tensor.permute(3, 2, 0, 1).contiguous()
    if ours.dim() == 2 and tensor.numel() == ours.numel():  # (in, out), with the heads beside one of them
        return tensor.reshape(ours.shape[1], ours.shape[0]).T.contiguous()
    return tensor.reshape(-1)


def _square_to(embedding: Tensor, grid: tuple[int, int], file: str) -> Tensor:
    side = math.isqrt(embedding.shape[1] - 1) if embedding.dim() == 3 else 0
    if side * side + 1 != embedding.shape[1]:
        raise CheckpointError(
            f"{file} has positions of shape {tuple(embedding.shape)}; a square was expected."
        )
    return resample_positions(embedding, (side, side), grid)
