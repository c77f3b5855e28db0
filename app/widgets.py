"""Inputs and notices that several pages share."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import folium
import pandas as pd
import streamlit as st
from matplotlib.figure import Figure
from streamlit_folium import st_folium

from app import components, figures, maps, resources, state
from l2ltr_core.assets import list_galleries
from l2ltr_core.checkpoints import best_first
from l2ltr_core.errors import GalleryError, ImageError, L2LTRError
from l2ltr_core.model.config import CheckpointCard

_UPLOAD_ERROR = "upload_error"
_UPLOADER = "uploader"

HEADING_WAYS = {"exif": "Heading from the photo", "hand": "Turn by hand", "search": "Search for it"}
HEADING_TOLD = {
    "exif": "The photo says: its centre looks {}",
    "given": "Turned so that its centre looks {}",
    "search": "Searched: its centre looks {}",
}
HEADING_HELP = (
    "The model compares the photo, turned to north, with aerial images whose north is up. Most 360° cameras "
    "write the heading into the file; ▼ marks the photo's own centre on the strip."
)


@contextmanager
def errors_shown() -> Iterator[None]:
    """Show an error that a visitor can mend as one sentence; any other is a bug and stays visible."""
    try:
        yield
    except L2LTRError as error:
        st.error(str(error), icon=":material/error:")
        chosen = state.photo()
        if (
            isinstance(error, ImageError)
            and chosen is not None
            and chosen.sample is None
            and resources.samples()
        ):
            first = resources.samples()[0]
            st.button(f"Go on with {first.title}", key="go_on", on_click=_take_sample, args=(first.file,))


def style() -> None:
    """The app's own style sheet, small and beside this file."""
    st.html(Path(__file__).with_name("style.css"))


def look() -> figures.Look:
    """Ink and paper of the visitor's theme."""
    return figures.DARK if st.context.theme.type == "dark" else figures.LIGHT


def sidebar() -> None:
    """Which city, which checkpoint, and what they are."""
    with st.sidebar:
        names = list_galleries()
        cards = {card.name: card for card in resources.cards()}
        if not names or not cards:
            raise GalleryError(
                "There is no gallery or no checkpoint in the assets folder; "
                "`l2ltr gallery build` and `l2ltr train` make them."
            )
        name = _remembered_choice(
            "City", names, state.GALLERY, "The gallery of places a photo is compared with."
        )
        gallery = resources.gallery(name)
        ready = [
            card.name
            for card in best_first(cards.values(), gallery.name)
            if gallery.manifest.index_of(card.fingerprint)
        ]
        others = [each for each in cards if each not in ready]
        checkpoint = _remembered_choice(
            "Checkpoint", ready + others, state.CHECKPOINT, "The trained weights of the model."
        )
        _about(cards[checkpoint])
        for fault in resources.checkpoint_faults():
            st.warning(fault, icon=":material/heart_broken:")
        if gallery.simulated:
            st.badge("Simulated city", icon=":material/view_in_ar:", color="orange")
            st.caption("Photos and aerial image are renderings of one 3-D model made from the real map.")
        st.caption(f"{len(gallery.places):,} places · {gallery.attribution}")
        components.copy_link("Copy link to this view", _what_the_link_restores())


def _what_the_link_restores() -> str:
    chosen = state.photo()
    if chosen is not None and chosen.sample is None:
        return (
            "Opens this page with these settings and the first sample: your own photo is not part of a link."
        )
    return "Opens this page with this photo and these settings."


def begin_with_a_photo() -> None:
    """Take the link's sample, else the first one, so that every page opens with something to see."""
    asked = state.restore()
    if state.photo() is None and resources.samples():
        try:
            state.choose_photo(resources.read_sample(asked or resources.samples()[0].file))
            state.restore_view()
        except L2LTRError as error:
            st.warning(str(error))
            state.choose_photo(resources.read_sample(resources.samples()[0].file))


def photo_picker() -> None:
    """A row of samples, and a place to drop one's own photo."""
    chosen = state.photo()
    pictures, upload = st.columns([11, 4], vertical_alignment="top")
    with pictures, st.container(horizontal=True, wrap=False, gap="small", key="samples"):
        for number, sample in enumerate(resources.samples()):
            key = f"sample_{number}"
            selected = chosen is not None and chosen.sample == sample.file
            st.button(
                sample.title, key=key, on_click=partial(_take_sample, sample.file), help=sample.note or None
            )
            st.html(_picture_button(key, resources.sample_thumbnail(sample.file), selected))
    with upload:
        key = f"{_UPLOADER}_{st.session_state.get(_UPLOADER, 0)}"
        st.file_uploader(
            "Your own 360° panorama (JPEG or PNG)",
            key=key,
            label_visibility="collapsed",
            type=["jpg", "jpeg", "png", "webp", "tif", "tiff"],
            on_change=_take_upload,
            args=(key,),
        )
    if message := st.session_state.get(_UPLOAD_ERROR):
        st.error(message, icon=":material/broken_image:")


