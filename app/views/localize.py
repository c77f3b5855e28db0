"""Localize: from a panorama to a pin on the map."""

from __future__ import annotations

from functools import partial

import streamlit as st

from app import components, figures, maps, resources, state, widgets
from app.building import offer_to_build
from app.words import PROBABLY, confidence, metres, share
from l2ltr_core.geometry.geodesy import distance_m
from l2ltr_core.localization import ESTIMATE_RADIUS_M, Localization
from l2ltr_core.model.config import CheckpointCard
from l2ltr_core.types import Location, Match, Panorama

MAP = "map"
MAP_HEIGHT_PX = 520
TILE_PX = 420
THUMBNAIL_PX = 88
IN_SIGHT_FROM = 0.02
"""Answers less likely than this need not be in sight when the map opens."""


def show() -> None:
    """Photo, answer, map, list."""
    name = state.setting(state.GALLERY) or ""
    gallery = resources.gallery(name)
    st.title("Where was this photo taken?")
    st.html(
        f"<p class='lead'>A street panorama goes in. L2LTR, a transformer, compares it with aerial images of "
        f"{len(gallery.places):,} places in {gallery.name.title()}, and the map shows where it was taken.</p>"
    )
    widgets.photo_picker()
    photo = state.photo()
    if photo is None:
        st.info("Drop a 360° panorama above to begin.", icon=":material/add_photo_alternate:")
        return
    panorama = resources.panorama(photo)
    card = resources.card(state.setting(state.CHECKPOINT) or "")
    if not gallery.has_index(card):
        offer_to_build(gallery, card)
        return
    with st.spinner("Comparing the photo with every place …"):
        found = resources.localized(photo, name, card.name, state.heading())
    left, right = st.columns([5, 2], gap="medium", vertical_alignment="top")
    with left:
        _what_the_model_sees(photo, panorama, found, card)
    with right:
        _verdict(found)
        for doubt in _doubts(panorama, found):
            st.warning(doubt, icon=":material/help:")
        if found.estimate.confidence < PROBABLY or found.in_gallery is False:
            st.page_link(
                "views/walk.py", label="Several photos of the same walk find each other",
                icon=":material/directions_walk:",
            )  # fmt: skip
        with st.container(horizontal=True, gap="small"):
            if st.button("Look around", key="look", icon=":material/360:", help="See the photo from within."):
                _look_around(photo, panorama, found.heading_deg)
            widgets.result_downloads(found, "l2ltr")
    _explore(found, name)


def _what_the_model_sees(
    photo: state.Photo, panorama: Panorama, found: Localization, card: CheckpointCard
) -> None:
    view = resources.view(photo, found.heading_deg, card.name)
    components.strip(
        "photo_strip", components.photo_layer("", view, panorama, found.heading_deg), found.heading_deg
    )
    widgets.heading_control(found.heading_deg, found.heading_source)
    for note in panorama.notes:
        st.caption(f":material/info: {note}")


@st.dialog("Look around", width="large")
def _look_around(photo: state.Photo, panorama: Panorama, heading_deg: float) -> None:
    """A simulated photo is called so here, too."""
    picture = resources.photo_jpeg(photo)
    components.look_around("look_around", picture, panorama, heading_deg, resources.note_of(photo))


def _doubts(panorama: Panorama, found: Localization) -> tuple[str, ...]:
    """What the core has to say against its own answer; the heading control tells of a missing heading."""
    told = len(panorama.notes) + (found.heading_source == "assumed")
    return found.notes[told:]


def _verdict(found: Localization) -> None:
    """The answer in words, and how wrong it is where the photo tells."""
    estimate = found.estimate
    words, colour = confidence(estimate.confidence)
    truth = ""
    if found.error_m is not None:
        truth = f"<div class='small'><b>Error: {metres(found.error_m)}</b> from the true position</div>"
    st.html(
        f"<div class='verdict' style='--verdict:{colour}'><div class='big'>{words}</div>"
        f"<div class='small'>{estimate.latitude:.5f}, {estimate.longitude:.5f} ± {metres(estimate.radius_m)}"
        f" · confidence {estimate.confidence:.0%}</div>{truth}</div>"
    )


@st.fragment
def _explore(found: Localization, gallery_name: str) -> None:
    """The map and the list, linked both ways; the rest of the page stays as it is."""
    with widgets.errors_shown():
        map_column, place_column, list_column = st.columns([6, 3, 2], gap="small")
        with list_column:
            _ranked_list(found, gallery_name)
        with map_column:
            _map(found, gallery_name)
        with place_column, st.container(gap="xsmall", key="place"):
            _selected_place(found, gallery_name)
    state.publish()


