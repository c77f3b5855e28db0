"""From an image to a grid of features, one cell for each square of 16 x 16 pixels, or of a multiple."""

from __future__ import annotations

from functools import partial
from typing import TypeAlias

import torch
import torch.nn.functional as F
from timm.layers.norm_act import GroupNormAct
from timm.layers.std_conv import StdConv2d
from timm.models.resnetv2 import DownsampleConv, ResNetV2
from torch import Tensor, nn

from l2ltr_core.model.config import NORM_GROUPS, PATCH_PX, ModelConfig
from l2ltr_core.model.trunk import build_trunk


class StandardizedConv(StdConv2d):
    """A convolution whose filters are brought to zero mean and unit variance (Qiao et al. 2019)."""

    def standardized(self) -> Tensor:
        """The filters in use, (out, in, h, w)."""
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), keepdim=True, unbiased=False)
        return (self.weight - mean) / torch.sqrt(variance + self.eps)

    def forward(self, image: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H', W')."""
        return F.conv2d(image, self.standardized(), None, self.stride, self.padding)


class HybridStem(nn.Module):
    """ResNet v2 with post-activation bottlenecks, weight-standardised convolutions and symmetric padding.

    This is the stem of Google's R50+ViT-B/16 with the authors' two choices that timm's hybrid models
    do not share: padding by fixed numbers (never "SAME"), and a shortcut norm of one group a channel.
    """

    def __init__(self, config: ModelConfig, patch_px: int = PATCH_PX) -> None:
        """With a patch of 32 pixels the first layer's filters are twice as wide, and so are its strides."""
        super().__init__()
        root, *stages = config.stem_channels
        resnet = ResNetV2(
            layers=list(config.stem_stages),
            channels=tuple(stages),
            num_classes=0,
            global_pool="",
            stem_chs=root,
            stem_type="",
            preact=False,
            conv_layer=partial(StandardizedConv, eps=1e-5),
            norm_layer=partial(GroupNormAct, num_groups=NORM_GROUPS, eps=1e-6),
        )
        self.root = resnet.stem
        finer = patch_px // PATCH_PX
        if finer > 1:
            self.root.conv = StandardizedConv(
                3, root, kernel_size=7 * finer, stride=2 * finer, padding=3 * finer, eps=1e-5
            )
        self.stages = resnet.stages
        for module in self.stages.modules():
            if isinstance(module, DownsampleConv) and isinstance(module.norm, GroupNormAct):
                module.norm.num_groups, module.norm.eps = module.norm.num_channels, 1e-5
        self.channels: int = resnet.num_features

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) normalised RGB -> (B, C, H/P, W/P), P the patch."""
        return self.stages(self.root(image))


class PatchStem(nn.Module):
    """The plain ViT's: each square straight to one token."""

    def __init__(self, config: ModelConfig, patch_px: int = PATCH_PX) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, config.width, kernel_size=patch_px, stride=patch_px)
        self.channels = config.width

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) normalised RGB -> (B, D, H/P, W/P), P the patch."""
        return self.patches(image)


AROUND = 4
"""Number of columns padded on each side of the view from the other side; more changed nothing."""


class TimmStem(nn.Module):
    """A trunk from timm, its batch norms folded into its convolutions (`trunk`), on views that go round.

    Panoramas and polar tiles have no edge east and west. Padded with zeros there, columns would tell where the edge of
    the view lies: a turned photo would not be a rolled row of columns, and photo and tile would agree on the edge.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.trunk = build_trunk(config.stem_model, config.stem_stage)
        self.channels = config.stem_out_channels

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) normalised RGB -> (B, C, H/16, W/16)."""
        columns = min(AROUND, image.shape[3] // PATCH_PX)
        beyond = columns * PATCH_PX
        around = torch.cat([image[..., -beyond:], image, image[..., :beyond]], dim=3)
        return self.trunk(around)[..., columns:-columns]


Stem: TypeAlias = HybridStem | PatchStem | TimmStem


def build_stem(config: ModelConfig, patch_px: int = PATCH_PX) -> Stem:
    """The stem that `config.stem` names, for tokens of `patch_px` x `patch_px` pixels."""
    if config.stem == "timm":
        return TimmStem(config)
    return (HybridStem if config.stem == "hybrid" else PatchStem)(config, patch_px)
