"""What the app's own parts of a page are given to draw, and what they say was picked."""

from __future__ import annotations

import base64
import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streamlit as st
from PIL import Image

from app import components
from app.components import mount
from l2ltr_core.types import Panorama

JPEG = b"a picture"


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the last part was given, `data` and the rest."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(mount, "_component", lambda name: lambda **rest: given.update(rest, name=name))
    return given


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


@pytest.mark.parametrize("name", ["copy_link", "heads", "occlusion", "look_around", "sight"])
def test_every_part_has_markup_style_and_script(name: str) -> None:
    assert "export default function" in (mount.HERE / f"{name}.js").read_text("utf-8")
    assert (mount.HERE / f"{name}.html").exists()
    assert (mount.HERE / f"{name}.css").exists()


def test_a_photo_from_within_knows_where_its_pixels_lie(mounted: dict[str, Any]) -> None:
    panorama = Panorama(np.zeros((8, 16, 3), np.uint8), 180.0, 45.0, -45.0)
    components.look_around("k", JPEG, panorama, 30.0, "Simulated")
    said = {name: mounted["data"][name] for name in ("heading", "field", "top", "bottom", "note")}
    assert said == {"heading": 30.0, "field": 180.0, "top": 45.0, "bottom": -45.0, "note": "Simulated"}


def test_a_link_is_copied_alone_or_after_words(mounted: dict[str, Any]) -> None:
    components.copy_link("Copy", "Opens this page")
    assert mounted["data"]["words"] == ""
    assert mounted["key"] == "copy_link"
    components.copy_link("Challenge", "Copies both", "challenge", "Can you beat me?")
    assert mounted["data"] == {"label": "Challenge", "note": "Copies both", "words": "Can you beat me?"}
    assert mounted["key"] == "challenge"


def test_small_maps_lie_side_by_side_in_one_picture_the_mean_first(mounted: dict[str, Any]) -> None:
    heats = np.zeros((2, 3, 4, 8), np.float32)
    heats[1, 2] = 4.0
    cells = [components.Head(layer, head) for layer in range(2) for head in (None, 0, 1)]
    components.heads("heads", JPEG, heats, cells, (1, 1), ".here", "", lambda layer, head: None)
    sprite = pixels(mounted["data"]["sprite"])
    assert sprite.shape == (8, 24, 4)
    assert (sprite[4:, 16:, 3] > 0).all()
    assert sprite[..., 3].astype(bool).sum() == 32
    assert [cell["name"] for cell in mounted["data"]["cells"]][:2] == [
        "layer 1, mean of all heads",
        "layer 1, head 1",
    ]
    assert mounted["data"]["chosen"] == "1 1"


def test_a_click_on_a_small_map_is_its_layer_and_head(
    mounted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    picked: list[tuple[int, int | None]] = []
    heats = np.zeros((1, 2, 1, 1), np.float32)
    components.heads("k", JPEG, heats, [], None, "", "", lambda layer, head: picked.append((layer, head)))
    monkeypatch.setattr(st, "session_state", {"k": SimpleNamespace(picked=[0, None])})
    mounted["on_picked_change"]()
    assert picked == [(0, None)]


def test_a_click_on_a_picture_is_a_direction_and_how_far_down(
    mounted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    picked: list[tuple[float, float | None]] = []
    tile = components.Layered("tile", "", JPEG)
    components.sight("k", 90.0, [], tile, 60.0, "", lambda azimuth, down: picked.append((azimuth, down)))
    assert mounted["data"]["tile"]["bar_m"] == 20
    monkeypatch.setattr(st, "session_state", {"k": SimpleNamespace(picked={"azimuth": 270, "row": 0.5})})
    mounted["on_picked_change"]()
    assert picked == [(270.0, 0.5)]


def test_what_the_photo_does_not_show_is_marked_where_it_is_missing() -> None:
    photo = Panorama(np.zeros((4, 8, 3), np.uint8), horizontal_field_deg=180.0)
    layer = components.photo_layer("", JPEG, photo, heading_deg=90.0)
    assert layer.missing == ((180.0, 180.0),)  # the photo looks east, from north to south


def test_a_framed_patch_is_given_in_parts_of_the_picture(mounted: dict[str, Any]) -> None:
    strip = components.Layered("", "", JPEG, patch=(1, 2, 4, 8))
    components.strip("k", strip, 0.0)
    assert mounted["data"]["strips"][0]["patch"] == [2 / 8, 1 / 4, 1 / 8, 1 / 4]


def test_directions_that_agree_are_bars_with_words(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(st, "html", written.append)
    components.directions(np.array([0.5, -0.1, 0.0, 0.2], np.float32))
    assert "most in the SW" in written[0]
    assert [part.split("'")[0] for part in written[0].split("--part:")[1:]] == [
        "1.00",
        "0.00",
        "0.00",
        "0.53",
    ]
    assert "title='NW: -0.100'" in written[0]


def test_each_hidden_direction_is_put_into_words(mounted: dict[str, Any]) -> None:
    falls, shares = np.array([0.1, -0.2, 0, 0], np.float32), np.array([0.7, 0.1, 0.1, 0.1], np.float32)
    components.occlusion("k", "", JPEG, falls, shares, "layer 1")
    assert mounted["data"]["words"][0] == "SW, 180° to 270°: score -0.100, attention 70%"
    assert mounted["data"]["words"][1] == "NW, 270° to 0°: score +0.200, attention 10%"
