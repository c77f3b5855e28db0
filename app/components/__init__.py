"""Parts of a page that Streamlit does not have: each is a script, a style sheet and some markup beside this file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

HERE = Path(__file__).parent


def copy_link(label: str, note: str) -> None:
    """A button that copies the page's address; `note` is said when one points at it."""
    _mount("copy_link", key="copy_link", data={"label": label, "note": note}, height="content")


def _mount(name: str, **arguments: Any) -> Any:
    return _component(name)(**arguments)


@cache
def _component(name: str) -> Any:
    parts = {part: HERE / f"{name}.{part}" for part in ("html", "css", "js")}
    return st.components.v2.component(
        f"l2ltr_{name}", **{part: path.read_text("utf-8") for part, path in parts.items() if path.exists()}
    )
