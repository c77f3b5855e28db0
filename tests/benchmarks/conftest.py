from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.app import toy


class Tiny(NamedTuple):
    """What a benchmark of the shipped files is given instead."""

    checkpoint: Path
    gallery: Path
    photo: Path


@pytest.fixture(scope="session")
def tiny(toy_assets: Path) -> Tiny:
    """Of the toy product a checkpoint, the gallery and a sample."""
    return Tiny(
        toy_assets / "checkpoints" / f"{toy.CHECKPOINTS[0]}.json",
        toy_assets / "galleries" / toy.GALLERY,
        toy_assets / "samples" / "street-0.jpg",
    )