def photo_at_hand() -> state.Photo | None:
    """The visitor's photo; without one, or with one that has left the memory, a sentence and the way to give one."""
    chosen = state.photo()
    try:
        if chosen is not None:
            resources.panorama(chosen)
            return chosen
        st.info("There is no photo yet.", icon=":material/add_photo_alternate:")
    except ImageError as error:
        st.warning(str(error), icon=":material/history:")
    st.page_link("views/localize.py", label="Pick or upload one on the page Localize")
    return None


def heading_control(used_deg: float, source: str) -> None:
    """Where the photo's centre looks: from the photo, turned by hand, or searched for."""
    current = state.heading()
    way = current if isinstance(current, str) else "hand"
    with st.container(horizontal=True, vertical_alignment="center", key="heading"):
        key = f"heading_way_{way}"
        st.segmented_control(
            "Heading of the photo's centre",
            list(HEADING_WAYS),
            format_func=HEADING_WAYS.__getitem__,
            default=way,
            key=key,
            on_change=_take_heading_way,
            args=(key, used_deg),
            label_visibility="collapsed",
            width="content",
        )
        if source in HEADING_TOLD:
            towards = f"**{used_deg:.0f}° {figures.wind(used_deg)}**"
            st.caption(HEADING_TOLD[source].format(towards), help=HEADING_HELP, width="content")
    if way == "hand":
        _heading_slider(used_deg)
    if source == "assumed":
        st.warning(
            "The photo does not say which way it faces, so its centre was taken for north. "
            "Choose *Search for it*, or turn it by hand until N on the ribbon is north.",
            icon=":material/explore_off:",
        )


def numbered_button(
    key: str, colour: str, label: str, picture: bytes, selected: bool, on_click: Callable[[], None]
) -> None:
    """One row of a list: a picture, a number on the colour of its pin, and what the label says."""
    st.button(label, key=key, width="stretch", on_click=on_click)
    st.html(
        _picture_button(key, picture, selected)
        + f"<style>.st-key-{key} strong{{background:{colour};color:{figures.ink_on(colour)}}}</style>"
    )


class Result(Protocol):
    """What can be taken away as files."""

    def to_json(self) -> str:
        """As one JSON object."""

    def to_csv(self) -> str:
        """As a table."""

    def to_geojson(self) -> dict[str, Any]:
        """As places on a map."""


def result_downloads(found: Result, photo: state.Photo, page: str) -> None:
    """A result as JSON, CSV and GeoJSON, in files named after the photo and the page."""
    with st.popover("Download", icon=":material/download:"):
        files = {
            "JSON": (found.to_json(), "application/json", "json"),
            "CSV": (found.to_csv(), "text/csv", "csv"),
            "GeoJSON": (json.dumps(found.to_geojson(), indent=2), "application/geo+json", "geojson"),
        }
        for label, (text, mime, ending) in files.items():
            st.download_button(
                label,
                text,
                f"{photo.stem}-{page}.{ending}",
                mime,
                key=f"download_{ending}",
                width="stretch",
                on_click="ignore",
            )


def gallery_map(
    image: maps.BaseImage, view: maps.MapView, layer: folium.FeatureGroup, *, key: str, height_px: int,
    on_click: Callable[[], None] | None = None, anywhere: bool = False,
) -> None:  # fmt: skip
    """The gallery's map with a layer on it; a click on a pin leaves the pin's tooltip in the session, under `key`.

    With `anywhere` a click on the map counts instead, and leaves its place.
    """
    reported = ["last_clicked"] if anywhere else ["last_object_clicked_tooltip", "last_object_clicked_count"]
    st_folium(
        maps.base_map(image, maps.whole(image.bounds), look().paper),
        key=key,
        height=height_px,
        use_container_width=True,
        center=view.center,
        zoom=view.zoom,
        feature_group_to_add=layer,
        on_change=on_click,
        returned_objects=reported if on_click else [],
    )