def _map(found: Localization, gallery_name: str) -> None:
    truth = found.truth
    likely = [match for match in found.matches if (match.probability or 0) >= IN_SIGHT_FROM]
    pins = [match.location for match in likely or found.matches[:1]]
    estimate = found.estimate
    answer = estimate.location if estimate.confidence >= PROBABLY else None
    image = resources.base_image(gallery_name)
    overview = maps.overview(pins, truth, answer)
    if truth is None or image.bounds.contains(truth):
        overview = maps.kept_inside(overview, image.bounds)
    view = state.map_view(_of(found), overview)
    layer = maps.match_layer(
        found.matches,
        found.estimate,
        selected_rank=state.rank(),
        camera_deg=found.heading_deg,
        truth=truth,
        notes=[_about(match, truth) for match in found.matches],
    )
    widgets.gallery_map(image, view, layer, key=MAP, height_px=MAP_HEIGHT_PX, on_click=_take_click)
    best, last = figures.rank_colour(1), figures.rank_colour(10)
    st.html(
        f"<div class='legend'><span><i style='background:{best}'></i>1 best match</span>"
        f"<span><i style='background:{last}'></i>10 tenth; the list says how likely each is</span>"
        "<span><i style='border:2px dashed #0b7285'></i>estimate and its radius</span>"
        f"<span><i style='background:{figures.ACCENT}'></i>where the photo's centre looks</span>"
        + ("<span><i class='true'></i>true position</span>" if truth else "")
        + "</div>"
    )


def _take_click() -> None:
    """A click on a pin selects its place; the map stays where the visitor has it."""
    clicked = maps.clicked("Place", (st.session_state.get(MAP) or {}).get("last_object_clicked_tooltip"))
    if clicked is not None:
        st.session_state[state.RANK] = clicked


def _ranked_list(found: Localization, gallery_name: str) -> None:
    with st.container(gap="xsmall", key="ranked"):
        _ranked_rows(found, gallery_name)


def _ranked_rows(found: Localization, gallery_name: str) -> None:
    for match in found.matches:
        picture = resources.tile_jpeg(gallery_name, match.place_id, THUMBNAIL_PX)
        label = f"**{match.rank}** {share(match.probability or 0)} *{_about(match, found.truth)}*"
        widgets.numbered_button(
            f"place_{match.rank}",
            figures.rank_colour(match.rank),
            label,
            picture,
            match.rank == state.rank(),
            partial(_take_row, match, _of(found)),
        )


def _take_row(match: Match, shown: tuple[object, ...]) -> None:
    """A click in the list selects the place and brings the map there."""
    st.session_state[state.RANK] = match.rank
    state.set_map_view(shown, maps.MapView((match.latitude, match.longitude), maps.CLOSE_ZOOM))


def _selected_place(found: Localization, gallery_name: str) -> None:
    match = found.matches[min(state.rank(), len(found.matches)) - 1]
    tile = resources.place_tile_png(gallery_name, match.place_id, found.heading_deg, TILE_PX)
    st.image(tile, width="stretch", alt=f"Aerial tile of place {match.rank}")
    st.markdown(
        f"**Place {match.rank}** of {len(found.matches)} · {_about(match, found.truth) or 'aerial tile'}"
    )
    score = "similarity" if resources.card(found.checkpoint).model.columns is None else "agreement"
    st.caption(
        f"{share(match.probability or 0)} likely within {ESTIMATE_RADIUS_M:g} m"
        f"{', and near none before it' * (match.rank > 1)} · "
        f"{score} {match.score:.3f} · {match.latitude:.5f}, {match.longitude:.5f} · north is up"
    )
    polar = resources.polar_jpeg(gallery_name, found.checkpoint, match.place_id)
    if polar is None:
        return
    st.image(polar, width="stretch", alt="The tile unrolled around its centre, north in the middle")
    photo = state.photo()
    parts = photo and resources.agreeing_directions(
        photo, found.heading_deg, found.checkpoint, gallery_name, match.place_id
    )
    if parts is not None:
        components.directions(parts)
    st.caption(
        "The same tile as the model sees it: unrolled around its centre, like the photo above."
        + (" The bars say how far photo and tile agree in each direction." if parts is not None else "")
    )


def _of(found: Localization) -> tuple[object, ...]:
    """What the map shows: while it is the same, the map stays where the visitor has it."""
    return (state.photo(), found.gallery, found.checkpoint, found.heading_deg)


def _about(match: Match, truth: Location | None) -> str:
    if truth is None:
        return ""
    return f"{metres(distance_m(match.latitude, match.longitude, truth.latitude, truth.longitude))} off"


show()
