"""The same function as a branch in evaluation mode, arranged to cost less.

Everything here is algebra on the weights, done once; descriptors agree with `Branch` within 1e-5.

- Convolution filters are standardised when the branch is built, not at each call. Padding that differs between
  the sides ("SAME") becomes zeros in the filters, and a rectifier becomes part of the convolution before it.
- A LayerNorm's scale and shift go into the linear maps after it. What is left of the two norms that see
  the same tokens (a layer's own and, for the next layer's keys, the second one) is the same, so queries
  and values of layer l and keys of layer l+1 are one matrix product.
- The descriptor needs the CLS token alone, so the last layer computes that row alone: its key and value
  maps move past the softmax, from every token to one vector a head (`LastLayer`).
- On a CPU, weights are kept in oneDNN's own order, and the work goes through a few images at a time, so
  that what one step leaves is still in the cache for the next.

With `dtype` bfloat16 the stem and the maps of all layers but the last work on bfloat16; sums over tokens,
norms, the skip connections and the whole CLS row of the last layer stay in float32.
"""

from __future__ import annotations

from collections.abc import Collection
from copy import deepcopy
from typing import Any, Literal, TypeAlias

import torch
import torch.nn.functional as F
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, fx, nn

from l2ltr_core.model.network import Branch
from l2ltr_core.model.stem import StandardizedConv, TimmStem
from l2ltr_core.model.transformer import LAYER_NORM_EPS, Layer

TOKENS_AT_ONCE = 1024
"""Number of tokens in a batch on a CPU: enough for the matrix product's full speed, few enough for the cache."""

Activation: TypeAlias = Literal["none", "gelu", "relu", "relu6"]
ONEDNN_ACTIVATIONS: dict[Activation, tuple[str, list[float], str]] = {
    "none": ("none", [], ""),
    "gelu": ("gelu", [], "none"),
    "relu": ("relu", [], ""),
    "relu6": ("hardtanh", [0, 6], ""),
}
"""oneDNN's name, numbers and variant of the activation that is fused with a linear map or convolution."""


class InferenceBranch(nn.Module):
    """A branch for descriptors and CLS attention, made from a `Branch` and independent of it."""

    def __init__(
        self,
        branch: Branch,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        *,
        packed: bool = True,
    ) -> None:
        """`packed`: on a CPU, keep each weight in oneDNN's order, where no one else can read it."""
        super().__init__()
        layers = [layer for layer in branch.layers if isinstance(layer, Layer)]
        self.crossed = branch.config.attention == "self-cross" and len(layers) > 1
        self.stem = _folded(branch.stem)
        self.projection = _folded(branch.projection)
        self.cls_token = _constant(branch.cls_token)
        self.positional_embedding = _constant(branch.positional_embedding)
        inner = range(len(layers) - 1)
        self.key_layers = [[k for k in inner if self._key_source(k) == i] for i in inner]
        self.layers = nn.ModuleList(
            [InnerLayer(layers[i], [layers[k] for k in keys]) for i, keys in enumerate(self.key_layers)]
        )
        self.last = LastLayer(layers[-1])
        self.norm = deepcopy(branch.norm)
        self.columns = deepcopy(branch.columns)
        self.images_at_once = max(1, TOKENS_AT_ONCE // branch.positional_embedding.shape[1])
        self.dtype = dtype
        self.eval().requires_grad_(False).to(device)
        for part in (self.stem, self.projection, self.layers):
            part.to(dtype)
        if packed and device.type == "cpu" and _can_pack():
            _pack(self, branch.positional_embedding.shape[1])

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) normalised RGB -> (B, D) unit rows, float32; with columns (B, D + C), both parts unit rows."""
        return self.look(image, ())[0]

    def look(self, image: Tensor, layers: Collection[int]) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> what `forward` gives, and the CLS rows of attention (B, layers, heads, T keys)."""
        image = image.contiguous(memory_format=torch.channels_last)
        at_once = self.images_at_once if image.device.type == "cpu" else max(1, len(image))
        parts = [self._look(part, layers) for part in image.split(at_once)]
        descriptors, rows = zip(*parts, strict=True)
        return torch.cat(descriptors), torch.cat(rows)

    def _look(self, image: Tensor, chosen: Collection[int]) -> tuple[Tensor, Tensor]:
        features = self.stem(image.to(self.dtype))
        tokens = self._embed(features)
        normed = previous_normed = _normalize(tokens)
        keys: dict[int, Tensor] = {}
        rows: dict[int, Tensor] = {}
        for index, layer in enumerate(self.layers):
            query, value, *new = layer.project(normed.to(self.dtype))  # type: ignore[operator]
            keys.update(zip(self.key_layers[index], new, strict=True))
            key = keys.pop(index)
            if index in chosen:
                rows[index] = _weights(query[:, :, :1].float(), key.float())[:, :, 0]
            tokens = layer(tokens, query, key, value)
            normed, previous_normed = _normalize(tokens), normed
        keys_from = previous_normed if self.crossed else normed
        cls, rows[len(self.layers)] = self.last(tokens[:, 0], normed, keys_from)
        descriptors = F.normalize(self.norm(cls).float(), dim=1)
        if self.columns is not None:
            descriptors = torch.cat([descriptors, self.columns(features.float(), normed)], dim=1)
        empty = descriptors.new_empty(len(image), 0, *rows[len(self.layers)].shape[1:])
        return descriptors, torch.stack([rows[i] for i in chosen], dim=1) if chosen else empty

    def _embed(self, features: Tensor) -> Tensor:
        """(B, C, h, w) from the stem -> (B, T, D), CLS first."""
        patches = self.projection(features).flatten(2).transpose(1, 2).float()
        cls = self.cls_token.expand(len(features), -1, -1)
        return torch.cat([cls, patches], dim=1) + self.positional_embedding

    def _key_source(self, layer: int) -> int:
        """Which layer's input a layer takes its keys from."""
        return max(layer - 1, 0) if self.crossed else layer


