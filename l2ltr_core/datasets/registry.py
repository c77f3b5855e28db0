"""From what a person types to a dataset: a known name, a folder, or `format:folder`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Protocol, get_args

from l2ltr_core import assets
from l2ltr_core.datasets.cvact import open_cvact
from l2ltr_core.datasets.cvusa import open_cvusa
from l2ltr_core.datasets.geotagged import open_geotagged
from l2ltr_core.datasets.paired import PairedDataset, Split
from l2ltr_core.datasets.vigor import open_vigor
from l2ltr_core.errors import ConfigurationError, DatasetError


class OpenBenchmark(Protocol):
    """What reads a split of a benchmark from its folder; raises DatasetError."""

    def __call__(self, folder: Path, split: Split) -> PairedDataset:
        """The split's pairs."""


FORMATS: dict[str, OpenBenchmark] = {
    "cvusa": open_cvusa,
    "cvact": open_cvact,
    "vigor": open_vigor,
    "vigor-cross": partial(open_vigor, area="cross"),
}


def open_dataset(spec: str | Path, split: Split = "test") -> PairedDataset:
    """Open a dataset of ground photos with aerial tiles.

    Args:
        spec: `helsinki`, a geotagged folder, `cvusa:DIR`, `cvact:DIR`, `vigor:DIR` or `vigor-cross:DIR`.
        split: The split of a benchmark; a geotagged folder is one set by itself.

    Returns:
        The photos (queries), each with the number of its tile and, where known, position and heading.

    Raises:
        DatasetError: Nothing is there, or the folder lacks the expected files.
        ConfigurationError: There is no such split.
    """
    if split not in get_args(Split):
        raise ConfigurationError(f"The split is {split!r}; give one of {', '.join(get_args(Split))}.")
    form, colon, folder = str(spec).partition(":")
    if colon and form in FORMATS:
        return FORMATS[form](existing_folder(folder), split)
    return open_geotagged(dataset_folder(spec))


def dataset_folder(spec: str | Path) -> Path:
    """The folder of a geotagged dataset given by name (in the assets) or by path."""
    bundled = assets.ASSETS / "datasets" / str(spec)
    return bundled if bundled.is_dir() else existing_folder(spec)


def existing_folder(path: str | Path) -> Path:
    """`path` if it is a folder, else a DatasetError that names the accepted forms."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        forms = ", ".join(f"{form}:DIR" for form in FORMATS)
        raise DatasetError(f"No dataset at '{path}': give a bundled name, a folder, or one of {forms}.")
    return folder
