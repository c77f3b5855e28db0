"""Which places of a gallery a photo resembles, and under which heading: the one ranking of product and evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from l2ltr_core.gallery import Gallery
from l2ltr_core.gallery.columns import PhotoColumns, peak_heading_deg
from l2ltr_core.geometry.panorama import shown_columns
from l2ltr_core.localization.calibration import Kind
from l2ltr_core.model.protocol import EncoderLike
from l2ltr_core.types import RGB, Descriptors, Panorama

SEARCHED_HEADINGS = 32
"""Number of headings searched for a checkpoint without columns, one every 11.25 degrees."""


@dataclass(frozen=True)
class EncodedPhoto:
    """A photo as galleries are searched with it: CLS (D,) and, where the checkpoint has any, its columns."""

    cls: Descriptors
    columns: PhotoColumns | None


@dataclass(frozen=True)
class Candidates:
    """The best places for one photo, best first: `place_ids` (K,), `scores` (K,), and what else the search tells.

    `excess` is how far the best score stands above the best *decoy*, the same photo with east and west exchanged,
    which was taken nowhere, under any heading: in a gallery that does not hold the photo it is as often below 0 as
    above where the photo's heading is searched, too, and mostly below where it is known. None without columns.
    `heading_scores` (w,) are the best place's scores over a whole turn, None where no heading was searched,
    and `headings_deg` (K,) the heading of the photo's centre that goes with each place, relative to the one that
    the photo was encoded under. `photo` is the photo as it was compared, under the first place's heading; None without
    columns.
    """

    place_ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    headings_deg: NDArray[np.float64]
    excess: float | None = None
    heading_scores: NDArray[np.float32] | None = None
    photo: PhotoColumns | None = None

    def first(self, count: int) -> Candidates:
        """The `count` best of them."""
        return replace(
            self,
            place_ids=self.place_ids[:count],
            scores=self.scores[:count],
            headings_deg=self.headings_deg[:count],
        )


def kind_of(simulated: bool) -> Kind:
    """The kind of a photo or a gallery."""
    return "rendered" if simulated else "real"


def encode_photos(
    panoramas: Iterable[Panorama],
    headings_deg: Iterable[float],
    encoder: EncoderLike,
    kind: Kind,
    *,
    search: bool = False,
) -> list[EncodedPhoto]:
    """Photos under the headings of their centres, to be compared with imagery of a kind; with `search` under all."""
    shown: list[NDArray[np.bool_]] = []
    count = encoder.columns[0] if encoder.columns else 1

    def views() -> Iterable[RGB]:
        for panorama, heading_deg in zip(panoramas, headings_deg, strict=False):
            shown.append(shown_columns(panorama, heading_deg, count))
            yield encoder.ground_view(panorama, heading_deg)

    encoded = encoder.describe_ground(views(), prepared=True)
    if encoded.columns is None:
        return [EncodedPhoto(cls, None) for cls in encoded.cls]
    parts = column_parts(encoder, kind, search=search)
    return [
        EncodedPhoto(cls, PhotoColumns(columns, seen, parts))
        for cls, columns, seen in zip(encoded.cls, encoded.columns, shown, strict=True)
    ]


def column_parts(encoder: EncoderLike, kind: Kind, *, search: bool = False) -> tuple[tuple[int, float], ...]:
    """How many numbers of a column come from the stem and from the layers, and how much each part counts.

    Layers know where north is from their positional embeddings, so they may count less where a heading is searched, and
    not at all where that was not weighed.
    """
    assert encoder.columns is not None
    of_stem = encoder.card.model.stem_column_width
    if not of_stem:
        return ((encoder.columns[1], 1.0),)
    weights = encoder.card.layers_weight.get(kind, {"known": 0.5})
    weight = weights.get("searched" if search else "known", 0.0)
    return ((of_stem, 1 - weight), (encoder.columns[1] - of_stem, weight))


@dataclass(frozen=True)
class Comparison:
    """A photo beside every place: `scores` (N, T) under each heading tried, and those of its mirrored copy under all
    headings, `decoys` (N,) at best."""

    scores: NDArray[np.float32]
    decoys: NDArray[np.float32]

    @property
    def searched(self) -> bool:
        """Whether more headings than one were tried."""
        return self.scores.shape[1] > 1

    def best(self, count: int, excluded: NDArray[np.bool_] | None = None) -> Candidates:
        """The `count` best places; those `excluded` (N,) count as not being in the gallery."""
        scores, decoys = self.scores.max(axis=1), self.decoys
        if excluded is not None:
            scores, decoys = np.where(excluded, -np.inf, scores), np.where(excluded, -np.inf, decoys)
            count = min(count, int((~excluded).sum()))
        found = np.argpartition(-scores, min(count, len(scores)) - 1)[:count]
        found = found[np.lexsort((found, -scores[found]))]
        headings_deg = np.zeros(len(found))
        if self.searched:
            headings_deg = np.array([peak_heading_deg(row) for row in self.scores[found]])
        return Candidates(
            found,
            scores[found],
            headings_deg,
            float(scores[found[0]] - decoys.max()),
            self.scores[found[0]] if self.searched else None,
        )


def compare(
    photo: EncodedPhoto, encoder: EncoderLike, gallery: Gallery, *, search: bool = False
) -> Comparison:
    """A photo with columns beside every place; with `search` every heading is tried, from the one encoding.

    Raises GalleryError or CheckpointError.
    """
    assert photo.columns is not None
    whole_turn = range(photo.columns.turns)
    turns: Sequence[int] = whole_turn if search else (0,)
    return Comparison(
        gallery.similarity(photo.columns, encoder, turns),
        gallery.similarity(photo.columns.mirrored(), encoder, whole_turn).max(axis=1),
    )


def rank_places(
    photo: EncodedPhoto, encoder: EncoderLike, gallery: Gallery, count: int, *, search: bool = False
) -> Candidates:
    """The `count` best places of a photo by its columns; by CLS for a checkpoint without any.

    Raises GalleryError or CheckpointError.
    """
    if photo.columns is not None:
        return compare(photo, encoder, gallery, search=search).best(count)
    scores, found = gallery.search(photo.cls[None], encoder, count)
    valid = found[0] >= 0  # an approximate index may find fewer
    return Candidates(found[0][valid], scores[0][valid], np.zeros(int(valid.sum())))


def search_by_views(
    panorama: Panorama, encoder: EncoderLike, gallery: Gallery
) -> tuple[float, EncodedPhoto, NDArray[np.float32]]:
    """For a checkpoint without columns: the heading of 32 under which the best place scores highest, the photo under
    it, and the best score under each (32,)."""
    photos = encode_turns(panorama, encoder)
    scores, _ = gallery.search(np.stack([photo.cls for photo in photos]), encoder, 1)
    best = int(scores[:, 0].argmax())
    return searched_headings()[best], photos[best], scores[:, 0]


def encode_turns(panorama: Panorama, encoder: EncoderLike) -> list[EncodedPhoto]:
    """A photo under each of `searched_headings`, to be compared by the global descriptor (CLS)."""
    views = (encoder.ground_view(panorama, heading_deg) for heading_deg in searched_headings())
    return [EncodedPhoto(cls, None) for cls in encoder.describe_ground(views, prepared=True).cls]


def searched_headings() -> list[float]:
    """The headings that `search_by_views` tries, degrees clockwise from north."""
    return [360 * step / SEARCHED_HEADINGS for step in range(SEARCHED_HEADINGS)]


HeadingChoice = float | Literal["exif", "search"]
"""Heading of a photo's centre: degrees clockwise from north, `exif` for what the photo says, or `search`."""
