"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors import SafetensorError

from l2ltr_core.errors import CheckpointError


@contextmanager
def writing(directory: Path) -> Iterator[Path]:
    """A temporary folder on the same disk as `directory`, gone afterwards whatever happens."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=directory, prefix=".writing-") as temporary:
            yield Path(temporary)
    except (OSError, SafetensorError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise CheckpointError(f"The checkpoint cannot be written to {directory}: {reason}.") from error
