"""The game of the page Play: which photos, how far a visitor has come, and what an answer is worth."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from l2ltr_core.evaluation import CORRECT_WITHIN_M
from l2ltr_core.geometry.geodesy import distance_between_m
from l2ltr_core.localization import spatial_nms
from l2ltr_core.types import Location, LocationEstimate

PHOTOS = 5
"""Number of photos in a game, where there are as many."""
APART_M = 150.0
"""Least distance in metres between two photos of a game, so that one does not give away the other."""
MOST_POINTS = 1000
"""Most points for one photo."""
FALL_M = 250.0
"""Distance in metres over which points fall to 37 %."""


def draw(taken_at: Mapping[str, Location], game: int) -> tuple[str, ...]:
    """The photos of a game among those that were taken somewhere: the same for everybody who has its number."""
    photos = sorted(taken_at, key=lambda each: hashlib.sha256(f"{game} {each}".encode()).digest())
    places = [taken_at[photo] for photo in photos]
    latitudes = np.array([place.latitude for place in places])
    longitudes = np.array([place.longitude for place in places])
    return tuple(photos[number] for number in spatial_nms(latitudes, longitudes, APART_M, PHOTOS))


def points(off_m: float | None) -> int:
    """What an answer that far off is worth, None for no answer: all within 25 m, then less and less."""
    if off_m is None:
        return 0
    return MOST_POINTS if off_m <= CORRECT_WITHIN_M else round(MOST_POINTS * math.exp(-off_m / FALL_M))


@dataclass(frozen=True)
class Play:
    """How far a visitor has come in a game.

    `guesses` are the answers so far, None where the visitor had no idea; `pin` is where the next one would be;
    `shown` is the photo on the page, counted from 0, and as many as there are photos at the end.
    """

    guesses: tuple[Location | None, ...] = ()
    pin: Location | None = None
    shown: int = 0

    @property
    def answered(self) -> bool:
        """Whether the photo on the page has its answer."""
        return len(self.guesses) > self.shown

    def point(self, place: Location) -> Play:
        """The pin put elsewhere; once there is an answer it stays."""
        return self if self.answered else replace(self, pin=place)

    def answer(self) -> Play:
        """The pin becomes the answer; without one there is none."""
        return self if self.answered else replace(self, guesses=(*self.guesses, self.pin), pin=None)

    def give_up(self) -> Play:
        """No answer, wherever the pin is."""
        return replace(self, pin=None).answer()

    def go_on(self) -> Play:
        """To the next photo, or to the end."""
        return replace(self, shown=self.shown + 1) if self.answered else self


@dataclass(frozen=True)
class Round:
    """A photo after the answer: where it was taken, where the visitor (None: no idea) and the model put it."""

    photo: str
    truth: Location
    guess: Location | None
    estimate: LocationEstimate

    @property
    def your_m(self) -> float | None:
        """How far off the visitor is, in metres."""
        return None if self.guess is None else distance_between_m(self.guess, self.truth)

    @property
    def model_m(self) -> float:
        """How far off the model is, in metres."""
        return distance_between_m(self.estimate.location, self.truth)

    @property
    def verdict(self) -> str:
        """Who is nearer."""
        if self.your_m is None:
            return "This one goes to the model"
        if max(self.your_m, self.model_m) <= CORRECT_WITHIN_M:
            return f"Both within {CORRECT_WITHIN_M:g} m"
        return "You are nearer!" if self.your_m < self.model_m else "The model is nearer"


def within(offs_m: Sequence[float | None]) -> int:
    """How many answers lie within 25 m, by how far off they are; None for no answer."""
    return sum(off_m is not None and off_m <= CORRECT_WITHIN_M for off_m in offs_m)


def squares(offs_m: Sequence[float | None]) -> str:
    """A game at a glance, to send to somebody: green within 25 m, yellow while `FALL_M` is not reached, else red."""
    return "".join(
        "🟥" if off_m is None or off_m > FALL_M else "🟩" if off_m <= CORRECT_WITHIN_M else "🟨"
        for off_m in offs_m
    )


def winner(you: int, model: int) -> str:
    """How a game ended, by the points of both."""
    if you == model:
        return "A draw"
    return "You beat the model!" if you > model else "The model wins"
