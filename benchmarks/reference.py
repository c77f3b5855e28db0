"""One branch of L2LTR written as plainly as the paper puts it: what the encoder is measured against.

Weights are standardised at each call, attention is a product, a softmax and a product, every token goes
through every layer, and images are laid out channels first. It reads the tensors of a `Branch` by name
and shares no code with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from l2ltr_core.model.config import ModelConfig

State = Mapping[str, Tensor]
"""A branch's `state_dict()`."""


def describe(state: State, config: ModelConfig, image: Tensor) -> Tensor:
    """(B, 3, H, W) normalised RGB -> (B, D) unit rows."""
    return describe_features(state, config, stem(state, config, image.contiguous()))[0]


def describe_features(state: State, config: ModelConfig, features: Tensor) -> tuple[Tensor, Tensor | None]:
    """(B, C, h, w) from the stem -> (B, D) unit rows, and those of the columns where the network has any."""
    last_input, last = transform(state, config, features)
    descriptors = F.normalize(layer_norm(state, "norm", last)[:, 0], dim=1)
    if not config.column_width:
        return descriptors, None
    normed = F.layer_norm(last_input, last_input.shape[-1:], eps=1e-6)
    grid = normed[:, 1:].transpose(1, 2).reshape(len(normed), -1, *features.shape[2:])
    of_tokens = column_head(state, "columns.of_tokens", grid)
    if not config.stem_column_width:
        seen = column_head(state, "columns.of_stem", features) + of_tokens
        return descriptors, F.normalize(seen.flatten(1), dim=1)
    parts = [stem_columns(state, config, features), of_tokens]
    lengths = [part.flatten(1).norm(dim=1)[:, None, None] * math.sqrt(2) for part in parts]
    return descriptors, torch.cat([p / n for p, n in zip(parts, lengths, strict=True)], dim=2).flatten(1)


def stem_columns(state: State, config: ModelConfig, features: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, w, numbers): a circular convolution over four bands of rows, part of its mean taken off."""
    bands = F.adaptive_avg_pool2d(features, (4, features.shape[3])).flatten(1, 2)
    own, beside = state["columns.of_stem.own.weight"], state["columns.of_stem.context.weight"] / 2
    wrapped = F.pad(bands, (1, 1), mode="circular")
    columns = F.conv1d(wrapped, torch.stack([beside, own, beside], dim=2), state["columns.of_stem.own.bias"])
    mean = columns.mean(dim=2, keepdim=True)
    return (columns - (1 - config.column_mean_weight) * mean).transpose(1, 2)


def tokens(state: State, config: ModelConfig, image: Tensor) -> Tensor:
    """(B, 3, H, W) normalised RGB -> (B, 1 + N, D) after the last LayerNorm."""
    return layer_norm(state, "norm", transform(state, config, stem(state, config, image.contiguous()))[1])


def transform(state: State, config: ModelConfig, features: Tensor) -> tuple[Tensor, Tensor]:
    """(B, C, h, w) from the stem -> (B, 1 + N, D) that the last layer is given, and what it gives."""
    x = previous_tokens = embed(state, config, features)
    for index in range(config.depth):
        keys_from = previous_tokens if config.attention == "self-cross" else x
        x, previous_tokens = layer(state, config, f"layers.{index}", x, keys_from), x
    return previous_tokens, x


def column_head(state: State, name: str, grid: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, w, numbers): each column, all its rows, through linear maps, GELU before the last."""
    x = grid.permute(0, 3, 1, 2).flatten(2)
    *first, last = sorted(
        {key.rpartition(".")[0] for key in state if key.startswith(f"{name}.mlp.")},
        key=lambda each: int(each.rpartition(".")[2]),
    )
    for each in first:
        x = linear(state, each, x)
    return linear(state, last, F.gelu(x))


