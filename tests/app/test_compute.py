"""What is computed once for all visitors, the model's part done by a stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from app import compute
from app.state import Photo
from l2ltr_core.localization import Localization
from l2ltr_core.types import LocationEstimate, Match
from tests.app.conftest import forget

PHOTO = Photo("k", "A street", "a.jpg")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """How the core was asked to localize; it always finds fifty places."""
    calls: list[dict[str, Any]] = []

    def localize(photo: str, **how: Any) -> Localization:
        calls.append(how)
        matches = tuple(Match(rank, 100 + rank, 60.17, 24.94, 1 / rank) for rank in range(1, 51))
        estimate, view = LocationEstimate(60.17, 24.94, 25.0, None), np.zeros((1, 1, 3), np.uint8)
        return Localization("g", "c", 0.0, "exif", estimate, matches, None, view, "", "rendered", "rendered")

    for name, given in {"localize": localize, "panorama": lambda photo: photo.title}.items():
        monkeypatch.setattr(compute, name, given)
    for name in ("encoder", "gallery"):
        monkeypatch.setattr(compute, name, lambda name: name)
    forget()
    yield calls
    forget()


def test_a_photo_is_localized_once_and_its_answers_are_different_places(asked: list[dict[str, Any]]) -> None:
    found = compute.localized(PHOTO, "town", "toy", "exif")
    assert compute.localized(PHOTO, "town", "toy", "exif") is found
    [how] = asked
    assert how == {"encoder": "toy", "gallery": "town", "heading": "exif", "min_separation_m": 25.0}
    assert found.photo_name == "a.jpg"


def test_the_answer_and_the_ranks_of_all_places_come_from_one_ranking(asked: list[dict[str, Any]]) -> None:
    ranking = compute.ranked(PHOTO, "town", "toy", "search")
    assert [match.rank for match in ranking.found.matches] == list(range(1, 11))
    assert ranking.ranks == {100 + rank: rank for rank in range(1, 51)}
    assert ranking.found.photo_name == "a.jpg"
    [how] = asked
    assert (how["top_k"], how["heading"]) == (compute.RANKED, "search")


def test_a_result_without_columns_has_no_similarity_by_azimuth(asked: list[dict[str, Any]]) -> None:
    assert compute.similarity_by_azimuth(compute.localized(PHOTO, "town", "toy", "exif"), "town", 101) is None
