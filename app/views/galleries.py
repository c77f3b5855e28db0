"""Galleries: the places that a photo can be compared with."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app import downloads, loading, pictures, state
from app.building import offer_to_build
from l2ltr_core.gallery import Gallery, verify_gallery
from l2ltr_core.geometry.geodesy import distance_m
from l2ltr_core.types import Bounds


def show() -> None:
    """Where the places are, whose imagery it is, and which checkpoints can search them."""
    st.title("Which places can a photo be compared with?")
    st.html(
        "<p class='lead'>A gallery is a list of places, their aerial image, and descriptors of every place "
        "for each checkpoint. A photo taken anywhere else cannot be found in it.</p>"
    )
    name = state.setting(state.GALLERY) or ""
    gallery = loading.gallery(name)
    picture, facts = st.columns([3, 2], gap="medium")
    with picture:
        _coverage(gallery, name)
    with facts:
        _facts(gallery)
        _indexes(gallery)
        _verify(gallery)
    _how_to_build()


def _coverage(gallery: Gallery, name: str) -> None:
    st.image(
        pictures.coverage_jpeg(name),
        width="stretch",
        alt=f"The {len(gallery.places):,} places of {gallery.name} on its aerial image, north up",
    )
    downloads.figure_downloads(lambda: pictures.coverage(name), gallery.places, f"places-{name}")


def _facts(gallery: Gallery) -> None:
    manifest = gallery.manifest
    st.subheader(gallery.name.title())
    numbers = {
        "Places": f"{manifest.places:,}",
        "Apart": f"{gallery.median_spacing_m:.0f} m" if gallery.median_spacing_m else "one place",
        "Tile": f"{manifest.chip_m:g} m",
        "Area": f"{area_km2(manifest.bounds):.2f} km²",
    }
    with st.container(key="beside_numbers"):
        for column, (label, value) in zip(st.columns(2) * 2, numbers.items(), strict=True):
            column.metric(label, value)
    if gallery.simulated:
        st.badge("Simulated city", icon=":material/view_in_ar:", color="orange")
    st.caption(
        f"Imagery: {gallery.attribution or 'source not named'} · licence {manifest.licence or 'not given'}"
    )


def _indexes(gallery: Gallery) -> None:
    st.markdown("**Checkpoints that can search it**")
    cards = {card.fingerprint: card for card in loading.cards()}
    rows = [
        (index.checkpoint, index.kind, index.looks, index.dimensions, index.fingerprint)
        for index in gallery.manifest.indexes
    ]
    columns = ["checkpoint", "index", "views per cell", "numbers", "fingerprint"]
    st.dataframe(pd.DataFrame(rows, columns=columns), hide_index=True, width="stretch")
    for card in cards.values():
        if gallery.manifest.index_of(card.fingerprint) is None:
            offer_to_build(gallery, card)


def _verify(gallery: Gallery) -> None:
    if st.button(
        "Check every file", icon=":material/verified:", help="Reads all files against their checksums."
    ):
        problems = verify_gallery(gallery.folder)
        for problem in problems:
            st.error(problem)
        if not problems:
            st.success("The gallery is whole: every file has its checksum, every index its places.")


def _how_to_build() -> None:
    with st.expander("Your own city", icon=":material/add_location_alt:"):
        st.markdown(
            "Any raster that GDAL opens, a folder of tiles with coordinates, or a tile service becomes a gallery:"
        )
        st.code(
            "l2ltr gallery build --imagery orthophoto.tif --out assets/galleries/my-city "
            f"--checkpoint {state.setting(state.CHECKPOINT)} --spacing-m 20",
            language="bash",
        )


def area_km2(bounds: Bounds) -> float:
    """How much ground a small box covers."""
    middle = (bounds.south + bounds.north) / 2
    width = distance_m(middle, bounds.west, middle, bounds.east)
    height = distance_m(bounds.south, bounds.west, bounds.north, bounds.west)
    return float(np.asarray(width * height)) / 1e6


show()
