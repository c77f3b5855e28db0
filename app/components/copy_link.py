"""A button that copies the page's address."""

from __future__ import annotations

from app.components.mount import mount


def copy_link(label: str, note: str, key: str = "copy_link", words: str = "") -> None:
    """A button that copies the page's address, after `words`; `note` is said when one points at it."""
    mount("copy_link", key=key, data={"label": label, "note": note, "words": words})
