"""Convolutional trunks from timm, cut at the stage with the stem's stride, batch norm folded away.

Folded means frozen: training, inference and the checkpoint's file have the same convolutions with a bias, and no
statistics that a batch could move.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import timm
import torch
from timm.models import FeatureInfo
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.reading import require

STRIDE = 16
PROBE_SIZE_PX = (128, 512)
"""Size in pixels of a test image; not square, so that a trunk made for one square size is found out."""


class Stage(NamedTuple):
    """What a stage of a timm model gives."""

    stride: int
    channels: int


def build_trunk(model: str, stage: int) -> fx.GraphModule:
    """timm's `model` up to `stage`, with timm's random weights: (B, 3, H, W) -> (B, C, H/16, W/16).

    Raises ConfigurationError for a model that timm cannot cut there.
    """
    return fold_batch_norm(build_extractor(model, stage))


def build_extractor(model: str, stage: int) -> nn.Module:
    """timm's own feature extractor with its batch norms; its state dict may name later stages, too."""
    require(timm.is_model(model), f"stem_model is {model!r}, which timm {timm.__version__} does not know")
    try:
        return timm.create_model(model, pretrained=False, features_only=True, out_indices=(stage,)).eval()
    except (RuntimeError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"stem_model {model!r} has no stage {stage} that timm gives the features of."
        ) from error


@cache
def require_trunk(model: str, stage: int, channels: int) -> None:
    """Raise ConfigurationError unless timm's model gives `channels` at `stage`, one cell for 16 x 16 pixels."""
    with torch.device("meta"):  # shapes alone, no weights
        extractor = build_extractor(model, stage)
        found = _stage(extractor)
        require(
            found.stride == STRIDE,
            f"stem_stage is {stage}, where {model} has a stride of {found.stride}; give a stage with {STRIDE}",
        )
        require(
            found.channels == channels,
            f"stem_out_channels is {channels}, but {model} has {found.channels} at stage {stage}",
        )
        shape = _probe(fold_batch_norm(extractor))
    require(
        shape == (1, channels, *(side // STRIDE for side in PROBE_SIZE_PX)),
        f"stem_model {model!r} is made for one size of image or another layout of features; give a "
        "convolutional one",
    )


def fold_batch_norm(extractor: nn.Module) -> fx.GraphModule:
    """The extractor's one feature map as plain convolutions with bias and their activations.

    Follows the data from module to module, so that each batch norm goes into the convolution that feeds it and
    the stages behind the cut are gone. Names stay timm's; the extractor's own modules are reused. Raises
    ConfigurationError for a batch norm that no convolution feeds.
    """
    try:
        graph = _Tracer().trace(extractor)
    except fx.proxy.TraceError as error:
        raise ConfigurationError(
            f"The way of the data through {type(extractor).__name__} depends on the data; give another stem_model."
        ) from error
    trunk = fx.GraphModule(extractor, graph)
    graph.eliminate_dead_code()  # stages behind the cut, which some of timm's extractors keep
    for node in list(graph.nodes):
        if node.op == "output":
            node.args = tuple(node.args[0])  # timm gives a list of feature maps, here of one
        elif node.op == "call_module":
            module = trunk.get_submodule(str(node.target))
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                _fold_into_convolution(trunk, node, module)
            elif isinstance(module, nn.Identity):
                _leave_out(node)
    trunk.delete_all_unused_submodules()
    trunk.recompile()
    return trunk.train().requires_grad_(True)  # torch's fusing leaves new biases fixed


class _Tracer(fx.Tracer):
    """Stops at convolutions and batch norms, whoever wrote them: timm's have arguments of their own."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        ours = isinstance(m, nn.Conv2d | nn.modules.batchnorm._BatchNorm)
        return ours or super().is_leaf_module(m, module_qualified_name)


def _fold_into_convolution(
    trunk: fx.GraphModule, node: fx.Node, norm: nn.modules.batchnorm._BatchNorm
) -> None:
    (before,) = node.all_input_nodes
    conv = trunk.get_submodule(str(before.target)) if before.op == "call_module" else None
    if not isinstance(conv, nn.Conv2d) or len(before.users) > 1 or norm.running_var is None:
        raise ConfigurationError(
            f"The batch norm {node.target} follows no convolution to be folded into; give another stem_model."
        )
    assert norm.running_mean is not None
    conv.weight, conv.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    activation = getattr(norm, "act", nn.Identity())
    if isinstance(activation, nn.Identity):
        _leave_out(node)
    else:
        trunk.set_submodule(str(node.target), activation)


def _leave_out(node: fx.Node) -> None:
    (before,) = node.all_input_nodes
    node.replace_all_uses_with(before)
    node.graph.erase_node(node)


def _stage(extractor: nn.Module) -> Stage:
    info = extractor.feature_info
    assert isinstance(info, FeatureInfo)
    return Stage(info.reduction()[0], info.channels()[0])


def _probe(trunk: nn.Module) -> tuple[int, ...] | None:
    """The shape of a wide image's features, None where the trunk cannot see it."""
    try:
        features: Tensor = trunk(torch.empty(1, 3, *PROBE_SIZE_PX))
    except (RuntimeError, AssertionError):
        return None
    return tuple(features.shape)
