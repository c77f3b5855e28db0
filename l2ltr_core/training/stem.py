"""The stem as training runs it on a CPU: the same mathematics, laid out channels last throughout.

Convolutions are fastest in that layout, but torch's group norm has no fast backward pass in it (measured:
30 ms against 3 ms here), so the norm brings its own.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from timm.layers.norm_act import GroupNormAct
from torch import Tensor

from l2ltr_core.model.stem import HybridStem, StandardizedConv, Stem

FEW_PIXELS = 1024
FEW_CHANNELS = 16
"""Numbers of pixels and of channels a group below which torch's own group norm is slow on channels-last tensors."""


def features(stem: Stem, images: Tensor) -> Tensor:
    """(B, 3, H, W) normalised -> (B, C, H/P, W/P): what `stem(images)` is, and its gradients."""
    images = images.contiguous(memory_format=torch.channels_last)
    if not isinstance(stem, HybridStem):
        return stem(images)
    root: Any = stem.root
    stages: Any = stem.stages
    x = root.pool(_norm(root.norm, _conv(root.conv, images), rectify=True))
    for stage in stages:
        for block in stage.blocks:
            x = _bottleneck(block, x)
    return x


def _bottleneck(block: Any, x: Tensor) -> Tensor:
    shortcut = x
    if block.downsample is not None:
        shortcut = _norm(block.downsample.norm, _conv(block.downsample.conv, x), rectify=False)
    x = _norm(block.norm1, _conv(block.conv1, x), rectify=True)
    x = _norm(block.norm2, _conv(block.conv2, x), rectify=True)
    return (_norm(block.norm3, _conv(block.conv3, x), rectify=False) + shortcut).relu_()


def _conv(conv: StandardizedConv, x: Tensor) -> Tensor:
    weight = conv.standardized().contiguous(memory_format=torch.channels_last)
    return F.conv2d(x, weight, None, conv.stride, conv.padding)


def _norm(norm: GroupNormAct, x: Tensor, rectify: bool) -> Tensor:
    y: Tensor = _GroupNorm.apply(x, norm.weight, norm.bias, norm.num_groups, norm.eps, rectify)
    return y


class _GroupNorm(torch.autograd.Function):
    """Group norm (Wu and He 2018) and, where asked for, the rectifier after it, channels last."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float, rectify: bool
    ) -> Tensor:
        """(B, C, H, W) -> the same; the statistics are float32 whatever `x` is."""
        x = x.contiguous(memory_format=torch.channels_last)
        batch, channels, height, width = x.shape
        if height * width < FEW_PIXELS and channels // groups < FEW_CHANNELS:
            y, mean, rstd = _small_group_norm(x, weight, bias, groups, eps)
        else:
            y, mean, rstd = torch.native_group_norm(
                x, weight, bias, batch, channels, height * width, groups, eps
            )
        if rectify:
            y.relu_()
        ctx.save_for_backward(x, y if rectify else None, weight, mean, rstd)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """With n the normalised x, g the gradient times the weight: (g - mean(g) - n mean(g n)) / std."""
        x, y, weight, mean, rstd = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        if y is not None:
            gradient = torch.ops.aten.threshold_backward(gradient, y, 0)
        pixels, pixel_gradient = _pixels(x), _pixels(gradient)
        mean_c, rstd_c = (_per_channel(s, x.shape[1]) for s in (mean, rstd))
        bias_gradient = pixel_gradient.sum(1).float()  # (B, C), as all from here on
        weight_gradient = ((pixel_gradient * pixels).sum(1).float() - bias_gradient * mean_c) * rstd_c
        along_constant = rstd_c * _group_mean(bias_gradient * weight, x, mean)
        along_x = rstd_c * rstd_c * _group_mean(weight_gradient * weight, x, mean)
        shift = (along_x * mean_c - along_constant).to(x.dtype)[:, None]
        into_x = torch.addcmul(shift, pixels, -along_x.to(x.dtype)[:, None])
        into_x.addcmul_(pixel_gradient, (rstd_c * weight).to(x.dtype)[:, None])
        into_x = into_x.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)
        return into_x, weight_gradient.sum(0), bias_gradient.sum(0), None, None, None


def _small_group_norm(
    x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """What `torch.native_group_norm` returns."""
    pixels = _pixels(x)
    exact = pixels.float()
    size = exact.shape[1] * exact.shape[2] // groups
    mean = exact.sum(1).unflatten(1, (groups, -1)).sum(2) / size  # (B, groups)
    square = (exact * exact).sum(1).unflatten(1, (groups, -1)).sum(2) / size
    rstd = (square - mean * mean + eps).rsqrt()
    scale = _per_channel(rstd, x.shape[1]) * weight
    shift = bias - _per_channel(mean, x.shape[1]) * scale
    y = torch.addcmul(shift.to(x.dtype)[:, None], pixels, scale.to(x.dtype)[:, None])
    return y.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2), mean, rstd


def _pixels(x: Tensor) -> Tensor:
    """(B, C, H, W) channels last -> (B, H * W, C), the same memory."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _per_channel(values: Tensor, channels: int) -> Tensor:
    """(B, groups) -> (B, C)."""
    return values.repeat_interleave(channels // values.shape[1], 1)


def _group_mean(sums: Tensor, x: Tensor, like: Tensor) -> Tensor:
    """(B, C) sums over the pixels of `x` -> (B, C), the mean over each group's pixels and channels."""
    groups = like.shape[1]
    size = x[0].numel() // groups
    return _per_channel(sums.unflatten(1, (groups, -1)).sum(2) / size, x.shape[1])
