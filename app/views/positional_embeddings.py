"""Positional embeddings: what the model has learned of where things are, before it has seen a photo."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app import resources, state, widgets
from l2ltr_core import figures, inspection
from l2ltr_core.model.config import CheckpointCard

VIEWS = {"ground": "the photo's positions", "aerial": "the tile's positions", "both": "photo against tile"}


def show() -> None:
    """One position against all others, then all of them, then what was learned in numbers."""
    st.title("What has the model learned about where things are?")
    st.html(
        "<p class='lead'>Every patch gets a vector that says only where it lies. The order that shows here, a circle "
        "of directions and rows of heights or distances, was given at the start of training or found in it: the "
        "card says how this checkpoint started.</p>"
    )
    _look(resources.card(state.setting(state.CHECKPOINT) or ""))


@st.fragment
def _look(card: CheckpointCard) -> None:
    with widgets.errors_shown():
        view = st.segmented_control(
            "Compare", list(VIEWS), format_func=VIEWS.__getitem__, default="ground", key="positions_view",
            label_visibility="collapsed",
        ) or "ground"  # fmt: skip
        asked = "ground" if view == "both" else view
        grid = card.model.ground_grid if asked == "ground" else card.model.aerial_grid
        position = _position(grid)
        if view == "both":
            _across(card, position)
        else:
            _within(card, view, grid, position)
        _numbers(card)


def _position(grid: tuple[int, int]) -> tuple[int, int]:
    """(row, column) that the visitor points at, the horizon looking north at first."""
    left, right = st.columns(2)
    row = left.slider("Row, from the top", 1, grid[0], (grid[0] + 1) // 2, key="positions_row")
    column = right.slider("Column, from the left", 1, grid[1], grid[1] // 2 + 1, key="positions_column")
    return min(row, grid[0]) - 1, min(column, grid[1]) - 1


def _within(card: CheckpointCard, branch: str, grid: tuple[int, int], position: tuple[int, int]) -> None:
    similarity = inspection.position_similarity(resources.positions(card.name, branch), grid)
    meaning, look = figures.axes_of(card.view, branch), widgets.look()
    chosen = similarity[position]
    figure = figures.position_map(chosen, position, meaning, "Similar to the framed position", look)
    st.image(
        figures.to_png(figure, dpi=110), width="stretch", alt="Similarity of all positions to the one chosen"
    )
    widgets.figure_downloads(figure, pd.DataFrame(chosen), "positions")
    st.subheader("All positions at once (the paper's Figure 3)")
    sheet = figures.position_sheet(similarity, meaning, look)
    st.image(
        figures.to_png(sheet),
        width="stretch",
        alt="A small map of similarity for each position",
    )
    rows = similarity.reshape(grid[0] * grid[1], -1)
    widgets.figure_downloads(sheet, pd.DataFrame(rows), "all-positions")
    st.caption(
        "Each small map is one position's similarity to all others. An orange column means: same direction; an "
        "orange row: same height or distance. Where both ends of a map are alike, the circle closes."
    )


def _across(card: CheckpointCard, position: tuple[int, int]) -> None:
    model = card.model
    table = inspection.across(
        resources.positions(card.name, "ground"), resources.positions(card.name, "aerial")
    )
    token = position[0] * model.ground_grid[1] + position[1]
    chosen = table[token].reshape(model.aerial_grid)
    figure = figures.position_map(
        chosen,
        None,
        figures.axes_of(card.view, "aerial"),
        "Tile positions like the chosen photo position",
        widgets.look(),
    )
    st.image(
        figures.to_png(figure, dpi=110),
        width="stretch",
        alt="Similarity of tile positions to a photo position",
    )
    widgets.figure_downloads(figure, pd.DataFrame(chosen), "positions")
    st.caption(
        "The two views have embeddings of their own; likeness between them means one shared sense of direction."
    )


def _numbers(card: CheckpointCard) -> None:
    st.subheader("In numbers")
    rows, pictures = [], st.columns(2)
    for column, branch in zip(pictures, ("ground", "aerial"), strict=True):
        grid = card.model.ground_grid if branch == "ground" else card.model.aerial_grid
        embedding = resources.positions(card.name, branch)
        found = inspection.structure(embedding, grid)
        rows.append(
            {
                "view": VIEWS[branch],
                "by direction (column)": f"{found.by_column:.0%}",
                "by height or distance (row)": f"{found.by_row:.0%}",
                "neither": f"{found.neither:.0%}",
                "direction in slow waves": f"{found.periodic:.0%}",
                "neighbours alike": f"{found.neighbours:.2f}",
                "across the seam": f"{found.seam:.2f}",
            }
        )
        colours = np.kron(inspection.principal_colours(embedding, grid), np.ones((24, 24, 1), np.uint8))
        column.image(colours, width="stretch", caption=f"{VIEWS[branch]}: three main components as colours")
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")
    st.caption(
        "Shares of the embeddings' variance, and cosine similarities. Where the last and the first column are as alike "
        "as other neighbours, the circle closes. Order may also come from a structured start: see the card."
    )


show()
