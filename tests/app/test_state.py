"""What a visitor has chosen."""

from __future__ import annotations

import pytest
import streamlit as st

from app import state
from app.state import Photo
from app.viewport import MapView

CITY, STREET = MapView((60.17, 24.94), 13.0), MapView((60.18, 24.95), 17.0)


@pytest.fixture(autouse=True)
def session(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    kept: dict[str, object] = {}
    monkeypatch.setattr(st, "session_state", kept)
    return kept


def test_the_same_file_is_the_same_photo_whatever_its_name() -> None:
    assert Photo.of(b"a", "one.jpg").key == Photo.of(b"a", "two.jpg").key != Photo.of(b"b", "one.jpg").key


def test_files_about_a_photo_are_named_after_its_file() -> None:
    stems = [
        Photo("k", "My photo (2).JPG").stem,
        Photo("k", "A street", "walk/01.jpg").stem,
        Photo("k", "..").stem,
    ]
    assert stems == ["My-photo-2", "walk-01", "photo"]


def test_another_photo_forgets_the_heading_and_the_match_and_the_same_one_does_not() -> None:
    state.choose_photo(Photo("a", "a"))
    state.choose_heading(90.0)
    st.session_state[state.RANK] = 3
    state.choose_photo(Photo("a", "a"))
    assert (state.heading(), state.rank()) == (90.0, 3)
    state.choose_photo(Photo("b", "b"))
    assert (state.heading(), state.rank()) == ("exif", 1)


def test_a_map_stays_where_it_was_moved_until_it_shows_something_else() -> None:
    assert state.map_view("a", CITY) == CITY
    state.set_map_view("a", STREET)
    assert state.map_view("a", CITY) == STREET
    assert state.map_view("b", CITY) == CITY
    assert state.map_view("a", CITY) == CITY
