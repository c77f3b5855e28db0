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
    assert app.selectbox(key="attention_rank").value == 1


def test_every_figure_is_offered_as_png_svg_and_csv(open_app: Callable[..., AppTest]) -> None:
    offered = [each.proto.label for each in open_app(PAGE).get("download_button")]
    assert offered == ["PNG", "SVG", "CSV"] * 4


def test_any_layer_head_patch_and_place_can_be_chosen(open_app: Callable[..., AppTest]) -> None:
    app = open_app(PAGE)
    app.selectbox(key="attention_layer").set_value("layer 2").run()
    app.selectbox(key="attention_head").set_value("head 2").run()
    app.selectbox(key="attention_rank").set_value(3).run()
    app.selectbox(key="attention_row").select_index(2).run()
    app.slider(key="attention_azimuth").set_value(270).run()
    assert not app.exception
    assert not app.error
