"""Localize: from a panorama to a pin on the map."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import streamlit as st

from app import (
    buttons,
    components,
    compute,
    downloads,
    figures,
    loading,
    map_layers,
    photo_input,
    photo_store,
    pictures,
    samples,
    state,
    viewport,
    widgets,
)
from app.building import offer_to_build
from app.words import HEADLINES, metres, radii, share, shortened
from l2ltr_core.geometry.geodesy import distance_m
from l2ltr_core.localization import ESTIMATE_RADIUS_M, FOUND, Localization
from l2ltr_core.model.config import CheckpointCard
from l2ltr_core.types import Location, LocationEstimate, Match, Panorama

MAP = "map"
MAP_HEIGHT_PX = 520
TILE_PX = 420
THUMBNAIL_PX = 88
LEAST_FITTED = 0.02
"""Least probability of a match that the map's first view fits."""
IN_WORDS = {
    "photo": {"rendered": "the photo is rendered", "real": "the photo is a real photograph"},
    "gallery": {"rendered": "simulated imagery", "real": "real imagery"},
}


def show() -> None:
    """Photo, answer, map, list."""
    name = state.setting(state.GALLERY) or ""
    gallery = loading.gallery(name)
    st.title("Where was this photo taken?")
    st.html(
        f"<p class='lead'>A street panorama goes in. L2LTR, a transformer, compares it with aerial images of "
        f"{len(gallery.places):,} places in {gallery.name.title()}, and the map shows where it was taken.</p>"
    )
    photo_input.photo_picker()
    photo = state.photo()
    if photo is None:
        st.info("Drop a 360° panorama above to begin.", icon=":material/add_photo_alternate:")
        return
    panorama = photo_store.panorama(photo)
    card = loading.card(state.setting(state.CHECKPOINT) or "")
    if not gallery.has_index(card):
        offer_to_build(gallery, card)
        return
    with st.spinner("Comparing the photo with every place …"):
        found = compute.localized(photo, name, card.name, state.heading())
    left, right = st.columns([5, 2], gap="medium", vertical_alignment="top")
    with left:
        _what_the_model_sees(photo, panorama, found, card)
    with right:
        with st.container(key="verdict"):
            _verdict(found)
            _rests_on(found, card)
        for doubt in found.doubts:
            st.warning(doubt.sentence, icon=":material/help:")
        if found.verdict not in FOUND:
            st.page_link(
                "views/walk.py", label="Try several photos of the same walk",
                icon=":material/directions_walk:",
            )  # fmt: skip
        with st.container(horizontal=True, gap="small"):
            if st.button("Look around", key="look", icon=":material/360:", help="See the photo from within."):
                _look_around(photo, panorama, found.heading_deg)
            downloads.result_downloads(found, photo, "l2ltr")
    _explore(found, name)


def _what_the_model_sees(
    photo: state.Photo, panorama: Panorama, found: Localization, card: CheckpointCard
) -> None:
    view = pictures.view(photo, found.heading_deg, card.name)
    components.strip(
        "photo_strip", components.photo_layer("", view, panorama, found.heading_deg), found.heading_deg
    )
    if found.heading_scores is not None:
        components.headings(
            found.heading_scores, found.heading_deg, figures.peak_range_deg(found.heading_scores)
        )
        st.caption(
            "How alike the photo and its best place are, for every heading that the photo's centre could have: 0 at "
            "the bottom, 1 at the top."
        )
    photo_input.heading_control(found.heading_deg, found.heading_source)
    for note in panorama.notes:
        st.caption(f":material/info: {note.sentence}")


@st.dialog("Look around", width="large")
def _look_around(photo: state.Photo, panorama: Panorama, heading_deg: float) -> None:
    """A simulated photo is called so here, too."""
    picture = pictures.photo_jpeg(photo)
    components.look_around("look_around", picture, panorama, heading_deg, samples.note_of(photo))


def _verdict(found: Localization) -> None:
    """The answer in words, and how wrong it is where the photo tells; a percentage only where one may be told."""
    words, colour = HEADLINES[found.verdict]
    estimate = _claimed(found)
    where = f"{estimate.latitude:.5f}, {estimate.longitude:.5f}"
    if estimate.confidence is not None:
        where += f" · {share(estimate.confidence)} sure to be within {metres(estimate.within_m)}"
    lines = [where if found.verdict != "not here" else f"Most alike: {where}", radii(estimate)]
    if found.error_m is not None:
        lines.append(f"<b>Error: {metres(found.error_m)}</b> from the true position")
    st.html(
        f"<div class='verdict' style='--verdict:{colour}'><div class='big'>{words}</div>"
        + "".join(f"<div class='small'>{line}</div>" for line in lines if line)
        + "</div>"
    )


def _claimed(found: Localization) -> LocationEstimate:
    """The estimate, without the numbers that hold only for photos that were taken in the gallery."""
    if found.verdict != "not here":
        return found.estimate
    return replace(found.estimate, confidence=None, radius_m=None, radius_95_m=None)


