"""Walk: several photos of one walk, localized together."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial

import streamlit as st

from app import (
    buttons,
    compute,
    downloads,
    figures,
    loading,
    map_layers,
    photo_store,
    pictures,
    state,
    viewport,
    walk_map,
    widgets,
)
from app.building import offer_to_build
from app.walk_input import Walked, how_to_begin, walk_input
from app.words import RIGHT, UNSURE, WRONG, Answer, alone, numbers, together
from l2ltr_core.evaluation import CORRECT_WITHIN_M
from l2ltr_core.geometry.geodesy import distance_between_m
from l2ltr_core.localization import PROBABLE
from l2ltr_core.model.config import CheckpointCard
from l2ltr_core.notes import Note
from l2ltr_core.walks import Walk

MAP = "walk_map"
MAP_HEIGHT_PX = 560
ROWS_AT_ONCE = 8
"""Number of rows shown beside the map; a longer list scrolls."""
TILE_PX = 420
_STOP = "walk_stop"


def show() -> None:
    """Photos, what they find alone and together, map, one row a photo."""
    name = state.setting(state.GALLERY) or ""
    gallery = loading.gallery(name)
    st.title("Where did this walk lead?")
    st.html(
        "<p class='lead'>A street can look like a hundred others. Photos taken one after the other help each other: "
        "only places a few steps apart can all be right.</p>"
    )
    asked = walk_input()
    photos = asked.photos
    if len(photos) < 2:
        how_to_begin(photos)
        return
    card = loading.card(state.setting(state.CHECKPOINT) or "")
    if not gallery.has_index(card):
        offer_to_build(gallery, card)
        return
    walk = _compared(asked, name, card.name)
    _headline(walk, asked.note, _measured(card, name))
    _doubts(photos, walk, name)
    _explore(photos, walk, name)


def _compared(asked: Walked, gallery_name: str, checkpoint: str) -> Walk:
    shown = st.empty()

    def progress(done: int, total: int) -> None:
        shown.progress(done / total, f"{done} of {total} photos compared with every place")

    walk = compute.walked(
        asked.photos, gallery_name, checkpoint, asked.heading, asked.step_m, progress=progress
    )
    shown.empty()
    return walk


def _headline(walk: Walk, note: str, measured: str) -> None:
    """How many photos are found alone, and how many together; beside it `measured`, of many walks."""
    known = [error_m is not None for error_m in walk.errors_m]
    word = "found" if all(known) else "sure" if not any(known) else "found or sure"
    st.html(
        "<div class='gain'>"
        + _count("Each photo alone", alone(walk), word)
        + "<div class='arrow' aria-hidden='true'>→</div>"
        + _count("All photos together", together(walk), word)
        + f"{measured}</div>"
    )
    caption = f"Found: within {CORRECT_WITHIN_M:g} m of the true position, which the photos carry."
    if not any(known) and _unmeasured(together(walk)):
        caption = f"{walk.alone[0].rests_on} These photos do not say where they were taken, either."
    elif not all(known):
        caption = f"Sure: the answer has a confidence of {PROBABLE:.0%} or more; " + (
            f"found: within {CORRECT_WITHIN_M:g} m of the true position, where a photo carries it."
            if any(known)
            else "these photos do not say where they were taken."
        )
    st.caption(f"{note}. {caption}" if note else caption)


def _measured(card: CheckpointCard, gallery_name: str) -> str:
    """The same of held-out photos, from the checkpoint's card, where it was measured in this gallery."""
    walks = card.results.get("walks", {})
    length = max((int(each) for each in walks if each.isdecimal()), default=0)
    if not length or loading.held_out_record(card.name, gallery_name) is None:
        return ""
    found = walks[str(length)]
    rows = "".join(
        f"<div>{what} <b>{found['alone'][share]:.0%} → {found['together'][share]:.0%}</b></div>"
        for what, share in (("photos found", "photos_found"), ("whole walks found", "walks_found"))
    )
    return (
        f"<div class='measured'><div class='small'>In {found['walks']} walks of {length} held-out photos, alone → "
        f"together</div>{rows}</div>"
    )


