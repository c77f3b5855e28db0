"""How alike a model's layers are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from l2ltr_core.inspection.vectors import unit_rows

Floats = NDArray[np.float32]


def layer_similarity(tokens: NDArray) -> Floats:
    """Mean cosine similarity of the same token at two depths: (L, L), in [-1, 1].

    `tokens` is (L, N, D): the tokens of one image, or of several one after the other, at L depths
    (`Encoder.layer_tokens`).
    """
    unit = unit_rows(_at_depths(tokens))
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
