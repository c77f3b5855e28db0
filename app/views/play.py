"""Play: a visitor and the model say where the same photos were taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape

import streamlit as st

from app import (
    components,
    compute,
    game_map,
    loading,
    map_layers,
    photo_store,
    pictures,
    samples,
    state,
    viewport,
    widgets,
)
from app.building import offer_to_build
from app.encoding import data_uri
from app.game import MOST_POINTS, Play, Round, draw, points, squares, winner, within
from app.words import Answer, metres
from l2ltr_core.evaluation import CORRECT_WITHIN_M
from l2ltr_core.localization import Localization
from l2ltr_core.model.config import CheckpointCard
from l2ltr_core.types import Location

MAP = "play_map"
MAP_HEIGHT_PX = 520
GAME = "game"
"""The game's number in the link."""
MOST_GAMES = 9999
TOLD_M = (100, 250, 500)
"""Distances in metres whose points are explained."""
HELD_OUT = "held out from training"
"""Phrase of the samples' notes for photos that no training saw."""
TRUE = "<span><i class='true'></i>where the photo was taken</span>"
"""Entry of a map's legend for the true place."""
_GAME, _PLAYS = "play_game", "plays"


@dataclass(frozen=True)
class _Game:
    """A game as it stands: its photos, how far the visitor has come, and both answers to each photo so far."""

    number: int
    photos: tuple[str, ...]
    play: Play
    rounds: tuple[Round, ...]
    gallery: str
    card: CheckpointCard

    @property
    def ended(self) -> bool:
        return self.play.shown >= len(self.photos)

    @property
    def photo(self) -> str:
        return self.photos[self.play.shown]

    def keep(self, change: Callable[[Play], Play]) -> None:
        """What a button or a click does; guesses are the visitor's, so no checkpoint is named."""
        plays = st.session_state.setdefault(_PLAYS, {})
        plays[self.number, self.gallery] = change(plays.get((self.number, self.gallery), Play()))


def show() -> None:
    """Photo, map, answers, and the score of both."""
    name = state.setting(state.GALLERY) or ""
    gallery = loading.gallery(name)
    city = gallery.name.title()
    st.title("Can you beat the model?")
    st.html(
        f"<p class='lead'>You are somewhere in {escape(city)}. Look around, then click on the map where you think that "
        "is. The model gets the same photo and the same map.</p>"
    )
    bounds = loading.base_image(name).bounds
    taken_at = {photo: place for photo, place in samples.taken_at().items() if bounds.contains(place)}
    if not taken_at:
        st.info(
            f"No sample photo says that it was taken in {city}, so there is nothing to guess here.",
            icon=":material/add_photo_alternate:",
        )
        return
    card = loading.card(state.setting(state.CHECKPOINT) or "")
    if not gallery.has_index(card):
        offer_to_build(gallery, card)
        return
    _play(taken_at, name, card)


@st.fragment
def _play(taken_at: Mapping[str, Location], gallery_name: str, card: CheckpointCard) -> None:
    """One game, from its first photo to its end; the rest of the page stays as it is."""
    with widgets.errors_shown():
        table, foot = st.container(), st.container()
        with foot, st.container(horizontal=True, vertical_alignment="bottom"):
            number = _number()
            st.button(
                "Other photos", icon=":material/shuffle:", type="tertiary", key="others", on_click=_another
            )
        photos = draw(taken_at, number)
        play = st.session_state.get(_PLAYS, {}).get((number, gallery_name), Play())
        rounds = tuple(
            Round(photo, taken_at[photo], guess, _found(photo, gallery_name, card).estimate)
            for photo, guess in zip(photos, play.guesses, strict=False)
        )
        game = _Game(number, photos, play, rounds, gallery_name, card)
        with table:
            st.html(f"<style>:root{{--paper:{widgets.look().paper}}}</style>")
            _score(game)
            if game.ended:
                _end(game)
            else:
                _turn(game)
        foot.caption(_small_print(game))
        if not game.ended:  # the model answers while the visitor looks
            _found(game.photo, gallery_name, card)


def _number() -> int:
    """The game's number: the link's, else the last one played."""
    if GAME not in st.session_state and _GAME in st.session_state:
        st.session_state[GAME] = st.session_state[_GAME]
    number = st.number_input(
        "Game", 1, MOST_GAMES, key=GAME, bind="query-params", width=140,
        help="Whoever plays the game of this number gets these photos.",
    )  # fmt: skip
    st.session_state[_GAME] = number
    return int(number)


