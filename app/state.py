"""What a visitor has chosen: session keys named once, and the link that restores them.

The address bar always holds a link that opens the same page with the same settings. What all pages share
(gallery, checkpoint, sample, heading, selected match) is read by `restore` and written by `publish`; a page
writes none of it. A setting of one page needs one thing: its widget says `bind="query-params"`, and the key it
has anyway becomes the name in the link, so give it a short and telling one:

    layer = st.selectbox("Layer", names, key="layer", bind="query-params")

Streamlit then reads the value from the link, keeps the address up to date without a run of the page, also
inside a fragment, leaves a default out, and lets go of a value that is no option here. Such a parameter is
changed by a callback that sets `st.session_state["layer"]`, never through `st.query_params`. A page whose
fragment changes what all pages share calls `publish` at the fragment's end.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal, Self

import streamlit as st

from app.viewport import MapView

GALLERY = "gallery"
CHECKPOINT = "checkpoint"
RANK = "rank"
MATCHES = 10
"""Number of matches listed of a photo."""
_PHOTO = "photo"
_HEADING = "heading"
_MAP_VIEW = "map_view"

Heading = float | Literal["exif", "search"]
"""Degrees clockwise from north of the photo's centre, or how to find them."""


@dataclass(frozen=True)
class Photo:
    """A photo by the hash of its file; `sample` is its file name when it came with the product."""

    key: str
    title: str
    sample: str | None = None

    @classmethod
    def of(cls, data: bytes, title: str, sample: str | None = None) -> Self:
        """The photo in a file."""
        return cls(hashlib.sha256(data).hexdigest()[:16], title, sample)

    @property
    def name(self) -> str:
        """Its file's name."""
        return self.sample or self.title

    @property
    def stem(self) -> str:
        """What the names of files about it begin with."""
        return re.sub(r"[^\w.-]+", "-", re.sub(r"\.\w+$", "", self.name)).strip("-.") or "photo"


def photo() -> Photo | None:
    """The visitor's photo, the same on every page."""
    return st.session_state.get(_PHOTO)


def choose_photo(chosen: Photo) -> None:
    """Take another photo; what was set for the last one is forgotten."""
    if chosen != photo():
        st.session_state[_PHOTO] = chosen
        st.session_state[_HEADING] = "exif"
        st.session_state[RANK] = 1


def choose_checkpoint(name: str) -> None:
    """Take another checkpoint, as the sidebar does; only a callback may, before the sidebar is drawn."""
    if name != setting(CHECKPOINT):
        st.session_state[CHECKPOINT] = name
        st.session_state[RANK] = 1


def heading() -> Heading:
    """How the photo's heading is to be found."""
    return st.session_state.get(_HEADING, "exif")


def choose_heading(chosen: Heading) -> None:
    """Set how the photo's heading is found; the first match is selected again."""
    if chosen != heading():
        st.session_state[_HEADING] = chosen
        st.session_state[RANK] = 1


def rank() -> int:
    """The selected match, counted from 1."""
    return st.session_state.get(RANK, 1)


def map_view(shown: Hashable, overview: MapView) -> MapView:
    """Where the map of `shown` looks: the overview, until `set_map_view` says otherwise."""
    of, view = st.session_state.get(_MAP_VIEW, (None, overview))
    if of != shown:
        set_map_view(shown, overview)
        return overview
    return view


def set_map_view(shown: Hashable, view: MapView) -> None:
    """Move the map of `shown`."""
    st.session_state[_MAP_VIEW] = (shown, view)


def setting(name: str) -> str | None:
    """A named setting of the link or of an earlier page, e.g. the gallery's name."""
    return st.session_state.get(name)


def restore() -> str | None:
    """Read the link once, at the start of a session; returns the sample that it asks for."""
    if "restored" in st.session_state:
        return None
    st.session_state["restored"] = True
    link = st.query_params
    for name in (GALLERY, CHECKPOINT):
        if name in link:
            st.session_state[name] = link[name]
    return link.get("sample")


def restore_view() -> None:
    """Read the link's heading and match, once its photo is chosen; what cannot be is left aside."""
    asked = st.query_params.get("heading", "exif")
    if asked == "search":
        choose_heading("search")
    elif asked.removesuffix(".0").isdecimal() and float(asked) < 360:
        choose_heading(float(asked))
    place = st.query_params.get("match", "1")
    if place.isdecimal() and 1 <= int(place) <= MATCHES:
        st.session_state[RANK] = int(place)


def publish() -> None:
    """Write what all pages share into the address, so that it can be sent to somebody."""
    chosen = photo()
    shared = {
        GALLERY: setting(GALLERY),
        CHECKPOINT: setting(CHECKPOINT),
        "sample": chosen.sample if chosen else None,
        "heading": None if heading() == "exif" else str(heading()),
        "match": None if rank() == 1 else str(rank()),
    }
    wanted = {name: value for name, value in shared.items() if value}
    for name in shared.keys() - wanted.keys():
        if name in st.query_params:
            del st.query_params[name]
    if any(st.query_params.get(name) != value for name, value in wanted.items()):
        st.query_params.update(wanted)
