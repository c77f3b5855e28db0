"""The Attention page."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

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
