"""Numbers as people say them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from l2ltr_core.evaluation import CORRECT_WITHIN_M

PROBABLY = 0.6
"""From this confidence on a place counts as found."""
RIGHT, UNSURE, WRONG = "#0b7285", "#b7791f", "#b4412f"


def metres(distance: float) -> str:
    """A distance: 7 m, 1.2 km."""
    return f"{distance / 1000:,.1f} km" if distance >= 1000 else f"{distance:.0f} m"


def is_found(confidence: float, error_m: float | None) -> bool:
    """Whether a photo counts as found: by where it was truly taken, else by how sure the answer is."""
    return confidence >= PROBABLY if error_m is None else error_m <= CORRECT_WITHIN_M


def off_and_sure(confidence: float, error_m: float | None) -> str:
    """An answer in a few words: 6 m off · 98% sure."""
    sure = f"{confidence:.0%} sure"
    return sure if error_m is None else f"{metres(error_m)} off · {sure}"


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
    told = [
        part
        for run in runs
        for part in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else [str(each) for each in run])
    ]
    *first, last = told
    return f"{', '.join(first)} and {last}" if first else last


def share(probability: float) -> str:
    """A probability in whole per cent; what is not certain never becomes 0 or 100."""
    if 0 < probability < 0.01:
        return "<1%"
    return ">99%" if 0.99 < probability < 1 else f"{probability:.0%}"


def confidence(value: float) -> tuple[str, str]:
    """A confidence in [0, 1] as a plain sentence, and its colour."""
    if value >= 0.85:
        return "Found: almost certainly here", RIGHT
    if value >= PROBABLY:
        return "Found: probably here", RIGHT
    if value >= 0.3:
        return "Perhaps here: compare the list", UNSURE
    return "Not sure: the best places disagree", WRONG
