from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from l2ltr_core.gallery import build_gallery
from l2ltr_core.imagery import Imagery, open_imagery
from tests.town import ColourEncoder, town, write_raster


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of the town on a 10 m grid; not to be changed."""
    folder = tmp_path_factory.mktemp("built")
    raster = write_raster(folder / "town.tif", town(), tags={"ATTRIBUTION": "The town"})
    build_gallery(open_imagery(raster), folder / "gallery", ColourEncoder(), name="town", spacing_m=10)
    return folder / "gallery"


@pytest.fixture
def gallery_dir(built: Path, tmp_path: Path) -> Path:
    """A copy of the gallery that a test may damage."""
    return Path(shutil.copytree(built, tmp_path / "copy"))


@pytest.fixture
def imagery(tmp_path: Path) -> Imagery:
    return open_imagery(write_raster(tmp_path / "town.tif", town(), tags={"ATTRIBUTION": "The town"}))
