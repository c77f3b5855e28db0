"""From a photo to a place: matches in a gallery, an estimate with its radii, and how much to trust it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.gallery import Gallery
from l2ltr_core.geometry.geodesy import distance_m
from l2ltr_core.localization.calibration import (
    DEFAULT_TEMPERATURE,
    LEAST_DOUBT,
    Calibration,
    HeadingKnown,
    Kind,
    read_calibration,
    unmeasured_because,
)
from l2ltr_core.localization.estimate import ESTIMATE_PLACES, diversify, estimate_among
from l2ltr_core.localization.ranking import (
    Candidates,
    HeadingChoice,
    encode_photos,
    kind_of,
    rank_places,
    search_by_views,
)
from l2ltr_core.localization.result import Localization, verdict_on
from l2ltr_core.model.protocol import EncoderLike
from l2ltr_core.notes import Note
from l2ltr_core.photo import load_panorama
from l2ltr_core.types import HeadingSource, Location, Match, Panorama

OUTSIDE_M = 100.0
"""Distance in metres from every place beyond which a photo's own position lies outside the gallery."""


def localize(
    photo: str | Path | bytes | Panorama,
    *,
    encoder: EncoderLike,
    gallery: Gallery,
    heading: HeadingChoice = "exif",
    top_k: int = 10,
    min_separation_m: float = 0.0,
) -> Localization:
    """Find where a photo was taken among the places of a gallery.

    Args:
        photo: A JPEG or PNG as a path or bytes, or what `load_panorama` made of one.
        encoder: The checkpoint, as `load_encoder` gives it.
        gallery: The places to search, with an index for that checkpoint.
        heading: Where the photo's centre column looks: degrees clockwise from north, `exif` for what the photo says
            (north, if it says nothing), or `search` to try a whole turn.
        top_k: Number of matches to list.
        min_separation_m: Above 0 the matches are diversified (see `diversify`): farther than so many metres from each
            other.

    Returns:
        Matches, best first, the location estimate with its radii in metres and its confidence in [0, 1], and how the
        heading is known.

    Raises:
        ImageError: The photo cannot be read.
        MetadataError: Its position or heading cannot be read.
        GalleryError: The gallery is damaged or lacks the checkpoint's index.
        CheckpointError: The checkpoint gives values that are not numbers.
        ConfigurationError: A setting is out of its range.
    """
    found, _ = localize_with_candidates(
        photo,
        encoder=encoder,
        gallery=gallery,
        heading=heading,
        top_k=top_k,
        min_separation_m=min_separation_m,
    )
    return found


def localize_with_candidates(
    photo: str | Path | bytes | Panorama,
    *,
    encoder: EncoderLike,
    gallery: Gallery,
    heading: HeadingChoice = "exif",
    top_k: int = 10,
    min_separation_m: float = 0.0,
    shortlist_size: int = 0,
) -> tuple[Localization, Candidates]:
    """What `localize` gives, and the candidates that it chose among, at least `shortlist_size` of them."""
    if top_k < 1:
        raise ConfigurationError(f"The number of matches is {top_k}; give a whole number above 0.")
    if not (math.isfinite(min_separation_m) and min_separation_m >= 0):
        raise ConfigurationError(
            f"The matches are to be {min_separation_m} m apart; give 0 or a number of metres."
        )
    panorama = photo if isinstance(photo, Panorama) else load_panorama(photo)
    wanted = max(top_k, ESTIMATE_PLACES, shortlist_size)
    heading_deg, source, best = _search(panorama, heading, encoder, gallery, wanted)
    photo_kind, gallery_kind = kind_of(panorama.rendered), kind_of(gallery.simulated)
    calibration = calibration_for(encoder, gallery_kind, source)
    because = unmeasured_because(
        source, photo_kind, gallery_kind, panorama.horizontal_field_deg == 360, calibration
    )
    if because is not None:
        calibration = None
    estimate = estimate_among(best, gallery, calibration)
    result = Localization(
        gallery.name,
        encoder.name,
        heading_deg,
        source,
        estimate,
        _matches(best, gallery, top_k, min_separation_m, calibration, estimate.confidence),
        panorama.location,
        encoder.ground_view(panorama, heading_deg),
        _rests_on(because, calibration),
        photo_kind,
        gallery_kind,
        gallery.attribution,
        best.excess,
        None if calibration is None else calibration.least_excess,
        _outside_m(panorama.location, gallery),
        panorama.notes,
        heading_scores=best.heading_scores,
        columns=best.photo,
    )
    if result.in_gallery is False:  # a confidence takes for granted that the photo is in the gallery
        result = replace(
            result,
            estimate=replace(estimate, confidence=None),
            matches=tuple(replace(match, probability=None) for match in result.matches),
            rests_on=_rejected_by(result, calibration),
        )
    return replace(result, doubts=_doubts(result)), best


def choose_heading(panorama: Panorama, heading: HeadingChoice) -> tuple[float, HeadingSource]:
    """Where the centre column looks, in [0, 360), and how that is known; `search` begins at north.

    Raises ConfigurationError.
    """
    if heading == "search":
        return 0.0, "search"
    if heading == "exif":
        return (0.0, "assumed") if panorama.heading_deg is None else (panorama.heading_deg % 360, "exif")
    if isinstance(heading, str) or not math.isfinite(heading):
        raise ConfigurationError(
            f"The heading is {heading!r}; give degrees clockwise from north, `exif` or `search`."
        )
    return heading % 360, "given"


