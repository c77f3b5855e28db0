"""The page of galleries."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from app import offline
from l2ltr_core.gallery import open_gallery
from tests.app import toy

PAGE = "views/galleries.py"


def test_the_page_names_the_places_and_the_checkpoints(open_app: Callable[..., AppTest]) -> None:
    app = open_app(PAGE)
    assert not app.exception
    assert not app.error
    assert app.metric[0].value == "64"
    assert list(app.dataframe[0].value["checkpoint"]) == list(toy.CHECKPOINTS)


def test_checking_a_whole_gallery_says_that_it_is_whole(open_app: Callable[..., AppTest]) -> None:
    app = open_app(PAGE)
    next(button for button in app.button if button.label == "Check every file").click().run()
    assert "The gallery is whole" in app.success[0].value


def test_missing_descriptors_are_built_on_the_page(open_app: Callable[..., AppTest], mine: Path) -> None:
    folder = mine / "galleries" / toy.GALLERY
    manifest = json.loads((folder / "gallery.json").read_text())
    removed = manifest["indexes"].pop()
    for ending in ("faiss", "json"):
        del manifest["files"][f"descriptors/{removed['fingerprint']}.{ending}"]
    (folder / "gallery.json").write_text(json.dumps(manifest))
    before = offline.base_image(open_gallery(folder))
    app = open_app(PAGE)
    assert removed["checkpoint"] in app.info[0].value
    app.button(key=f"build_{removed['fingerprint']}").click().run()
    assert not app.exception
    assert not app.info
    assert list(app.dataframe[0].value["checkpoint"]) == list(toy.CHECKPOINTS)
    assert offline.base_image(open_gallery(folder)) == before
