"""From a photo to a place: matches in a gallery, an estimate with a radius, and how much to trust it."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.gallery import Checkpoint, Gallery
from l2ltr_core.gallery.agreement import SHORTLIST, Columns, split
from l2ltr_core.geometry.geodesy import distance_between_m, distance_m, local_m, offset
from l2ltr_core.photo import load_panorama
from l2ltr_core.types import RGB, Descriptors, HeadingSource, Location, LocationEstimate, Match, Panorama

SEARCHED_HEADINGS = 32
"""One view every 11.25 degrees."""
ESTIMATE_PLACES = 200
"""How many of the best places the estimate weighs."""
STANDING_OUT = 0.5
"""How much it counts, beside the best score, that it stands out; chosen on validation photos whose own
surroundings were taken out of the gallery."""
ESTIMATE_RADIUS_M = 25.0
DEFAULT_TEMPERATURE = 0.05
"""Of the softmax over scores, for a checkpoint whose card has no measured one."""
LOW_CONFIDENCE = 0.3
OUTSIDE_M = 100.0
"""A photo farther than this from every place of the gallery was not taken in it."""
ALIKE_SIZE = 2.0
"""How many times more or fewer places a gallery may have than the one a score was measured in: the best of
more is higher by itself."""
LEAST_DOUBT = 1e-3
"""Probabilities are kept this far from 0 and 1: nothing here is surer than that."""


class GroundEncoder(Checkpoint, Protocol):
    """What localization needs of an encoder."""

    @property
    def card(self) -> Any:
        """With `calibration`, as `Calibration.of_card` reads it."""

    def ground_view(self, panorama: Panorama, heading_deg: float) -> RGB:
        """The north-centred view that the model sees."""

    def encode_ground(self, images: Iterable[RGB], *, prepared: bool, columns: bool = False) -> Descriptors:
        """Views to (N, D) float32 unit rows; with `columns`, where it has any, (N, D + C), as `split` takes them
        apart."""


@dataclass(frozen=True)
class Calibration:
    """What makes scores into statements that come true, chosen on validation photos (evaluation.calibration).

    The probability that a softmax at `temperature` gathers in a circle becomes a confidence by a line in its
    log odds, `slope` and `offset` (Platt). `least_evidence` is what the `evidence` of most photos taken in
    `gallery`, of `gallery_places` places with `gallery_looks` each, reaches; None where that was not measured.
    """

    temperature: float = DEFAULT_TEMPERATURE
    slope: float = 1.0
    offset: float = 0.0
    least_evidence: float | None = None
    gallery: str = ""
    gallery_places: int = 0
    gallery_looks: int = 1

    @classmethod
    def of_card(cls, values: Mapping[str, Any]) -> Calibration:
        """What a card's `calibration` says, the defaults for what it does not; its notes are left alone."""
        return cls(**{name: values[name] for name in cls.__dataclass_fields__ if name in values})

    def confidence(self, mass: ArrayLike) -> NDArray[np.float64]:
        """How often a photo whose circle holds `mass` of the probability was taken in it, in [0, 1]."""
        return 1 / (1 + np.exp(-(self.slope * log_odds(mass) + self.offset)))

    def least_evidence_in(self, gallery: str, places: int, looks: int) -> float | None:
        """`least_evidence`, where it was measured in such a gallery: of that name, as many looks, about as many places.

        The best of more scores is higher, in the gallery and elsewhere.
        """
        alike = self.gallery_places / ALIKE_SIZE <= places <= self.gallery_places * ALIKE_SIZE
        same = (gallery, looks) == (self.gallery, self.gallery_looks)
        return self.least_evidence if same and alike else None


