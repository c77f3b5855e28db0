from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from app.memory import OVERHEAD, Store, size_of

KB = 1000 + OVERHEAD


def test_what_was_used_least_recently_leaves_first() -> None:
    store = Store(2 * KB)
    store.put("a", bytes(1000))
    store.put("b", bytes(1000))
    assert store.get("a") is not None
    store.put("c", bytes(1000))
    assert store.get("b") is None and store.get("a") and store.get("c")
    assert store.bytes_kept == 2 * KB


def test_a_value_that_fits_nowhere_is_given_but_not_kept() -> None:
    store, calls = Store(KB), []

    @store.keeps
    def large(name: str) -> bytes:
        calls.append(name)
        return bytes(5000)

    assert len(large("a")) == len(large("a")) == 5000
    assert calls == ["a", "a"] and store.bytes_kept == 0


def test_a_result_is_computed_once_and_closed_to_changes() -> None:
    store, calls = Store(10 * KB), []

    @store.keeps
    def heat(name: str, size: int = 3) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        calls.append(name)
        return np.zeros(size), {"more": np.ones(size)}

    @store.keeps
    def nothing(name: str) -> None:
        calls.append(f"no {name}")

    first, rest = heat("a")
    assert heat("a")[0] is first
    for array in (first, rest["more"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    assert nothing("a") is None and nothing("a") is None
    heat("a", size=4)
    assert calls == ["a", "no a", "a"]
    store.clear()
    assert store.bytes_kept == 0 and heat("a")[0] is not first


def test_functions_of_the_same_name_in_two_modules_do_not_share_their_results() -> None:
    store = Store(10 * KB)

    def view(name: str) -> str:
        return f"a photo of {name}"

    def drawn(name: str) -> str:
        return f"a tile of {name}"

    drawn.__qualname__, drawn.__module__ = view.__qualname__, "another"
    assert store.keeps(view)("a") == "a photo of a"
    assert store.keeps(drawn)("a") == "a tile of a"


def test_progress_is_told_of_a_first_result_only_and_does_not_make_it_another() -> None:
    told: list[str] = []

    @Store(1_000).keeps
    def doubled(number: int, *, progress: Callable[[str], None]) -> int:
        progress(f"doubling {number}")
        return 2 * number

    assert doubled(1, progress=told.append) == doubled(1, progress=lambda _: told.append("again")) == 2
    assert doubled(2, progress=told.append) == 4
    assert told == ["doubling 1", "doubling 2"]


def test_the_size_of_a_value_is_that_of_its_arrays_and_texts() -> None:
    assert size_of(np.zeros((10, 10), np.float32)) == 400 + OVERHEAD
    assert size_of((bytes(10), {"a": np.zeros(4)})) == 2 * OVERHEAD + (10 + OVERHEAD) + (1 + OVERHEAD) + (
        32 + OVERHEAD
    )
