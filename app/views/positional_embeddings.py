"""Positional embeddings: what the model knows of where things are, before it has seen a photo."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
import streamlit as st
from matplotlib.figure import Figure
from numpy.typing import NDArray

from app import compute, downloads, loading, state, widgets
from l2ltr_core import figures, inspection
from l2ltr_core.model.config import CheckpointCard
from l2ltr_core.model.position_init import AFTER, BEFORE

Side = Literal["ground", "aerial"]
Grid = tuple[int, int]
VIEWS: dict[str, Side] = {"photo": "ground", "tile": "aerial"}
BOTH = "photo against tile"


def show() -> None:
    """One position against all others, then all of them, then what was learned in numbers."""
    st.title("What has the model learned about where things are?")
    st.html(
        "<p class='lead'>Every patch gets a vector that says only where it lies. Here is how alike those vectors "
        "are. Order that is there before training was given, not learned; and that two places have like vectors "
        "does not yet say what the model makes of it.</p>"
    )
    _look(loading.card(state.setting(state.CHECKPOINT) or ""))


@st.fragment
def _look(card: CheckpointCard) -> None:
    with widgets.errors_shown():
        options = [*VIEWS, BOTH]
        view = st.segmented_control(
            "Positions of the", options, default=options[0], key="view", bind="query-params"
        )
        asked = VIEWS.get(view or options[0], "ground")
        position = _position(_grid(card, asked))
        if view == BOTH:
            _across(card, position)
        else:
            _within(card, asked, position)
        _numbers(card)


def _position(grid: Grid) -> tuple[int, int]:
    """(row, column) that the visitor points at, the horizon looking north at first."""
    left, right = st.columns(2)
    return (
        _slider(left, "Row, from the top", grid[0], (grid[0] + 1) // 2, "row"),
        _slider(right, "Column, from the left", grid[1], grid[1] // 2 + 1, "column"),
    )


def _slider(where: st.delta_generator.DeltaGenerator, label: str, count: int, first: int, key: str) -> int:
    """An index from 0, shown from 1; what lies outside this grid becomes its last."""
    if st.session_state.get(key, first) > count:
        st.session_state[key] = count
    return min(where.slider(label, 1, max(2, count), first, key=key, bind="query-params"), count) - 1


def _within(card: CheckpointCard, side: Side, position: tuple[int, int]) -> None:
    grid, meaning, look = _grid(card, side), figures.axes_of(card.view, side), widgets.look()
    similarities = {
        when: inspection.position_similarity(embedding, grid)
        for when, embedding in compute.positions(card.name, side).items()
    }
    chosen = {when: similarity[position] for when, similarity in similarities.items()}
    figure = figures.position_map(chosen, position, meaning, look=look)
    _drawn(figure, "Similarity of all positions to the one chosen", _table(chosen), "positions")
    _told(card)
    st.subheader("All positions at once (the paper's Figure 3)")
    when = _chosen_time(list(similarities))
    sheet = figures.position_sheet(similarities[when], meaning, look, position)
    rows = pd.DataFrame(similarities[when].reshape(grid[0] * grid[1], -1))
    _drawn(sheet, f"A small map of similarity for each position, {when}", rows, "all-positions")
    st.caption(
        "Each small map is one position's similarity to all others, and lies where that position is. An orange "
        "column means: same direction; an orange row: same height or distance."
    )


def _across(card: CheckpointCard, position: tuple[int, int]) -> None:
    model, view = card.model, card.view
    ground, aerial = (compute.positions(card.name, side) for side in VIEWS.values())
    chosen = {when: inspection.across(ground[when], aerial[when], model)[position] for when in ground}
    where = figures.axes_of(view, "ground").describe(position, model.ground_grid)
    title = f"Tile positions like the photo's {where}"
    figure = figures.position_map(chosen, None, figures.axes_of(view, "aerial"), title, widgets.look())
    _drawn(figure, "Similarity of tile positions to a photo position", _table(chosen), "positions")
    st.caption(
        "Photo and tile have embeddings of their own. Where they began equal, likeness is what is left of that; "
        "where they began apart, likeness was found in training: one shared sense of direction."
    )
    _told(card)


def _told(card: CheckpointCard) -> None:
    """How to read the seam, and whether the start is known."""
    seam = "Beyond the dashed seam the same columns come again, so that one sees whether the circle closes. "
    known = BEFORE in compute.positions(card.name, "ground")
    st.caption(
        (seam if card.view.polar else "")
        + (
            "Training began with waves around the circle and along the rows, as the card records; they are "
            "remade from it."
            if known
            else "This checkpoint's card does not record the positional embeddings that its training began with, "
            "so only those after training are shown."
        )
    )


def _chosen_time(times: list[str]) -> str:
    """Before or after training, where there is a choice."""
    if len(times) == 1:
        return times[0]
    chosen = st.segmented_control(
        "When", times, default=AFTER, key="when", label_visibility="collapsed", bind="query-params"
    )
    return chosen or AFTER


def _numbers(card: CheckpointCard) -> None:
    st.subheader("In numbers")
    rows = []
    for column, view in zip(st.columns(2), VIEWS, strict=True):
        with column:
            rows += _colours_and_rows(card, view)
    table = pd.DataFrame(rows)
    st.dataframe(table if BEFORE in set(table["when"]) else table.drop(columns="moved"), hide_index=True)
    st.caption(
        "By direction, by row, by neither: shares of the embeddings' variance. In slow waves: of the part by "
        "direction, what the two longest waves around the circle explain. Neighbours and seam: cosine similarity "
        "of one column with the next, and of the last with the first; where both are equal the circle closes. "
        "Moved: how far training has taken the embeddings, against their length at the start. The colours are the "
        "three main directions of variance as red, green and blue."
    )


def _colours_and_rows(card: CheckpointCard, view: str) -> list[dict[str, str]]:
    """The positions of a branch as colours, and a row of the table for each time."""
    side = VIEWS[view]
    grid, times = _grid(card, side), compute.positions(card.name, side)
    now = times[AFTER]
    pictures = {
        f"{view}, {when}": inspection.principal_colours(embedding, grid, now)
        for when, embedding in times.items()
    }
    figure = figures.position_colours(pictures, figures.axes_of(card.view, side), widgets.look())
    numbers = pd.concat(
        [
            pd.DataFrame(each.reshape(-1, 3), columns=list("RGB")).assign(of=name)
            for name, each in pictures.items()
        ]
    )
    _drawn(figure, f"The positions of the {view} as colours", numbers, f"colours-{side}")
    rows = []
    for when, embedding in times.items():
        found = inspection.structure(embedding, grid)
        rows.append(
            {
                "positions of the": view,
                "when": when,
                "by direction": f"{found.by_column:.0%}",
                "by row": f"{found.by_row:.0%}",
                "by neither": f"{found.neither:.0%}",
                "in slow waves": f"{found.periodic:.0%}",
                "neighbours": f"{found.neighbours:.2f}",
                "seam": f"{found.seam:.2f}",
                "moved": f"{inspection.moved(embedding, times[BEFORE]):.0%}" if BEFORE in times else "",
            }
        )
    return rows


def _grid(card: CheckpointCard, side: Side) -> Grid:
    return card.model.ground_grid if side == "ground" else card.model.aerial_grid


def _table(maps: dict[str, NDArray[np.float32]]) -> pd.DataFrame:
    """One row a position: row and column from 1, and its similarity at each time."""
    row, column = np.indices(next(iter(maps.values())).shape) + 1
    similarity = {when: values.ravel() for when, values in maps.items()}
    return pd.DataFrame({"row": row.ravel(), "column": column.ravel(), **similarity})


def _drawn(figure: Figure, alt: str, numbers: pd.DataFrame, name: str) -> None:
    with st.container(key=f"wide_{name}" if name.endswith("positions") else None):
        st.image(figures.to_png(figure), width="stretch", alt=alt)
    downloads.figure_downloads(figure, numbers, name)


show()