class InferenceStem(nn.Module):
    """The stem of a branch alone, for training that leaves it as it is."""

    def __init__(self, branch: Branch, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()
        self.stem = _folded(branch.stem)
        self.images_at_once = max(1, TOKENS_AT_ONCE // branch.positional_embedding.shape[1])
        self.dtype = dtype
        self.eval().requires_grad_(False).to(device, dtype)
        if device.type == "cpu" and _can_pack():
            _pack(self)

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) normalised RGB -> (B, C, h, w) of the type that it computes in."""
        image = image.to(self.dtype).contiguous(memory_format=torch.channels_last)
        at_once = self.images_at_once if image.device.type == "cpu" else len(image)
        return torch.cat([self.stem(part) for part in image.split(at_once)])


class InnerLayer(nn.Module):
    """A layer whose keys were made with its own queries and values or, as here, with an earlier layer's."""

    def __init__(self, layer: Layer, key_layers: list[Layer]) -> None:
        super().__init__()
        attention = layer.attention
        own = [_fold(layer.attention_norm, linear) for linear in (attention.query, attention.value)]
        keys = [_fold(other.key_norm, other.attention.key) for other in key_layers]
        weights, biases = zip(*own, *keys, strict=True)
        self.heads = attention.heads
        self.projections = len(weights)
        self.project_all = Linear(torch.cat(weights), torch.cat(biases))
        self.out = Linear(attention.out.weight, attention.out.bias)
        self.mlp = FoldedMlp(layer)

    def project(self, normed: Tensor) -> tuple[Tensor, ...]:
        """(B, T, D) normalised -> queries, values and the keys of some layers, each (B, heads, T, d)."""
        every = self.project_all(normed).unflatten(2, (self.projections, self.heads, -1))
        return every.permute(2, 0, 3, 1, 4).unbind()

    def forward(self, tokens: Tensor, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """(B, T, D) and three (B, heads, T, d) -> (B, T, D)."""
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.mlp(tokens + self.out(mixed.transpose(1, 2).flatten(2)))


class LastLayer(nn.Module):
    """The CLS row alone of the last layer.

    With n_j the normalised token j of the layer's input, p_j that of its keys, one head, and q of CLS:

        q . (K p_j + b_k) = (K^T q) . p_j + constant      and      sum_j a_j (V n_j + b_v) = V (sum_j a_j n_j) + b_v

    since the softmax does not feel the constant and its weights a_j sum to 1. So neither keys nor values
    of the other tokens are ever computed.
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        attention = layer.attention
        self.heads = attention.heads
        self.query = Linear(*_fold(layer.attention_norm, attention.query))
        key, _ = _fold(layer.key_norm, attention.key)
        value, bias = _fold(layer.attention_norm, attention.value)
        self.key = _constant(key.unflatten(0, (self.heads, -1)))  # (heads, d, D)
        self.value = _constant(value.unflatten(0, (self.heads, -1)).transpose(1, 2))  # (heads, D, d)
        self.value_bias = _constant(bias)
        self.out = Linear(attention.out.weight, attention.out.bias)
        self.mlp = FoldedMlp(layer)

    def forward(self, cls: Tensor, normed: Tensor, keys_from: Tensor) -> tuple[Tensor, Tensor]:
        """CLS (B, D) as it is, all tokens and those of the keys (B, T, D) normalised.

        Returns CLS (B, D) after the layer and its attention (B, heads, T).
        """
        query = self.query(normed[:, 0]).unflatten(1, (self.heads, -1)).transpose(0, 1)  # (heads, B, d)
        asked = (query @ self.key).transpose(0, 1)  # (B, heads, D)
        scores = asked @ keys_from.transpose(1, 2) / query.shape[-1] ** 0.5  # (B, heads, T)
        weights = torch.softmax(scores, dim=-1)
        mixed = (weights @ normed).transpose(0, 1) @ self.value  # (heads, B, d)
        mixed = mixed.transpose(0, 1).flatten(1) + self.value_bias
        return self.mlp(cls + self.out(mixed)), weights


class FoldedMlp(nn.Module):
    """LayerNorm, the two linear maps and the skip connection."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        mlp = layer.mlp
        self.expand = Linear(*_fold(layer.mlp_norm, mlp.expand), "gelu")
        self.contract = Linear(mlp.contract.weight, mlp.contract.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return tokens + self.contract(self.expand(_normalize(tokens).to(self.expand.dtype)))


class Linear(nn.Module):
    """A linear map and the activation after it; the GELU is the exact one."""

    def __init__(self, weight: Tensor, bias: Tensor | None, activation: Activation = "none") -> None:
        super().__init__()
        self.weight = _constant(weight)
        self.bias = None if bias is None else _constant(bias)
        self.activation = activation
        self._packed: Tensor | None = None

    @property
    def dtype(self) -> torch.dtype:
        """Of the rows it takes and gives."""
        return self.weight.dtype

    def pack(self, rows: int | None) -> None:
        """Keep the weight in oneDNN's order alone, the best one for so many rows at a time."""
        self._packed = torch.ops.mkldnn._reorder_linear_weight(self.weight, rows)
        self.weight = _constant(self.weight.new_empty(0))

    def forward(self, rows: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        if self._packed is not None:
            after = ONEDNN_ACTIVATIONS[self.activation]
            return torch.ops.mkldnn._linear_pointwise(rows, self._packed, self.bias, *after)
        return activate(F.linear(rows, self.weight, self.bias), self.activation)


class PixelLinear(nn.Module):
    """A 1 x 1 convolution, as a linear map of every pixel it looks at."""

    def __init__(
        self, weight: Tensor, bias: Tensor | None, stride: int, activation: Activation = "none"
    ) -> None:
        super().__init__()
        self.linear = Linear(weight.flatten(1), bias, activation)
        self.stride = stride

    def forward(self, image: Tensor) -> Tensor:
        """(B, in, H, W) channels last -> (B, out, H', W') channels last."""
        pixels = image[:, :, :: self.stride, :: self.stride].permute(0, 2, 3, 1).contiguous()
        return self.linear(pixels).permute(0, 3, 1, 2)


class Conv(nn.Module):
    """A convolution, grouped or not, and the activation after it."""

    def __init__(self, conv: nn.Conv2d, activation: Activation = "none") -> None:
        super().__init__()
        weight, self.padding = _evenly_padded(conv)
        self.weight = _constant(weight.contiguous(memory_format=torch.channels_last))
        self.bias = None if conv.bias is None else _constant(conv.bias)
        self.stride, self.dilation, self.groups = conv.stride, conv.dilation, conv.groups
        self.activation = activation
        self._packed: Tensor | None = None

    def pack(self) -> None:
        """Keep the weight in oneDNN's order alone."""
        self._packed = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *self._geometry, None)
        self.weight = _constant(self.weight.new_empty(0))

    def forward(self, image: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H', W')."""
        if self._packed is not None:
            after = ONEDNN_ACTIVATIONS[self.activation]
            return torch.ops.mkldnn._convolution_pointwise(
                image, self._packed, self.bias, *self._geometry, *after
            )
        convolved = F.conv2d(
            image, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )
        return activate(convolved, self.activation)

    @property
    def _geometry(self) -> tuple[Any, ...]:
        return self.padding, self.stride, self.dilation, self.groups


def activate(numbers: Tensor, activation: Activation) -> Tensor:
    """The activation of that name; the GELU is the exact one."""
    if activation == "gelu":
        return F.gelu(numbers)
    if activation == "relu":
        return F.relu(numbers)
    return F.relu6(numbers) if activation == "relu6" else numbers


def _folded(module: nn.Module) -> nn.Module:
    """A copy in which every convolution is as cheap as it can be."""
    if isinstance(module, nn.Conv2d):
        return _folded_conv(module)
    module = deepcopy(module)
    if isinstance(module, TimmStem):
        _absorb_rectifiers(module.trunk)
        return module
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Conv2d):
                setattr(parent, name, _folded_conv(child))
    return module


def _absorb_rectifiers(trunk: fx.GraphModule) -> None:
    """Replace the convolutions of a trunk, each with the rectifier that alone follows it where there is one."""
    for node in list(trunk.graph.nodes):
        if node.op != "call_module":
            continue
        conv = trunk.get_submodule(str(node.target))
        if not isinstance(conv, nn.Conv2d):
            continue
        (after, *others) = node.users
        rectifier = _rectifier(trunk, after) if not others else "none"
        if rectifier != "none":
            after.replace_all_uses_with(node)
            trunk.graph.erase_node(after)
        trunk.set_submodule(str(node.target), _folded_conv(conv, rectifier))
    trunk.delete_all_unused_submodules()
    trunk.recompile()


def _rectifier(trunk: fx.GraphModule, node: fx.Node) -> Activation:
    if node.op != "call_module":
        return "none"
    module = trunk.get_submodule(str(node.target))
    return "relu6" if isinstance(module, nn.ReLU6) else "relu" if isinstance(module, nn.ReLU) else "none"


def _folded_conv(conv: nn.Conv2d, activation: Activation = "none") -> nn.Module:
    if conv.kernel_size == (1, 1) and conv.groups == 1:
        return PixelLinear(_weight(conv), conv.bias, conv.stride[0], activation)
    return Conv(conv, activation)


def _weight(conv: nn.Conv2d) -> Tensor:
    return conv.standardized() if isinstance(conv, StandardizedConv) else conv.weight


def _evenly_padded(conv: nn.Conv2d) -> tuple[Tensor, tuple[int, int]]:
    """Filters and padding, the same on both sides, that together give what `conv` gives.

    "SAME" pads an image that the stride divides, as all are here, by kernel - stride; of an odd number the larger
    half goes to the right and below. A filter with a zero before its taps makes up for one more pixel to the left.
    """
    weight = _weight(conv)
    if not isinstance(conv, Conv2dSame):
        assert not isinstance(conv.padding, str)
        return weight, (conv.padding[0], conv.padding[1])
    assert conv.dilation == (1, 1)  # timm dilates only to keep a finer grid, which no stem asks for
    total = [max(side - stride, 0) for side, stride in zip(conv.kernel_size, conv.stride, strict=True)]
    weight = F.pad(weight, (total[1] % 2, 0, total[0] % 2, 0))
    return weight, ((total[0] + 1) // 2, (total[1] + 1) // 2)


def _fold(norm: nn.LayerNorm, linear: nn.Linear) -> tuple[Tensor, Tensor]:
    """Weight and bias of `linear(norm(x))` as a map of the merely normalised x."""
    return linear.weight * norm.weight, linear.bias + linear.weight @ norm.bias


def _constant(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor.detach().clone(), requires_grad=False)


def _normalize(tokens: Tensor) -> Tensor:
    """LayerNorm without scale and shift."""
    return F.layer_norm(tokens, tokens.shape[-1:], eps=LAYER_NORM_EPS)


def _pack(module: nn.Module, tokens: int | None = None) -> None:
    """Keep every weight in oneDNN's order alone; inner layers see so many `tokens` at a time."""
    for name, part in module.named_modules():
        if isinstance(part, Linear):
            part.pack(tokens if name.startswith("layers.") else None)
        elif isinstance(part, Conv):
            part.pack()


def _weights(query: Tensor, key: Tensor) -> Tensor:
    return torch.softmax(query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5, dim=-1)


def _can_pack() -> bool:
    """Whether this torch has oneDNN's packed linear map, which is not part of its public interface."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
