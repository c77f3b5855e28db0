"""The form of an inference branch that OpenVINO computes fastest, its linear maps rounded to int8.

Weights are rounded once, each output by a scale of its own; what goes into a linear map is float here and
rounded by OpenVINO as it comes (`runtime`). The stem, the columns and the CLS row of the last layer stay float.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from timm.layers.norm_act import GroupNormAct
from torch import Tensor, nn

from l2ltr_core.model.inference import Activation, InferenceBranch, InnerLayer, Linear, PixelLinear, activate
from l2ltr_core.model.transformer import split_heads

LARGEST_INT8 = 127


def quantize(branch: InferenceBranch) -> InferenceBranch:
    """An unpacked float32 branch, changed in place into that form; descriptors differ by the rounding alone."""
    branch.layers = nn.ModuleList([QuantizedLayer(layer) for layer in branch.layers])  # type: ignore[arg-type]
    for parent in list(branch.modules()):
        for name, child in parent.named_children():
            if isinstance(child, PixelLinear):
                setattr(parent, name, PixelConv(child))
            elif isinstance(child, GroupNormAct):
                setattr(parent, name, AffineGroupNorm(child))
    return branch


class QuantizedLinear(Linear):
    """A linear map whose weights have 255 levels, and the activation after it."""

    def __init__(self, weight: Tensor, bias: Tensor | None, activation: Activation = "none") -> None:
        smallest = torch.finfo(torch.float32).tiny
        scale = weight.abs().amax(dim=1, keepdim=True).clamp_min(smallest) / LARGEST_INT8
        super().__init__((weight / scale).round().to(torch.int8), bias, activation)
        self.scale = nn.Parameter(scale, requires_grad=False)

    @property
    def dtype(self) -> torch.dtype:
        """Of the rows it takes and gives."""
        return self.scale.dtype

    def forward(self, rows: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return activate(F.linear(rows, self.weight.float() * self.scale, self.bias), self.activation)


class QuantizedLayer(InnerLayer):
    """With a map each for queries, values and keys: unlike torch, OpenVINO would copy the parts of a common one."""

    def __init__(self, layer: InnerLayer) -> None:
        nn.Module.__init__(self)
        self.heads = layer.heads
        every = layer.project_all
        assert every.bias is not None
        parts = zip(every.weight.chunk(layer.projections), every.bias.chunk(layer.projections), strict=True)
        self.maps = nn.ModuleList([QuantizedLinear(weight, bias) for weight, bias in parts])
        self.out = _quantized(layer.out)
        self.mlp = layer.mlp
        self.mlp.expand, self.mlp.contract = _quantized(self.mlp.expand), _quantized(self.mlp.contract)

    def project(self, normed: Tensor) -> tuple[Tensor, ...]:
        """(B, T, D) normalised -> queries, values and the keys of some layers, each (B, heads, T, d)."""
        return tuple(split_heads(each(normed), self.heads) for each in self.maps)


class PixelConv(nn.Module):
    """A `PixelLinear` as the convolution that it is: OpenVINO fuses what follows that one."""

    def __init__(self, pixels: PixelLinear) -> None:
        super().__init__()
        self.linear, self.stride = pixels.linear, pixels.stride

    def forward(self, image: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H', W')."""
        weight = self.linear.weight[:, :, None, None]
        return activate(F.conv2d(image, weight, self.linear.bias, self.stride), self.linear.activation)


class AffineGroupNorm(nn.Module):
    """GroupNorm as one scale and shift a channel: OpenVINO's own would change the memory's layout twice."""

    def __init__(self, norm: GroupNormAct) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> the same, normalised, and what timm's norm has as its activation."""
        norm = self.norm
        mean = image.mean((2, 3), keepdim=True)
        pixels = image.shape[2] * image.shape[3]
        square = torch.linalg.vector_norm(image, dim=(2, 3), keepdim=True).square() / pixels
        if norm.num_groups < norm.num_channels:
            mean, square = self._over_groups(mean), self._over_groups(square)
        scale = norm.weight[:, None, None] / torch.sqrt(square - mean * mean + norm.eps)
        return norm.act(image * scale + (norm.bias[:, None, None] - mean * scale))

    def _over_groups(self, numbers: Tensor) -> Tensor:
        """(B, C, 1, 1) -> the same, each channel with the mean of its group."""
        group = self.norm.num_channels // self.norm.num_groups
        means = numbers.reshape(-1, self.norm.num_groups, group).mean(2, keepdim=True)
        return (means * torch.ones(1, 1, group)).reshape(-1, self.norm.num_channels, 1, 1)


def _quantized(linear: Linear) -> QuantizedLinear:
    return QuantizedLinear(linear.weight, linear.bias, linear.activation)
