"""A branch as a graph for OpenVINO, whose linear maps are rounded to int8.

Weights are rounded once, each output by a scale of its own; what goes into a linear map is float here and
rounded by OpenVINO as it comes (`runtime`). The stem, attention and the CLS row of the last layer are as
`InferenceBranch` has them.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import torch
from openvino import Model, opset13
from torch import Tensor, nn

from l2ltr_core.model.columns import ColumnHead, TokenColumns
from l2ltr_core.model.inference import FoldedMlp, InferenceBranch, InnerLayer, LastLayer, Linear, PixelLinear
from l2ltr_core.model.stem import HybridStem
from l2ltr_core.model.transformer import LAYER_NORM_EPS

LARGEST_INT8 = 127
SMALLEST_LENGTH = 1e-12

Node: TypeAlias = Any
"""A value in the graph; the library is not typed."""


def build_graph(branch: InferenceBranch, size_px: tuple[int, int], images: int) -> Model:
    """The graph of an unpacked float32 branch: (images, 3, H, W) normalised RGB -> what its `forward` gives."""
    image = opset13.parameter([images, 3, *size_px], np.float32)
    features = _stem(branch.stem, image)
    tokens = _embed(branch, features, images)
    normed = previous_normed = _normalize(tokens)
    keys: dict[int, Node] = {}
    for index, layer in enumerate(branch.layers):
        query, value, *new = _project(layer, normed)  # type: ignore[arg-type]
        keys.update(zip(branch.key_layers[index], new, strict=True))
        tokens = _inner_layer(layer, tokens, query, keys.pop(index), value)  # type: ignore[arg-type]
        normed, previous_normed = _normalize(tokens), normed
    cls = _last_layer(branch.last, tokens, normed, previous_normed if branch.crossed else normed)
    cls = _add(opset13.multiply(_normalize(cls), _constant(branch.norm.weight)), branch.norm.bias)
    said = _unit_rows(cls)
    if branch.columns is not None:
        said = opset13.concat([said, _columns(branch.columns, features, normed)], 1)
    return Model([said], [image])


def _columns(head: TokenColumns, features: Node, normed: Node) -> Node:
    """(B, C, h, w) from the stem and (B, 1 + N, D) normalised tokens -> (B, w * width) unit rows."""
    rows, columns = head.grid
    width = normed.get_output_shape(0)[2]
    behind_cls = opset13.slice(normed, _whole(1), _whole(1 + rows * columns), _whole(1), _whole(1))
    tokens = opset13.transpose(_reshape(behind_cls, 0, rows, columns, width), _whole(0, 2, 3, 1))
    seen = opset13.transpose(features, _whole(0, 3, 1, 2))
    said = opset13.add(_column_head(head.of_stem, seen), _column_head(head.of_tokens, tokens))
    return _unit_rows(_reshape(said, 0, -1))


def _column_head(head: ColumnHead, columns: Node) -> Node:
    """(B, w, C, h) -> (B, w, width)."""
    said = _reshape(columns, 0, 0, -1)
    for layer in head.mlp:
        linear = isinstance(layer, nn.Linear)
        said = _linear(said, Linear(layer.weight, layer.bias)) if linear else opset13.gelu(said, "erf")  # type: ignore[arg-type]
    return said


def _unit_rows(rows: Node) -> Node:
    return opset13.normalize_l2(rows, _whole(1), SMALLEST_LENGTH, "max")


def _embed(branch: InferenceBranch, features: Node, images: int) -> Node:
    """(B, C, h, w) from the stem -> (B, T, D), CLS first."""
    if not isinstance(branch.projection, nn.Identity):
        features = _convolve(branch.projection, features)
    width = branch.cls_token.shape[2]
    patches = opset13.transpose(_reshape(features, 0, width, -1), _whole(0, 2, 1))
    cls = _constant(branch.cls_token.expand(images, -1, -1))
    return _add(opset13.concat([cls, patches], 1), branch.positional_embedding)


def _project(layer: InnerLayer, normed: Node) -> list[Node]:
    """(B, T, D) -> queries, values and the keys of some layers, each (B, heads, T, d).

    One map each: unlike torch, OpenVINO would have to copy the parts of a common one.
    """
    weights = layer.project_all.weight.chunk(layer.projections)
    biases = _bias(layer.project_all).chunk(layer.projections)
    maps = [_rounded(normed, weight, bias) for weight, bias in zip(weights, biases, strict=True)]
    head = len(weights[0]) // layer.heads
    return [opset13.transpose(_reshape(each, 0, 0, layer.heads, head), _whole(0, 2, 1, 3)) for each in maps]


def _inner_layer(layer: InnerLayer, tokens: Node, query: Node, key: Node, value: Node) -> Node:
    """(B, T, D) and three (B, heads, T, d) -> (B, T, D)."""
    mixed = opset13.transpose(opset13.scaled_dot_product_attention(query, key, value), _whole(0, 2, 1, 3))
    mixed = _reshape(mixed, 0, 0, layer.out.weight.shape[1])
    tokens = opset13.add(tokens, _rounded(mixed, layer.out.weight, _bias(layer.out)))
    mlp = layer.mlp
    hidden = opset13.gelu(_rounded(_normalize(tokens), mlp.expand.weight, _bias(mlp.expand)), "erf")
    return opset13.add(tokens, _rounded(hidden, mlp.contract.weight, _bias(mlp.contract)))


def _last_layer(layer: LastLayer, tokens: Node, normed: Node, keys_from: Node) -> Node:
    """Three times (B, T, D) -> CLS (B, D); the algebra is `LastLayer`'s."""
    width = layer.out.weight.shape[1]
    swap = _whole(1, 0, 2)
    cls, own = (opset13.gather(each, opset13.constant(0), opset13.constant(1)) for each in (tokens, normed))
    query = opset13.transpose(_reshape(_linear(own, layer.query), 0, layer.heads, -1), swap)
    asked = opset13.transpose(_multiply(query, layer.key / layer.key.shape[1] ** 0.5), swap)
    weights = opset13.softmax(opset13.matmul(asked, keys_from, False, True), -1)
    mixed = opset13.transpose(opset13.matmul(weights, normed, False, False), swap)
    mixed = opset13.transpose(_multiply(mixed, layer.value), swap)
    mixed = _add(_reshape(mixed, 0, width), layer.value_bias)
    cls = opset13.add(cls, _linear(mixed, layer.out))
    return _exact_mlp(layer.mlp, cls)


