"""Atomic writing: a file is there complete, or not at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A new file beside `path`, of the same ending: it takes the place of `path` when the block ends well.

    Where the block raises, `path` stays as it was. Each process and each thread writes to a file of its own.
    """
    partial = path.with_name(f".{path.stem}.{os.getpid()}-{threading.get_ident()}{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
