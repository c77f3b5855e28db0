"""Where the files that ship with the product are: checkpoints, galleries, datasets and sample photos."""

from __future__ import annotations

import os
from pathlib import Path

ASSETS = Path(os.environ.get("L2LTR_ASSETS") or Path(__file__).resolve().parent.parent / "assets")
"""The folder of shipped files; the environment variable L2LTR_ASSETS points elsewhere."""

NONE_INSTALLED = (
    "an installed package holds the code alone: set L2LTR_ASSETS to the folder `assets` of a checkout of the "
    "project, or give a path or hf://owner/name"
)
"""Advice where no checkpoint is found at all."""

DEFAULT_CHECKPOINT = "world-l2ltr"
"""Name of the checkpoint used where none is named."""


def default_first(name: str) -> tuple[bool, str]:
    """What to sort the names of checkpoints by."""
    return name != DEFAULT_CHECKPOINT, name


def find_gallery(name: str) -> Path | None:
    """The folder of a shipped gallery, None if there is none of that name."""
    return _named("galleries", name, "gallery.json")


def find_checkpoint_dir() -> Path:
    """The folder that holds the shipped checkpoints."""
    return ASSETS / "checkpoints"


def list_galleries() -> list[str]:
    """The names of the shipped galleries, sorted."""
    return sorted(manifest.parent.name for manifest in (ASSETS / "galleries").glob("*/gallery.json"))


def _named(kind: str, name: str, required: str) -> Path | None:
    if not name or Path(name).name != name:  # a path, not a name
        return None
    folder = ASSETS / kind / name
    return folder if folder.is_dir() and (folder / required).exists() else None
