"""Attention: what the model looks at, on the photo and on any of its matches."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app import resources, state, widgets
from l2ltr_core import figures, inspection
from l2ltr_core.geometry.panorama import ground_view
from l2ltr_core.geometry.polar import to_polar
from l2ltr_core.inspection import AttentionChoice, attention_rollout
from l2ltr_core.localization import Localization
from l2ltr_core.model.config import CheckpointCard
from l2ltr_core.types import Match

SECTORS = 16
MEAN = "mean of all"


def show() -> None:
    """Photo and match under the same attention, then every head, then the test of hiding."""
    st.title("What does the model look at?")
    st.html(
        "<p class='lead'>Bright patches are where the model reads its description of the photo, and of the aerial "
        "tile. That is not yet a reason for the answer: the test at the bottom compares the two.</p>"
    )
    photo, card = state.photo(), resources.card(state.setting(state.CHECKPOINT) or "")
    if photo is None:
        st.info("Pick a photo on the Localize page to begin.", icon=":material/add_photo_alternate:")
        return
    found = resources.localized(photo, state.setting(state.GALLERY) or "", card.name, state.heading())
    _look(photo, found, card)


@st.fragment
def _look(photo: state.Photo, found: Localization, card: CheckpointCard) -> None:
    with widgets.errors_shown():
        gallery_name = state.setting(state.GALLERY) or ""
        choice, match = _controls(card, found)
        ground = resources.ground_attention(photo, found.heading_deg, card.name)
        aerial = resources.aerial_attention(gallery_name, match.place_id, card.name)
        _maps(photo, found, card, match, choice, (ground, aerial))
        _all_heads(ground, card, choice)
        _hiding(photo, found, card, match, ground)


def _controls(card: CheckpointCard, found: Localization) -> tuple[AttentionChoice, Match]:
    model = card.model
    first, second, third, fourth = st.columns([2, 2, 2, 3], gap="small")
    layers = ["all layers (rollout)", *(f"layer {layer + 1}" for layer in range(model.depth))]
    layer = layers.index(first.selectbox("Through", layers, key="layer", bind="query-params"))
    heads = [MEAN, *(f"head {head + 1}" for head in range(model.heads))]
    head = heads.index(second.selectbox("Heads", heads, key="head", bind="query-params", disabled=layer == 0))
    rank = third.selectbox(
        "Compared with",
        range(1, len(found.matches) + 1),
        index=state.rank() - 1,
        format_func=lambda each: f"place {each}",
        key="attention_rank",
    )
    azimuth = fourth.slider(
        "Direction, drawn on all three", 0, 359, 0, 1, format="%d°", key="azimuth", bind="query-params",
        help="The same line of sight on the photo, on the unrolled tile and on the map. 0 is north, 90 east.",
    )  # fmt: skip
    rows = [
        "the whole image (CLS)",
        *(f"the patch in that direction, row {row + 1}" for row in range(model.ground_grid[0])),
    ]
    asks = rows.index(st.selectbox("Who looks", rows, key="asks", bind="query-params"))
    choice = AttentionChoice(
        layer=layer - 1 if layer else None,
        head=head - 1 if head and layer else None,
        azimuth_deg=float(azimuth),
        row=asks - 1 if asks else None,
    )
    return choice, found.matches[rank - 1]


def _maps(
    photo: state.Photo,
    found: Localization,
    card: CheckpointCard,
    match: Match,
    choice: AttentionChoice,
    attention: tuple[NDArray, NDArray],
) -> None:
    ground = inspection.heat(attention[0], choice, card.model.ground_grid)
    aerial = inspection.heat(attention[1], choice, card.model.aerial_grid)
    field = card.view.ground_vertical_field_deg
    view = ground_view(resources.panorama(photo), found.heading_deg, field, figures.STRIP_PX)
    chip = resources.chip(state.setting(state.GALLERY) or "", match.place_id, card.name)
    strips, square = st.columns([5, 2], gap="medium")
    with strips:
        photo_strip = figures.heat_strip(view, ground, choice.azimuth_deg, widgets.look())
        st.image(
            figures.to_png(photo_strip), width="stretch", alt="Attention over the photo, north in the middle"
        )
        if card.view.polar:
            polar = np.rint(to_polar(chip, figures.STRIP_PX)).astype(np.uint8)
            strip = figures.heat_strip(polar, aerial, choice.azimuth_deg, widgets.look())
            st.image(figures.to_png(strip), width="stretch", alt="Attention over the unrolled tile")
    with square:
        tile = figures.heat_tile(
            chip,
            inspection.on_tile(aerial, card.view.polar, figures.TILE_PX),
            card.view.chip_m,
            choice.azimuth_deg,
        )
        st.image(
            figures.to_png(tile), width="stretch", alt=f"Attention over the aerial tile of place {match.rank}"
        )
        st.image(figures.to_png(figures.heat_scale(widgets.look())), width="stretch", alt="Colour scale")
        st.caption(
            f"Above left the photo, below it the tile of place {match.rank} unrolled around its centre; here the tile "
            "itself, north up. An even share is what every patch would get if the model looked everywhere alike."
        )
        for figure, numbers, name in ((photo_strip, ground, "photo"), (tile, aerial, "tile")):
            widgets.figure_downloads(figure, pd.DataFrame(numbers), f"attention-{name}", f"The {name}")


def _all_heads(maps: NDArray, card: CheckpointCard, choice: AttentionChoice) -> None:
    st.subheader("Every layer and head at a glance")
    grid = card.model.ground_grid
    heats = np.stack([[inspection.times_average(head[0], grid) for head in layer] for layer in maps])
    spread, reach = inspection.entropy(maps), inspection.mean_distance(maps, grid)
    notes = np.array(
        [
            [f"spread {s:.2f} · reach {r:.1f}" for s, r in zip(*pair, strict=True)]
            for pair in zip(spread, reach, strict=True)
        ]
    )
    chosen = None if choice.layer is None else (choice.layer, choice.head)
    sheet = figures.contact_sheet(heats, notes, chosen, widgets.look())
    st.image(
        figures.to_png(sheet, dpi=110),
        width="stretch",
        alt="Attention of CLS over the photo, for each layer and head",
    )
    layer, head = np.indices(spread.shape) + 1
    columns = {"layer": layer, "head": head, "spread": spread, "reach": reach}
    numbers = pd.DataFrame({name: values.ravel() for name, values in columns.items()})
    widgets.figure_downloads(sheet, numbers, "heads")
    st.caption(
        "What CLS reads from the photo. Spread: 1 when a head looks everywhere alike, 0 when at a single patch. "
        "Reach: how many patches away patches look on average."
    )


def _hiding(
    photo: state.Photo, found: Localization, card: CheckpointCard, match: Match, maps: NDArray
) -> None:
    st.subheader("Is attention telling the truth?")
    st.markdown(
        f"Each sixteenth of the horizon is hidden in turn; the match with place {match.rank} scores lower where "
        "the model really needed what was hidden. Below, the rollout's share of attention in the same directions."
    )
    gallery_name = state.setting(state.GALLERY) or ""
    falls = resources.hidden_directions(
        photo, found.heading_deg, card.name, gallery_name, match.place_id, SECTORS
    )
    rollout = inspection.times_average(attention_rollout(list(maps))[0], card.model.ground_grid)
    share = inspection.by_sector(rollout, SECTORS)
    correlation = inspection.rank_correlation(falls, share)
    figure = figures.occlusion(falls, share, correlation, widgets.look())
    st.image(figures.to_png(figure), width="stretch", alt="Fall of the score and attention, by direction")
    numbers = pd.DataFrame({"score_falls_by": falls, "attention_share": share})
    widgets.figure_downloads(figure, numbers, "hidden-directions")
    st.caption(
        "A correlation near 1 means that attention points at what matters for this match; near 0, that a bright map "
        "must not be read as a reason."
    )


show()
