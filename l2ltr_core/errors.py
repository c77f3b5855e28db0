"""One error tree. A message says what was found, what was expected and what to do, in one sentence."""

from __future__ import annotations

from pathlib import Path


class L2LTRError(Exception):
    """Base of every error that a user can cause and mend; anything else is a bug."""


class ImageError(L2LTRError):
    """A file that is not a usable photo."""


class MetadataError(L2LTRError):
    """A photo whose EXIF or XMP contradicts itself or lies out of range."""


class ConfigurationError(L2LTRError):
    """A setting, option or configuration file with an impossible value."""


class CheckpointError(L2LTRError):
    """Weights or a card that cannot be loaded as they are."""


class ImageryError(L2LTRError):
    """An aerial source that cannot be read, or does not cover what was asked."""


class GalleryError(L2LTRError):
    """A gallery that is incomplete, altered, or lacks the index that was asked for."""


class MissingIndexError(GalleryError):
    """A gallery in `folder` that lacks the index of the checkpoint called `checkpoint`."""

    def __init__(self, message: str, folder: Path, checkpoint: str) -> None:
        super().__init__(message)
        self.folder = folder
        self.checkpoint = checkpoint


class DatasetError(L2LTRError):
    """Paired data that is missing or not in the expected form."""
