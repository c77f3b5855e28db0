"""The layers as training runs them: the same mathematics and gradients in fewer, larger products.

What a LayerNorm normalises is the same for a layer's queries and values and for the next layer's keys, so
its scale and shift go into the maps behind it and one product gives all three. The last layer works for
the CLS token alone; `model.inference` says how its keys and values are spared too.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from l2ltr_core.model.network import Branch
from l2ltr_core.model.transformer import FEW_TOKENS, LAYER_NORM_EPS, Layer, split_heads


def describe(branch: Branch, seen: Tensor) -> tuple[Tensor, Tensor | None]:
    """(B, C, h, w) from the stem -> what the branch says, (B, D) and the columns of one that has any (B, C), both unit
    rows float32, and its gradients."""
    *inner, last = (cast(Layer, layer) for layer in branch.layers)
    crossed = branch.config.attention == "self-cross"
    tokens = branch.embed(seen)
    normal = previous_normal = _normalize(tokens)
    next_key: Tensor | None = None
    for index, layer in enumerate(inner):
        attention = layer.attention
        maps = [(layer.attention_norm, attention.query), (layer.attention_norm, attention.value)]
        if next_key is None:
            maps.append((layer.key_norm, attention.key))
        if crossed and index + 1 < len(inner):
            following = inner[index + 1]
            maps.append((following.key_norm, following.attention.key))
        query, value, *keys = _project(normal, maps)
        key = keys.pop(0) if next_key is None else next_key
        next_key = keys.pop() if keys else None
        heads = (split_heads(part, attention.heads) for part in (query, key, value))
        tokens = tokens + attention.out(_attend(*heads).transpose(1, 2).flatten(2))
        tokens = tokens + layer.mlp(layer.mlp_norm(tokens))
        normal, previous_normal = _normalize(tokens), normal
    cls = _last(last, tokens[:, 0], normal, previous_normal if crossed else normal)
    if branch.columns is None:
        columns = None
    else:
        with torch.autocast(
            seen.device.type, enabled=False
        ):  # as in inference: whitened features are not for bfloat16
            columns = branch.columns(seen.float(), normal.float())
    return F.normalize(branch.norm(cls).float(), dim=1), columns


def _last(layer: Layer, cls: Tensor, normal: Tensor, keys_from: Tensor) -> Tensor:
    """CLS (B, D) after the last layer; all tokens and those of the keys (B, T, D) normalised."""
    attention = layer.attention
    query = attention.query(layer.attention_norm(cls)).unflatten(1, (attention.heads, -1))  # (B, heads, d)
    key, key_bias = (
        part.unflatten(0, (attention.heads, -1)) for part in _fold(layer.key_norm, attention.key)
    )
    asked = torch.einsum("bhe,hed->bhd", query, key.to(query.dtype))  # (B, heads, D)
    scores = asked @ keys_from.to(asked.dtype).transpose(1, 2) + (query * key_bias).sum(2, keepdim=True)
    weights = torch.softmax(scores.float() / query.shape[-1] ** 0.5, dim=-1)
    mixed = weights.to(normal.dtype) @ normal  # (B, heads, D)
    value, value_bias = _fold(layer.attention_norm, attention.value)
    value = value.unflatten(0, (attention.heads, -1))
    mixed = torch.einsum("bhd,hed->bhe", mixed, value.to(mixed.dtype)).flatten(1) + value_bias
    cls = cls + attention.out(mixed)
    return cls + layer.mlp(layer.mlp_norm(cls))


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Three (B, heads, T, d) -> (B, heads, T, d)."""
    if query.device.type != "cpu" or query.shape[2] > FEW_TOKENS:
        return F.scaled_dot_product_attention(query, key, value)
    weights = torch.softmax((query / query.shape[-1] ** 0.5) @ key.transpose(-1, -2), dim=-1)
    return weights.to(value.dtype) @ value


def _project(normal: Tensor, maps: list[tuple[nn.LayerNorm, nn.Linear]]) -> tuple[Tensor, ...]:
    """(B, T, D) normalised -> what each map makes of it behind its norm, each (B, T, D)."""
    weights, biases = zip(*(_fold(norm, linear) for norm, linear in maps), strict=True)
    return F.linear(normal, torch.cat(weights), torch.cat(biases)).chunk(len(maps), dim=2)


def _fold(norm: nn.LayerNorm, linear: nn.Linear) -> tuple[Tensor, Tensor]:
    """Weight and bias of `linear(norm(x))` as a map of the merely normalised x."""
    return linear.weight * norm.weight, torch.addmv(linear.bias, linear.weight, norm.bias)


def _normalize(tokens: Tensor) -> Tensor:
    """LayerNorm without scale and shift, in the precision that the maps behind it work in."""
    normal = F.layer_norm(tokens, tokens.shape[-1:], eps=LAYER_NORM_EPS)
    kind = tokens.device.type
    return normal.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else normal
