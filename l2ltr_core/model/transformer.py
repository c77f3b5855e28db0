"""Layers with self-cross attention: each looks back at what the layer before it was given.

L2LTR, Yang, Lu and Zhu, "Cross-view Geo-localization with Layer-to-Layer Transformer", NeurIPS 2021,
section 3.3: queries and values come from a layer's own input, keys from the input of the layer before.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from l2ltr_core.model.config import ModelConfig

LAYER_NORM_EPS = 1e-6
FEW_TOKENS = 320
"""Number of tokens up to which the plain softmax trains faster on a CPU than the fused kernel."""


class Attention(nn.Module):
    """Multi-head attention whose keys come from other tokens than its queries and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor, previous_tokens: Tensor) -> Tensor:
        """(B, T, D) and (B, T, D), both normalised -> (B, T, D)."""
        query, key, value = self._split(tokens, previous_tokens)
        if self.training and tokens.shape[1] <= FEW_TOKENS:
            mixed = _weights(query, key).to(value.dtype) @ value
        else:
            mixed = F.scaled_dot_product_attention(query, key, value)
        return self.out(mixed.transpose(1, 2).flatten(2))

    def weights(self, tokens: Tensor, previous_tokens: Tensor) -> Tensor:
        """(B, heads, T queries, T keys), rows that sum to 1."""
        query, key, _ = self._split(tokens, previous_tokens)
        return _weights(query, key)

    def _split(self, tokens: Tensor, previous_tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return (
            split_heads(self.query(tokens), self.heads),
            split_heads(self.key(previous_tokens), self.heads),
            split_heads(self.value(tokens), self.heads),
        )


class Mlp(nn.Module):
    """Two linear maps with the exact GELU between them."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.expand = nn.Linear(width, hidden)
        self.contract = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        hidden = self.dropout(F.gelu(self.expand(tokens)))
        return self.dropout(self.contract(hidden))


class Layer(nn.Module):
    """A pre-norm transformer layer; keys have a LayerNorm of their own."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width, eps=LAYER_NORM_EPS)
        self.key_norm = nn.LayerNorm(config.width, eps=LAYER_NORM_EPS)
        self.attention = Attention(config.width, config.heads)
        self.mlp_norm = nn.LayerNorm(config.width, eps=LAYER_NORM_EPS)
        self.mlp = Mlp(config.width, config.mlp_width, config.dropout)

    def forward(self, tokens: Tensor, previous_tokens: Tensor) -> Tensor:
        """Own input and the input of the layer before, both (B, T, D) -> (B, T, D)."""
        tokens = tokens + self.attention(self.attention_norm(tokens), self.key_norm(previous_tokens))
        return tokens + self.mlp(self.mlp_norm(tokens))

    def attention_weights(self, tokens: Tensor, previous_tokens: Tensor) -> Tensor:
        """(B, heads, T queries, T keys), rows that sum to 1."""
        return self.attention.weights(self.attention_norm(tokens), self.key_norm(previous_tokens))


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    """(B, T, D) -> (B, heads, T, D / heads)."""
    return tokens.unflatten(2, (heads, -1)).transpose(1, 2)


def _weights(query: Tensor, key: Tensor) -> Tensor:
    return torch.softmax(query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5, dim=-1)
