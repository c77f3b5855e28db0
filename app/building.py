"""Descriptors of a gallery's places for a checkpoint that has none: made here, or by the command shown."""

from __future__ import annotations

import streamlit as st

from app import compute, loading, widgets
from l2ltr_core.gallery import Gallery, add_index
from l2ltr_core.model.config import CheckpointCard


def offer_to_build(gallery: Gallery, card: CheckpointCard) -> None:
    """One sentence, the command, and a button that does the same with its progress shown."""
    st.info(f"{card.name} has no descriptors of these places yet.", icon=":material/construction:")
    st.code(f"l2ltr gallery build --out {gallery.folder} --checkpoint {card.name}", language="bash")
    if st.button(f"Build them here for {card.name}", key=f"build_{card.fingerprint}"):
        with widgets.errors_shown():
            _build(gallery, card)
            st.rerun()


def _build(gallery: Gallery, card: CheckpointCard) -> None:
    bar = st.progress(0.0, "Encoding tiles …")

    def show(done: int, total: int) -> None:
        bar.progress(done / total, f"{done:,} of {total:,} tiles")

    with compute.inference():
        add_index(gallery.folder, loading.encoder(card.name), progress=show)
    loading.gallery.clear()
