"""A checkpoint, and the data that a report measures it on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from l2ltr_core.datasets import PairedDataset
from l2ltr_core.errors import ConfigurationError, DatasetError
from l2ltr_core.evaluation.calibration import CalibrationSamples, score_for_calibration
from l2ltr_core.evaluation.evaluate import encode_known, encode_north, load_photos
from l2ltr_core.evaluation.real import RealPairs
from l2ltr_core.gallery import Gallery
from l2ltr_core.localization import Calibration, EncodedPhoto, HeadingKnown, kind_of, read_calibration
from l2ltr_core.model.encoder import Encoder
from l2ltr_core.types import Location, Progress

SEARCHED_PHOTOS = 300
"""Validation photos on which the confidence of a searched heading is chosen."""
CORRUPTED_PHOTOS = 120
"""Number of photos of the corruption benchmark, each encoded under 16 corruptions at 5 levels."""
COMPARED_PHOTOS = 64
"""Number of photos whose pixels enter a dataset's digest; of the others, name and position."""
T = TypeVar("T")


@dataclass(frozen=True)
class EvaluationContext:
    """A checkpoint and what it is measured on; `validation`, `elsewhere` (another city) and `pairs` may be missing."""

    encoder: Encoder
    gallery: Gallery
    held_out: PairedDataset
    validation: PairedDataset | None = None
    elsewhere: PairedDataset | None = None
    corrupted_photos: int = CORRUPTED_PHOTOS
    pairs: RealPairs | None = None
    _encoded: dict[tuple[str, HeadingKnown], tuple[list[EncodedPhoto], list[Location]]] = field(
        default_factory=dict, init=False, repr=False
    )
    _samples: dict[tuple[str, str], CalibrationSamples] = field(default_factory=dict, init=False, repr=False)
    _digests: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def data(self, role: str) -> PairedDataset:
        """The dataset in a role, by the name of its field."""
        found: PairedDataset | None = getattr(self, role)
        if found is None:
            raise ConfigurationError(
                f"This part of the report needs a dataset in the role `{role}`; give one."
            )
        return found

    def measured_pairs(self) -> RealPairs:
        """The real pairs, where there are any."""
        if self.pairs is None:
            raise ConfigurationError("This part of the report needs real pairs; give some.")
        return self.pairs

    def calibration_samples(
        self, role: str, heading: HeadingKnown, progress: Progress | None
    ) -> CalibrationSamples:
        """What a dataset's photos get in the gallery; where their heading is searched, some of them."""
        if (role, heading) not in self._samples:
            photos, locations = self.encoded_photos(role, heading, progress)
            search = heading == "searched"
            self._samples[role, heading] = score_for_calibration(
                photos, locations, self.gallery, self.encoder, search=search
            )
        return self._samples[role, heading]

    def encoded_photos(
        self, role: str, heading: HeadingKnown, progress: Progress | None
    ) -> tuple[list[EncodedPhoto], list[Location]]:
        """A dataset's photos, encoded once, and where each was taken; where their heading is to be searched, some of
        them, as if each looked north."""
        if (role, heading) not in self._encoded:
            photos = list(self.data(role).queries)
            encode = encode_known
            if heading == "searched":
                photos, encode = spread(photos, SEARCHED_PHOTOS), encode_north
            if any(photo.location is None for photo in photos):
                raise DatasetError(f"The dataset {self.data(role).name} has photos without a position.")
            kind = kind_of(self.gallery.simulated)
            ground = list(encode(load_photos(photos, None, progress), self.encoder, kind))
            self._encoded[role, heading] = (
                ground,
                [photo.location for photo in photos if photo.location is not None],
            )
        return self._encoded[role, heading]

    @property
    def has_layers_part(self) -> bool:
        """Whether the checkpoint's columns say what stem and layers see, each by itself."""
        return bool(self.encoder.card.model.stem_column_width)

    def forget(self) -> None:
        """Forget what was scored: the weights of their columns' parts have changed."""
        self._encoded.clear()
        self._samples.clear()

    def calibration(self, heading: HeadingKnown) -> Calibration | None:
        """What the card says now for the gallery's kind of imagery."""
        return read_calibration(self.encoder.card.calibration, kind_of(self.gallery.simulated), heading)

    def digest(self, role: str) -> str:
        """Which data a role has; read once."""
        if role not in self._digests:
            self._digests[role] = (
                _pairs_digest(self.measured_pairs()) if role == "pairs" else _dataset_digest(self.data(role))
            )
        return self._digests[role]


def spread(photos: Sequence[T], count: int) -> list[T]:
    """`count` of them at equal steps, all if there are fewer."""
    steps = np.linspace(0, len(photos) - 1, min(count, len(photos))).round().astype(int)
    return [photos[step] for step in steps]


def _dataset_digest(dataset: PairedDataset) -> str:
    digest = hashlib.sha256(dataset.name.encode())
    for photo in dataset.queries:
        digest.update(f"{photo.name} {photo.location} {photo.heading_deg} {photo.tile}\n".encode())
    for photo in spread(dataset.queries, COMPARED_PHOTOS):
        digest.update(photo.load().pixels.tobytes())
    return digest.hexdigest()


def _pairs_digest(pairs: RealPairs) -> str:
    digest = hashlib.sha256(pairs.imagery.encode())
    for each in pairs.sets:
        digest.update(_dataset_digest(each).encode())
    for tile in pairs.tiles:
        digest.update(f"{tile.span_m}".encode() + tile.path.read_bytes())
    return digest.hexdigest()
