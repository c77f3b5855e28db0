"""What is loaded once and shared by all visitors: checkpoints, galleries, and what lies beside them."""

from __future__ import annotations

from typing import TypeAlias

import streamlit as st

from app import offline
from app.memory import results
from l2ltr_core import assets
from l2ltr_core.checkpoints import load_card, load_encoder
from l2ltr_core.errors import CheckpointError
from l2ltr_core.evaluation import HeldOut, read_held_out, searched_fingerprint
from l2ltr_core.gallery import Gallery, open_gallery
from l2ltr_core.model.config import CheckpointCard
from l2ltr_core.model.encoder import Encoder
from l2ltr_core.types import RGB, Location

Place: TypeAlias = int | Location
"""A place of a gallery by its number, or any other by where it lies."""


@st.cache_resource(max_entries=4, show_spinner="Loading the checkpoint …")
def encoder(name: str) -> Encoder:
    """An encoder by the name of its checkpoint. Shared: never change it."""
    return load_encoder(name)


def card(checkpoint: str) -> CheckpointCard:
    """What a checkpoint says of itself."""
    return next(each for each in cards() if each.name == checkpoint)


def cards() -> list[CheckpointCard]:
    """The cards of all checkpoints in the assets folder that can be read, the default first, then by name."""
    return _cards_and_faults()[0]


def checkpoint_faults() -> list[str]:
    """One sentence for each file in the checkpoints' folder that is no checkpoint as it is."""
    return _cards_and_faults()[1]


@st.cache_data(ttl=60)
def _cards_and_faults() -> tuple[list[CheckpointCard], list[str]]:
    """One broken card or a file without a card must not take the others away."""
    found, faults = [], []
    folder = assets.find_checkpoint_dir()
    for stem in sorted(
        {path.stem for ending in ("json", "safetensors") for path in folder.glob(f"*.{ending}")}
    ):
        try:
            found.append(load_card(folder / f"{stem}.json"))
        except CheckpointError as error:
            faults.append(str(error))
    return sorted(found, key=lambda each: assets.default_first(each.name)), faults


@st.cache_resource(max_entries=4, show_spinner="Opening the gallery …")
def gallery(name: str) -> Gallery:
    """A gallery by name. Shared: never change it."""
    return open_gallery(name)


def location(gallery_name: str, place: Place) -> Location:
    """Where a place is."""
    return place if isinstance(place, Location) else gallery(gallery_name).location(place)


@results.keeps
def chip(gallery_name: str, place: Place, checkpoint: str) -> RGB:
    """The north-up square around a place as wide as the checkpoint wants it."""
    where, chip_m = location(gallery_name, place), card(checkpoint).view.chip_m
    return gallery(gallery_name).imagery.chip(where, chip_m, None)


@st.cache_resource(max_entries=4, show_spinner="Preparing the map …")
def base_image(gallery_name: str) -> offline.BaseImage:
    """The gallery's aerial image as one picture that the map can load without internet."""
    offline.ensure_leaflet()
    return offline.base_image(gallery(gallery_name))


def held_out_record(checkpoint: str, gallery_name: str) -> HeldOut | None:
    """What became of each held-out photo, None unless it was measured with these weights in this gallery."""
    chosen, found = card(checkpoint), read_held_out(assets.find_checkpoint_dir() / f"{checkpoint}.json")
    if found is None or found.checkpoint != chosen.fingerprint:
        return None
    searched = searched_fingerprint(gallery(gallery_name), chosen.fingerprint)
    return found if found.searched == searched else None
