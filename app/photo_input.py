"""The visitor's photo: picked, uploaded, and turned."""

from __future__ import annotations

from functools import partial

import streamlit as st

from app import figures, photo_store, pictures, samples, state
from app.buttons import picture_button
from l2ltr_core.errors import ImageError, L2LTRError

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


def begin_with_a_photo() -> None:
    """Take the link's sample, else the first one, so that every page opens with something to see."""
    asked = state.restore()
    if state.photo() is None and samples.panoramas():
        try:
            state.choose_photo(photo_store.read_sample(asked or samples.panoramas()[0].file))
            state.restore_view()
        except L2LTRError as error:
            st.warning(str(error))
            state.choose_photo(photo_store.read_sample(samples.panoramas()[0].file))


def photo_picker() -> None:
    """A row of samples, and a place to drop one's own photo."""
    chosen = state.photo()
    row, upload = st.columns([11, 4], vertical_alignment="top")
    with row, st.container(horizontal=True, wrap=False, gap="small", key="samples"):
        for number, sample in enumerate(samples.panoramas()):
            key = f"sample_{number}"
            selected = chosen is not None and chosen.sample == sample.file
            st.button(
                sample.title, key=key, on_click=partial(take_sample, sample.file), help=sample.note or None
            )
            st.html(picture_button(key, pictures.sample_thumbnail(sample.file), selected))
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
            photo_store.panorama(chosen)
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


def take_sample(file: str) -> None:
    """What a click on a sample does: it becomes the visitor's photo."""
    st.session_state.pop(_UPLOAD_ERROR, None)
    try:
        state.choose_photo(photo_store.read_sample(file))
    except L2LTRError as error:
        st.session_state[_UPLOAD_ERROR] = str(error)
    st.session_state[_UPLOADER] = st.session_state.get(_UPLOADER, 0) + 1  # a new key empties the uploader


def _take_upload(key: str) -> None:
    st.session_state.pop(_UPLOAD_ERROR, None)
    file = st.session_state[key]
    if file is None:
        return
    try:
        state.choose_photo(photo_store.read_upload(file.getvalue(), file.name))
    except L2LTRError as error:
        st.session_state[_UPLOAD_ERROR] = f"{file.name}: {error}"


def _take_heading_way(key: str, used_deg: float) -> None:
    way = st.session_state[key]
    state.choose_heading(float(round(used_deg) % 360) if way == "hand" else way or "exif")