def _count(title: str, answers: Sequence[Answer], word: str) -> str:
    """How many of the answers are good, and which."""
    colours = [RIGHT if each.is_right else UNSURE if each.error_m is None else WRONG for each in answers]
    missed = [number for number, colour in enumerate(colours, 1) if colour != RIGHT]
    said = f"not {word}: {numbers(missed)}" if missed else f"all {word}"
    counted = f"{len(answers) - len(missed)} of {len(answers)} {word}"
    if _unmeasured(answers):
        said = counted = "Certainty not measured"
    marks = "".join(
        f"<i style='background:{colour}'>{number}</i>" for number, colour in enumerate(colours, 1)
    )
    worst = max(colours, key=(RIGHT, UNSURE, WRONG).index)
    return (
        f"<div class='count' style='--verdict:{worst}'><div class='small'>{title}</div>"
        f"<div class='big'>{counted}</div>"
        f"<div class='marks' role='img' aria-label='{said}'>{marks}</div></div>"
    )


def _unmeasured(answers: Sequence[Answer]) -> bool:
    """Whether nobody can say of any of the answers how good it is."""
    return all(each.verdict == "not measured" and each.error_m is None for each in answers)


def _doubts(photos: Sequence[state.Photo], walk: Walk, gallery_name: str) -> None:
    """What to know of the photos, and what speaks against the answer."""
    truths = [photo.truth for photo in walk.alone if photo.truth is not None]
    bounds = loading.base_image(gallery_name).bounds
    if truths and not any(bounds.contains(truth) for truth in truths):
        st.warning(
            f"The photos' own positions lie outside the map of {gallery_name.title()}, so every answer is wrong.",
            icon=":material/help:",
        )
    elif walk.in_gallery is False:
        st.warning(
            f"Most of these photos were probably not taken in {gallery_name.title()}.", icon=":material/help:"
        )
    far = _steps_beyond(walk)
    if far:
        st.warning(
            f"By their own positions, {'photos' if len(far) > 1 else 'photo'} {numbers(far)} "
            f"{'lie' if len(far) > 1 else 'lies'} more than {walk.step_m:g} m from the one before: "
            "allow a longer step, or leave out what is not of this walk.",
            icon=":material/straighten:",
        )
    assumed = [n for n, photo in enumerate(walk.alone, 1) if photo.heading_source == "assumed"]
    if assumed:
        one = len(assumed) == 1
        st.warning(
            f"Photo{'s' * (not one)} {numbers(assumed)} {'does' if one else 'do'} not say which way "
            f"{'it looks, so its' if one else 'they look, so their'} centre was taken for north. "
            "Choose *Search for it*.",
            icon=":material/explore_off:",
        )
    noted: dict[Note, list[int]] = {}
    for number, photo in enumerate(photos, 1):
        for note in photo_store.glance(photo).notes:
            noted.setdefault(note, []).append(number)
    for note, which in noted.items():
        st.caption(f":material/info: Photo{'s' * (len(which) > 1)} {numbers(which)}: {note.sentence}")


def _steps_beyond(walk: Walk) -> list[int]:
    """The photos that were truly taken farther from the one before than the step allows, counted from 1."""
    truths = [photo.truth for photo in walk.alone]
    return [
        number
        for number, (before, here) in enumerate(itertools.pairwise(truths), 2)
        if before is not None and here is not None and distance_between_m(before, here) > walk.step_m
    ]


@st.fragment
def _explore(photos: tuple[state.Photo, ...], walk: Walk, gallery_name: str) -> None:
    """The map and the photos, linked both ways; the rest of the page stays as it is."""
    with widgets.errors_shown():
        map_column, list_column = st.columns([7, 5], gap="small")
        with list_column:
            _rows(photos, walk)
        with map_column:
            _map(photos, walk, gallery_name)
        _selected(photos, walk, gallery_name)


def _map(photos: tuple[state.Photo, ...], walk: Walk, gallery_name: str) -> None:
    image = loading.base_image(gallery_name)
    view = state.map_view(_of(photos, walk), walk_map.walk_overview(walk, image.bounds))
    layer = walk_map.walk_layer(walk, _stop(photos, walk))
    widgets.gallery_map(
        image, view, layer, key=MAP, height_px=MAP_HEIGHT_PX, on_click=partial(_take_click, photos)
    )
    stops = [estimate.location for estimate in walk.estimates]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _legend(walk)
        st.button(
            "Whole walk", icon=":material/zoom_out_map:", type="tertiary", key="whole",
            on_click=partial(state.set_map_view, _of(photos, walk), viewport.view_of(stops, viewport.NARROW_PX)),
        )  # fmt: skip
        downloads.result_downloads(walk, photos[0], "l2ltr-walk")


