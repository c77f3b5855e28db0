"""Photos that are read, kept, and read again."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app import photo_store
from app.memory import Store
from app.state import Photo
from l2ltr_core import assets
from l2ltr_core.errors import ImageError
from tests.app.conftest import forget


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """One sample."""
    monkeypatch.setattr(assets, "ASSETS", tmp_path)
    forget()
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "a.jpg").write_bytes(jpeg(1))
    (tmp_path / "samples" / "samples.json").write_text(json.dumps([{"file": "a.jpg", "title": "A street"}]))
    yield tmp_path
    forget()


def jpeg(seed: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (16, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def test_a_photo_is_known_by_its_file_and_decoded_once() -> None:
    photo = photo_store.read_upload(jpeg(2), "mine.jpg")
    assert photo == Photo.of(jpeg(2), "mine.jpg") != Photo.of(jpeg(3), "mine.jpg")
    assert photo_store.read_upload(jpeg(2), "again.jpg").key == photo.key
    assert photo_store.panorama(photo) is photo_store.panorama(photo)


def test_a_sample_has_its_title_and_comes_back_by_itself() -> None:
    photo = photo_store.read_sample("a.jpg")
    assert photo == Photo.of(jpeg(1), "A street", "a.jpg")
    photo_store.decoded.clear()
    assert photo_store.panorama(photo).pixels.shape == (16, 32, 3)


def test_a_visitors_photo_that_has_left_the_memory_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(photo_store, "decoded", Store(0))
    photo = photo_store.read_upload(jpeg(2), "mine.jpg")
    with pytest.raises(ImageError, match=r"The photo 'mine\.jpg' is no longer in memory; upload it again\."):
        photo_store.panorama(photo)


def test_a_photo_of_a_walk_is_kept_as_its_file_and_seen_as_a_strip() -> None:
    photo = photo_store.read_walk_upload(jpeg(2), "1.jpg")
    assert photo_store.file_of(photo) == jpeg(2)
    assert photo_store.decoded.bytes_kept == 0
    strip = Image.open(io.BytesIO(photo_store.glance(photo).strip))
    assert strip.size == photo_store.STRIP_PX


def test_what_is_no_photo_is_refused_before_it_is_taken_for_one() -> None:
    for read in (photo_store.read_upload, photo_store.read_walk_upload):
        with pytest.raises(ImageError):
            read(b"no photo", "bad.jpg")
