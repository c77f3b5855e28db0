"""Sequence localization: several photos of one walk, in their order, localized together.

Two blocks that look alike differ by what comes before and after them. The places are the states of a hidden Markov
model: the emission is the softmax of a photo's scores, the transition favours places within a step and straight on,
and the posterior of each place comes from the forward-backward algorithm (Rabiner, A tutorial on hidden Markov
models, 1989).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.gallery import Gallery
from l2ltr_core.geometry.geodesy import distance_between_m, local_m
from l2ltr_core.localization import (
    DEFAULT_TEMPERATURE,
    ESTIMATE_PLACES,
    Candidates,
    Discs,
    HeadingChoice,
    Localization,
    as_csv,
    as_estimate,
    as_feature,
    calibration_for,
    circle_radius_m,
    localize_with_candidates,
    match_probabilities,
)
from l2ltr_core.model.protocol import EncoderLike
from l2ltr_core.types import Location, LocationEstimate, Panorama, Progress

STEP_M = 50.0
"""Longest distance in metres from one photo of a walk to the next."""
MOST_PHOTOS = 50
WALK_PLACES = 300
"""Number of best places kept of each photo; any other place gets the score of the last of them."""
JUMP_PROBABILITY = 0.01
"""Probability that a step reaches any place at all, so that one wrong photo does not carry the others away."""
DIRECTIONS = 8
"""Number of directions of arrival, each a state of its own at every place."""
TURN_CONCENTRATION = 1.0
"""Concentration of the von Mises distribution of turns: back is 1/7 as likely as ahead. Chosen, like the next, on
walks of validation photos."""
TEMPERATURE_SCALE = 1.5
"""Factor on the temperature of one photo: the errors of photos of one street are correlated."""


@dataclass(frozen=True)
class Walk:
    """Where the photos of a walk were taken: `estimates` by all of them together, `alone` each by itself.

    A confidence is the probability within the circle, given all photos; None where that of a lone photo was not
    measured, either. `found` is what each photo says of its best
    places, and `temperature` that of its probabilities.
    """

    step_m: float
    alone: tuple[Localization, ...]
    estimates: tuple[LocationEstimate, ...]
    found: tuple[Candidates, ...] = field(default=(), repr=False, compare=False)
    temperature: float = DEFAULT_TEMPERATURE

    def with_step(self, step_m: float, gallery: Gallery) -> Walk:
        """The same photos in the same gallery, with another step between them; nothing is compared again.

        Raises ConfigurationError for a step that is no distance.
        """
        estimates = estimates_along(self.found, gallery, self.temperature, _checked(step_m))
        if any(each.confidence is None for each in self.estimates):
            estimates = [replace(each, confidence=None) for each in estimates]
        return replace(self, step_m=step_m, estimates=tuple(estimates))

    def named(self, names: Sequence[str]) -> Walk:
        """The same walk, its exports with the names of its photos."""
        alone = (replace(each, photo_name=name) for each, name in zip(self.alone, names, strict=True))
        return replace(self, alone=tuple(alone))

    @property
    def errors_m(self) -> tuple[float | None, ...]:
        """Metres between each estimate and the position that the photo carries, None without one."""
        return tuple(
            None if photo.truth is None else distance_between_m(photo.truth, estimate.location)
            for photo, estimate in zip(self.alone, self.estimates, strict=True)
        )

    @property
    def in_gallery(self) -> bool | None:
        """Whether the walk was probably taken in the gallery: what most of its photos say, None where none can."""
        verdicts = [photo.in_gallery for photo in self.alone if photo.in_gallery is not None]
        return None if not verdicts else 2 * sum(verdicts) >= len(verdicts)

    def to_dict(self) -> dict[str, Any]:
        """What `l2ltr walk --json` prints; numbers are rounded as `Localization.to_dict` does."""
        photos = []
        for number, (photo, estimate, error_m) in enumerate(
            zip(self.alone, self.estimates, self.errors_m, strict=True), 1
        ):
            by_itself = photo.to_dict()
            values = {
                "photo": number,
                **({"photo_name": photo.photo_name} if photo.photo_name else {}),
                "heading_deg": by_itself["heading_deg"],
                "heading_source": by_itself["heading_source"],
                "estimate": as_estimate(estimate),
                "alone": by_itself["estimate"],
                "in_gallery": by_itself["in_gallery"],
            }
            if error_m is not None:
                values |= {
                    "truth": by_itself["truth"],
                    "error_m": round(error_m, 2),
                    "error_alone_m": by_itself["error_m"],
                }
            photos.append(values)
        return {
            "gallery": self.alone[0].gallery,
            "checkpoint": self.alone[0].checkpoint,
            "step_m": self.step_m,
            "in_gallery": self.in_gallery,
            "photos": photos,
        }

    def to_json(self) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=2)

    def to_csv(self) -> str:
        """A row a photo: its number, its name where it has one, and the estimate with the walk and alone."""
        return as_csv(
            [
                {
                    **{name: photo[name] for name in ("photo", "photo_name") if name in photo},
                    **photo["estimate"],
                    **{f"alone_{name}": value for name, value in photo["alone"].items()},
                }
                for photo in self.to_dict()["photos"]
            ]
        )

    def to_geojson(self) -> dict[str, Any]:
        """A FeatureCollection: the walk as a line, and of each photo the estimate, what it says alone, and the truth.

        `kind` says which.
        """
        values = self.to_dict()
        features: list[dict[str, Any]] = [
            {
                "type": "Feature",
                "geometry": {
                    "type": "LineString",
                    "coordinates": [
                        [each["estimate"]["longitude"], each["estimate"]["latitude"]]
                        for each in values["photos"]
                    ],
                },
                "properties": {"kind": "walk", "step_m": self.step_m},
            }
        ]
        for photo in values["photos"]:
            for kind in ("estimate", "alone", "truth"):
                if kind in photo:
                    features.append(as_feature(kind, {"photo": photo["photo"], **photo[kind]}))
        return {"type": "FeatureCollection", "features": features}


def localize_walk(
    photos: Sequence[str | Path | bytes | Panorama],
    *,
    encoder: EncoderLike,
    gallery: Gallery,
    heading: HeadingChoice = "exif",
    step_m: float = STEP_M,
    min_separation_m: float = 0.0,
    progress: Progress | None = None,
) -> Walk:
    """Find where the photos of one walk were taken among the places of a gallery, all of them together.

    Args:
        photos: 2 to 50 photos in the order in which they were taken, each as `localize` takes it.
        encoder: The checkpoint, as `load_encoder` gives it.
        gallery: The places to search, with an index for that checkpoint.
        heading: As for `localize`, for each photo by itself.
        step_m: Longest distance in metres from one photo to the next; one step in a hundred may break it.
        min_separation_m: As for `localize`, for the matches of each photo alone.
        progress: Called with (photos done, photos in all).

    Returns:
        An estimate for each photo from all photos together, and each photo localized alone.

    Raises:
        ConfigurationError: There are too few or too many photos, or `step_m` is not above 0.
        L2LTRError: Whatever `localize` raises for one of the photos.
    """
    if not 2 <= len(photos) <= MOST_PHOTOS:
        raise ConfigurationError(
            f"A walk of {len(photos)} photo{'s' * (len(photos) != 1)} was given; give 2 to {MOST_PHOTOS}, in their "
            "order."
        )
    _checked(step_m)
    alone, found = [], []
    for done, photo in enumerate(photos, 1):
        by_itself, best = localize_with_candidates(
            photo,
            encoder=encoder,
            gallery=gallery,
            heading=heading,
            min_separation_m=min_separation_m,
            shortlist_size=WALK_PLACES,
        )
        alone.append(by_itself)
        found.append(best.first(WALK_PLACES))
        if progress is not None:
            progress(done, len(photos))
    measured = all(photo.verdict != "not measured" for photo in alone)
    calibration = calibration_for(encoder, alone[0].gallery_kind, alone[0].heading_source)
    temperature = DEFAULT_TEMPERATURE if calibration is None else calibration.temperature
    estimates = estimates_along(found, gallery, temperature, step_m)
    if not measured:
        estimates = [replace(each, confidence=None) for each in estimates]
    return Walk(step_m, tuple(alone), tuple(estimates), tuple(found), temperature)


def estimates_along(
    found: Sequence[Candidates], gallery: Gallery, temperature: float, step_m: float = STEP_M
) -> list[LocationEstimate]:
    """Where each photo of a walk was taken, from the candidates of its (T,) photos.

    `temperature` is that of one photo's probabilities. The estimate is the mean of the disc with the most
    probability mass, as for one photo, and its confidence that mass.
    """
    radius_m = circle_radius_m(gallery)
    places = np.unique(np.concatenate([photo.place_ids for photo in found]))
    emission = np.stack([_emission(photo, places, TEMPERATURE_SCALE * temperature) for photo in found])
    posterior = _posterior(emission, *_transition(places, gallery, step_m))
    estimates = []
    for each in posterior:
        best = np.argsort(-each, kind="stable")[:ESTIMATE_PLACES]
        rows = gallery.places.iloc[places[best]]
        discs = Discs.around(rows["latitude"].to_numpy(), rows["longitude"].to_numpy(), radius_m)
        place, mass = discs.densest(each[best])
        estimates.append(LocationEstimate(place.latitude, place.longitude, radius_m, mass))
    return estimates


def _checked(step_m: float) -> float:
    if not (np.isfinite(step_m) and step_m > 0):
        raise ConfigurationError(f"The step is {step_m} m; give metres above 0.")
    return step_m


def _emission(photo: Candidates, places: NDArray[np.int64], temperature: float) -> NDArray[np.float64]:
    """(S,) probability of each of the walk's places given one photo alone."""
    scores = np.full(len(places), photo.scores.min())
    scores[np.searchsorted(places, photo.place_ids)] = photo.scores
    return match_probabilities(scores, temperature)