def embed(state: State, config: ModelConfig, features: Tensor) -> Tensor:
    if config.stem != "patch":
        features = F.conv2d(features, state["projection.weight"], state["projection.bias"])
    patches = features.flatten(2).transpose(1, 2)
    cls = state["cls_token"].expand(len(features), -1, -1)
    return torch.cat([cls, patches], dim=1) + state["positional_embedding"]


def stem(state: State, config: ModelConfig, image: Tensor) -> Tensor:
    """(B, 3, H, W) normalised RGB -> (B, C, h, w)."""
    if config.stem == "patch":
        weight = state["stem.patches.weight"]
        return F.conv2d(image, weight, state["stem.patches.bias"], stride=weight.shape[-1])
    finer = state["stem.root.conv.weight"].shape[-1] // 7  # twice as wide for patches of 32 pixels
    x = standardized_conv(state, "stem.root.conv", image, stride=2 * finer, padding=3 * finer)
    x = F.relu(group_norm(state, "stem.root.norm", x))
    x = F.max_pool2d(x, kernel_size=3, stride=2, padding=1)
    for stage, blocks in enumerate(config.stem_stages):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            x = bottleneck(state, f"stem.stages.{stage}.blocks.{block}", x, stride)
    return x


def bottleneck(state: State, name: str, x: Tensor, stride: int) -> Tensor:
    shortcut = x
    if f"{name}.downsample.conv.weight" in state:
        shortcut = standardized_conv(state, f"{name}.downsample.conv", x, stride=stride)
        shortcut = group_norm(state, f"{name}.downsample.norm", shortcut, groups=shortcut.shape[1], eps=1e-5)
    x = F.relu(group_norm(state, f"{name}.norm1", standardized_conv(state, f"{name}.conv1", x)))
    x = standardized_conv(state, f"{name}.conv2", x, stride=stride, padding=1)
    x = F.relu(group_norm(state, f"{name}.norm2", x))
    x = group_norm(state, f"{name}.norm3", standardized_conv(state, f"{name}.conv3", x))
    return F.relu(shortcut + x)


def layer(state: State, config: ModelConfig, name: str, x: Tensor, previous_tokens: Tensor) -> Tensor:
    own, previous = (
        layer_norm(state, f"{name}.attention_norm", x),
        layer_norm(state, f"{name}.key_norm", previous_tokens),
    )
    x = x + attention(state, config, f"{name}.attention", own, previous)
    hidden = F.gelu(linear(state, f"{name}.mlp.expand", layer_norm(state, f"{name}.mlp_norm", x)))
    return x + linear(state, f"{name}.mlp.contract", hidden)


def attention(state: State, config: ModelConfig, name: str, own: Tensor, previous: Tensor) -> Tensor:
    def heads(part: str, x: Tensor) -> Tensor:
        split = linear(state, f"{name}.{part}", x).reshape(*x.shape[:2], config.heads, -1)
        return split.permute(0, 2, 1, 3)  # (B, heads, T, d)

    query, key, value = heads("query", own), heads("key", previous), heads("value", own)
    weights = torch.softmax(query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]), dim=-1)
    mixed = (weights @ value).permute(0, 2, 1, 3).reshape(own.shape)
    return linear(state, f"{name}.out", mixed)


def standardized_conv(state: State, name: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    weight = state[f"{name}.weight"]
    variance, mean = torch.var_mean(weight, dim=(1, 2, 3), keepdim=True, unbiased=False)
    return F.conv2d(x, (weight - mean) / torch.sqrt(variance + 1e-5), stride=stride, padding=padding)


def group_norm(state: State, name: str, x: Tensor, groups: int = 32, eps: float = 1e-6) -> Tensor:
    return F.group_norm(x, groups, state[f"{name}.weight"], state[f"{name}.bias"], eps)


def layer_norm(state: State, name: str, x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], 1e-6)


def linear(state: State, name: str, x: Tensor) -> Tensor:
    return F.linear(x, state[f"{name}.weight"], state.get(f"{name}.bias"))