def _legend(walk: Walk) -> None:
    first, last = figures.rank_colour(1), figures.rank_colour(10)
    known = any(photo.truth for photo in walk.alone)
    st.html(
        f"<div class='legend'><span><i style='background:linear-gradient(90deg,{first},{last})'></i>the walk that was "
        "found, first to last photo</span>"
        f"<span><i style='background:#fff;border:2px solid {WRONG if known else '#495057'}'></i>what a photo alone "
        "says, where that is elsewhere</span>"
        + ("<span><i class='way'></i>the true way</span>" if known else "")
        + "</div>"
    )


def _take_click(photos: tuple[state.Photo, ...]) -> None:
    """A click on a pin selects its photo; the map stays where the visitor has it."""
    clicked = map_layers.clicked(
        "Photo", (st.session_state.get(MAP) or {}).get("last_object_clicked_tooltip")
    )
    if clicked is not None and clicked <= len(photos):
        st.session_state[_STOP] = (photos, clicked)


def _rows(photos: tuple[state.Photo, ...], walk: Walk) -> None:
    many = len(photos) > ROWS_AT_ONCE
    with st.container(
        gap="xsmall", key="walk_rows", height=MAP_HEIGHT_PX if many else "content", border=False
    ):
        for number, (photo, by_itself, with_others) in enumerate(
            zip(photos, alone(walk), together(walk), strict=True), 1
        ):
            label = f"**{number}** *alone {_told(by_itself)}* *with the walk {_told(with_others)}*"
            buttons.numbered_button(
                f"walk_photo_{number}",
                figures.rank_colour(number, len(photos)),
                label,
                photo_store.glance(photo).strip,
                number == _stop(photos, walk),
                partial(_take_row, number, photos, walk),
            )


def _told(answer: Answer) -> str:
    """An answer in a row's words and colours; a mark says the same to who does not see colours."""
    if answer.is_right:
        return f":green[✓ {answer.summary}]"
    return f":red[✕ {answer.summary}]" if answer.error_m is not None else f":orange[? {answer.summary}]"


def _take_row(number: int, photos: tuple[state.Photo, ...], walk: Walk) -> None:
    """A click in the list selects the photo and brings the map to its stop."""
    st.session_state[_STOP] = (photos, number)
    stop = walk.estimates[number - 1].location
    state.set_map_view(
        _of(photos, walk), viewport.MapView((stop.latitude, stop.longitude), viewport.CLOSE_ZOOM)
    )


def _stop(photos: tuple[state.Photo, ...], walk: Walk) -> int:
    """The selected photo, counted from 1: at first the one that the walk helps most."""
    of, number = st.session_state.get(_STOP, (None, 1))
    if of == photos:
        return int(number)
    apart_m = [
        distance_between_m(photo.estimate.location, estimate.location)
        for photo, estimate in zip(walk.alone, walk.estimates, strict=True)
    ]
    return 1 + apart_m.index(max(apart_m))


def _selected(photos: tuple[state.Photo, ...], walk: Walk, gallery_name: str) -> None:
    """One photo, and from above where it puts itself and where the walk puts it."""
    number = _stop(photos, walk)
    photo, found, estimate = photos[number - 1], walk.alone[number - 1], walk.estimates[number - 1]
    st.subheader(f"Photo {number}")
    left, right = st.columns(2, gap="small")
    with left:
        view = pictures.view(photo, found.heading_deg, found.checkpoint)
        st.image(view, width="stretch", alt=f"Photo {number} as the model sees it, north in the middle")
        st.caption(f"{photo.title}; north in the middle")
        if st.button("This photo alone on the page Localize", key="alone", icon=":material/location_on:",
                     on_click=state.choose_photo, args=(photo,)):  # fmt: skip
            st.switch_page("views/localize.py")
    with right, st.container(key="beside_tiles"):
        columns = st.columns(2, gap="small")
    for column, title, where, answer in zip(
        columns,
        ("Alone", "With the walk"),
        (found.estimate, estimate),
        (alone(walk)[number - 1], together(walk)[number - 1]),
        strict=True,
    ):
        tile = pictures.place_tile_png(gallery_name, where.location, figures.fan(found), TILE_PX)
        with column:
            st.markdown(f"**{title}**  \n{_told(answer)}")
            st.image(tile, width="stretch", alt=f"{title}: the aerial image where the photo is put")


def _of(photos: tuple[state.Photo, ...], walk: Walk) -> tuple[object, ...]:
    """What the map shows: while it is the same, the map stays where the visitor has it."""
    return (photos, walk.alone[0].gallery, walk.alone[0].checkpoint, walk.alone[0].heading_source)


show()
