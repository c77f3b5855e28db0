"""The page of positional embeddings."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

PAGE = "views/positional_embeddings.py"


def test_the_page_opens_and_shows_each_way_of_comparing(open_app: Callable[..., AppTest]) -> None:
    app = open_app(PAGE)
    assert not app.exception
    for view in ("aerial", "both", "ground"):
        app.segmented_control(key="positions_view").set_value(view).run()
        assert not app.exception
        assert not app.error
    assert len(app.dataframe[0].value) == 2
