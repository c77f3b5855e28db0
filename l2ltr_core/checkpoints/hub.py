"""Checkpoints on the Hugging Face Hub: `hf://owner/name`, or `hf://owner/name@revision`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, constants, snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import logging
from huggingface_hub.utils.tqdm import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
    tqdm,
)

from l2ltr_core.errors import CheckpointError

HTTP_ERROR: type[Exception] = HfHubHTTPError.__mro__[1]
"""Base class of connection errors, which differs with huggingface_hub's version: requests, httpx or httpx2."""
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
    hub = _endpoint()
    with _talking(hub, address, "downloaded") as (repository, revision):
        folder = snapshot_download(
            repository,
            revision=revision,
            allow_patterns=FILES,
            endpoint=hub,
            tqdm_class=_Silent,
        )
    return Path(folder)


def upload(files: Sequence[Path], address: str) -> str:
    """Write files to a repository in one commit; returns the commit's page. A new repository is private.

    The endpoint and token are as for `download`. Raises CheckpointError, also for a repository that would
    then hold two checkpoints.
    """
    hub = _endpoint()
    api = HfApi(endpoint=hub)
    with _talking(hub, address, "uploaded") as (repository, revision):
        api.create_repo(repository, private=True, exist_ok=True)
        kept = set(api.list_repo_files(repository, revision=revision)) - {file.name for file in files}
        if others := sorted(name for name in kept if name.endswith(".safetensors")):
            raise CheckpointError(
                f"The repository {repository} holds {others[0]} already; a checkpoint needs one of its own."
            )
        commit = api.create_commit(
            repository,
            [CommitOperationAdd(file.name, file) for file in files],
            commit_message=f"Checkpoint {files[0].stem}",
            revision=revision,
        )
    return commit.commit_url


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT") or constants.ENDPOINT


@contextmanager
def _talking(hub: str, address: str, done: str) -> Iterator[tuple[str, str | None]]:
    """Repository and revision of an address; what goes wrong with them there becomes one sentence."""
    repository, _, revision = address.removeprefix(PREFIX).partition("@")
    if not address.startswith(PREFIX) or len([part for part in repository.split("/") if part]) != 2:
        raise CheckpointError(
            f"{address} is not an address; give {PREFIX}owner/name, with @revision if needed."
        )
    try:
        with _quiet():
            yield repository, revision or None
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
        if isinstance(error, HfHubHTTPError) and error.response.status_code in (401, 403):
            raise CheckpointError(
                f"{hub} does not let you do that with {repository}; set HF_TOKEN or run `hf auth login`."
            ) from error
        reason = str(error).partition("\n")[0].rstrip(".")
        raise CheckpointError(f"{repository} cannot be {done}: {reason}.") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's own lines and bars on standard error: what matters is in the error."""
    level, bars = logging.get_verbosity(), not are_progress_bars_disabled()
    logging.set_verbosity_error()
    disable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            enable_progress_bars()
