"""What localization found, and its exports: JSON, CSV, GeoJSON from one dataclass."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from l2ltr_core.gallery.columns import PhotoColumns
from l2ltr_core.geometry.geodesy import distance_between_m
from l2ltr_core.localization.calibration import Kind
from l2ltr_core.notes import Note
from l2ltr_core.types import RGB, HeadingSource, Location, LocationEstimate, Match

ALMOST_CERTAIN, PROBABLE, POSSIBLE = 0.85, 0.6, 0.3
"""Least confidence of the verdict of that name."""

Verdict: TypeAlias = Literal["almost certain", "probable", "possible", "unsure", "not here", "not measured"]
FOUND: tuple[Verdict, ...] = ("almost certain", "probable")
"""Verdicts under which a photo may be called found."""


def verdict_on(confidence: float | None) -> Verdict:
    """A confidence in [0, 1] in a word; None was not measured."""
    if confidence is None:
        return "not measured"
    if confidence >= ALMOST_CERTAIN:
        return "almost certain"
    if confidence >= PROBABLE:
        return "probable"
    return "possible" if confidence >= POSSIBLE else "unsure"


@dataclass(frozen=True)
class Localization:
    """Where a photo was taken, as far as one gallery and one checkpoint can tell.

    `to_dict` is what every surface shows and exports. `rests_on` says in a sentence what the confidence was measured
    on, or why there is none. `excess` is how far the best score stands above the best decoy (see `Candidates`),
    `least_excess` what most photos taken in a gallery reach; `outside_m` how far the photo's own position lies from
    the nearest place, where it lies outside. `notes` are about the photo, `doubts` are reasons not to believe the
    answer. `heading_scores` (w,) are the best scores over a whole turn, clockwise, the first with
    the photo's centre looking north; None where no heading was searched. `photo_name` is what people call the photo,
    often its file name, for the exports. `columns` is the photo as it was compared, under `heading_deg`; None where the
    checkpoint has none.
    """

    gallery: str
    checkpoint: str
    heading_deg: float
    heading_source: HeadingSource
    estimate: LocationEstimate
    matches: tuple[Match, ...]
    truth: Location | None
    ground_view: RGB
    rests_on: str
    photo_kind: Kind
    gallery_kind: Kind
    attribution: str = ""
    excess: float | None = None
    least_excess: float | None = None
    outside_m: float | None = None
    notes: tuple[Note, ...] = ()
    doubts: tuple[Note, ...] = ()
    heading_scores: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
    photo_name: str = ""
    columns: PhotoColumns | None = field(default=None, repr=False, compare=False)

    @property
    def in_gallery(self) -> bool | None:
        """Whether the photo was probably taken in the gallery at all, None where that cannot be told.

        True does not say that the answer is right, nor False that the photo is elsewhere: a known share of
        photos from the gallery is rejected, and of photos from elsewhere let through (the card's results).
        """
        if self.outside_m is not None:
            return False
        if self.least_excess is None or self.excess is None:
            return None
        return self.excess >= self.least_excess

    @property
    def verdict(self) -> Verdict:
        """The answer in a word; what is rejected or not measured is never called found."""
        return "not here" if self.in_gallery is False else verdict_on(self.estimate.confidence)

    @property
    def error_m(self) -> float | None:
        """Distance in metres between the estimate and the position the photo carries, None without one."""
        if self.truth is None:
            return None
        return distance_between_m(self.truth, self.estimate.location)

    def to_dict(self) -> dict[str, Any]:
        """What `l2ltr localize --json` prints: degrees to 1 cm, metres to 1 cm, scores to six places."""
        values: dict[str, Any] = {
            **({"photo_name": self.photo_name} if self.photo_name else {}),
            "gallery": self.gallery,
            "checkpoint": self.checkpoint,
            "heading_deg": round(self.heading_deg, 2),
            "heading_source": self.heading_source,
            "verdict": self.verdict,
            "estimate": as_estimate(self.estimate),
            "certainty_rests_on": self.rests_on,
            "matches": [
                {
                    "rank": match.rank,
                    "place_id": match.place_id,
                    **as_position(match),
                    "score": round(match.score, 6),
                    **({} if match.probability is None else {"probability": round(match.probability, 4)}),
                }
                for match in self.matches
            ],
            "in_gallery": self.in_gallery,
            "excess": _rounded(self.excess, 6),
            "least_excess": _rounded(self.least_excess, 6),
            "photo_kind": self.photo_kind,
            "gallery_kind": self.gallery_kind,
            "attribution": self.attribution,
        }
        if self.truth is not None and self.error_m is not None:
            values |= {"truth": as_position(self.truth), "error_m": round(self.error_m, 2)}
        return values

    def to_json(self) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=2)

    def to_csv(self) -> str:
        """The matches as a table: rank, place_id, latitude, longitude, score, of different answers probability, and on
        every row how certain the answer is, what that rests on, and which photo it is about, where it has a name."""
        values = self.to_dict()
        about = {"confidence": values["estimate"]["confidence"], **_about(values)}
        return as_csv([{**match, **about} for match in values["matches"]])

    def to_geojson(self) -> dict[str, Any]:
        """A FeatureCollection of the matches, the estimate and, where known, the truth; `kind` says which."""
        values = self.to_dict()
        features = [as_feature("match", match) for match in values["matches"]]
        features.append(as_feature("estimate", {**values["estimate"], **_about(values)}))
        if "truth" in values:
            features.append(as_feature("truth", {**values["truth"], "error_m": values["error_m"]}))
        return {"type": "FeatureCollection", "features": features}


def as_position(place: Any) -> dict[str, float]:
    """Latitude and longitude to 1 cm, as every export has them."""
    return {"latitude": round(place.latitude, 7), "longitude": round(place.longitude, 7)}


def as_estimate(estimate: LocationEstimate) -> dict[str, float | None]:
    """An estimate as every export has it: the position, metres to 1 cm, the confidence to four places.

    `radius_m` is the radius that holds the truth for 68 of 100 photos where that was measured, else that of the
    circle that the confidence is about.
    """
    return {
        **as_position(estimate),
        "radius_m": round(estimate.within_m if estimate.radius_m is None else estimate.radius_m, 2),
        "radius_95_m": _rounded(estimate.radius_95_m, 2),
        "confidence": _rounded(estimate.confidence, 4),
        "confidence_within_m": round(estimate.within_m, 2),
    }


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table with the names of the first of some rows as its head."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_feature(kind: str, values: dict[str, Any]) -> dict[str, Any]:
    """A GeoJSON point with the other values as its properties."""
    properties = {key: value for key, value in values.items() if key not in {"latitude", "longitude"}}
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [values["longitude"], values["latitude"]]},
        "properties": {"kind": kind, **properties},
    }


def _about(values: Mapping[str, Any]) -> dict[str, Any]:
    """Of `to_dict`, what tables and maps repeat about the whole answer."""
    names = ("verdict", "certainty_rests_on", "attribution", "photo_name")
    return {name: values[name] for name in names if name in values}


def _rounded(value: float | None, places: int) -> float | None:
    return None if value is None else round(value, places)
