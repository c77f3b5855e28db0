"""A photo from within."""

from __future__ import annotations

from app.components.mount import mount
from app.encoding import data_uri
from l2ltr_core.types import Panorama


def look_around(
    key: str, picture: bytes, panorama: Panorama, heading_deg: float, note: str = "", bring: bool = False
) -> None:
    """The whole photo (JPEG) from within, to be turned and zoomed; its centre looks at `heading_deg`.

    With `bring` the page scrolls to it when another photo takes its place.
    """
    mount(
        "look_around",
        key=key,
        data={
            "picture": data_uri(picture),
            "alt": "The photo from within",
            "note": note,
            "bring": bring,
            "hint": "Drag to turn, scroll or pinch to zoom; or arrow keys, + and −, Home",
            "heading": heading_deg,
            "field": panorama.horizontal_field_deg,
            "top": panorama.top_deg,
            "bottom": panorama.bottom_deg,
        },
    )
