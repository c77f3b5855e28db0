"""L2LTR: two branches of the same form and separate weights, each from an image to a unit descriptor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from l2ltr_core.model.columns import build_columns
from l2ltr_core.model.config import PATCH_PX, ModelConfig
from l2ltr_core.model.stem import PatchStem, build_stem
from l2ltr_core.model.transformer import LAYER_NORM_EPS, Layer

EMBEDDING_STD = 0.02


class Branch(nn.Module):
    """Stem, CLS token, positional embeddings, layers, LayerNorm; the CLS token is the descriptor.

    Where the configuration has columns, a column descriptor follows it.
    """

    def __init__(self, config: ModelConfig, size_px: tuple[int, int], patch_px: int = PATCH_PX) -> None:
        super().__init__()
        self.config = config
        self.size_px = size_px
        self.grid = (size_px[0] // patch_px, size_px[1] // patch_px)
        self.stem = build_stem(config, patch_px)
        self.projection: nn.Module = (
            nn.Identity()
            if isinstance(self.stem, PatchStem)
            else nn.Conv2d(self.stem.channels, config.width, kernel_size=1)
        )
        positions = 1 + self.grid[0] * self.grid[1]
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.positional_embedding = nn.Parameter(torch.zeros(1, positions, config.width))
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList([Layer(config) for _ in range(config.depth)])
        self.norm = nn.LayerNorm(config.width, eps=LAYER_NORM_EPS)
        self._initialize()
        self.columns = build_columns(int(self.stem.channels), config, self.grid)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) normalised RGB -> (B, D) unit rows, float32; with columns (B, D + C), both parts unit rows."""
        features = self.features(image)
        *_, last_input, tokens = self._through_layers(features)
        descriptors = self.describe(self.norm(tokens))
        if self.columns is None:
            return descriptors
        normed = F.layer_norm(last_input, last_input.shape[-1:], eps=LAYER_NORM_EPS)
        return torch.cat([descriptors, self.columns(features, normed)], dim=1)

    def tokens(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) normalised RGB -> (B, 1 + N, D) after the last LayerNorm, CLS first."""
        return self.tokens_from_features(self.features(image))

    def features(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) normalised RGB -> (B, C, h, w), the stem's output."""
        return self.stem(image.contiguous(memory_format=torch.channels_last))

    def embed(self, features: Tensor) -> Tensor:
        """(B, C, h, w) from the stem -> (B, 1 + N, D), row by row, CLS first, positions added."""
        patches = self.projection(features).flatten(2).transpose(1, 2)  # (B, N, D)
        cls = self.cls_token.to(patches.dtype).expand(len(patches), -1, -1)
        return self.dropout(torch.cat([cls, patches], dim=1) + self.positional_embedding)

    def tokens_from_features(self, features: Tensor) -> Tensor:
        """(B, C, h, w) from the stem -> (B, 1 + N, D) after the last LayerNorm, CLS first."""
        return self.norm(self._through_layers(features)[-1])

    def describe(self, tokens: Tensor) -> Tensor:
        """(B, 1 + N, D) from `tokens` -> (B, D) unit rows, float32."""
        return F.normalize(tokens[:, 0].float(), dim=1)

    def layer_tokens(self, image: Tensor) -> list[Tensor]:
        """What each layer is given, then what the last one gives: depth + 1 tensors (B, 1 + N, D)."""
        return self._through_layers(self.features(image))

    def _through_layers(self, features: Tensor) -> list[Tensor]:
        """(B, C, h, w) from the stem -> what `layer_tokens` gives."""
        inputs = [self.embed(features)]
        for index, layer in enumerate(self.layers):
            inputs.append(layer(inputs[-1], self._keys_from(inputs, index)))
        return inputs

    def attention(self, image: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """Weights of the chosen layers, each (B, heads, T queries, T keys), rows that sum to 1.

        A key column of layer l belongs to a token of layer l-1's *input* under self-cross attention.
        """
        inputs = self.layer_tokens(image)
        return [
            self.layers[index].attention_weights(inputs[index], self._keys_from(inputs, index))  # type: ignore[operator]
            for index in layers
        ]

    def _keys_from(self, inputs: Sequence[Tensor], index: int) -> Tensor:
        """The tokens that layer `index` takes its keys from."""
        return inputs[max(index - 1, 0)] if self.config.attention == "self-cross" else inputs[index]

    def _initialize(self) -> None:
        """As the ViT: truncated normal embeddings, Xavier linear maps; the stem keeps its own start."""
        nn.init.trunc_normal_(self.cls_token, std=EMBEDDING_STD)
        nn.init.trunc_normal_(self.positional_embedding, std=EMBEDDING_STD)
        for module in (self.projection, *self.layers.modules()):
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]


def build_branch(config: ModelConfig, side: Literal["ground", "aerial"]) -> Branch:
    """One side's branch, for the views that the configuration gives it."""
    if side == "ground":
        return Branch(config, config.ground_size_px, config.ground_patch_px)
    return Branch(config, config.aerial_size_px, config.aerial_patch_px)


class L2LTR(nn.Module):
    """Both branches. `ground` sees the panorama's view, `aerial` the (polar) view of the chip."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.ground = build_branch(config, "ground")
        self.aerial = build_branch(config, "aerial")

    def forward(self, ground: Tensor, aerial: Tensor) -> tuple[Tensor, Tensor]:
        """Two normalised batches (B, 3, H, W) -> two float32 batches of rows as `Branch.forward` gives them."""
        return self.ground(ground), self.aerial(aerial)
