"""How much the layers' part of the columns should count beside the stem's: what the transformer adds to ranking."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ltr_core.errors import CheckpointError
from l2ltr_core.evaluation.evaluate import CORRECT_WITHIN_M
from l2ltr_core.evaluation.recall import ranks_of_best_right
from l2ltr_core.gallery import Checkpoint, Gallery
from l2ltr_core.gallery.columns import PhotoColumns
from l2ltr_core.geometry.geodesy import distance_m
from l2ltr_core.localization import EncodedPhoto
from l2ltr_core.types import Location

WEIGHTS = tuple(float(each) for each in np.round(np.linspace(0, 1, 11), 1))
TEMPERATURES = (0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.1)


@dataclass(frozen=True)
class Weighed:
    """Of each of `WEIGHTS`: recall at 1, and the cross-entropy of the right places at the best temperature."""

    photos: int
    recall_at_1: tuple[float, ...]
    cross_entropy: tuple[float, ...]

    @property
    def best(self) -> float:
        """The weight with the lowest cross-entropy, which few photos tell more finely than a recall."""
        return WEIGHTS[int(np.argmin(self.cross_entropy))]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a card."""
        return {
            "photos": self.photos,
            "weights": list(WEIGHTS),
            "recall_at_1": list(self.recall_at_1),
            "cross_entropy": list(self.cross_entropy),
            "best": self.best,
        }

    @classmethod
    def of(
        cls, scored: Iterable[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]]
    ) -> Weighed:
        """From each photo's scores (N,) by the stem, (N,) by the layers, and which places are right (N,)."""
        hits: list[list[bool]] = [[] for _ in WEIGHTS]
        losses: list[list[list[float]]] = [[[] for _ in TEMPERATURES] for _ in WEIGHTS]
        for stem, layers, right in scored:
            for number, weight in enumerate(WEIGHTS):
                scores = (1 - weight) * stem + weight * layers
                hits[number].append(bool(ranks_of_best_right(scores[None], right[None])[0] == 0))
                for at, temperature in enumerate(TEMPERATURES):
                    odds = np.exp((scores - scores.max()) / temperature)
                    losses[number][at].append(-float(np.log(max(odds[right].sum() / odds.sum(), 1e-12))))
        return cls(
            len(hits[0]),
            tuple(float(np.mean(each)) for each in hits),
            tuple(min(float(np.mean(loss)) for loss in each) for each in losses),
        )


def weigh_layers(
    photos: Sequence[EncodedPhoto], locations: Sequence[Location], gallery: Gallery, encoder: Checkpoint
) -> Weighed:
    """On photos under known headings in a gallery; raises CheckpointError for columns without two parts."""
    latitudes, longitudes = gallery.places["latitude"].to_numpy(), gallery.places["longitude"].to_numpy()

    def scored() -> Iterable[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]]:
        for photo, place in zip(photos, locations, strict=True):
            right = distance_m(latitudes, longitudes, place.latitude, place.longitude) <= CORRECT_WITHIN_M
            if right.any():
                stem, layers = (gallery.similarity(part, encoder, (0,))[:, 0] for part in parts_alone(photo))
                yield stem, layers, right

    return Weighed.of(scored())


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