@dataclass(frozen=True)
class Localization:
    """Where a photo was taken, as far as one gallery and one checkpoint can tell.

    `to_dict` is what every surface shows and exports; `ground_view` (what the model saw, north in the centre)
    and `notes` (what a person should know, one sentence each) are for people. `evidence` says how
    much speaks for the photo being in this gallery at all, `least_evidence` what photos taken in it usually
    reach, None where that is not known.
    """

    gallery: str
    checkpoint: str
    heading_deg: float
    heading_source: HeadingSource
    estimate: LocationEstimate
    matches: tuple[Match, ...]
    truth: Location | None
    ground_view: RGB
    evidence: float
    notes: tuple[str, ...] = ()
    least_evidence: float | None = None

    @property
    def in_gallery(self) -> bool | None:
        """Whether the photo was probably taken in the gallery at all, None where that cannot be told.

        True does not say that the answer is right, nor False that the photo is elsewhere: a known share of
        photos from the gallery is turned away, and of photos from elsewhere let through (the card's results).
        """
        return None if self.least_evidence is None else self.evidence >= self.least_evidence

    @property
    def error_m(self) -> float | None:
        """Distance in metres between the estimate and the position the photo carries, None without one."""
        if self.truth is None:
            return None
        return distance_between_m(self.truth, self.estimate.location)

    def to_dict(self) -> dict[str, Any]:
        """What `l2ltr localize --json` prints: degrees to 1 cm, metres to 1 cm, scores to six places."""
        values: dict[str, Any] = {
            "gallery": self.gallery,
            "checkpoint": self.checkpoint,
            "heading_deg": round(self.heading_deg, 2),
            "heading_source": self.heading_source,
            "estimate": as_estimate(self.estimate),
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
            "evidence": round(self.evidence, 6),
            "least_evidence": None if self.least_evidence is None else round(self.least_evidence, 6),
        }
        if self.truth is not None and self.error_m is not None:
            values |= {"truth": as_position(self.truth), "error_m": round(self.error_m, 2)}
        return values

    def to_json(self) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=2)

    def to_csv(self) -> str:
        """The matches as a table: rank, place_id, latitude, longitude, score, of different answers probability."""
        return as_csv(self.to_dict()["matches"])

    def to_geojson(self) -> dict[str, Any]:
        """A FeatureCollection of the matches, the estimate and, where known, the truth; `kind` says which."""
        values = self.to_dict()
        features = [as_feature("match", match) for match in values["matches"]]
        features.append(as_feature("estimate", values["estimate"]))
        if "truth" in values:
            features.append(as_feature("truth", {**values["truth"], "error_m": values["error_m"]}))
        return {"type": "FeatureCollection", "features": features}


def localize(
    photo: str | Path | bytes | Panorama,
    *,
    encoder: GroundEncoder,
    gallery: Gallery,
    heading: float | Literal["exif", "search"] = "exif",
    top_k: int = 10,
    apart_m: float = 0.0,
) -> Localization:
    """Find where a photo was taken among the places of `gallery`.

    `heading` says where the photo's centre column looks: degrees clockwise from north, `exif` for what the
    photo says (north, with a note, if it says nothing), `search` to try a whole turn. With `apart_m` the matches
    are different answers, as `different_places` chooses them: farther than that from each other. Raises ImageError,
    MetadataError, GalleryError or ConfigurationError.
    """
    found, _ = look_up(photo, encoder=encoder, gallery=gallery, heading=heading, top_k=top_k, apart_m=apart_m)
    return found


