"""The ten lines of the README, as written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import l2ltr_core as l2
from tests.app import toy


def test_the_ten_lines_work_as_written(toy_assets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("l2ltr_core.assets.ASSETS", toy_assets)
    photo = str(toy_assets / "samples" / "street-1.jpg")

    encoder = l2.load_encoder("toy-a")
    gallery = l2.open_gallery("toyville")
    result = l2.localize(photo, encoder=encoder, gallery=gallery, top_k=10)
    assert len(result.matches) == 10
    assert result.to_dict()["heading_deg"] == toy.HEADINGS_DEG[1]

    pixels = np.asarray(Image.open(photo))
    images = [photo, Path(photo).read_bytes(), Image.open(photo), pixels]
    ground = encoder.encode_ground(images)
    assert ground.shape == (4, 32) and ground.dtype == np.float32
    assert np.allclose(np.linalg.norm(ground, axis=1), 1, atol=1e-6)

    square = gallery.chip(0)
    aerial = encoder.encode_aerial([square, Image.fromarray(square)])
    assert np.allclose(aerial[0], gallery.descriptors(encoder)[0], atol=1e-5)
    assert np.allclose(aerial[1], aerial[0], atol=1e-6)

    view = encoder.aerial_view(square)
    assert np.allclose(encoder.encode_aerial([view], prepared=True)[0], aerial[0], atol=1e-5)

    maps = encoder.attention(photo, branch="ground", layers=(0, 1), prepared=False)
    assert [weights.shape for weights in maps] == [(2, 17, 17)] * 2


def test_every_public_name_is_there() -> None:
    for name in l2.__all__:
        assert getattr(l2, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'locate'"):
        l2.locate  # noqa: B018
