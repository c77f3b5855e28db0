"""What `fast` made of a checkpoint's branches, kept beside it so that the next start is quicker."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from l2ltr_core.checkpoints.writing import writing

FOLDER = ".converted"
DIGEST_BYTES = 32


class ConvertedBranches:
    """Beside the weights, or in the user's cache where that folder is not writable."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the checkpoint's; nothing is written to it yet."""
        beside, cached = folder / FOLDER, _user_cache() / FOLDER.removeprefix(".")
        self._place = beside if os.access(folder, os.W_OK) else cached

    def read(self, name: str) -> bytes | None:
        """What was kept under that name; None if it is not there or not as it was written."""
        try:
            content = (self._place / name).read_bytes()
        except OSError:
            return None
        digest, content = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
        return content if hashlib.sha256(content).digest() == digest else None

    def write(self, name: str, content: bytes) -> None:
        """Keep it, whole or not at all. Raises CheckpointError, for instance when the disk is full."""
        with writing(self._place) as temporary:
            (temporary / name).write_bytes(hashlib.sha256(content).digest() + content)
            (temporary / name).replace(self._place / name)


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "l2ltr"
