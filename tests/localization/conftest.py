from __future__ import annotations

import pytest

from l2ltr_core.gallery import Gallery, build_gallery
from tests.town import DirectionEncoder


@pytest.fixture(scope="session")
def with_columns(gallery: Gallery, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """The town on a 10 m grid, described by the columns of `DirectionEncoder`; not to be changed."""
    folder = tmp_path_factory.mktemp("columns") / "gallery"
    return build_gallery(gallery.imagery, folder, DirectionEncoder(), name="town", spacing_m=10)
