"""A walk to be localized: which photos, how they are turned, and how far one is from the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from app import photo_store, samples
from app.photo_input import HEADING_WAYS
from app.state import Heading, Photo
from app.words import in_order
from l2ltr_core.errors import L2LTRError
from l2ltr_core.walks import MOST_PHOTOS, STEP_M

STEPS_M = (10, 200)
TURNED: list[Literal["exif", "search"]] = ["exif", "search"]
OWN = "own"
"""The walk of the visitor's photos, beside the sample walks' folders."""
_OWN_PHOTOS = "own_walk"
_FAULTS = "walk_faults"


@dataclass(frozen=True)
class Walked:
    """What a visitor asks for: the photos in their order, a `note` on them, and how to compare them."""

    photos: tuple[Photo, ...]
    note: str
    heading: Heading
    step_m: float


def walk_input() -> Walked:
    """Which photos and what they are, how they are turned, and how far one is from the next."""
    chosen, upload = st.columns([11, 6], gap="medium")
    with upload:
        st.file_uploader(
            "Your own walk: 2 to 50 panoramas, in the order of their file names",
            key="walk_files",
            accept_multiple_files=True,
            type=["jpg", "jpeg", "png", "webp", "tif", "tiff"],
            on_change=_take_files,
        )
    with chosen:
        photos, note = _chosen_photos()
        step, turned = st.columns([4, 5], gap="medium")
        step_m = step.slider(
            "From one photo to the next, at most", *STEPS_M, round(STEP_M), 5, format="%d m", key="step",
            bind="query-params",
            help="The longer the step, the more ways are possible; too short a one tears the walk apart.",
        )  # fmt: skip
        heading = turned.radio(
            "Heading", TURNED, format_func=HEADING_WAYS.__getitem__, key="turn", horizontal=True,
            bind="query-params",
            help="Most 360° cameras write into the file which way the photo looks. A search tries a "
            "whole turn of each photo, which may take a few seconds for each.",
        )  # fmt: skip
    for fault in st.session_state.get(_FAULTS, ()):
        st.error(fault, icon=":material/broken_image:")
    return Walked(photos, note, heading, step_m)


def how_to_begin(photos: Sequence[Photo]) -> None:
    """What is lacking of a walk that has fewer than two photos."""
    if photos:
        st.info(
            f"{photos[0].title} is one photo; a walk needs a second. Drop both together, or add one.",
            icon=":material/add_photo_alternate:",
        )
        return
    st.info(
        "Drop two or more 360° panoramas of one walk above to begin; their file names say in which order they were "
        "taken.",
        icon=":material/add_photo_alternate:",
    )


def _chosen_photos() -> tuple[tuple[Photo, ...], str]:
    """Of the visitor's own walk, which comes first once there is one, or of a sample walk."""
    walks = {walk.folder: (walk.title, walk.note, walk.photos) for walk in samples.walks()}
    own = st.session_state.get(_OWN_PHOTOS, ())
    if own:
        walks = {OWN: ("Your own photos", "", own), **walks}
    if not walks:
        return (), ""
    folder = st.radio(
        "Walk", list(walks), format_func=lambda each: walks[each][0], key="walk", horizontal=True,
        bind="query-params",
    )  # fmt: skip
    _, note, photos = walks[folder]
    return photos, note


def _take_files() -> None:
    """What was dropped becomes the visitor's walk; what is no photo is named and left out."""
    given = sorted(st.session_state["walk_files"], key=lambda file: in_order(file.name))
    photos, faults = [], []
    for file in given:
        try:
            photos.append(photo_store.read_walk_upload(file.getvalue(), file.name))
        except L2LTRError as error:
            faults.append(f"{file.name}: {error}")
    if len(photos) > MOST_PHOTOS:
        faults.append(f"There are {len(photos)} photos; the first {MOST_PHOTOS} are used.")
    st.session_state[_OWN_PHOTOS], st.session_state[_FAULTS] = tuple(photos[:MOST_PHOTOS]), faults
    if photos:
        st.session_state["walk"] = OWN
