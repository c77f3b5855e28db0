"""What all visitors share in memory, bounded in bytes: what was used least recently leaves first.

Streamlit's own caches are bounded in entries and copy what they keep at every reading.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
from cachetools import LRUCache
from cachetools.keys import hashkey

P = ParamSpec("P")
R = TypeVar("R")
OVERHEAD = 200
"""Bytes that an entry costs beside its value, roughly."""


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

        @wraps(function)
        def kept(*args: P.args, **kwargs: P.kwargs) -> R:
            named = {name: value for name, value in kwargs.items() if name != "progress"}
            key = hashkey(function.__qualname__, *args, **cast(dict[str, Hashable], named))
            found = self.get(key, self)
            if found is self:
                found = close(function(*args, **kwargs))
                self.put(key, found)
            return found

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
