"""What turns scores into confidences, and where a confidence may be given at all.

A confidence is given only where it was measured: with this checkpoint, on this kind of imagery, with the heading known
in this way. What was measured travels on the checkpoint's card; `evaluation.calibration` chooses it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.reading import build
from l2ltr_core.types import HeadingSource

DEFAULT_TEMPERATURE = 0.05
"""Softmax temperature over match scores where none was measured: it orders answers, and no confidence rests on it."""
LEAST_DOUBT = 1e-3
"""Least distance of a probability from 0 and 1."""

Kind: TypeAlias = Literal["rendered", "real"]
"""Origin of a photo or of imagery: drawn by a renderer, or taken by a camera."""
HeadingKnown: TypeAlias = Literal["known", "searched"]


@dataclass(frozen=True)
class Calibration:
    """What scores are worth for one kind of imagery and one way of knowing the heading.

    The softmax at `temperature` gives the probability mass of a disc; its log odds and the `excess` of the best score
    over the best decoy become a confidence by logistic regression (`slope`, `excess_slope`, `offset`), never above
    `ceiling`, the most that the photos it was measured on support. `least_excess` is the threshold of out-of-gallery
    rejection, which most photos taken in a gallery reach. `radius_temperature` and `position_std_m` make the radii
    that hold a given share of the truth.
    """

    temperature: float = DEFAULT_TEMPERATURE
    slope: float = 1.0
    excess_slope: float = 0.0
    offset: float = 0.0
    ceiling: float = 1 - LEAST_DOUBT
    least_excess: float | None = None
    radius_temperature: float | None = None
    position_std_m: float | None = None
    photos: int = 0
    measured_on: str = ""

    def confidence(self, probability_mass: ArrayLike, excess: ArrayLike) -> NDArray[np.float64]:
        """The confidence, in [0, `ceiling`], that a photo was taken in the disc with so much probability mass."""
        odds = self.slope * log_odds(probability_mass) + self.excess_slope * np.asarray(excess) + self.offset
        return np.minimum(1 / (1 + np.exp(-odds)), self.ceiling)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a card, rounded."""
        return {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in asdict(self).items()
            if value is not None
        }


def read_calibration(values: Mapping[str, Any], kind: Kind, heading: HeadingKnown) -> Calibration | None:
    """What a card's `calibration` says of that kind of imagery and that way of knowing the heading, None if nothing.

    Raises ConfigurationError for entries that it does not know.
    """
    found = values.get(kind, {})
    if not isinstance(found, Mapping):
        raise ConfigurationError(f"The card's calibration.{kind} is {found!r}; a table was expected.")
    entry = found.get(heading)
    if entry is None:
        return None
    calibration = build(Calibration, entry, f"calibration.{kind}.{heading}")
    for name, value in asdict(calibration).items():
        if isinstance(value, float) and (wanted := _expected(name, value)):
            raise ConfigurationError(
                f"The card's calibration.{kind}.{heading}.{name} is {value}; {wanted} was expected."
            )
    return calibration


def _expected(name: str, value: float) -> str | None:
    """What a setting should have been, None where it can be used."""
    if not math.isfinite(value):
        return "a finite number"
    if name in ("temperature", "radius_temperature", "position_std_m") and value <= 0:
        return "a number above 0"
    if name == "ceiling" and not 0 <= value <= 1:
        return "a number from 0 to 1"
    return None


def unmeasured_because(
    source: HeadingSource, photo: Kind, gallery: Kind, full_circle: bool, calibration: Calibration | None
) -> str | None:
    """Why there is no confidence, as the end of a sentence; None where there is one."""
    if photo != gallery:
        names = {"rendered": "rendered", "real": "a real photograph"}
        kinds = {"rendered": "simulated", "real": "real"}
        return f"the photo is {names[photo]} and the gallery's imagery is {kinds[gallery]}"
    if source == "assumed":
        return "the photo does not say which way it faces, and north was only assumed"
    if not full_circle:
        return "the photo shows a part of the circle, and only full panoramas were measured"
    if calibration is None:
        how = "a searched heading" if source == "search" else "a known heading"
        return f"this checkpoint was never measured on {gallery} imagery with {how}"
    return None


def log_odds(probability: ArrayLike) -> NDArray[np.float64]:
    """log(p / (1 - p)) of probabilities, kept off 0 and 1."""
    kept = np.clip(probability, LEAST_DOUBT, 1 - LEAST_DOUBT)
    return np.log(kept / (1 - kept))