def search_heading(panorama: Panorama, encoder: EncoderLike, gallery: Gallery) -> float:
    """The heading, in [0, 360), under which the best match in the gallery scores highest."""
    return _search(panorama, "search", encoder, gallery, 1)[0]


def calibration_for(encoder: EncoderLike, kind: Kind, source: HeadingSource) -> Calibration | None:
    """What the card measured for that kind of imagery and that way of knowing the heading, None if nothing."""
    how: HeadingKnown = "searched" if source == "search" else "known"
    return read_calibration(encoder.card.calibration, kind, how)


def _search(
    panorama: Panorama, heading: HeadingChoice, encoder: EncoderLike, gallery: Gallery, count: int
) -> tuple[float, HeadingSource, Candidates]:
    """The heading, how it is known, and the best places under it."""
    heading_deg, source = choose_heading(panorama, heading)
    if source == "search" and encoder.columns is None:
        heading_deg, photo, scores = search_by_views(panorama, encoder, gallery)
        found = rank_places(photo, encoder, gallery, count)
        return heading_deg, source, replace(found, heading_scores=scores)
    search = source == "search"
    [photo] = encode_photos([panorama], [heading_deg], encoder, kind_of(gallery.simulated), search=search)
    found = rank_places(photo, encoder, gallery, count, search=search)
    turned_deg = float(found.headings_deg[0])
    if photo.columns is not None:
        found = replace(found, photo=photo.columns.turned(turned_deg))
    return (heading_deg + turned_deg) % 360, source, found


def _matches(
    best: Candidates,
    gallery: Gallery,
    top_k: int,
    min_separation_m: float,
    calibration: Calibration | None,
    confidence: float | None,
) -> tuple[Match, ...]:
    """The answers to list, each with its probability where it was measured and answers are to differ."""
    listed, likely = _listed(best, gallery, top_k, min_separation_m, calibration, confidence)
    places = gallery.places.iloc[best.place_ids[listed]]
    return tuple(
        Match(
            rank,
            int(place.place_id),
            float(place.latitude),
            float(place.longitude),
            float(score),
            probability,
        )
        for rank, (place, score, probability) in enumerate(
            zip(places.itertuples(), best.scores[listed], likely, strict=True), 1
        )
    )


def _listed(
    best: Candidates,
    gallery: Gallery,
    top_k: int,
    min_separation_m: float,
    calibration: Calibration | None,
    confidence: float | None,
) -> tuple[NDArray[np.int64], Sequence[float | None]]:
    """Which of the candidates to list, and the probability of each: the first has the confidence of the answer, and
    what that leaves is shared among the others as their scores would have it."""
    if not min_separation_m:
        listed = np.arange(min(top_k, len(best.scores)))
        return listed, [None] * len(listed)
    found = gallery.places.iloc[best.place_ids]
    listed, likely = diversify(
        best.scores,
        found["latitude"].to_numpy(),
        found["longitude"].to_numpy(),
        min_separation_m,
        DEFAULT_TEMPERATURE if calibration is None else calibration.temperature,
        top_k,
    )
    if confidence is None:
        return listed, [None] * len(listed)
    left = (1 - confidence) / max(float(likely[1:].sum()), 1 - float(likely[0]), LEAST_DOUBT)
    return listed, [confidence, *(left * likely[1:]).tolist()]


def _rests_on(because: str | None, calibration: Calibration | None) -> str:
    """What the confidence was measured on, or why there is none."""
    if because is not None or calibration is None:
        return f"Not measured: {because}."
    return f"Measured on {calibration.photos:,} photos of {calibration.measured_on}."


def _rejected_by(found: Localization, calibration: Calibration | None) -> str:
    """Why a photo counts as not taken in the gallery."""
    if found.outside_m is not None or calibration is None:
        return "Rejected by the photo's own position."
    return (
        f"Rejected: its best match stands {found.excess:.3f} above that of its mirrored copy, and most of the "
        f"{calibration.photos:,} photos of {calibration.measured_on} reach {found.least_excess:.3f}."
    )


def _doubts(found: Localization) -> tuple[Note, ...]:
    """Reasons not to believe the result."""
    if found.outside_m is not None:
        return (Note("outside_the_gallery", (found.outside_m / 1000, found.gallery)),)
    if found.in_gallery is False:
        return (Note("not_in_the_gallery", (found.gallery,)),)
    confidence = found.estimate.confidence
    if confidence is not None and verdict_on(confidence) == "unsure":
        return (Note("nothing_stands_out", (confidence, found.gallery)),)
    return ()


def _outside_m(location: Location | None, gallery: Gallery) -> float | None:
    """How far the photo's own position is from the nearest place, where that is too far to be in the gallery."""
    if location is None:
        return None
    places = gallery.places
    away_m = distance_m(places["latitude"], places["longitude"], location.latitude, location.longitude)
    nearest_m = float(away_m.min())
    return nearest_m if nearest_m > OUTSIDE_M else None
