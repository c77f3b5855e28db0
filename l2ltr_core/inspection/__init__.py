"""What a model looks at and what it has learned, as pure functions on arrays that an encoder gives."""

from l2ltr_core.inspection.agreement import most_apart, overlap_at, rank_biased_overlap
from l2ltr_core.inspection.attention import (
    AttentionChoice,
    attention_rollout,
    by_sector,
    cls_map,
    entropy,
    heat,
    mean_distance,
    on_tile,
    rank_correlation,
    rollout_of,
    score_falls,
    times_average,
    token_at,
    token_on_square,
    without_sectors,
)
from l2ltr_core.inspection.layers import layer_cka, layer_similarity, linear_cka
from l2ltr_core.inspection.positions import (
    Structure,
    across,
    moved,
    position_similarity,
    principal_colours,
    structure,
)

__all__ = [
    "AttentionChoice",
    "Structure",
    "across",
    "attention_rollout",
    "by_sector",
    "cls_map",
    "entropy",
    "heat",
    "layer_cka",
    "layer_similarity",
    "linear_cka",
    "mean_distance",
    "most_apart",
    "moved",
    "on_tile",
    "overlap_at",
    "position_similarity",
    "principal_colours",
    "rank_biased_overlap",
    "rank_correlation",
    "rollout_of",
    "score_falls",
    "structure",
    "times_average",
    "token_at",
    "token_on_square",
    "without_sectors",
]