def _another() -> None:
    st.session_state[GAME] = st.session_state[GAME] % MOST_GAMES + 1


def _small_print(game: _Game) -> str:
    """What a photo is worth, and why the game is fair, where the photo's note says that it is."""
    worth = ", ".join(f"{points(each)} at {metres(each)}" for each in TOLD_M)
    rules = f"A photo is worth {MOST_POINTS:,} points within {CORRECT_WITHIN_M:g} m, {worth}."
    if game.ended or HELD_OUT not in samples.note_of(photo_store.read_sample(game.photo)):
        return rules
    return f"{rules} This one was taken where the model learned nothing: it has never seen these streets, either."


def _found(photo: str, gallery_name: str, card: CheckpointCard) -> Localization:
    """The answer of the page Localize."""
    return compute.localized(photo_store.read_sample(photo), gallery_name, card.name, "exif")


def _score(game: _Game) -> None:
    yours = [points(each.your_m) for each in game.rounds]
    models = [points(each.model_m) for each in game.rounds]
    photos = len(game.photos)
    at = winner(sum(yours), sum(models)) if game.ended else f"Photo {game.play.shown + 1} of {photos}"
    bars = _bar("You", yours, photos, game_map.YOU) + _bar(_model(game), models, photos, map_layers.MODEL)
    with st.container(key="play_score"):
        st.html(f"<div class='score'><div class='at'>{at}</div>{bars}</div>")


def _bar(who: str, scored: Sequence[int], photos: int, colour: str) -> str:
    """Points so far, and the share of each photo's that was won."""
    parts = "".join(
        f"<i><i style='width:{100 * each / MOST_POINTS:.0f}%'></i></i>"
        for each in [*scored, *[0] * (photos - len(scored))]
    )
    return (
        f"<div class='side' style='--whose:{colour}'><div><span>{who}</span><b>{sum(scored):,}</b></div>"
        f"<div class='parts' aria-hidden='true'>{parts}</div></div>"
    )


def _model(game: _Game) -> str:
    return f"Model <span class='name'>{escape(game.card.name)}</span>"


def _turn(game: _Game) -> None:
    """One photo, before and after the answer."""
    with st.container(key="play_table"):
        _look_around(game)
        with st.container(key="play_map", gap="xsmall"):
            _map(game)
        with st.container(key="play_answer", gap="small"):
            if game.play.answered:
                _answers(game, game.rounds[game.play.shown])
            else:
                _question(game)


def _look_around(game: _Game) -> None:
    """The photo from within; nothing here tells its title, which may name the street."""
    photo = photo_store.read_sample(game.photo)
    panorama = photo_store.panorama(photo)
    components.look_around(
        "play_view", pictures.photo_jpeg(photo), panorama, panorama.heading_deg or 0.0,
        samples.note_of(photo), bring=True,
    )  # fmt: skip


def _map(game: _Game) -> None:
    image, play = loading.base_image(game.gallery), game.play
    key = f"{MAP}_{game.number}_{play.shown}"  # a map of its own for each photo: no click of the last one comes back
    view, layer = viewport.bounds_view(image.bounds), game_map.pin_layer(play.pin)
    legend = "Drag to move, scroll or pinch to zoom, click to set your pin"
    if play.answered:
        shown = game.rounds[play.shown : play.shown + 1]
        view = viewport.refreshed(game_map.rounds_overview(shown, image.bounds))
        layer = game_map.rounds_layer(shown)
        legend = TRUE
    widgets.gallery_map(
        image, view, layer, key=key, height_px=MAP_HEIGHT_PX, on_click=partial(_take_click, key, game), anywhere=True
    )  # fmt: skip
    st.html(f"<div class='legend'>{legend}</div>")


def _take_click(key: str, game: _Game) -> None:
    """A click on the map moves the pin; the map stays where the visitor has it."""
    place = game_map.clicked_place((st.session_state.get(key) or {}).get("last_clicked"))
    if place is not None:
        game.keep(lambda play: play.point(place))


def _question(game: _Game) -> None:
    pin = game.play.pin
    st.markdown(
        "**Where is this?** "
        + ("A click elsewhere moves your pin." if pin else "Click on the map: north is up.")
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "This is where it is", key="guess", type="primary", icon=":material/location_on:", disabled=pin is None,
            on_click=game.keep, args=(Play.answer,),
        )  # fmt: skip
        st.button("I have no idea", key="no_idea", type="tertiary", on_click=game.keep, args=(Play.give_up,))


