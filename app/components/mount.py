"""A component's script, style sheet and markup, which lie beside this file, on the page."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

HERE = Path(__file__).parent


def mount(name: str, **arguments: Any) -> Any:
    """Put the component of that name on the page, with what `st.components.v2` takes; returns what it does."""
    return _component(name)(**arguments)


@cache
def _component(name: str) -> Any:
    html, css, js = ((HERE / f"{name}.{part}").read_text("utf-8") for part in ("html", "css", "js"))
    return st.components.v2.component(f"l2ltr_{name}", html=html, css=css, js=js)
