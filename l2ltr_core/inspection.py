"""What a model looks at and what it has learned, as pure functions on arrays that an encoder gives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def attention_rollout(maps: Sequence[NDArray], residual: float = 0.5) -> Floats:
    """How much each input token contributes to each output token, through all layers.

    `maps` are the attention weights of every layer from the first on, each (heads, T, T) with rows that
    sum to 1 (`Encoder.attention`); the result is (T, T), rows sum to 1, row 0 is what CLS is made of.
    `residual` in [0, 1] is the share of the skip connection.

    Rollout (Abnar and Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020, section 3) takes
    weights as constants and follows the content. Here is what that means for self-cross attention. With
    x_l the input of layer l, its output before the MLP is, for token i,

        y_i = x_l,i + sum_j A_l[i, j] v(x_l,j),   A_l[i, .] = softmax_j(q(x_l,i) . k(x_{l-1},j))

    so the previous layer's input decides the weights through its keys, but what is passed on is the value
    of token j of the layer's *own* input. With A_l held constant the keys drop out of the sum, the MLP
    and the linear maps act on each token alone, and the mixing of one layer is

        M_l = residual I + (1 - residual) mean over heads of A_l,   R_l = M_l R_{l-1},   R_{-1} = I.

    This is the recursion of plain self-attention: column j of every M_l stands for the same token in both.
    What it cannot show is influence through the keys: a token that changes only where others look
    counts for nothing, under self-cross attention by way of the layer before.
    """
    if len(maps) == 0:
        raise ValueError("expected the attention of at least one layer, found none")
    if not 0 <= residual <= 1:
        raise ValueError(f"expected 0 <= residual <= 1, found {residual}")
    tokens = maps[0].shape[-1]
    rollout = np.eye(tokens)
    for weights in maps:
        if weights.ndim != 3 or weights.shape[1:] != (tokens, tokens):
            raise ValueError(f"expected (heads, {tokens}, {tokens}) for each layer, found {weights.shape}")
        mixing = (1 - residual) * weights.mean(axis=0, dtype=np.float64)
        mixing[np.diag_indices(tokens)] += residual
        rollout = mixing @ rollout
    return rollout.astype(np.float32)


def cls_map(weights: NDArray, grid: tuple[int, int]) -> Floats:
    """The CLS row of (T, T) weights or of a rollout, laid on the image: (rows, columns), sums to 1."""
    expected = 1 + grid[0] * grid[1]
    if weights.shape != (expected, expected):
        raise ValueError(f"expected ({expected}, {expected}) for the grid {grid}, found {weights.shape}")
    patches = weights[0, 1:].astype(np.float64).reshape(grid)
    total = patches.sum()
    return (patches / total if total > 0 else patches).astype(np.float32)


def position_similarity(embedding: NDArray, grid: tuple[int, int]) -> Floats:
    """Cosine similarity between every two positions: (rows, columns, rows, columns), in [-1, 1].

    `embedding` is (1 + N, D) as `Encoder.positional_embedding` gives it; CLS is left out. Entry [r, c] is
    the map of similarity to the position (r, c), as in the paper's Figure 3.
    """
    rows, columns = grid
    if embedding.ndim != 2 or embedding.shape[0] != 1 + rows * columns:
        raise ValueError(f"expected ({1 + rows * columns}, D) for the grid {grid}, found {embedding.shape}")
    unit = _unit_rows(embedding[1:])
    return (unit @ unit.T).clip(-1, 1).reshape(rows, columns, rows, columns).astype(np.float32)


def layer_similarity(tokens: NDArray) -> Floats:
    """Mean cosine similarity of the same token at two depths: (L, L), in [-1, 1].

    `tokens` is (L, N, D): the tokens of one image, or of several one after the other, at L depths
    (`Encoder.layer_tokens`).
    """
    unit = _unit_rows(_at_depths(tokens))
    return np.einsum("and,bnd->ab", unit, unit / unit.shape[1], optimize=True).clip(-1, 1).astype(np.float32)


def layer_cka(tokens: NDArray) -> Floats:
    """Linear CKA between every two depths: (L, L), in [0, 1]; `tokens` as for `layer_similarity`.

    Unlike the cosine it does not change when a layer turns or scales its whole space. It needs more
    tokens than dimensions to mean much: give the tokens of several images.
    """
    depths = list(_at_depths(tokens))
    return np.array([[linear_cka(a, b) for b in depths] for a in depths], np.float32)


def linear_cka(first: NDArray, second: NDArray) -> float:
    """Linear centred kernel alignment of (N, D1) and (N, D2), in [0, 1]; 0 if one of them is constant.

    Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019, equation 5.
    """
    if first.ndim != 2 or second.ndim != 2 or len(first) != len(second):
        raise ValueError(f"expected (N, D1) and (N, D2), found {first.shape} and {second.shape}")
    a = first - first.mean(axis=0, dtype=np.float64)
    b = second - second.mean(axis=0, dtype=np.float64)
    if len(a) <= min(a.shape[1], b.shape[1]):  # the same number from the smaller of two products
        gram_a, gram_b = a @ a.T, b @ b.T
        shared, own = np.sum(gram_a * gram_b), np.linalg.norm(gram_a) * np.linalg.norm(gram_b)
    else:
        shared = np.sum((a.T @ b) ** 2)
        own = np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)
    return float(shared / own) if own > 0 else 0.0


def _at_depths(tokens: NDArray) -> NDArray:
    if tokens.ndim != 3 or 0 in tokens.shape:
        raise ValueError(f"expected (depths, tokens, D), found {tokens.shape}")
    return tokens.astype(np.float64)


def _unit_rows(rows: NDArray) -> NDArray:
    """Rows of length 1 along the last axis; a row of zeros stays zero."""
    rows = rows.astype(np.float64)
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
