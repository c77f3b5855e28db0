"""Layers: how much each layer changes, and whether self-cross attention keeps them apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from matplotlib.figure import Figure
from numpy.typing import NDArray

from app import compute, downloads, loading, photo_input, photo_store, samples, state, widgets
from l2ltr_core import figures
from l2ltr_core.model.config import CheckpointCard

PHOTO, SAMPLES = "this photo", "all samples"
MEASURES = ("cosine", "CKA")
Tables = dict[str, dict[str, NDArray[np.float32]]]  # measure, then checkpoint -> (depth + 1, depth + 1)


def show() -> None:
    """Neighbouring layers of several checkpoints in one plot, then every pair of layers of each."""
    st.title("Does each layer see something new?")
    st.html(
        "<p class='lead'>Deep transformers tend to repeat themselves: neighbouring layers grow alike. L2LTR's "
        "self-cross attention, which takes its keys from the layer below, is meant to prevent that. Lower lines "
        "mean that layers differ more; that alone does not make a checkpoint better.</p>"
    )
    photo = photo_input.photo_at_hand()
    if photo is None:
        return
    left, right = st.columns([3, 2])
    with left:
        cards = widgets.checkpoints_side_by_side("checkpoints", loading.cards())
    sets = [PHOTO, SAMPLES] if samples.panoramas() else [PHOTO]
    of = right.segmented_control("Tokens of", sets, default=PHOTO, key="tokens", bind="query-params") or PHOTO
    if not cards:
        st.info("Choose at least one checkpoint.")
        return
    found = {figures.checkpoint_label(card): _alike(photo, card, of) for card in cards}
    tables: Tables = {
        measure: {name: pair[number] for name, pair in found.items()}
        for number, measure in enumerate(MEASURES)
    }
    _neighbours(tables, cards)
    _pairs(tables, of)


def _alike(
    photo: state.Photo, card: CheckpointCard, of: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if of == SAMPLES:
        return compute.layers_alike_in_samples(card.name)
    return compute.layers_alike(photo, _heading_deg(photo), card.name)


def _heading_deg(photo: state.Photo) -> float:
    """Where the photo's centre looks; only a search for it needs the places of a gallery."""
    asked = state.heading()
    if asked == "search":
        gallery, checkpoint = state.setting(state.GALLERY) or "", state.setting(state.CHECKPOINT) or ""
        return compute.localized(photo, gallery, checkpoint, asked).heading_deg
    return asked if isinstance(asked, float) else photo_store.panorama(photo).heading_deg or 0.0


def _neighbours(tables: Tables, cards: list[CheckpointCard]) -> None:
    plain = [figures.checkpoint_label(card) for card in cards if card.model.attention == "self"]
    means: dict[str, pd.Series] = {}
    for column, (measure, named) in zip(st.columns(2), tables.items(), strict=True):
        lines = {name: np.diagonal(table, offset=1) for name, table in named.items()}
        figure = figures.layer_lines(lines, f"{measure}, layer's input to output", widgets.look(), plain)
        numbers = pd.DataFrame({name: pd.Series(values) for name, values in lines.items()})
        means[f"mean {measure}"] = numbers.mean().round(3)
        with column:
            numbers.insert(0, "layer", numbers.index + 1)
            _drawn(figure, f"{measure} of neighbouring layers", numbers, f"layers-{measure}")
    st.dataframe(
        pd.DataFrame(means).rename_axis("checkpoint").reset_index(),
        hide_index=True,
        column_config={name: st.column_config.NumberColumn(format="%.3f") for name in means},
    )
    st.caption(
        "Solid lines: self-cross attention; dashed lines: plain self-attention. One training run of each kind is one "
        "throw of the dice: a difference here may be chance. CKA compares whole spaces and does not feel a turn of "
        "them; with fewer tokens than dimensions it is close to 1 by itself, so prefer *all samples*."
    )


def _pairs(tables: Tables, of: str) -> None:
    st.subheader("Every layer with every other")
    measure = (
        st.segmented_control(
            "By",
            MEASURES,
            default=MEASURES[0],
            key="measure",
            label_visibility="collapsed",
            bind="query-params",
        )
        or MEASURES[0]
    )
    named = list(tables[measure].items())
    for first in range(0, len(named), 2):
        for column, (name, table) in zip(st.columns(2), named[first : first + 2], strict=False):
            bounds = (min(0.0, float(table.min())), 1.0)
            figure = figures.square_matrix(
                table, name, "tokens after layer", bounds, widgets.look(), f"{measure} similarity"
            )
            with column:
                _drawn(figure, f"{measure} of the layers of {name}", pd.DataFrame(table), f"pairs-{name}")
    cosine = "Mean cosine similarity of the same token at two depths"
    cka = "Linear CKA of the tokens at two depths, 1 where one is the other turned or scaled"
    st.caption(f"{cosine if measure == MEASURES[0] else cka}, of {of}; 0 is what enters the first layer.")


def _drawn(figure: Figure, alt: str, numbers: pd.DataFrame, name: str) -> None:
    st.image(figures.to_png(figure), width="stretch", alt=alt)
    downloads.figure_downloads(figure, numbers, name)


show()
