"""How much the layers' part of the columns should count beside the stem's: what the transformer adds to ranking."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from l2ltr_core.errors import CheckpointError
from l2ltr_core.evaluation.recall import CORRECT_WITHIN_M, ranks_of_best_right
from l2ltr_core.gallery import Gallery
from l2ltr_core.gallery.columns import PhotoColumns
from l2ltr_core.geometry.geodesy import distance_m
from l2ltr_core.localization import EncodedPhoto, HeadingKnown
from l2ltr_core.model.protocol import EncoderLike
from l2ltr_core.types import Location

WEIGHTS = tuple(float(each) for each in np.round(np.linspace(0, 1, 11), 1))
TEMPERATURES = (0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.1)

Scored: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]
"""A photo's scores (N, T) by the stem, by the layers, and which of N places are right."""


@dataclass(frozen=True)
class Weighed:
    """Of each of `WEIGHTS`: recall at 1, and the cross-entropy of the right places at the best temperature, with the
    heading known and with the heading searched."""

    photos: int
    recall_at_1: tuple[float, ...]
    cross_entropy: tuple[float, ...]
    searched_recall_at_1: tuple[float, ...]
    searched_cross_entropy: tuple[float, ...]

    @property
    def best(self) -> dict[HeadingKnown, float]:
        """The weights with the lowest cross-entropy, which few photos tell more finely than a recall."""
        return {
            "known": WEIGHTS[int(np.argmin(self.cross_entropy))],
            "searched": WEIGHTS[int(np.argmin(self.searched_cross_entropy))],
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a card."""
        return {
            "photos": self.photos,
            "weights": list(WEIGHTS),
            "recall_at_1": list(self.recall_at_1),
            "cross_entropy": list(self.cross_entropy),
            "searched_recall_at_1": list(self.searched_recall_at_1),
            "searched_cross_entropy": list(self.searched_cross_entropy),
            "best": self.best,
        }

    @classmethod
    def of(cls, known: Iterable[Scored], searched: Iterable[Scored]) -> Weighed:
        """From what photos score under their headings (T = 1) and, turned at random, under every turn."""
        tallies = _Tally(), _Tally()
        for tally, scored in zip(tallies, (known, searched), strict=True):
            for stem, layers, right in scored:
                tables = ((1 - weight) * stem + weight * layers for weight in WEIGHTS)
                tally.add([table.max(axis=1) for table in tables], right)
        return cls(tallies[0].photos, *tallies[0].summary(), *tallies[1].summary())


@dataclass
class _Tally:
    """Hits and losses of photos at each weight and temperature."""

    hits: list[list[bool]] = field(default_factory=list)
    losses: list[list[list[float]]] = field(default_factory=list)

    @property
    def photos(self) -> int:
        return len(self.hits)

    def add(self, scores_of: Sequence[NDArray[np.float32]], right: NDArray[np.bool_]) -> None:
        """One photo's (N,) scores at each weight."""
        self.hits.append([bool(ranks_of_best_right(each[None], right[None])[0] == 0) for each in scores_of])
        self.losses.append([[_loss(each, right, at) for at in TEMPERATURES] for each in scores_of])

    def summary(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Recall at 1 and the cross-entropy at the best temperature, of each weight."""
        losses = np.mean(self.losses, axis=0).min(axis=1)
        return tuple(np.mean(self.hits, axis=0).tolist()), tuple(losses.tolist())


def _loss(scores: NDArray[np.float32], right: NDArray[np.bool_], temperature: float) -> float:
    odds = np.exp((scores - scores.max()) / temperature)
    return -float(np.log(max(odds[right].sum() / odds.sum(), 1e-12)))


def weigh_layers(
    known: Sequence[EncodedPhoto],
    turned: Sequence[EncodedPhoto],
    locations: Sequence[Location],
    gallery: Gallery,
    encoder: EncoderLike,
) -> Weighed:
    """On photos encoded under their headings, and turned at random; raises CheckpointError for columns without two
    parts."""
    latitudes, longitudes = gallery.places["latitude"].to_numpy(), gallery.places["longitude"].to_numpy()

    def scored(photos: Sequence[EncodedPhoto], search: bool) -> Iterable[Scored]:
        for photo, place in zip(photos, locations, strict=True):
            right = distance_m(latitudes, longitudes, place.latitude, place.longitude) <= CORRECT_WITHIN_M
            if right.any():
                yield scores_of_parts(photo, right, gallery, encoder, search)

    return Weighed.of(scored(known, False), scored(turned, True))


def scores_of_parts(
    photo: EncodedPhoto, right: NDArray[np.bool_], gallery: Gallery, encoder: EncoderLike, search: bool
) -> Scored:
    """What `Weighed.of` takes of a photo; with `search` under every turn."""
    stem, layers = (
        gallery.similarity(part, encoder, range(part.turns) if search else (0,))
        for part in parts_alone(photo)
    )
    return stem, layers, right


def parts_alone(photo: EncodedPhoto) -> tuple[PhotoColumns, PhotoColumns]:
    """A photo's columns as the stem alone and as the layers alone would have them compared."""
    if photo.columns is None or len(photo.columns.parts) != 2:
        raise CheckpointError(
            "Only columns with a part from the stem and one from the layers can be weighed."
        )
    (stem, _), (layers, _) = photo.columns.parts
    return (
        replace(photo.columns, parts=((stem, 1.0), (layers, 0.0))),
        replace(photo.columns, parts=((stem, 0.0), (layers, 1.0))),
    )
