from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from l2ltr_core.gallery import Gallery
from l2ltr_core.imagery import Imagery, open_imagery
from tests.town import town, write_raster


@pytest.fixture
def built(gallery: Gallery) -> Path:
    """The folder of `gallery`; not to be changed."""
    return gallery.folder


@pytest.fixture
def gallery_dir(built: Path, tmp_path: Path) -> Path:
    """A copy of the gallery that a test may damage."""
    return Path(shutil.copytree(built, tmp_path / "copy"))


@pytest.fixture
def imagery(tmp_path: Path) -> Imagery:
    return open_imagery(write_raster(tmp_path / "town.tif", town(), tags={"ATTRIBUTION": "The town"}))
