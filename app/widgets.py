"""Inputs and notices that several pages share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import folium
import streamlit as st
from streamlit_folium import st_folium

from app import figures, loading, map_layers, offline, samples, state, viewport
from app.photo_input import take_sample
from l2ltr_core.errors import ImageError, L2LTRError
from l2ltr_core.model.config import CheckpointCard


@contextmanager
def errors_shown() -> Iterator[None]:
    """Show an error that a visitor can mend as one sentence; any other is a bug and stays visible."""
    try:
        yield
    except L2LTRError as error:
        st.error(str(error), icon=":material/error:")
        chosen = state.photo()
        if (
            isinstance(error, ImageError)
            and chosen is not None
            and chosen.sample is None
            and samples.panoramas()
        ):
            first = samples.panoramas()[0]
            st.button(f"Go on with {first.title}", key="go_on", on_click=take_sample, args=(first.file,))


def style() -> None:
    """The app's own style sheet, small and beside this file."""
    st.html(Path(__file__).with_name("style.css"))


def look() -> figures.Look:
    """Ink and paper of the visitor's theme."""
    return figures.DARK if st.context.theme.type == "dark" else figures.LIGHT


def gallery_map(
    image: offline.BaseImage, view: viewport.MapView, layer: folium.FeatureGroup, *, key: str, height_px: int,
    on_click: Callable[[], None] | None = None, anywhere: bool = False,
) -> None:  # fmt: skip
    """The gallery's map with a layer on it; a click on a pin leaves the pin's tooltip in the session, under `key`.

    With `anywhere` a click on the map counts instead, and leaves its place.
    """
    reported = ["last_clicked"] if anywhere else ["last_object_clicked_tooltip", "last_object_clicked_count"]
    st_folium(
        map_layers.base_map(image, viewport.bounds_view(image.bounds), look().paper),
        key=key,
        height=height_px,
        use_container_width=True,
        center=view.center,
        zoom=view.zoom,
        feature_group_to_add=layer,
        on_change=on_click,
        returned_objects=reported if on_click else [],
    )


def checkpoints_side_by_side(key: str, offered: list[CheckpointCard]) -> list[CheckpointCard]:
    """Up to four checkpoints, at first the sidebar's and one with the other kind of attention."""
    current = loading.card(state.setting(state.CHECKPOINT) or "")
    others = [card for card in offered if card.name != current.name]
    others.sort(key=lambda card: card.model.attention == current.model.attention)
    names = {card.name: card for card in offered}
    default = [card.name for card in [current, *others[:1]] if card.name in names]
    chosen = st.multiselect(
        "Checkpoints", list(names), default, key=key, max_selections=4, bind="query-params"
    )
    return [names[name] for name in chosen]
