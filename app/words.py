"""Answers and numbers as people say them; a percentage only where it was measured."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten

from l2ltr_core.evaluation import CORRECT_WITHIN_M
from l2ltr_core.localization import FOUND, Localization, Verdict, verdict_on
from l2ltr_core.types import LocationEstimate
from l2ltr_core.walks import Walk

RIGHT, UNSURE, WRONG = "#0b7285", "#b7791f", "#b4412f"
HEADLINES: dict[Verdict, tuple[str, str]] = {
    "almost certain": ("Found: almost certainly here", RIGHT),
    "probable": ("Found: probably here", RIGHT),
    "possible": ("Perhaps here: compare the list", UNSURE),
    "unsure": ("Not sure: the best places disagree", WRONG),
    "not here": ("Probably not in this gallery", WRONG),
    "not measured": ("Best guess: how certain was not measured", UNSURE),
}
"""Sentence and colour of each verdict."""
SHORT = 180
"""Most characters of small print; a longer text is cut, and shown whole when one points at it."""


@dataclass(frozen=True)
class Answer:
    """What may be said of one answer; `confidence` and `error_m` are None where nobody knows."""

    verdict: Verdict
    confidence: float | None
    error_m: float | None = None

    @classmethod
    def of(cls, found: Localization) -> Answer:
        """That of a photo by itself."""
        return cls(found.verdict, found.estimate.confidence, found.error_m)

    @property
    def is_right(self) -> bool:
        """Whether a photo counts as found: by where it was truly taken, else by how sure the answer is."""
        return self.verdict in FOUND if self.error_m is None else self.error_m <= CORRECT_WITHIN_M

    @property
    def sure(self) -> str:
        """How sure the answer is: 98% sure; a percentage only where it was measured and may be told."""
        if self.verdict == "not here":
            return "probably not here"
        return "certainty not measured" if self.confidence is None else f"{share(self.confidence)} sure"

    @property
    def summary(self) -> str:
        """The answer in a few words: 6 m off · 98% sure."""
        return self.sure if self.error_m is None else f"{metres(self.error_m)} off · {self.sure}"


def alone(walk: Walk) -> list[Answer]:
    """What each photo of a walk says by itself."""
    return [Answer.of(photo) for photo in walk.alone]


def together(walk: Walk) -> list[Answer]:
    """What each photo of a walk says with the others."""
    return [
        Answer(
            "not here" if walk.in_gallery is False else verdict_on(estimate.confidence),
            estimate.confidence,
            error_m,
        )
        for estimate, error_m in zip(walk.estimates, walk.errors_m, strict=True)
    ]


def radii(estimate: LocationEstimate) -> str:
    """How far such answers are off, as a sentence without its end; empty where that was not measured."""
    if estimate.radius_m is None or estimate.radius_95_m is None:
        return ""
    if not estimate.is_one_place:
        return "There are places far apart that it may be: the list names them"
    return f"68 of 100 such answers lie within {metres(estimate.radius_m)}, 95 within {metres(estimate.radius_95_m)}"


def shortened(text: str) -> tuple[str, str | None]:
    """A text that fits small print, and the whole one where that is longer."""
    return (text, None) if len(text) <= SHORT else (shorten(text, SHORT, placeholder=" …"), text)


def metres(distance: float) -> str:
    """A distance: 7 m, 1.2 km."""
    return f"{distance / 1000:,.1f} km" if distance >= 1000 else f"{distance:.0f} m"


def in_order(name: str) -> list[tuple[int, str]]:
    """What to sort file names by, so that 2.jpg comes before 10.jpg."""
    return [(int(part), "") if part.isdecimal() else (-1, part.lower()) for part in re.split(r"(\d+)", name)]


def numbers(which: Sequence[int]) -> str:
    """Rising numbers as in a sentence: 1, 3 to 6 and 8."""
    runs: list[list[int]] = []
    for number in which:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [
        part
        for run in runs
        for part in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else [str(each) for each in run])
    ]
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def share(probability: float) -> str:
    """A probability in whole per cent; what is not certain never becomes 0 or 100."""
    if 0 < probability < 0.01:
        return "<1%"
    return ">99%" if 0.99 < probability < 1 else f"{probability:.0%}"