def _exact_mlp(mlp: FoldedMlp, tokens: Node) -> Node:
    hidden = opset13.gelu(_linear(_normalize(tokens), mlp.expand), "erf")
    return opset13.add(tokens, _linear(hidden, mlp.contract))


def _linear(rows: Node, linear: Linear) -> Node:
    """(..., in) -> (..., out) with the weights as they are."""
    return _add(_multiply(rows, linear.weight.t()), _bias(linear))


def _rounded(rows: Node, weight: Tensor, bias: Tensor) -> Node:
    """(..., in) -> (..., out) with weights (out, in) of 255 levels, in the form that OpenVINO looks for."""
    scale = weight.abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny) / LARGEST_INT8
    levels = opset13.constant((weight / scale).round().to(torch.int8).numpy())
    weights = opset13.multiply(opset13.convert(levels, np.float32), _constant(scale))
    return _add(opset13.matmul(rows, weights, False, True), bias)


def _stem(stem: Any, image: Node) -> Node:
    """(B, 3, H, W) -> (B, C, H/P, W/P), P the patch."""
    if not isinstance(stem, HybridStem):
        return _convolve(stem.patches, image)
    root: Any = stem.root
    image = opset13.relu(_group_norm(root.norm, _convolve(root.conv, image)))
    image = opset13.max_pool(image, [2, 2], [1, 1], [1, 1], [1, 1], [3, 3]).output(0)
    for block in (block for stage in stem.stages.children() for block in stage.blocks.children()):  # type: ignore[union-attr]
        image = _bottleneck(block, image)
    return image


