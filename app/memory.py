"""What all visitors share in memory, bounded in bytes: what was used least recently leaves first.

Streamlit's own caches are bounded in entries and copy what they keep at every reading.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
from cachetools import LRUCache, cached
from cachetools.keys import hashkey

P = ParamSpec("P")
R = TypeVar("R")
OVERHEAD = 200
"""Rough size in bytes of an entry beside its value."""
RESULTS_BYTES = 256 << 20
"""Memory limit of computed and drawn results; attention of a full-size model has 38 MB a photo."""


class Store:
    """Values by key, together at most `most_bytes`; a value larger than that is not kept."""

    def __init__(self, most_bytes: int) -> None:
        self._values: LRUCache[Hashable, Any] = LRUCache(most_bytes, getsizeof=size_of)
        self._lock = threading.Lock()

    @property
    def bytes_kept(self) -> int:
        """Of all values, by `size_of`."""
        return int(self._values.currsize)

    def put(self, key: Hashable, value: Any) -> None:
        """Keep a value as the most recent."""
        with self._lock:
            if size_of(value) <= self._values.maxsize:
                self._values[key] = value

    def get(self, key: Hashable, missing: Any = None) -> Any:
        """The value, `missing` once it has left."""
        with self._lock:
            return self._values.get(key, missing)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()

    def keeps(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorates a function of hashable arguments: its results are kept here, shared and closed to changes.

        A callback given by name as `progress` changes no result, and so is no part of what one is found by.
        """
        named = f"{function.__module__}.{function.__qualname__}"

        def key(*args: Hashable, **kwargs: Hashable) -> Hashable:
            kwargs.pop("progress", None)
            return hashkey(named, *args, **kwargs)

        @cached(self._values, key=key, lock=self._lock)
        @wraps(function)
        def kept(*args: P.args, **kwargs: P.kwargs) -> R:
            return close(function(*args, **kwargs))

        return kept


def size_of(value: Any) -> int:
    """Bytes of a value: of the arrays and texts in it; anything else counts as small."""
    if isinstance(value, np.ndarray):
        return value.nbytes + OVERHEAD
    if isinstance(value, bytes | str):
        return len(value) + OVERHEAD
    if isinstance(value, tuple | list):
        return OVERHEAD + sum(map(size_of, value))
    if isinstance(value, dict):
        return OVERHEAD + sum(size_of(each) for pair in value.items() for each in pair)
    if hasattr(value, "__dataclass_fields__"):
        return OVERHEAD + sum(size_of(getattr(value, name)) for name in value.__dataclass_fields__)
    return OVERHEAD


def close(value: R) -> R:
    """The same value, its arrays closed to changes: every visitor gets the same ones."""
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
    elif isinstance(value, tuple | list):
        for each in value:
            close(each)
    elif isinstance(value, dict):
        for each in value.values():
            close(each)
    return value


results = Store(RESULTS_BYTES)
"""Store of computed and drawn results, for all visitors together."""
