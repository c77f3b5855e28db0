"""Descriptor indexes: made, kept and searched by FAISS, inner product of unit rows = cosine similarity."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from l2ltr_core.errors import ConfigurationError, GalleryError
from l2ltr_core.types import Descriptors

KINDS = ("flat", "half", "byte", "hnsw", "ivfpq")
HNSW_LINKS = 32
IVFPQ_LEAST_PLACES = 1000
"""Least number of places for which a product quantiser can be trained."""
LEAST_COLUMNS = 2048
"""Least number of rows whose columns are quantised to 4 bits; fewer stay at 16 bits, for they tell too little of the
range of each number."""
MOST_TRAINED_COLUMNS = 50_000
MOST_TRAINED = 200_000
"""Largest number of rows that a quantiser is trained on; of more it takes every second, third ... row."""

if sys.platform == "darwin":
    faiss.omp_set_num_threads(1)  # two OpenMP runtimes (torch's and FAISS's) in one process can crash there


def make_index(blocks: Sequence[Descriptors], kind: str) -> Any:
    """A FAISS index over blocks of (N, D) unit rows: `flat` exact, `hnsw` fast, `ivfpq` small.

    `half` and `byte` are `flat` with 16 and with 8 bits a number: half and a quarter of the size, cosines within
    0.001 and about 0.003 of the exact ones.
    Blocks are added one by one, so that those mapped from files never stand in memory all at once. Raises
    ConfigurationError for another kind, or for too few places for `ivfpq`.
    """
    count, dimensions = sum(map(len, blocks)), blocks[0].shape[1]
    index: Any
    if kind == "flat":
        index = faiss.IndexFlatIP(dimensions)
    elif kind == "half":
        index = faiss.IndexScalarQuantizer(
            dimensions, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
    elif kind == "byte":
        index = faiss.IndexScalarQuantizer(
            dimensions, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        )
        index.train(np.concatenate([block[:: _every(count)] for block in blocks]))
    elif kind == "hnsw":
        index = faiss.IndexHNSWFlat(dimensions, HNSW_LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 200
        index.hnsw.efSearch = 128
    elif kind == "ivfpq":
        if count < IVFPQ_LEAST_PLACES:
            raise ConfigurationError(
                f"The gallery has {count} places, an ivfpq index needs at least {IVFPQ_LEAST_PLACES}; "
                "use a flat index, which is exact and fast at this size."
            )
        lists = max(1, min(int(4 * math.sqrt(count)), count // 40))
        codes = next(parts for parts in (64, 48, 32, 24, 16, 8, 4, 2, 1) if dimensions % parts == 0)
        bits = 8 if count >= 256 * 39 else 4
        index = faiss.IndexIVFPQ(
            faiss.IndexFlatIP(dimensions), dimensions, lists, codes, bits, faiss.METRIC_INNER_PRODUCT
        )
        index.train(np.concatenate([block[:: _every(count)] for block in blocks]))
        index.nprobe = max(1, lists // 8)
    else:
        raise ConfigurationError(f"The index kind is {kind!r}; give one of {', '.join(KINDS)}.")
    for block in blocks:
        index.add(np.ascontiguousarray(block, np.float32))
    return index


def make_columns_index(blocks: Sequence[Descriptors]) -> Any:
    """What is kept of blocks of (N, C) column descriptors, to be read back by row: 4 bits a number; of few rows 16.

    No directions are dropped: principal ones of columns as they stand lose what a turned photo is compared with.
    """
    count, dimensions = sum(map(len, blocks)), blocks[0].shape[1]
    index: Any = faiss.index_factory(
        dimensions, "SQfp16" if count < LEAST_COLUMNS else "SQ4", faiss.METRIC_INNER_PRODUCT
    )
    every = math.ceil(count / MOST_TRAINED_COLUMNS)
    index.train(np.concatenate([np.asarray(block[::every], np.float32) for block in blocks]))
    for block in blocks:
        index.add(np.ascontiguousarray(block, np.float32))
    return index


def write_index(index: Any, path: Path) -> None:
    """To a file that `read_index` reads."""
    faiss.write_index(index, str(path))


def read_index(path: Path) -> Any:
    """From a file, mapped into memory; raises GalleryError if it is not an index."""
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise GalleryError(
            f"The index {path} cannot be read; copy the gallery again or build it anew."
        ) from error


def stored_descriptors(index: Any, first: int = 0, count: int | None = None) -> Descriptors:
    """(N, D) float32 rows as the index keeps them: exact for flat and hnsw, rounded for half and byte, else near.

    All of them, or `count` from the `first` on.
    """
    if isinstance(index, faiss.IndexIVF):
        index.make_direct_map()
    return np.asarray(index.reconstruct_n(first, index.ntotal if count is None else count), np.float32)


def _every(count: int) -> int:
    return math.ceil(count / MOST_TRAINED)