def _answers(game: _Game, shown: Round) -> None:
    """How far off both are, what the photo is, and the way on."""
    sure = f"{Answer.of(_found(shown.photo, game.gallery, game.card)).sure} · "
    photo = photo_store.read_sample(shown.photo)
    st.html(
        f"<div class='duel'><div class='big'>{shown.verdict}</div><div>{escape(photo.title)}</div>"
        + _answer("You", shown.your_m, "", game_map.YOU)
        + _answer(_model(game), shown.model_m, sure, map_layers.MODEL)
        + "</div>"
    )
    last = len(game.rounds) == len(game.photos)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "See the result" if last else "Next photo", key="next", type="primary", icon=":material/arrow_forward:",
            on_click=game.keep, args=(Play.go_on,),
        )  # fmt: skip
        if st.button("Why the model says so", key="why", type="tertiary", icon=":material/visibility:",
                     on_click=state.choose_photo, args=(photo,)):  # fmt: skip
            st.switch_page("views/attention.py")


def _answer(who: str, off_m: float | None, sure: str, colour: str) -> str:
    return (
        f"<div class='answer' style='--whose:{colour}'><div>{who}</div><div class='off'>{_off(off_m)}</div>"
        f"<div>{sure}{points(off_m):,} points</div></div>"
    )


def _off(off_m: float | None) -> str:
    return "no idea" if off_m is None else f"{metres(off_m)} off"


def _end(game: _Game) -> None:
    """Who won, photo by photo and on one map, and the ways on."""
    yours_m = [each.your_m for each in game.rounds]
    models_m = [each.model_m for each in game.rounds]
    you, model = (sum(map(points, offs_m)) for offs_m in (yours_m, models_m))
    photos = len(game.photos)
    most = f"{MOST_POINTS * photos:,}"
    st.html(
        f"<div class='result'><div class='big'>You <b>{you:,}</b> of {most}, the model <b>{model:,}</b></div>"
        f"<div class='small'>Within {CORRECT_WITHIN_M:g} m: you {within(yours_m)} of {photos}, the model "
        f"{within(models_m)}.{_measured(game)}</div></div>"
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Play again with other photos", key="again", type="primary", icon=":material/replay:", on_click=_another
        )  # fmt: skip
        components.copy_link(
            "Challenge a friend", "Copies your score and a link to the same photos", "challenge",
            f"Where was this photo taken? I have {you:,} of {most} points, the model {model:,}. "
            f"{squares(yours_m)} Can you beat it?",
        )  # fmt: skip
    image = loading.base_image(game.gallery)
    with st.container(key="play_end"):
        st.html(_table(game))
        with st.container(key="play_map", gap="xsmall"):
            widgets.gallery_map(
                image, game_map.rounds_overview(game.rounds, image.bounds),
                game_map.rounds_layer(game.rounds, range(1, photos + 1)),
                key=f"{MAP}_{game.number}_end", height_px=MAP_HEIGHT_PX,
            )  # fmt: skip
            st.html(
                f"<div class='legend'><span><i style='background:{game_map.YOU}'></i>you</span><span><i "
                f"style='background:{map_layers.MODEL}'></i>the model</span>{TRUE}</div>"
            )


def _measured(game: _Game) -> str:
    """The same of held-out photos, from the checkpoint's record, where it was measured in this gallery."""
    record = loading.held_out_record(game.card.name, game.gallery)
    if record is None:
        return ""
    errors_m = record.photos["error_m"]
    return (
        f" Of {len(errors_m):,} held-out photos {escape(game.card.name)} puts "
        f"{(errors_m <= CORRECT_WITHIN_M).mean():.0%} within {CORRECT_WITHIN_M:g} m, half within "
        f"{metres(errors_m.median())}."
    )


def _table(game: _Game) -> str:
    rows = "".join(_row(number, each) for number, each in enumerate(game.rounds, 1))
    return (
        f"<table class='rounds'><tr><th colspan='2'>Photo</th><th>You</th><th>Model</th></tr>{rows}</table>"
    )


def _row(number: int, each: Round) -> str:
    photo = photo_store.read_sample(each.photo)
    strip = data_uri(photo_store.glance(photo).strip)
    cells = "".join(
        f"<td><div class='off'>{_off(off_m)}</div><div class='small'>{points(off_m):,} points</div></td>"
        for off_m in (each.your_m, each.model_m)
    )
    return (
        f"<tr><td class='strip'><img src='{strip}' alt=''></td><td class='title'><b>{number}</b> "
        f"{escape(photo.title)}</td>{cells}</tr>"
    )


show()