def look_up(
    photo: str | Path | bytes | Panorama,
    *,
    encoder: GroundEncoder,
    gallery: Gallery,
    heading: float | Literal["exif", "search"] = "exif",
    top_k: int = 10,
    apart_m: float = 0.0,
    considered: int = 0,
) -> tuple[Localization, Candidates]:
    """What `localize` gives, and the places that it chose among, at least as many as are to be `considered`."""
    if top_k < 1:
        raise ConfigurationError(f"The number of matches is {top_k}; give a whole number above 0.")
    if not (math.isfinite(apart_m) and apart_m >= 0):
        raise ConfigurationError(f"The matches are to be {apart_m} m apart; give 0 or a number of metres.")
    panorama = photo if isinstance(photo, Panorama) else load_panorama(photo)
    notes = list(panorama.notes)
    heading_deg, source = choose_heading(panorama, heading, encoder, gallery)
    if source == "assumed":
        notes.append(
            "The photo does not say which way it looks, so its centre was taken for north; "
            "turn it (--heading DEG) or let the program try a whole turn (--heading search)."
        )
    view = encoder.ground_view(panorama, heading_deg)
    seen = encoder.encode_ground([view], prepared=True, columns=True)
    calibration = Calibration.of_card(encoder.card.calibration)
    best, listed, likely = _best_places(
        seen, encoder, gallery, top_k, apart_m, calibration.temperature, considered
    )
    places = gallery.places.iloc[best.place_ids[listed]].assign(score=best.scores[listed])
    matches = tuple(
        Match(
            rank,
            int(place.place_id),
            float(place.latitude),
            float(place.longitude),
            float(place.score),
            probability,
        )
        for rank, (place, probability) in enumerate(zip(places.itertuples(), likely, strict=True), 1)
    )
    told = source in ("exif", "given")  # the best of 32 headings scores higher, and a wrong one lower
    result = Localization(
        gallery.name,
        encoder.name,
        heading_deg,
        source,
        estimate_among(best, gallery, calibration),
        matches,
        panorama.location,
        view,
        best.evidence,
        tuple(notes),
        calibration.least_evidence_in(gallery.name, len(gallery.places), gallery.looks(encoder))
        if told
        else None,
    )
    return replace(result, notes=(*result.notes, *_doubts(result, gallery))), best


def _best_places(
    seen: Descriptors,
    encoder: GroundEncoder,
    gallery: Gallery,
    top_k: int,
    apart_m: float,
    temperature: float,
    considered: int,
) -> tuple[Candidates, NDArray[np.int64], Sequence[float | None]]:
    """The photo's best places, and which of these to list, with which probabilities."""
    wanted = max(top_k, ESTIMATE_PLACES, SHORTLIST, considered)
    while True:
        [best] = candidates(seen, encoder, gallery, wanted)
        if not apart_m:
            listed = np.arange(min(top_k, len(best.scores)))
            return best, listed, [None] * len(listed)
        found = gallery.places.iloc[best.place_ids]
        listed, likely = different_places(
            best.scores,
            found["latitude"].to_numpy(),
            found["longitude"].to_numpy(),
            apart_m,
            temperature,
            top_k,
        )
        if len(listed) == top_k or wanted >= len(gallery.places):
            return best, listed, likely.tolist()
        wanted *= 4


@dataclass(frozen=True)
class Candidates:
    """The best places for one photo, best first: `place_ids` (K,) and what they score (K,).

    `evidence` speaks for the photo being in the gallery at all.
    """

    place_ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    evidence: float


def candidates(seen: Descriptors, encoder: Checkpoint, gallery: Gallery, count: int) -> Iterator[Candidates]:
    """The `count` best places of each photo (Q, D), or (Q, D + C) of a checkpoint with columns.

    Columns put the places that CLS finds in another order, and speak for the gallery beside it.
    """
    descriptors, columns = split(seen, encoder.columns)
    for photo, (alike, found) in enumerate(zip(*gallery.search(descriptors, encoder, count), strict=True)):
        there = found >= 0  # an approximate index may find fewer
        place_ids, scores = found[there], alike[there]
        speaking = evidence(scores)
        if columns is not None:
            place_ids, scores = rerank(place_ids, columns[photo], encoder, gallery)
            speaking += evidence(scores)
        yield Candidates(place_ids, scores, speaking)


