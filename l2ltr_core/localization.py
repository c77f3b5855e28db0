"""From a photo to a place: matches in a gallery, an estimate with a radius, and how much to trust it."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.gallery import Checkpoint, Gallery
from l2ltr_core.geometry.geodesy import distance_between_m, distance_m, local_m, offset
from l2ltr_core.photo import load_panorama
from l2ltr_core.types import RGB, Descriptors, HeadingSource, Location, LocationEstimate, Match, Panorama

SEARCHED_HEADINGS = 32
"""One view every 11.25 degrees."""
ESTIMATE_PLACES = 200
"""How many of the best places the estimate weighs."""
ESTIMATE_RADIUS_M = 25.0
DEFAULT_TEMPERATURE = 0.05
"""Of the softmax over scores, for a checkpoint whose card has no measured one."""
LOW_CONFIDENCE = 0.3
OUTSIDE_M = 100.0
"""A photo farther than this from every place of the gallery was not taken in it."""


class GroundEncoder(Checkpoint, Protocol):
    """What localization needs of an encoder."""

    @property
    def card(self) -> Any:
        """With `calibration`, where `temperature` and `typical_score` may be."""

    def ground_view(self, panorama: Panorama, heading_deg: float) -> RGB:
        """The north-centred view that the model sees."""

    def encode_ground(self, images: Iterable[RGB], *, prepared: bool) -> Descriptors:
        """Views to (N, D) float32 unit rows."""


@dataclass(frozen=True)
class Localization:
    """Where a photo was taken, as far as one gallery and one checkpoint can tell.

    `to_dict` is what every surface shows and exports; `ground_view` (what the model saw, north in the centre)
    and `notes` (what a person should know, one sentence each) are for people.
    """

    gallery: str
    checkpoint: str
    heading_deg: float
    heading_source: HeadingSource
    estimate: LocationEstimate
    matches: tuple[Match, ...]
    truth: Location | None
    ground_view: RGB
    notes: tuple[str, ...] = ()

    @property
    def error_m(self) -> float | None:
        """Distance in metres between the estimate and the position the photo carries, None without one."""
        if self.truth is None:
            return None
        return distance_between_m(self.truth, Location(self.estimate.latitude, self.estimate.longitude))

    def to_dict(self) -> dict[str, Any]:
        """What `l2ltr localize --json` prints: degrees to 1 cm, metres to 1 cm, scores to six places."""
        values: dict[str, Any] = {
            "gallery": self.gallery,
            "checkpoint": self.checkpoint,
            "heading_deg": round(self.heading_deg, 2),
            "heading_source": self.heading_source,
            "estimate": {
                **_position(self.estimate),
                "radius_m": round(self.estimate.radius_m, 2),
                "confidence": round(self.estimate.confidence, 4),
            },
            "matches": [
                {
                    "rank": match.rank,
                    "place_id": match.place_id,
                    **_position(match),
                    "score": round(match.score, 6),
                }
                for match in self.matches
            ],
        }
        if self.truth is not None and self.error_m is not None:
            values |= {"truth": _position(self.truth), "error_m": round(self.error_m, 2)}
        return values

    def to_json(self) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=2)

    def to_csv(self) -> str:
        """The matches as a table: rank, place_id, latitude, longitude, score."""
        text = io.StringIO()
        columns = ["rank", "place_id", "latitude", "longitude", "score"]
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.to_dict()["matches"])
        return text.getvalue()

    def to_geojson(self) -> dict[str, Any]:
        """A FeatureCollection of the matches, the estimate and, where known, the truth; `kind` says which."""
        values = self.to_dict()
        features = [_feature("match", match) for match in values["matches"]]
        features.append(_feature("estimate", values["estimate"]))
        if "truth" in values:
            features.append(_feature("truth", {**values["truth"], "error_m": values["error_m"]}))
        return {"type": "FeatureCollection", "features": features}


def localize(
    photo: str | Path | bytes | Panorama,
    *,
    encoder: GroundEncoder,
    gallery: Gallery,
    heading: float | Literal["exif", "search"] = "exif",
    top_k: int = 10,
) -> Localization:
    """Find where a photo was taken among the places of `gallery`.

    `heading` says where the photo's centre column looks: degrees clockwise from north, `exif` for what the
    photo says (north, with a note, if it says nothing), `search` to try a whole turn. Raises ImageError,
    MetadataError, GalleryError or ConfigurationError.
    """
    if top_k < 1:
        raise ConfigurationError(f"The number of matches is {top_k}; give a whole number above 0.")
    panorama = photo if isinstance(photo, Panorama) else load_panorama(photo)
    notes = list(panorama.notes)
    heading_deg, source = choose_heading(panorama, heading, encoder, gallery)
    if source == "assumed":
        notes.append(
            "The photo does not say which way it looks, so its centre was taken for north; "
            "turn it (--heading DEG) or let the program try a whole turn (--heading search)."
        )
    view = encoder.ground_view(panorama, heading_deg)
    descriptors = encoder.encode_ground([view], prepared=True)
    scores, place_ids = gallery.search(descriptors, encoder, max(top_k, ESTIMATE_PLACES))
    found = place_ids[0] >= 0  # an approximate index may find fewer
    places = gallery.places.iloc[place_ids[0][found]]
    latitudes, longitudes = places["latitude"].to_numpy(), places["longitude"].to_numpy()
    calibration = encoder.card.calibration
    temperature = float(calibration.get("temperature", DEFAULT_TEMPERATURE))
    radius_m = max(ESTIMATE_RADIUS_M, gallery.manifest.spacing_m or 0.0)
    weighed = slice(ESTIMATE_PLACES)
    estimate = estimate_location(
        scores[0][found][weighed], latitudes[weighed], longitudes[weighed], temperature, radius_m
    )
    matches = tuple(
        Match(rank, int(place_id), float(latitude), float(longitude), float(score))
        for rank, (place_id, latitude, longitude, score) in enumerate(
            zip(place_ids[0][found], latitudes, longitudes, scores[0][found], strict=True), 1
        )
    )[:top_k]
    notes += _doubts(estimate, matches, calibration.get("typical_score"), panorama.location, gallery)
    return Localization(
        gallery.name,
        encoder.name,
        heading_deg,
        source,
        estimate,
        matches,
        panorama.location,
        view,
        tuple(notes),
    )


def choose_heading(
    panorama: Panorama,
    heading: float | Literal["exif", "search"],
    encoder: GroundEncoder,
    gallery: Gallery,
) -> tuple[float, HeadingSource]:
    """Where the centre column looks, in [0, 360), and how that is known; raises ConfigurationError."""
    if heading == "search":
        return search_heading(panorama, encoder, gallery), "search"
    if heading == "exif":
        return (0.0, "assumed") if panorama.heading_deg is None else (panorama.heading_deg % 360, "exif")
    if isinstance(heading, str) or not math.isfinite(heading):
        raise ConfigurationError(
            f"The heading is {heading!r}; give degrees clockwise from north, `exif` or `search`."
        )
    return heading % 360, "given"


def search_heading(panorama: Panorama, encoder: GroundEncoder, gallery: Gallery) -> float:
    """The heading, of a whole turn in 32 steps, under which the best match in the gallery scores highest."""
    views = turned_views(panorama, encoder)
    scores, _ = gallery.search(encoder.encode_ground(views, prepared=True), encoder, 1)
    return searched_headings()[int(scores[:, 0].argmax())]


def searched_headings() -> list[float]:
    """The headings that a search tries, degrees clockwise from north."""
    return [360 * step / SEARCHED_HEADINGS for step in range(SEARCHED_HEADINGS)]


def turned_views(panorama: Panorama, encoder: GroundEncoder) -> list[RGB]:
    """What the model would see of the photo under each of `searched_headings`."""
    return [encoder.ground_view(panorama, heading_deg) for heading_deg in searched_headings()]


def estimate_location(
    scores: NDArray, latitudes: NDArray, longitudes: NDArray, temperature: float, radius_m: float
) -> LocationEstimate:
    """Gather the probability of (K,) matches in space.

    Scores become probabilities by a softmax at `temperature`. The circle of `radius_m` around one of the
    places that holds the most probability wins; the estimate is the mean of what it holds, the confidence how
    much that is. It is a statement about these K places: that the photo was taken in the gallery at all is
    assumed, and a temperature that was not measured on held-out photos gives an order, not a frequency.
    """
    weights = match_probabilities(scores, temperature)
    mass = circle_masses(weights, latitudes, longitudes, radius_m)
    centre = int(mass.argmax())
    near = distance_m(latitudes, longitudes, latitudes[centre], longitudes[centre]) <= radius_m
    origin = Location(float(latitudes[centre]), float(longitudes[centre]))
    east, north = local_m(latitudes[near], longitudes[near], origin)
    share = weights[near] / weights[near].sum()
    place = offset(origin, float(share @ east), float(share @ north))
    return LocationEstimate(place.latitude, place.longitude, radius_m, min(1.0, float(mass[centre])))


def match_probabilities(scores: NDArray, temperature: float | NDArray) -> NDArray[np.float64]:
    """Softmax over the last axis of cosine similarities (..., K)."""
    exponents = (scores.astype(np.float64) - scores.max(axis=-1, keepdims=True)) / temperature
    weights = np.exp(exponents)
    return weights / weights.sum(axis=-1, keepdims=True)


def circle_masses(
    weights: NDArray, latitudes: NDArray, longitudes: NDArray, radius_m: float
) -> NDArray[np.float64]:
    """For each of (K,) places the probability held within `radius_m` of it; weights and masses are (..., K)."""
    apart_m = distance_m(latitudes[:, None], longitudes[:, None], latitudes[None], longitudes[None])
    return weights @ (apart_m <= radius_m)


def _doubts(
    estimate: LocationEstimate,
    matches: tuple[Match, ...],
    typical_score: float | None,
    truth: Location | None,
    gallery: Gallery,
) -> list[str]:
    """Reasons not to believe the result, in words."""
    doubts = []
    away_m = 0.0 if truth is None else _nearest_m(truth, gallery)
    if away_m > OUTSIDE_M:
        doubts.append(
            f"The photo's own position is {away_m / 1000:,.1f} km from the nearest place of the gallery "
            f"{gallery.name}, so every match is wrong."
        )
    elif typical_score is not None and matches[0].score < typical_score:
        doubts.append(
            f"The best match scores {matches[0].score:.2f}, lower than right ones usually do "
            f"({typical_score:.2f} and more): the photo was probably not taken in the gallery {gallery.name}."
        )
    elif estimate.confidence < LOW_CONFIDENCE:
        doubts.append(
            f"No place stands out (confidence {estimate.confidence:.0%}): the photo may not have been taken "
            f"in the gallery {gallery.name} at all."
        )
    return doubts


def _nearest_m(truth: Location, gallery: Gallery) -> float:
    places = gallery.places
    return float(distance_m(places["latitude"], places["longitude"], truth.latitude, truth.longitude).min())


def _position(place: Any) -> dict[str, float]:
    return {"latitude": round(place.latitude, 7), "longitude": round(place.longitude, 7)}


def _feature(kind: str, values: dict[str, Any]) -> dict[str, Any]:
    properties = {key: value for key, value in values.items() if key not in {"latitude", "longitude"}}
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [values["longitude"], values["latitude"]]},
        "properties": {"kind": kind, **properties},
    }
