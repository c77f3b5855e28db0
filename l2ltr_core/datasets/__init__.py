"""Paired data for evaluation and training: geotagged folders beside a map, listed pairs, CVUSA, CVACT, VIGOR."""

from l2ltr_core.datasets.paired import PairedDataset, Query, Split
from l2ltr_core.datasets.pairs import open_pairs
from l2ltr_core.datasets.registry import open_dataset

__all__ = ["PairedDataset", "Query", "Split", "open_dataset", "open_pairs"]
