"""Checkpoints on the Hugging Face Hub: `hf://owner/name`, or `hf://owner/name@revision`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import logging
from huggingface_hub.utils.tqdm import tqdm

from l2ltr_core.errors import CheckpointError

HTTP_ERROR: type[Exception] = HfHubHTTPError.__mro__[1]
"""The base of connection errors, which differs with huggingface_hub's version: requests, httpx or httpx2."""
FILES = ["*.json", "*.safetensors"]
PREFIX = "hf://"


class _Silent(tqdm):
    """Progress is shown by those who show things."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **{**options, "disable": True})


def download(address: str) -> Path:
    """The folder, in the hub's own cache, that holds a repository's checkpoint; `address` with its `hf://`.

    The endpoint, cache and token are huggingface_hub's (HF_ENDPOINT, HF_HOME, HF_TOKEN). Without a
    connection, what was downloaded before is used. Raises CheckpointError.
    """
    repository, _, revision = address.removeprefix(PREFIX).partition("@")
    if len([part for part in repository.split("/") if part]) != 2:
        raise CheckpointError(
            f"{address} is not an address; give {PREFIX}owner/name, with @revision if needed."
        )
    hub = os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
    try:
        with _quiet():
            folder = snapshot_download(
                repository,
                revision=revision or None,
                allow_patterns=FILES,
                endpoint=hub,
                tqdm_class=_Silent,
            )
    except HFValidationError as error:
        raise CheckpointError(f"{address} is not an address that a hub can have.") from error
    except RepositoryNotFoundError as error:
        raise CheckpointError(f"{hub} has no repository {repository} open to you.") from error
    except RevisionNotFoundError as error:
        raise CheckpointError(f"The repository {repository} has no revision {revision}.") from error
    except LocalEntryNotFoundError as error:
        raise CheckpointError(
            f"{hub} does not answer, and {repository} has not been downloaded before."
        ) from error
    except (HTTP_ERROR, OSError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise CheckpointError(f"{repository} cannot be downloaded: {reason}.") from error
    return Path(folder)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's own lines on standard error: what matters is in the error."""
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
