"""The Attention page."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from tests.app import toy

PAGE = "views/attention.py"


def test_the_page_opens_with_the_first_sample_and_its_best_place(open_app: Callable[..., AppTest]) -> None:
    app = open_app(PAGE)
    assert not app.exception
    assert not app.error
    assert app.title[0].value == "What does the model look at?"
    assert app.selectbox(key="compared").value == "place 1"


def test_every_figure_is_offered_as_png_svg_and_csv(open_app: Callable[..., AppTest]) -> None:
    offered = [each.proto.label for each in open_app(PAGE).get("download_button")]
    assert offered == ["PNG", "SVG", "CSV"] * 5


def test_any_layer_head_patch_and_place_can_be_chosen(open_app: Callable[..., AppTest]) -> None:
    app = open_app(PAGE)
    app.selectbox(key="layer").set_value("layer 2").run()
    app.selectbox(key="head").set_value("head 2").run()
    app.selectbox(key="compared").set_value("place 3").run()
    app.selectbox(key="asks").select_index(2).run()
    app.slider(key="azimuth").set_value(270).run()
    assert not app.exception
    assert not app.error


def test_a_link_restores_layer_head_direction_and_match(open_app: Callable[..., AppTest]) -> None:
    app = open_app(PAGE, layer="layer 2", head="head 1", azimuth="90", match="3")
    assert app.selectbox(key="layer").value == "layer 2"
    assert app.selectbox(key="head").value == "head 1"
    assert app.slider(key="azimuth").value == 90
    assert app.selectbox(key="compared").value == "place 3"


def test_a_link_that_asks_for_what_is_not_there_opens_the_page_as_ever(
    open_app: Callable[..., AppTest],
) -> None:
    app = open_app(PAGE, layer="layer 99", azimuth="north", match="0")
    assert not app.exception
    assert not app.error
    assert app.selectbox(key="layer").value == "all layers (rollout)"
    assert app.selectbox(key="compared").value == "place 1"


def test_the_true_position_can_be_looked_at_where_the_photo_tells_it(
    open_app: Callable[..., AppTest],
) -> None:
    app = open_app(PAGE, compared="the true position")
    assert not app.exception
    assert not app.error
    assert any("lies 0 m from the photo" in caption.value for caption in app.caption)


def test_without_a_photo_the_page_says_so_and_shows_the_way(
    open_app: Callable[..., AppTest], mine: Path
) -> None:
    shutil.rmtree(mine / "samples")
    app = open_app(PAGE)
    assert not app.exception
    assert app.info[0].value == "There is no photo yet."
    assert app.get("page_link")[0].proto.label == "Pick or upload one on the page Localize"


def test_a_checkpoint_that_the_gallery_does_not_know_is_offered_to_be_built(
    open_app: Callable[..., AppTest], mine: Path
) -> None:
    manifest = mine / "galleries" / toy.GALLERY / "gallery.json"
    values = json.loads(manifest.read_text())
    values["indexes"] = [each for each in values["indexes"] if each["checkpoint"] != "toy-b"]
    manifest.write_text(json.dumps(values))
    for page in (PAGE, None):
        app = open_app(page, checkpoint="toy-b")
        assert not app.exception
        assert app.info[0].value == "toy-b has no descriptors of these places yet."


def test_a_file_that_is_no_checkpoint_is_named_and_the_others_go_on(
    open_app: Callable[..., AppTest], mine: Path
) -> None:
    (mine / "checkpoints" / "lost.safetensors").write_bytes(b"")
    app = open_app(PAGE)
    assert not app.error
    assert "There is no card" in app.sidebar.warning[0].value
    assert app.selectbox(key="checkpoint").options == list(toy.CHECKPOINTS)
