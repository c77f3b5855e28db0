"""Attention: what the model looks at, on the photo and on any of its matches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd
import streamlit as st
from matplotlib.figure import Figure
from numpy.typing import NDArray

from app import (
    components,
    compute,
    downloads,
    loading,
    map_layers,
    photo_input,
    photo_store,
    pictures,
    state,
    viewport,
    widgets,
)
from app.building import offer_to_build
from app.words import metres
from l2ltr_core import figures, inspection
from l2ltr_core.figures.style import TURQUOISE
from l2ltr_core.geometry.geodesy import distance_between_m
from l2ltr_core.inspection import AttentionChoice
from l2ltr_core.localization import Localization
from l2ltr_core.model.config import CheckpointCard
from l2ltr_core.types import Location

SECTORS = 16
CHANCE = 0.50  # Spearman's correlation of 16 pairs that chance exceeds in 5 % of cases, either sign
LAYER, HEAD, ASKS, AZIMUTH, COMPARED, OPACITY = "layer", "head", "asks", "azimuth", "compared", "opacity"
ROLLOUT = "all layers (rollout)"
MEAN = "mean of all"
CLS = "the whole image (CLS)"
TRUTH = "the true position"
MAP_HEIGHT_PX = 440
MAP_WIDTH_PX = 740  # on a wide screen
HEAT_PX = 320  # of the heat on the square tile, on the page and on the map


@dataclass(frozen=True)
class Shown:
    """What the page is about: a photo, a place, and whose attention."""

    photo: state.Photo
    found: Localization
    card: CheckpointCard
    gallery: str
    place: loading.Place
    where: Location
    label: str
    choice: AttentionChoice

    @cached_property
    def ground(self) -> NDArray[np.float32]:
        """Heat on the photo, (rows, columns) in times the average."""
        maps = compute.ground_attention(self.photo, self.found.heading_deg, self.card.name)
        return inspection.heat(maps, self.choice, self.card.model.ground_grid)

    @cached_property
    def aerial(self) -> NDArray[np.float32]:
        """Heat on the tile as the model sees it, (rows, columns) in times the average."""
        maps = compute.aerial_attention(self.gallery, self.place, self.card.name)
        return inspection.heat(maps, self.choice, self.card.model.aerial_grid, self.card.view.polar)


def show() -> None:
    """Photo and match under the same attention, on the map, then every head, then the occlusion test."""
    st.title("What does the model look at?")
    st.html(
        "<p class='lead'>Bright patches are where the model reads its description of the photo, and of the aerial "
        "tile. That is not yet a reason for the answer: the test at the bottom compares the two.</p>"
    )
    photo, name = photo_input.photo_at_hand(), state.setting(state.GALLERY) or ""
    if photo is None:
        return
    card, gallery = loading.card(state.setting(state.CHECKPOINT) or ""), loading.gallery(name)
    if not gallery.has_index(card):
        offer_to_build(gallery, card)
        return
    _look(photo, compute.localized(photo, name, card.name, state.heading()), card)


@st.fragment
def _look(photo: state.Photo, found: Localization, card: CheckpointCard) -> None:
    with widgets.errors_shown():
        shown = _controls(photo, found, card)
        with st.container(key="attention_pictures"):
            ground, aerial = shown.ground, shown.aerial
            on_tile = inspection.on_tile(aerial, card.view.polar, HEAT_PX)
            over_tile = components.heat_uri(on_tile)
            _pictures(shown, components.heat_uri(ground), components.heat_uri(aerial), over_tile)
        _map(shown, on_tile, over_tile)
        _all_heads(shown)
        _occlusion(shown, ground)
    state.publish()


def _controls(photo: state.Photo, found: Localization, card: CheckpointCard) -> Shown:
    model, gallery = card.model, state.setting(state.GALLERY) or ""
    first, second, third, fourth, fifth = st.columns([3, 3, 4, 4, 4], gap="small")
    layers = [ROLLOUT, *map(_layer_name, range(model.depth))]
    layer = layers.index(first.selectbox("Through", layers, key=LAYER, bind="query-params"))
    heads = [MEAN, *map(_head_name, range(model.heads))]
    head = heads.index(second.selectbox("Heads", heads, key=HEAD, bind="query-params", disabled=layer == 0))
    looks = [CLS, *(f"the patch there, row {row + 1}" for row in range(model.ground_grid[0]))]
    asks = looks.index(third.selectbox("Who looks", looks, key=ASKS, bind="query-params"))
    label, place, where = _place(fourth, found, gallery, card)
    azimuth = fifth.slider(
        "Direction", 0, 359, step=1, format="%d°", key=AZIMUTH, bind="query-params",
        help="The same line of sight on the photo, on the unrolled tile, on the tile and on the map. 0 is north, "
        "90 east. A click on any of the pictures picks it too.",
    )  # fmt: skip
    choice = AttentionChoice(
        layer=layer - 1 if layer else None,
        head=head - 1 if head and layer else None,
        azimuth_deg=float(azimuth),
        row=asks - 1 if asks else None,
    )
    return Shown(photo, found, card, gallery, place, where, label, choice)


def _place(
    column: st.delta_generator.DeltaGenerator, found: Localization, gallery: str, card: CheckpointCard
) -> tuple[str, loading.Place, Location]:
    """Its name, its number or, for the true position, where it is, and where it is in either case."""
    matches = {f"place {match.rank}": match for match in found.matches}
    truth = found.truth
    if truth is not None and not loading.gallery(gallery).imagery.covers(truth, card.view.chip_m):
        truth = None

    def taken() -> None:
        if st.session_state[COMPARED] in matches:
            st.session_state[state.RANK] = matches[st.session_state[COMPARED]].rank

    names = [*matches, *([TRUTH] if truth is not None else [])]
    index = min(state.rank(), len(matches)) - 1
    name = column.selectbox("Compared with", names, index, key=COMPARED, bind="query-params", on_change=taken)
    if name == TRUTH and truth is not None:
        return name, truth, truth
    match = matches[name]
    return name, match.place_id, match.location


def _pictures(shown: Shown, ground: str, aerial: str, over_tile: str) -> None:
    card, choice, found = shown.card, shown.choice, shown.found
    panorama = photo_store.panorama(shown.photo)
    rows, columns = card.model.ground_grid
    patch = None
    if choice.row is not None:
        row, column = divmod(
            inspection.token_at(choice.azimuth_deg, choice.row, (rows, columns)) - 1, columns
        )
        patch = (row, column, rows, columns)
    view = pictures.view(shown.photo, found.heading_deg, card.name, in_grey=True)
    sheet = tile_sheet = None
    if choice.row is None:  # what a patch reads is not on the sheets
        sheet = compute.heads(shown.photo, found.heading_deg, card.name)[0]
        tile_sheet = compute.tile_heads(shown.gallery, shown.place, card.name)
    strips = [components.photo_layer("The photo", view, panorama, found.heading_deg, ground, patch, sheet)]
    if card.view.polar:
        strips.append(
            components.Layered(
                f"The tile of {shown.label}, unrolled around its centre", "Attention over the unrolled tile",
                pictures.grey_polar(shown.gallery, shown.place, card.name), aerial,
                sheet=tile_sheet,
            )
        )  # fmt: skip
    tile = components.Layered(
        f"The tile of {shown.label}", f"Attention over the aerial tile of {shown.label}, north up",
        pictures.grey_tile(shown.gallery, shown.place, card.name), over_tile,
        sheet=tile_sheet, unrolled=card.view.polar,
    )  # fmt: skip
    clicked = (
        "click to pick the direction"
        if choice.row is None
        else "click a patch of the photo to see what it reads"
    )
    hint = f"Point at a picture: the line is the same line of sight everywhere; {clicked}."
    components.sight("sight", choice.azimuth_deg, strips, tile, card.view.chip_m, hint, partial(_pick, rows))
    for note in panorama.notes:
        st.caption(f":material/info: {note.sentence}")


def _pick(rows: int, azimuth_deg: float, down: float | None) -> None:
    """A click on a picture: the direction and, where a patch looks, its row."""
    st.session_state[AZIMUTH] = round(azimuth_deg) % 360
    if down is not None and st.session_state[ASKS] != CLS:
        st.session_state[ASKS] = f"the patch there, row {int(down * rows) + 1}"


def _map(shown: Shown, on_tile: NDArray, over_tile: str) -> None:
    card, truth = shown.card, shown.found.truth
    st.subheader("The same on the map")
    map_column, about = st.columns([5, 2], gap="medium")
    with about:
        opacity = st.slider(
            "Opacity of the attention", 0, 100, 80, 5, format="%d%%", key=OPACITY, bind="query-params"
        )
        away = (
            ""
            if truth is None
            else f" It lies {metres(distance_between_m(truth, shown.where))} from the photo."
        )
        st.caption(
            f"The tile of {shown.label}, {card.view.chip_m:g} m wide, lies here at its true place and scale.{away}"
        )
        st.html(_legend(truth is not None))
        _picture_downloads(shown, on_tile)
    image = loading.base_image(shown.gallery)
    close = viewport.square_view(shown.where, 1.6 * card.view.chip_m, MAP_HEIGHT_PX)
    close = viewport.clamp_to_bounds(close, image.bounds, (MAP_WIDTH_PX, MAP_HEIGHT_PX))
    view = state.map_view((shown.gallery, card.name, shown.where), close)
    layer = map_layers.attention_layer(
        shown.where, card.view.chip_m, over_tile, opacity / 100, shown.choice.azimuth_deg,
        f"the tile of {shown.label}", truth,
    )  # fmt: skip
    with map_column:
        widgets.gallery_map(image, view, layer, key="attention_map", height_px=MAP_HEIGHT_PX)


def _legend(known: bool) -> str:
    return (
        f"<div class='legend'><span><i style='background:{TURQUOISE}'></i>the direction picked</span>"
        "<span><i style='background:#fff;border:2px solid #10131a'></i>centre of the tile</span>"
        + ("<span><i class='true'></i>true position</span>" if known else "")
        + "</div>"
    )


def _picture_downloads(shown: Shown, on_tile: NDArray) -> None:
    card, choice, look = shown.card, shown.choice, widgets.look()
    ground, aerial = shown.ground, shown.aerial

    def photo() -> Figure:
        view = pictures.view_pixels(shown.photo, shown.found.heading_deg, card.name)
        return figures.heat_strip(view, ground, choice.azimuth_deg, look)

    def unrolled() -> Figure:
        polar = pictures.polar_pixels(shown.gallery, shown.place, card.name, figures.STRIP_PX)
        return figures.heat_strip(polar, aerial, choice.azimuth_deg, look)

    def tile() -> Figure:
        chip = loading.chip(shown.gallery, shown.place, card.name)
        return figures.heat_tile(chip, on_tile, card.view.chip_m, choice.azimuth_deg, look)

    stem = shown.photo.stem
    with st.container(horizontal=True, gap="small"):
        downloads.figure_downloads(photo, pd.DataFrame(ground), f"{stem}-attention-photo", "The photo")
        if card.view.polar:
            downloads.figure_downloads(
                unrolled, pd.DataFrame(aerial), f"{stem}-attention-unrolled", "The unrolled tile"
            )
        downloads.figure_downloads(tile, pd.DataFrame(on_tile), f"{stem}-attention-tile", "The tile")


def _all_heads(shown: Shown) -> None:
    st.subheader("Every layer and head at a glance")
    photo, heading_deg, card = shown.photo, shown.found.heading_deg, shown.card
    heats, entropy, distance = compute.heads(photo, heading_deg, card.name)
    cells = []
    for layer in range(card.model.depth):
        cells.append(components.Head(layer, None))
        for head in range(card.model.heads):
            cells.append(
                components.Head(layer, head, float(entropy[layer, head]), float(distance[layer, head]))
            )
    choice = shown.choice
    chosen = None if choice.layer is None else (choice.layer, choice.head)
    components.heads(
        "heads", pictures.view(photo, heading_deg, card.name, in_grey=True), heats, cells, chosen,
        ".st-key-attention_pictures",
        "What CLS reads from the photo; click a map to enlarge it. Below each: attention entropy (1: even over all "
        "patches, 0: at one patch) · mean attention distance (in patches).",
        _enlarge,
    )  # fmt: skip
    look = widgets.look()

    def sheet() -> Figure:
        notes = np.array(
            [
                [f"entropy {e:.2f} · distance {d:.1f}" for e, d in zip(*pair, strict=True)]
                for pair in zip(entropy, distance, strict=True)
            ]
        )
        return figures.contact_sheet(heats[:, 1:], notes, chosen, look)

    layer, head = np.indices(entropy.shape) + 1
    columns = {"layer": layer, "head": head, "spread": entropy, "reach": distance}
    numbers = pd.DataFrame({name: np.ravel(values) for name, values in columns.items()})
    downloads.figure_downloads(sheet, numbers, f"{photo.stem}-heads")


def _enlarge(layer: int, head: int | None) -> None:
    """A click on a small map makes it the one above."""
    st.session_state[LAYER] = _layer_name(layer)
    st.session_state[HEAD] = MEAN if head is None else _head_name(head)


def _occlusion(shown: Shown, ground: NDArray) -> None:
    st.subheader("Is attention telling the truth?")
    st.markdown(
        f"Each sixteenth of the horizon is hidden in turn. The match with {shown.label} scores lower where the model "
        "really needed what was hidden; if attention tells the truth, the tall bars of both kinds stand together."
        + " The score here is that of CLS, whose attention this is."
        * bool(shown.card.model.columns)
    )
    falls = compute.sensitivity_by_direction(
        shown.photo, shown.found.heading_deg, shown.card.name, shown.gallery, shown.place, SECTORS
    )
    share = inspection.by_sector(ground, SECTORS)
    correlation = inspection.rank_correlation(falls, share)
    bars, verdict = st.columns([5, 2], gap="medium")
    with bars:
        view = pictures.view(shown.photo, shown.found.heading_deg, shown.card.name, in_grey=True)
        components.occlusion("occlusion", "Occlusion sensitivity", view, falls, share, _whose(shown.choice))
    with verdict:
        st.metric("Rank correlation of the two", f"{correlation:+.2f}")
        st.markdown(_in_words(correlation))
        st.caption(
            "Near +1, attention points at what matters for this match; near 0, a bright map must not be read as a "
            f"reason. With {SECTORS} independent directions chance would pass ±{CHANCE:.2f} once in twenty times; "
            "neighbouring directions are alike, so it does so more often."
        )
        figure = partial(figures.occlusion, falls, share, correlation, widgets.look())
        numbers = pd.DataFrame({"score_falls_by": falls, "attention_share": share})
        downloads.figure_downloads(figure, numbers, f"{shown.photo.stem}-hidden-directions")


def _in_words(correlation: float) -> str:
    if np.isnan(correlation):
        return "The attention is the same in every direction, so there is nothing to compare."
    if abs(correlation) < CHANCE:
        return "**It does not tell**: chance alone would bring them as near to each other."
    if correlation > 0:
        return "**It tells something**: where this attention goes, hiding hurts."
    return "**It misleads**: this attention goes where hiding hurts least."


def _whose(choice: AttentionChoice) -> str:
    if choice.layer is None:
        return "all layers"
    return _layer_name(choice.layer) + ("" if choice.head is None else f", {_head_name(choice.head)}")


def _layer_name(layer: int) -> str:
    return f"layer {layer + 1}"


def _head_name(head: int) -> str:
    return f"head {head + 1}"


show()