def _rests_on(found: Localization, card: CheckpointCard) -> None:
    """What the certainty was measured on, and what the checkpoint has learned from, in small print."""
    kinds = f"Here {IN_WORDS['photo'][found.photo_kind]}, compared with {IN_WORDS['gallery'][found.gallery_kind]}."
    for text in (found.rests_on, f"{kinds} The checkpoint: {card.description}"):
        short, whole = shortened(text)
        st.caption(short, help=whole)


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
    truth, estimate = found.truth, _claimed(found)
    likely = [each for each in found.matches if each.probability is None or each.probability >= LEAST_FITTED]
    pins = [estimate.location, *(match.location for match in likely or found.matches[:1])]
    image = loading.base_image(gallery_name)
    overview = viewport.overview(pins, truth, estimate if found.verdict in FOUND else None)
    if truth is None or image.bounds.contains(truth):
        overview = viewport.clamp_to_bounds(overview, image.bounds)
    view = state.map_view(_of(found), overview)
    layer = map_layers.match_layer(
        found.matches,
        estimate,
        selected_rank=state.rank(),
        fan=figures.fan(found),
        truth=truth,
        notes=[_about(match, truth) for match in found.matches],
    )
    widgets.gallery_map(image, view, layer, key=MAP, height_px=MAP_HEIGHT_PX, on_click=_take_click)
    st.html(_legend(found, estimate))


def _legend(found: Localization, estimate: LocationEstimate) -> str:
    best, last = figures.rank_colour(1), figures.rank_colour(10)
    listed = "how likely each is" if _probable(found, found.matches[0]) else "how alike each is"
    measured = estimate.radius_m is not None and estimate.is_one_place
    sharp = "; the wider, the less sure" * (found.heading_scores is not None)
    marks = [
        f"<i style='background:{best}'></i>1 best match",
        f"<i style='background:{last}'></i>10 tenth; the list says {listed}, and each place adds what those before it "
        "leave out",
        f"<i style='border:2px dashed {map_layers.MODEL}'></i>"
        + ("holds 68 of 100 such answers" if measured else "the best guess"),
    ]
    if map_layers.drawn_95_m(estimate) is not None:
        marks.append(f"<i style='border:2px dotted {map_layers.MODEL}99'></i>holds 95 of 100")
    if figures.fan(found) is not None:
        marks.append(f"<i style='background:{figures.ACCENT}'></i>where the photo's centre looks{sharp}")
    if found.truth:
        marks.append("<i class='true'></i>true position")
    return "<div class='legend'>" + "".join(f"<span>{mark}</span>" for mark in marks) + "</div>"


def _take_click() -> None:
    """A click on a pin selects its place; the map stays where the visitor has it."""
    clicked = map_layers.clicked(
        "Place", (st.session_state.get(MAP) or {}).get("last_object_clicked_tooltip")
    )
    if clicked is not None:
        st.session_state[state.RANK] = clicked


def _ranked_list(found: Localization, gallery_name: str) -> None:
    with st.container(gap="xsmall", key="ranked"):
        _ranked_rows(found, gallery_name)


def _ranked_rows(found: Localization, gallery_name: str) -> None:
    for match in found.matches:
        picture = pictures.tile_jpeg(gallery_name, match.place_id, THUMBNAIL_PX)
        about = _about(match, found.truth)
        label = f"**{match.rank}** {_probable(found, match) or f'{match.score:.3f}'}" + f" *{about}*" * bool(
            about
        )
        buttons.numbered_button(
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
    state.set_map_view(shown, viewport.MapView((match.latitude, match.longitude), viewport.CLOSE_ZOOM))


def _selected_place(found: Localization, gallery_name: str) -> None:
    match = found.matches[min(state.rank(), len(found.matches)) - 1]
    tile = pictures.place_tile_png(gallery_name, match.place_id, figures.fan(found), TILE_PX)
    st.image(tile, width="stretch", alt=f"Aerial tile of place {match.rank}")
    st.markdown(
        f"**Place {match.rank}** of {len(found.matches)} · {_about(match, found.truth) or 'aerial tile'}"
    )
    likely = _probable(found, match)
    if likely:
        likely = f" · {likely} likely within {ESTIMATE_RADIUS_M:g} m{', and near none before it' * (match.rank > 1)}"
    st.caption(
        f"similarity {match.score:.3f}{likely} · {match.latitude:.5f}, {match.longitude:.5f} · north is up"
    )
    polar = pictures.polar_jpeg(gallery_name, found.checkpoint, match.place_id)
    if polar is None:
        return
    st.image(polar, width="stretch", alt="The tile unrolled around its centre, north in the middle")
    parts = compute.similarity_by_azimuth(found, gallery_name, match.place_id)
    if parts is not None:
        components.directions(parts)
    st.caption(
        "The same tile as the model sees it: unrolled around its centre, like the photo above."
        + (" The bars say how much each direction adds to the similarity." if parts is not None else "")
    )


def _of(found: Localization) -> tuple[object, ...]:
    """What the map shows: while it is the same, the map stays where the visitor has it."""
    return (state.photo(), found.gallery, found.checkpoint, found.heading_deg)


def _probable(found: Localization, match: Match) -> str:
    """How likely a place is; empty where that was not measured, or the photo was probably not taken here."""
    return "" if match.probability is None or found.verdict == "not here" else share(match.probability)


def _about(match: Match, truth: Location | None) -> str:
    if truth is None:
        return ""
    return f"{metres(distance_m(match.latitude, match.longitude, truth.latitude, truth.longitude))} off"


show()
