"""The page of positional embeddings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from streamlit.testing.v1 import AppTest

from l2ltr_core.checkpoints import load_card, save_checkpoint, update_card
from l2ltr_core.model.config import CheckpointCard, ModelConfig, ViewConfig
from l2ltr_core.model.network import L2LTR

PAGE = "views/positional_embeddings.py"
NO_START = "does not record the positional embeddings that its training began with"


def test_the_page_opens_and_shows_each_way_of_comparing(open_app: Callable[..., AppTest]) -> None:
    app = open_app(PAGE)
    assert not app.exception
    for view in ("tile", "photo against tile", "photo"):
        app.segmented_control(key="view").set_value(view).run()
        assert not app.exception
        assert not app.error
    assert list(app.dataframe[0].value["when"]) == ["after training"] * 2
    assert "moved" not in app.dataframe[0].value
    assert any(NO_START in each.value for each in app.caption)


def test_a_card_that_records_the_start_shows_positions_before_training(
    open_app: Callable[..., AppTest], mine: Path
) -> None:
    card = mine / "checkpoints" / "toy-a.json"
    configuration = {"model": load_card(card).model.to_dict(), "position_std": 0.6}
    update_card(card, training={"configuration": configuration})
    app = open_app(PAGE)
    assert not any(NO_START in each.value for each in app.caption)
    app.segmented_control(key="when").set_value("before training").run()
    app.segmented_control(key="view").set_value("photo against tile").run()
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["when"]) == ["before training", "after training"] * 2
    assert list(table["moved"])[::2] == ["0%", "0%"]
    assert table["by neither"][0] == "0%"  # waves around and waves along, and nothing else


def test_a_link_restores_the_view_and_the_position(open_app: Callable[..., AppTest]) -> None:
    app = open_app(PAGE, view="tile", row="2", column="5")
    assert not app.exception
    assert app.segmented_control(key="view").value == "tile"
    assert (app.slider(key="row").value, app.slider(key="column").value) == (2, 5)
    app = open_app(PAGE, view="sideways", row="99", column="north")
    assert not app.exception
    assert app.segmented_control(key="view").value == "photo"


def test_a_square_tile_has_a_grid_of_its_own(open_app: Callable[..., AppTest], mine: Path) -> None:
    model = ModelConfig(
        stem="patch", width=32, depth=1, heads=2, mlp_width=64, ground_size_px=(32, 128),
        aerial_size_px=(64, 64),
    )  # fmt: skip
    torch.manual_seed(0)
    card = CheckpointCard("toy-square", model, ViewConfig(chip_m=60.0, polar=False))
    save_checkpoint(L2LTR(model), card, mine / "checkpoints")
    app = open_app(PAGE, checkpoint="toy-square", column="8")
    for view, columns in (("tile", 4), ("photo against tile", 8), ("photo", 8)):
        app.segmented_control(key="view").set_value(view).run()
        assert not app.exception
        assert not app.error
        assert app.slider(key="column").max == columns
