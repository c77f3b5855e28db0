"""Buttons that carry a picture."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app import figures
from app.encoding import data_uri


def numbered_button(
    key: str, colour: str, label: str, picture: bytes, selected: bool, on_click: Callable[[], None]
) -> None:
    """One row of a list: a picture, a number on the colour of its pin, and what the label says."""
    st.button(label, key=key, width="stretch", on_click=on_click)
    st.html(
        picture_button(key, picture, selected)
        + f"<style>.st-key-{key} strong{{background:{colour};color:{figures.ink_on(colour)}}}</style>"
    )


def picture_button(key: str, jpeg: bytes, selected: bool) -> str:
    """The style that puts a picture on the button of that key, and a ring around the one `selected`."""
    outline = (
        f"border-color:{figures.ACCENT} !important;box-shadow:0 0 0 2px {figures.ACCENT}" if selected else ""
    )
    return f"<style>.st-key-{key} button{{background-image:url({data_uri(jpeg)});{outline}}}</style>"
