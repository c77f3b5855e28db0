from __future__ import annotations

import numpy as np
import pytest

from benchmarks import gallery
from l2ltr_core.checkpoints import load_encoder
from l2ltr_core.gallery import open_gallery
from tests.benchmarks.conftest import Tiny


def test_the_plain_way_gives_the_gallerys_descriptors(tiny: Tiny) -> None:
    encoder = load_encoder(tiny.checkpoint)
    parts = gallery.one_after_the_other(encoder, tiny.gallery, 40)
    expected = open_gallery(tiny.gallery).descriptors(encoder)[:40]
    np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-5)


def test_the_small_benchmark_gives_a_row(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "peak_mb", lambda build, checkpoint, folder, places: places / 10)
    row = gallery.measure(tiny.checkpoint, tiny.gallery, 20, rounds=1)
    assert row.ours > 0
    assert row.ours_mb == 2
    assert row.targets[1].met