def _transition(places: NDArray[np.int64], gallery: Gallery, step_m: float) -> tuple[csr_matrix, float]:
    """Transition probabilities between states, (S * D, S * D), and the constant one of a jump to anywhere.

    The states of a place are the `DIRECTIONS` in which one may have come to it, so that going on in that direction can
    be likelier than turning. Whoever stays where he is has not turned.
    """
    latitudes, longitudes = gallery.places["latitude"].to_numpy(), gallery.places["longitude"].to_numpy()
    origin = Location(float(latitudes[places[0]]), float(longitudes[places[0]]))
    where = np.stack(local_m(latitudes, longitudes, origin), axis=1)
    reachable = cKDTree(where).query_ball_point(where[places], step_m, return_length=True).mean()
    one_way = cKDTree(where[places]).query_pairs(step_m, output_type="ndarray")
    start, end = np.concatenate([one_way, one_way[:, ::-1]]).T
    towards = np.arctan2(*(where[places[end]] - where[places[start]]).T)
    arrivals = 2 * np.pi / DIRECTIONS * np.arange(DIRECTIONS)
    turned = towards - arrivals[:, None]
    likely = (
        np.exp(TURN_CONCENTRATION * np.cos(turned)) / np.exp(TURN_CONCENTRATION * np.cos(arrivals)).mean()
    )
    states = np.arange(len(places) * DIRECTIONS)
    arrived = end * DIRECTIONS + np.rint(towards / (2 * np.pi / DIRECTIONS)).astype(int) % DIRECTIONS
    left = start * DIRECTIONS + np.arange(DIRECTIONS)[:, None]
    rows = np.concatenate([np.tile(arrived, DIRECTIONS), states])
    columns = np.concatenate([left.ravel(), states])
    values = (1 - JUMP_PROBABILITY) / reachable * np.concatenate([likely.ravel(), np.ones(len(states))])
    return csr_matrix((values, (rows, columns)), shape=(len(states),) * 2), JUMP_PROBABILITY / len(
        where
    ) / DIRECTIONS


def _posterior(emission: NDArray[np.float64], near: csr_matrix, anywhere: float) -> NDArray[np.float64]:
    """(T, S) posterior of each place for each photo, from all (T, S) emissions; rows sum to 1."""
    each = np.repeat(emission, DIRECTIONS, axis=1)  # a photo does not say from where one came
    forward, backward = each.copy(), np.ones_like(each)
    for photo in range(1, len(each)):
        forward[photo] *= near @ forward[photo - 1] + anywhere * forward[photo - 1].sum()
        forward[photo] /= forward[photo].sum()
    back = near.T.tocsr()
    for photo in range(len(each) - 2, -1, -1):
        after = each[photo + 1] * backward[photo + 1]
        backward[photo] = back @ after + anywhere * after.sum()
        backward[photo] /= backward[photo].sum()
    both = (forward * backward).reshape(*emission.shape, DIRECTIONS).sum(axis=2)
    return both / both.sum(axis=1, keepdims=True)
