"""The photos that come with the product, in a folder of a few."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app import samples
from app.state import Photo
from l2ltr_core import assets
from l2ltr_core.errors import ImageError
from l2ltr_core.photo import write_panorama
from l2ltr_core.types import Location
from tests.app.conftest import forget

HERE = Location(60.17, 24.94)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two samples, one of which says where it is, a walk of two photos and one of a single photo."""
    monkeypatch.setattr(assets, "ASSETS", tmp_path)
    forget()
    within = tmp_path / "samples"
    for name in ("a.jpg", "b.jpg", "stroll/2.jpg", "stroll/10.jpg", "alone/1.jpg"):
        (within / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((16, 32, 3), len(name), np.uint8)
        if name == "a.jpg":
            write_panorama(within / name, pixels, location=HERE, heading_deg=0.0)
        else:
            Image.fromarray(pixels).save(within / name)
    listed = [{"file": "a.jpg", "title": "A street", "note": "Drawn"}, {"file": "b.jpg", "title": "B"}]
    lacking = {"file": "gone.jpg", "title": "Gone"}
    (within / "samples.json").write_text(json.dumps([*listed, lacking]))
    walks = [{"folder": each, "title": each.title(), "note": "Walked"} for each in ("stroll", "alone")]
    (within / "walks.json").write_text(json.dumps(walks))
    return within


def test_a_sample_is_offered_only_where_its_file_is() -> None:
    assert [each.title for each in samples.panoramas()] == ["A street", "B"]


def test_a_walk_needs_two_photos_and_has_them_by_their_numbers() -> None:
    [walk] = samples.walks()
    assert [photo.sample for photo in walk.photos] == ["stroll/2.jpg", "stroll/10.jpg"]
    assert [photo.title for photo in walk.photos] == ["Stroll, photo 1", "Stroll, photo 2"]


def test_without_lists_nothing_is_offered(folder: Path) -> None:
    (folder / "samples.json").unlink()
    (folder / "walks.json").unlink()
    assert samples.panoramas() == [] and samples.walks() == [] and samples.taken_at() == {}


def test_a_note_is_that_of_the_sample_or_of_its_walk_and_none_of_a_visitors_photo() -> None:
    told = [samples.note_of(Photo("k", "t", name)) for name in ("a.jpg", "stroll/2.jpg", "b.jpg", None)]
    assert told == ["Drawn", "Walked", "", ""]


def test_only_samples_that_say_where_they_were_taken_are_taken_somewhere() -> None:
    assert list(samples.taken_at()) == ["a.jpg"]
    assert samples.taken_at()["a.jpg"].latitude == pytest.approx(HERE.latitude, abs=1e-5)


def test_a_sample_and_a_photo_of_a_walk_are_located_by_their_names(folder: Path) -> None:
    assert samples.located("b.jpg") == (folder / "b.jpg", "B")
    assert samples.located("stroll/10.jpg") == (folder / "stroll" / "10.jpg", "Stroll, photo 2")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("c.jpg", "There is no sample 'c.jpg'; pick one from the list."),
        ("stroll/3.jpg", "There is no held-out photo stroll/3.jpg here"),
        ("../a.jpg", "There is no held-out photo ../a.jpg here"),
    ],
)
def test_any_other_name_is_refused(name: str, told: str) -> None:
    with pytest.raises(ImageError, match=told):
        samples.located(name)