def figure_downloads(
    figure: Figure | Callable[[], Figure], numbers: pd.DataFrame, name: str, label: str = "Download"
) -> None:
    """The figure as PNG and SVG and what it shows as CSV; `name` is the files' and tells them apart on a page.

    A figure that the page does not show itself may be given as what draws it, when it is asked for.
    """
    paper = look().paper

    def drawn() -> Figure:
        made = figure if isinstance(figure, Figure) else figure()
        made.set_facecolor(paper)
        return made

    files = {
        "PNG": (lambda: figures.to_png(drawn()), f"{name}.png", "image/png"),
        "SVG": (lambda: figures.to_svg(drawn()), f"{name}.svg", "image/svg+xml"),
        "CSV": (lambda: numbers.to_csv(index=False), f"{name}.csv", "text/csv"),
    }
    with st.popover(label, icon=":material/download:", key=f"downloads_{name}"):
        for kind, (data, file, mime) in files.items():
            st.download_button(kind, data, file, mime, key=f"download_{file}", on_click="ignore")


def checkpoints_side_by_side(key: str, offered: list[CheckpointCard]) -> list[CheckpointCard]:
    """Up to four checkpoints, at first the sidebar's and one with the other kind of attention."""
    current = resources.card(state.setting(state.CHECKPOINT) or "")
    others = [card for card in offered if card.name != current.name]
    others.sort(key=lambda card: card.model.attention == current.model.attention)
    names = {card.name: card for card in offered}
    default = [card.name for card in [current, *others[:1]] if card.name in names]
    chosen = st.multiselect(
        "Checkpoints", list(names), default, key=key, max_selections=4, bind="query-params"
    )
    return [names[name] for name in chosen]


def _heading_slider(used_deg: float) -> None:
    chosen = state.photo()
    key = f"heading_deg_{chosen.key if chosen else ''}"
    st.session_state.setdefault(key, round(used_deg) % 360)
    st.slider(
        "The photo's centre looks towards",
        0,
        359,
        key=key,
        format="%d°",
        label_visibility="collapsed",
        on_change=lambda: state.choose_heading(float(st.session_state[key])),
    )


def data_uri(jpeg: bytes) -> str:
    """A picture as an address that needs no server."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _picture_button(key: str, jpeg: bytes, selected: bool) -> str:
    outline = (
        f"border-color:{figures.ACCENT} !important;box-shadow:0 0 0 2px {figures.ACCENT}" if selected else ""
    )
    return f"<style>.st-key-{key} button{{background-image:url({data_uri(jpeg)});{outline}}}</style>"


def _remembered_choice(label: str, options: list[str], name: str, help_text: str) -> str:
    """A select box whose choice outlives the page and can come from a link."""
    asked = state.setting(name)
    if asked is not None and asked not in options:
        st.warning(f"There is no {label.lower()} {asked!r} here; showing {options[0]}.")
    if asked not in options:
        st.session_state[name] = options[0]
    return st.selectbox(label, options, key=name, help=help_text)


def _about(card: CheckpointCard) -> None:
    with st.expander("About this checkpoint", icon=":material/info:"):
        model = card.model
        st.markdown(
            f"{card.description}\n\n{model.depth} layers, {model.width} wide, {model.heads} heads, "
            f"**{model.attention} attention**; "
            f"ground view {model.ground_size_px[1]}×{model.ground_size_px[0]} px, "
            f"aerial tile {card.view.chip_m:g} m{', polar' if card.view.polar else ''}."
        )
        st.caption(f"Fingerprint `{card.fingerprint}` · licence {card.licence or 'not given'}")


def _take_sample(file: str) -> None:
    st.session_state.pop(_UPLOAD_ERROR, None)
    try:
        state.choose_photo(resources.read_sample(file))
    except L2LTRError as error:
        st.session_state[_UPLOAD_ERROR] = str(error)
    st.session_state[_UPLOADER] = st.session_state.get(_UPLOADER, 0) + 1  # a new key empties the uploader


def _take_upload(key: str) -> None:
    st.session_state.pop(_UPLOAD_ERROR, None)
    file = st.session_state[key]
    if file is None:
        return
    try:
        state.choose_photo(resources.read_upload(file.getvalue(), file.name))
    except L2LTRError as error:
        st.session_state[_UPLOAD_ERROR] = f"{file.name}: {error}"


def _take_heading_way(key: str, used_deg: float) -> None:
    way = st.session_state[key]
    state.choose_heading(float(round(used_deg) % 360) if way == "hand" else way or "exif")