def _bottleneck(block: Any, image: Node) -> Node:
    shortcut = image
    if block.downsample is not None:
        shortcut = _group_norm(block.downsample.norm, _convolve(block.downsample.conv, image))
    image = opset13.relu(_group_norm(block.norm1, _convolve(block.conv1, image)))
    image = opset13.relu(_group_norm(block.norm2, _convolve(block.conv2, image)))
    return opset13.relu(opset13.add(shortcut, _group_norm(block.norm3, _convolve(block.conv3, image))))


def _convolve(conv: Any, image: Node) -> Node:
    """(B, in, H, W) -> (B, out, H', W')."""
    if isinstance(conv, PixelLinear):
        weight, bias, stride, padding = conv.linear.weight[:, :, None, None], conv.linear.bias, conv.stride, 0
    else:
        weight, bias, stride, padding = conv.weight, conv.bias, conv.stride[0], conv.padding[0]
    padded = [padding, padding]
    image = opset13.convolution(image, _constant(weight), [stride, stride], padded, padded, [1, 1])
    return image if bias is None else _add(image, bias[:, None, None])


def _group_norm(norm: nn.GroupNorm, image: Node) -> Node:
    """GroupNorm as one scale and shift a channel: OpenVINO's own would change the memory's layout twice."""
    pixels = image.get_output_shape(0)[2] * image.get_output_shape(0)[3]
    over = _whole(2, 3)
    mean = opset13.reduce_mean(image, over, True)
    length = opset13.reduce_l2(image, over, True)
    square = opset13.multiply(opset13.multiply(length, length), _constant(torch.tensor(1 / pixels)))
    if norm.num_groups < norm.num_channels:
        mean, square = _over_groups(mean, norm), _over_groups(square, norm)
    variance = opset13.subtract(square, opset13.multiply(mean, mean))
    deviation = opset13.sqrt(_add(variance, torch.tensor(norm.eps)))
    scale = opset13.divide(_constant(norm.weight[:, None, None]), deviation)
    shift = opset13.subtract(_constant(norm.bias[:, None, None]), opset13.multiply(mean, scale))
    return opset13.add(opset13.multiply(image, scale), shift)


def _over_groups(numbers: Node, norm: nn.GroupNorm) -> Node:
    """(B, C, 1, 1) -> the same, each channel with the mean of its group."""
    group = norm.num_channels // norm.num_groups
    means = opset13.reduce_mean(_reshape(numbers, 0, norm.num_groups, group), _whole(2), True)
    return _reshape(opset13.multiply(means, _constant(torch.ones(1, 1, group))), 0, norm.num_channels, 1, 1)


def _normalize(tokens: Node) -> Node:
    """LayerNorm without scale and shift."""
    return opset13.mvn(tokens, _whole(-1), True, LAYER_NORM_EPS, "inside_sqrt")


def _reshape(node: Node, *shape: int) -> Node:
    """To that shape, where 0 is a side that stays."""
    return opset13.reshape(node, _whole(*shape), True)


def _multiply(rows: Node, matrix: Tensor) -> Node:
    """The matrix product with a constant."""
    return opset13.matmul(rows, _constant(matrix), False, False)


def _add(node: Node, constant: Tensor) -> Node:
    return opset13.add(node, _constant(constant))


def _bias(linear: Linear) -> Tensor:
    return torch.zeros(len(linear.weight)) if linear.bias is None else linear.bias


def _constant(tensor: Tensor) -> Node:
    return opset13.constant(np.ascontiguousarray(tensor.detach().numpy()))


def _whole(*numbers: int) -> Node:
    """Whole numbers: axes or sides."""
    return opset13.constant(np.array(numbers, np.int64))
