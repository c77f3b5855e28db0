"""What stands beside every page: which city, which checkpoint, and what they are."""

from __future__ import annotations

import streamlit as st

from app import components, loading, state
from l2ltr_core.assets import list_galleries
from l2ltr_core.checkpoints import best_first
from l2ltr_core.errors import GalleryError
from l2ltr_core.model.config import CheckpointCard


def sidebar() -> None:
    """Which city, which checkpoint, and what they are."""
    with st.sidebar:
        names = list_galleries()
        cards = {card.name: card for card in loading.cards()}
        if not names or not cards:
            raise GalleryError(
                "There is no gallery or no checkpoint in the assets folder; "
                "`l2ltr gallery build` and `l2ltr train` make them."
            )
        name = _remembered_choice(
            "City", names, state.GALLERY, "The gallery of places a photo is compared with."
        )
        gallery = loading.gallery(name)
        ready = [
            card.name
            for card in best_first(cards.values(), gallery.name)
            if gallery.manifest.index_of(card.fingerprint)
        ]
        others = [each for each in cards if each not in ready]
        checkpoint = _remembered_choice(
            "Checkpoint", ready + others, state.CHECKPOINT, "The trained weights of the model."
        )
        _about(cards[checkpoint])
        for fault in loading.checkpoint_faults():
            st.warning(fault, icon=":material/heart_broken:")
        if gallery.simulated:
            st.badge("Simulated city", icon=":material/view_in_ar:", color="orange")
            st.caption("Photos and aerial image are renderings of one 3-D model made from the real map.")
        st.caption(f"{len(gallery.places):,} places · {gallery.attribution}")
        components.copy_link("Copy link to this view", _what_the_link_restores())


def _what_the_link_restores() -> str:
    chosen = state.photo()
    if chosen is not None and chosen.sample is None:
        return (
            "Opens this page with these settings and the first sample: your own photo is not part of a link."
        )
    return "Opens this page with this photo and these settings."


def _remembered_choice(label: str, options: list[str], name: str, help_text: str) -> str:
    """A select box whose choice outlives the page and can come from a link."""
    asked = state.setting(name)
    if asked is not None and asked not in options:
        st.warning(f"There is no {label.lower()} {asked!r} here; showing {options[0]}.")
    if asked not in options:
        st.session_state[name] = options[0]
    return st.selectbox(label, options, key=name, help=help_text)


def _about(card: CheckpointCard) -> None:
    with st.expander("About this checkpoint", icon=":material/info:"):
        model = card.model
        st.markdown(
            f"{card.description}\n\n{model.depth} layers, {model.width} wide, {model.heads} heads, "
            f"**{model.attention} attention**; "
            f"ground view {model.ground_size_px[1]}×{model.ground_size_px[0]} px, "
            f"aerial tile {card.view.chip_m:g} m{', polar' if card.view.polar else ''}."
        )
        st.caption(f"Fingerprint `{card.fingerprint}` · licence {card.licence or 'not given'}")
