"""Layers: how much each layer changes, and whether self-cross attention keeps them apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app import resources, state, widgets
from l2ltr_core import figures
from l2ltr_core.localization import Localization
from l2ltr_core.model.config import CheckpointCard

SETS = {"photo": "this photo", "samples": "all samples"}


def show() -> None:
    """Neighbouring layers of several checkpoints in one plot, then every pair of layers of each."""
    st.title("Does each layer see something new?")
    st.html(
        "<p class='lead'>Deep transformers tend to repeat themselves: neighbouring layers grow alike. L2LTR's "
        "self-cross attention, which takes its keys from the layer below, is meant to prevent that. Lower lines "
        "mean that layers differ more; that alone does not make a checkpoint better.</p>"
    )
    photo = state.photo()
    if photo is None:
        st.info("Pick a photo on the Localize page to begin.", icon=":material/add_photo_alternate:")
        return
    cards = widgets.checkpoints_side_by_side("layers_checkpoints", resources.cards())
    sets = list(SETS) if resources.samples() else ["photo"]
    of = st.segmented_control(
        "Tokens of", sets, format_func=SETS.__getitem__, default="photo", key="layers_set"
    ) or "photo"  # fmt: skip
    if not cards:
        st.info("Choose at least one checkpoint.")
        return
    current = state.setting(state.CHECKPOINT) or ""
    found = resources.localized(photo, state.setting(state.GALLERY) or "", current, state.heading())
    tables = {figures.checkpoint_label(card): _tables(photo, found, card, of) for card in cards}
    _neighbours(tables)
    _pairs(tables, of)


def _tables(
    photo: state.Photo, found: Localization, card: CheckpointCard, of: str
) -> tuple[np.ndarray, np.ndarray]:
    if of == "samples":
        return resources.layers_alike_in_samples(card.name)
    return resources.layers_alike(photo, found.heading_deg, card.name)


def _neighbours(tables: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    look = widgets.look()
    lines = {name: np.diagonal(cosine, offset=1) for name, (cosine, _) in tables.items()}
    ckas = {name: np.diagonal(cka, offset=1) for name, (_, cka) in tables.items()}
    left, right = st.columns(2)
    figure = figures.layer_lines(lines, "cosine, layer's input to output", look)
    left.image(
        figures.to_png(figure, dpi=110), width="stretch", alt="Cosine similarity of neighbouring layers"
    )
    with left:
        widgets.figure_downloads(
            figure, pd.DataFrame({k: pd.Series(v) for k, v in lines.items()}), "layers-cosine"
        )
    figure = figures.layer_lines(ckas, "CKA, layer's input to output", look)
    right.image(figures.to_png(figure, dpi=110), width="stretch", alt="CKA of neighbouring layers")
    with right:
        widgets.figure_downloads(
            figure, pd.DataFrame({k: pd.Series(v) for k, v in ckas.items()}), "layers-cka"
        )
    means = " · ".join(f"**{name}** {values.mean():.3f}" for name, values in lines.items())
    st.markdown(f"Mean cosine similarity of a layer's input with its output: {means}")
    st.caption(
        "One training run of each kind is one throw of the dice: a difference here may be chance. CKA with fewer "
        "tokens than dimensions is close to 1 by itself; prefer *all samples*."
    )


def _pairs(tables: dict[str, tuple[np.ndarray, np.ndarray]], of: str) -> None:
    st.subheader("Every layer with every other")
    columns = st.columns(max(2, len(tables)))
    for column, (name, (cosine, _)) in zip(columns, tables.items(), strict=False):
        low = min(0.0, float(cosine.min()))
        figure = figures.square_matrix(cosine, name, "tokens after layer", (low, 1.0), widgets.look())
        column.image(
            figures.to_png(figure, dpi=110), width="stretch", alt=f"Cosine similarity of the layers of {name}"
        )
        with column:
            widgets.figure_downloads(figure, pd.DataFrame(cosine), f"layers-{name}")
    st.caption(
        f"Mean cosine similarity of the same token at two depths, of {SETS[of]}; 0 is what enters the first layer."
    )


show()
