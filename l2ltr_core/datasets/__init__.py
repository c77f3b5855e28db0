"""Paired data for evaluation and training: geotagged folders beside a map, CVUSA, CVACT, VIGOR."""

from l2ltr_core.datasets.paired import PairedDataset, Query
from l2ltr_core.datasets.registry import open_dataset

__all__ = ["PairedDataset", "Query", "open_dataset"]