def rerank(
    place_ids: NDArray[np.int64], columns: Columns, encoder: Checkpoint, gallery: Gallery
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(K,) places, best by CLS first, in the order in which they agree direction by direction, and their agreement.

    `columns` (w, d) is what the photo shows in each direction. Only the first `SHORTLIST` change their order.
    """
    agreeing = gallery.agreement(columns, place_ids, encoder)
    order = np.argsort(-agreeing[:SHORTLIST], kind="stable")
    order = np.concatenate([order, np.arange(len(order), len(place_ids))])
    return place_ids[order], agreeing[order]


def different_places(
    scores: NDArray, latitudes: NDArray, longitudes: NDArray, apart_m: float, temperature: float, count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which of (P,) places, best first, to name as `count` different answers, farther than `apart_m` from each other,
    and the probability that each adds.

    The best place, then time and again the one around which, within `apart_m`, lies most of the probability that
    no answer covers yet (a softmax of the scores at `temperature`): one of them should be right, and three pins in
    the street that the first names would not help. The greedy choice of maximum coverage (Nemhauser et al., 1978).
    Past the `ESTIMATE_PLACES` best, scores alone decide, and nothing is added.
    """
    likely = slice(ESTIMATE_PLACES)
    covers = Circles.around(latitudes[likely], longitudes[likely], apart_m).inside
    uncovered = match_probabilities(scores[likely], temperature)
    free, named, added = np.ones(len(covers), bool), [0], np.zeros(len(scores))
    while True:
        around = covers[named[-1]]
        added[named[-1]] = around @ uncovered
        uncovered = np.where(around, 0, uncovered)
        free &= ~around
        if len(named) == count or not free.any():
            break
        named.append(int(np.where(free, covers @ uncovered, -1).argmax()))
    order = np.concatenate([named, np.setdiff1d(np.arange(len(scores)), named)])
    listed = order[best_apart(latitudes[order], longitudes[order], apart_m, count)]
    return listed, added[listed]


def best_apart(latitudes: NDArray, longitudes: NDArray, apart_m: float, count: int) -> NDArray[np.int64]:
    """Which of (P,) places, best first, are farther than `apart_m` from every better one: the first `count`."""
    kept: list[int] = []
    left = np.arange(len(latitudes))
    while len(left) and len(kept) < count:
        best = left[0]
        kept.append(int(best))
        left = left[1:]
        away_m = distance_m(latitudes[best], longitudes[best], latitudes[left], longitudes[left])
        left = left[away_m > apart_m]
    return np.array(kept, np.int64)


def evidence(scores: NDArray[np.float32]) -> float:
    """How much speaks for a photo being in the gallery at all, from its scores (K,), best first.

    The best score, and half of what it stands above the mean of the `ESTIMATE_PLACES` best: a photo from
    elsewhere is a little like many places. That of CLS and that of the columns are added.
    """
    best = float(scores[0])
    return best + STANDING_OUT * (best - float(scores[:ESTIMATE_PLACES].mean()))


def circle_radius_m(gallery: Gallery) -> float:
    """How wide an estimate's circle is: never narrower than the gallery's own grid."""
    return max(ESTIMATE_RADIUS_M, gallery.manifest.spacing_m or 0.0)


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
    """The heading, of a whole turn in 32 steps, under which the best match in the gallery scores highest, or agrees
    most with a checkpoint that has columns."""
    views = turned_views(panorama, encoder)
    seen = encoder.encode_ground(views, prepared=True, columns=True)
    descriptors, columns = split(seen, encoder.columns)
    scores, places = gallery.search(descriptors, encoder, 1)
    if columns is not None:
        scores = np.array([gallery.agreement(*view, encoder) for view in zip(columns, places, strict=True)])
    return searched_headings()[int(scores[:, 0].argmax())]


def searched_headings() -> list[float]:
    """The headings that a search tries, degrees clockwise from north."""
    return [360 * step / SEARCHED_HEADINGS for step in range(SEARCHED_HEADINGS)]


def turned_views(panorama: Panorama, encoder: GroundEncoder) -> list[RGB]:
    """What the model would see of the photo under each of `searched_headings`."""
    return [encoder.ground_view(panorama, heading_deg) for heading_deg in searched_headings()]


def estimate_among(best: Candidates, gallery: Gallery, calibration: Calibration) -> LocationEstimate:
    """Where a photo was taken, from its best places in a gallery."""
    weighed = gallery.places.iloc[best.place_ids[:ESTIMATE_PLACES]]
    return estimate_location(
        best.scores[:ESTIMATE_PLACES],
        weighed["latitude"].to_numpy(),
        weighed["longitude"].to_numpy(),
        calibration,
        circle_radius_m(gallery),
    )


def estimate_location(
    scores: NDArray, latitudes: NDArray, longitudes: NDArray, calibration: Calibration, radius_m: float
) -> LocationEstimate:
    """Gather the probability of (K,) matches in space.

    Scores become probabilities by a softmax. The circle of `radius_m` around one of the places that holds the
    most probability wins; the estimate is the mean of what it holds, the confidence how often so much comes
    true. It is a statement about these K places: that the photo was taken in the gallery at all is assumed,
    and a calibration that was not measured gives an order, not a frequency.
    """
    circles = Circles.around(latitudes, longitudes, radius_m)
    place, mass = circles.heaviest(match_probabilities(scores, calibration.temperature))
    return LocationEstimate(place.latitude, place.longitude, radius_m, float(calibration.confidence(mass)))


@dataclass(frozen=True)
class Circles:
    """Circles of one radius around each of K places: `inside` (K, K), `east_m` and `north_m` of the first."""

    origin: Location
    east_m: NDArray
    north_m: NDArray
    inside: NDArray[np.bool_]

    @classmethod
    def around(cls, latitudes: NDArray, longitudes: NDArray, radius_m: float) -> Circles:
        """Of `radius_m` around (K,) places."""
        apart_m = distance_m(latitudes[:, None], longitudes[:, None], latitudes[None], longitudes[None])
        origin = Location(float(latitudes[0]), float(longitudes[0]))
        return cls(origin, *local_m(latitudes, longitudes, origin), apart_m <= radius_m)

    def heaviest(self, weights: NDArray) -> tuple[Location, float]:
        """The mean place of the circle that holds the most of (K,) weights, and how much that is, at most 1."""
        masses = weights @ self.inside
        centre = int(masses.argmax())
        share = np.where(self.inside[centre], weights, 0) / masses[centre]
        place = offset(self.origin, float(share @ self.east_m), float(share @ self.north_m))
        return place, min(1.0, float(masses[centre]))


def match_probabilities(scores: NDArray, temperature: float) -> NDArray[np.float64]:
    """Softmax of (K,) scores."""
    weights = np.exp((scores.astype(np.float64) - scores.max()) / temperature)
    return weights / weights.sum()


def log_odds(probability: ArrayLike) -> NDArray[np.float64]:
    """log(p / (1 - p)) of probabilities, kept off 0 and 1."""
    kept = np.clip(probability, LEAST_DOUBT, 1 - LEAST_DOUBT)
    return np.log(kept / (1 - kept))


def _doubts(found: Localization, gallery: Gallery) -> list[str]:
    """Reasons not to believe the result, in words."""
    away_m = 0.0 if found.truth is None else _nearest_m(found.truth, gallery)
    confidence = found.estimate.confidence
    if away_m > OUTSIDE_M:
        return [
            f"The photo's own position is {away_m / 1000:,.1f} km from the nearest place of the gallery "
            f"{gallery.name}, so every match is wrong."
        ]
    if found.in_gallery is False:
        return [
            f"This photo was probably not taken in the gallery {gallery.name}: its evidence "
            f"(the best score, and how far it stands out) is {found.evidence:.2f}, and 97 of 100 photos that "
            f"were tried there reach {found.least_evidence:.2f}."
        ]
    if confidence < LOW_CONFIDENCE:
        return [
            f"No place stands out (confidence {confidence:.0%}): the photo may not have been taken "
            f"in the gallery {gallery.name} at all."
        ]
    return []


def _nearest_m(truth: Location, gallery: Gallery) -> float:
    places = gallery.places
    return float(distance_m(places["latitude"], places["longitude"], truth.latitude, truth.longitude).min())


def as_position(place: Any) -> dict[str, float]:
    """Latitude and longitude to 1 cm, as every export has them."""
    return {"latitude": round(place.latitude, 7), "longitude": round(place.longitude, 7)}


def as_estimate(estimate: LocationEstimate) -> dict[str, float]:
    """An estimate as every export has it: the position, metres to 1 cm, confidence to four places."""
    return {
        **as_position(estimate),
        "radius_m": round(estimate.radius_m, 2),
        "confidence": round(estimate.confidence, 4),
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
