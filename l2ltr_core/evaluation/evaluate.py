"""Measure a checkpoint on paired data, in one of two protocols.

`paired`: one aerial square a photo, the right one is its own (as on CVUSA and CVACT). `places`: the gallery
as it is, right is every place within 25 m of where the photo was taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from l2ltr_core.datasets import PairedDataset, Query
from l2ltr_core.errors import ConfigurationError, DatasetError
from l2ltr_core.evaluation.recall import (
    CORRECT_WITHIN_M,
    TIE,
    first_match_m,
    ranks_of_best_right,
    ranks_of_own,
    recall_at,
    recalls_of_ranks,
    require_numbers,
)
from l2ltr_core.gallery import Gallery, open_gallery
from l2ltr_core.gallery.columns import part_energy, peak_heading_deg, similarity
from l2ltr_core.geometry.geodesy import distance_m
from l2ltr_core.geometry.panorama import crop_field
from l2ltr_core.localization import (
    DEFAULT_TEMPERATURE,
    EncodedPhoto,
    Kind,
    column_parts,
    diversify,
    encode_photos,
    encode_turns,
    kind_of,
    read_calibration,
    searched_headings,
    spatial_nms,
)
from l2ltr_core.model.protocol import EncoderLike
from l2ltr_core.types import Panorama, Progress

ProtocolName = Literal["paired", "places"]
REPORTED_DISTANCES_M = (5, 10, 25, 50)
LISTED = (5, 10)
LISTED_OF = 1000
"""Number of best places that the diversified answers are chosen from."""
BLOCK_PHOTOS = 64
"""Number of photos that are loaded and encoded together."""
FIELD_SEED = 0
"""Seed of the directions in which a limited field of view looks, so that two runs see the same."""


@dataclass(frozen=True)
class _Ranked:
    """What a protocol ranks: `score` says how a photo, turned by some columns, scores with all N places, (N, T), and
    where these are (None if unknown). `kind` is that of the imagery, `temperature` that of probabilities."""

    score: Callable[[EncodedPhoto, Sequence[int]], NDArray[np.float32]]
    places: int
    kind: Kind
    latitudes: NDArray | None = None
    longitudes: NDArray | None = None
    temperature: float = DEFAULT_TEMPERATURE

    def __len__(self) -> int:
        return self.places


@dataclass(frozen=True)
class Evaluation:
    """What was measured: the `report` of `evaluate`, and `photos`, one row a query.

    Its columns are `photo` (name), `rank` of the first right place (from 1), of the `places` protocol `rank_apart`
    (the same among the diversified answers that `diversify` chooses), of the `paired` one `rank_apart` among the
    tiles of photos that lie 25 m apart (NaN for the other photos), and `error_m` of the first match,
    NaN where positions are not known; after a search `heading_deg`, the one that was found.
    """

    report: dict[str, Any]
    photos: pd.DataFrame


def evaluate(
    dataset: PairedDataset,
    encoder: EncoderLike,
    *,
    protocol: ProtocolName | None = None,
    heading: Literal["exif", "search"] = "exif",
    fov_deg: float | None = None,
    gallery: Gallery | None = None,
    rerank: bool = True,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure the retrieval of a dataset's photos.

    Args:
        dataset: Photos and tiles, as `open_dataset` gives them.
        encoder: The checkpoint, as `load_encoder` gives it.
        protocol: `paired` (one tile for each photo; correct is its own) or `places` (all places of a gallery; correct
            is within 25 m). By default `places` where the dataset names a gallery.
        heading: `exif` for the headings that the dataset knows, `search` to search each photo's heading.
        fov_deg: Horizontal field of view in degrees: of each full panorama only a random part so wide is used.
        gallery: The gallery of the `places` protocol, if not the one that the dataset names.
        rerank: Rank by column similarity; False ranks by the global descriptor (CLS), without re-ranking, as in the
            paper.
        progress: Called with (photos done, photos in all).

    Returns:
        `protocol`, `queries`, `gallery_size`, recalls as fractions and, where positions are known, the shares of first
        matches within 5, 10, 25 and 50 m and `median_error_m`.

    Raises:
        ConfigurationError: Protocol, heading or field of view cannot be used with this dataset.
        DatasetError: A photo or a tile cannot be read.
        GalleryError: The gallery is missing or lacks the checkpoint's index.
    """
    return measure(
        dataset, encoder, protocol=protocol, heading=heading, fov_deg=fov_deg, gallery=gallery,
        rerank=rerank, progress=progress,
    ).report  # fmt: skip


def measure(
    dataset: PairedDataset,
    encoder: EncoderLike,
    *,
    protocol: ProtocolName | None = None,
    heading: Literal["exif", "search"] = "exif",
    fov_deg: float | None = None,
    gallery: Gallery | None = None,
    photos: Sequence[Query] | None = None,
    rerank: bool = True,
    progress: Progress | None = None,
) -> Evaluation:
    """`evaluate` with what became of each photo; `photos` are some of the dataset's own, perhaps altered."""
    protocol = protocol or ("paired" if dataset.gallery_name is None else "places")
    photos = dataset.queries if photos is None else photos
    _check(dataset, photos, protocol, heading, fov_deg, gallery)
    if protocol == "places":
        ranked = _places(gallery or open_gallery(str(dataset.gallery_name)), encoder, rerank)
    else:
        ranked = _tiles(dataset, encoder, rerank)
    panoramas = load_photos(photos, fov_deg, progress)
    table = pd.DataFrame({"photo": [photo.name for photo in photos]})
    if heading == "exif":
        scored = (ranked.score(photo, (0,))[:, 0] for photo in encode_known(panoramas, encoder, ranked.kind))
    elif encoder.columns is not None and rerank:
        turned = [_searched(photo, ranked) for photo in encode_north(panoramas, encoder, ranked.kind)]
        table = table.assign(heading_deg=[heading_deg for _, heading_deg in turned])
        scored = (scores for scores, _ in turned)
    else:
        viewed = list(_by_views(panoramas, encoder, ranked))
        table = table.assign(heading_deg=[heading_deg for _, heading_deg in viewed])
        scored = (scores for scores, _ in viewed)
    report: dict[str, Any] = {
        "dataset": dataset.name,
        "checkpoint": encoder.name,
        "protocol": protocol,
        "heading": heading,
        "queries": len(photos),
        "gallery_size": len(ranked),
    }
    if fov_deg is not None:
        report["fov_deg"] = fov_deg
    if encoder.columns is not None:
        report["reranked"] = rerank
    ranks, separated_ranks, errors_m = _rank(photos, scored, ranked, protocol)
    report |= _summary(ranks, errors_m, len(ranked))
    table = table.assign(rank=ranks + 1)
    if separated_ranks is not None:
        counted = separated_ranks[~np.isnan(separated_ranks)]
        if protocol == "paired":
            report["queries_apart"] = len(counted)
        reported = (
            LISTED if protocol == "places" else (1, *LISTED)
        )  # the first of the places is the first of all
        report |= {f"recall_at_{k}_apart": recall_at(counted, k) for k in reported}
        table = table.assign(rank_apart=separated_ranks + 1)
    errors = np.full(len(photos), np.nan) if errors_m is None else errors_m.astype(np.float64)
    return Evaluation(report, table.assign(error_m=errors))


def _check(
    dataset: PairedDataset,
    photos: Sequence[Query],
    protocol: str,
    heading: str,
    fov_deg: float | None,
    gallery: Gallery | None,
) -> None:
    if protocol not in ("paired", "places"):
        raise ConfigurationError(f"The protocol is {protocol!r}; give `paired` or `places`.")
    if heading not in ("exif", "search"):
        raise ConfigurationError(f"The heading is {heading!r}; give `exif` or `search`.")
    if fov_deg is not None and not 0 < fov_deg <= 360:
        raise ConfigurationError(f"The field of view is {fov_deg} degrees; give more than 0, at most 360.")
    if not photos:
        raise DatasetError(f"The dataset {dataset.name} has no photos to evaluate.")
    if protocol == "places" and dataset.gallery_name is None and gallery is None:
        raise ConfigurationError(
            f"The dataset {dataset.name} names no gallery, which the places protocol searches; "
            "use the protocol `paired`."
        )
    if protocol == "places" and any(photo.location is None for photo in photos):
        raise DatasetError(
            f"The dataset {dataset.name} has photos without a position, which the places protocol needs; "
            "use the protocol `paired`."
        )
    unknown = sum(photo.heading_deg is None for photo in photos)
    if heading == "exif" and unknown:
        raise DatasetError(
            f"{unknown} of {len(photos)} photos of the dataset {dataset.name} do not say which way "
            "they look; search for their headings instead."
        )


def _places(gallery: Gallery, encoder: EncoderLike, rerank: bool) -> _Ranked:
    """The gallery's places, ranked by column similarity as localization does, or by the global descriptor (CLS)."""
    if encoder.columns is not None and rerank:

        def score(photo: EncodedPhoto, turns: Sequence[int]) -> NDArray[np.float32]:
            assert photo.columns is not None
            return gallery.similarity(photo.columns, encoder, turns)

    else:
        descriptors, views_per_cell = gallery.descriptors(encoder), gallery.views_per_cell(encoder)

        def score(photo: EncodedPhoto, turns: Sequence[int]) -> NDArray[np.float32]:  # noqa: ARG001
            return (descriptors @ photo.cls).reshape(-1, views_per_cell).max(axis=1)[:, None]

    kind = kind_of(gallery.simulated)
    calibration = read_calibration(encoder.card.calibration, kind, "known")
    return _Ranked(
        score,
        len(gallery.places),
        kind,
        gallery.places["latitude"].to_numpy(),
        gallery.places["longitude"].to_numpy(),
        DEFAULT_TEMPERATURE if calibration is None else calibration.temperature,
    )


def _tiles(dataset: PairedDataset, encoder: EncoderLike, rerank: bool) -> _Ranked:
    """The dataset's own squares; where each belongs to one photo they are where the photo is."""
    chip_m = encoder.card.view.chip_m
    tiles = (dataset.aerial(tile, chip_m) for tile in range(dataset.tile_count))
    descriptors, columns = encoder.describe_aerial(tiles)
    require_numbers(descriptors, "aerial")
    kind = kind_of(dataset.simulated)
    energy = None
    if columns is not None:
        energy = part_energy(columns, [count for count, _ in column_parts(encoder, kind)])

    def score(photo: EncodedPhoto, turns: Sequence[int]) -> NDArray[np.float32]:
        if photo.columns is None or columns is None or not rerank:
            return (descriptors @ photo.cls)[:, None]
        return similarity(photo.columns, columns, turns, energy)

    if dataset.tile_count != len(dataset.queries) or any(q.location is None for q in dataset.queries):
        return _Ranked(score, len(descriptors), kind)
    latitudes, longitudes = np.empty(len(descriptors)), np.empty(len(descriptors))
    for query in dataset.queries:
        assert query.location is not None
        latitudes[query.tile], longitudes[query.tile] = query.location.latitude, query.location.longitude
    return _Ranked(score, len(descriptors), kind, latitudes, longitudes)


def encode_known(panoramas: Iterable[Panorama], encoder: EncoderLike, kind: Kind) -> Iterator[EncodedPhoto]:
    """Photos under the headings they know, north for one that knows none, a block at a time."""
    for block in _blocks(panoramas):
        yield from encode_photos(block, [each.heading_deg or 0.0 for each in block], encoder, kind)


def encode_north(panoramas: Iterable[Panorama], encoder: EncoderLike, kind: Kind) -> Iterator[EncodedPhoto]:
    """Photos as if the centre of each looked north."""
    for block in _blocks(panoramas):
        yield from encode_photos(block, [0.0] * len(block), encoder, kind, search=True)


def _blocks(panoramas: Iterable[Panorama]) -> Iterator[list[Panorama]]:
    """So many photos at a time that a batch of the encoder is full and few are in memory."""
    waiting = iter(panoramas)
    while block := list(islice(waiting, BLOCK_PHOTOS)):
        yield block


def _searched(photo: EncodedPhoto, ranked: _Ranked) -> tuple[NDArray[np.float32], float]:
    """(N,) scores of a photo under the best heading for each place, and the heading of the best place."""
    assert photo.columns is not None
    table = ranked.score(photo, range(photo.columns.turns))
    scores = table.max(axis=1)
    return scores, peak_heading_deg(table[scores.argmax()])


def _by_views(
    panoramas: Iterable[Panorama], encoder: EncoderLike, ranked: _Ranked
) -> Iterator[tuple[NDArray[np.float32], float]]:
    """(N,) scores of each photo by CLS under the heading of 32 that `search_by_views` finds, and that heading."""
    headings_deg = searched_headings()
    for panorama in panoramas:
        views = encode_turns(panorama, encoder)
        scores = np.stack([ranked.score(view, (0,))[:, 0] for view in views])
        best = int(scores.max(axis=1).argmax())
        yield scores[best], headings_deg[best]


def load_photos(
    photos: Sequence[Query], fov_deg: float | None, progress: Progress | None
) -> Iterator[Panorama]:
    """The photos with the headings the dataset knows, cut to the field of view where one is given."""
    random = np.random.default_rng(FIELD_SEED)
    for done, photo in enumerate(photos, 1):
        panorama = replace(photo.load(), heading_deg=photo.heading_deg)
        direction_deg = float(random.uniform(-180, 180))
        if fov_deg is not None and panorama.horizontal_field_deg == 360:
            panorama = crop_field(panorama, direction_deg, fov_deg)
        yield panorama
        if progress is not None:
            progress(done, len(photos))


def _rank(
    queries: Iterable[Query], scored: Iterable[NDArray[np.float32]], ranked: _Ranked, protocol: str
) -> tuple[NDArray[np.int64], NDArray[np.float64] | None, NDArray[np.float32] | None]:
    """(Q,) ranks, from 0, of the first right place, among all places and among the diversified answers (or the
    separated photos' tiles), and metres from each photo to its first match; `scored` gives each photo's (N,) scores."""
    photos = list(queries)
    positions = _positions(photos, ranked)
    own = np.array([query.tile for query in photos])
    alone = None if positions is None else _alone(positions)
    ranks, separated_ranks, first_m = [], [], []
    for photo, mine in enumerate(scored):
        require_numbers(mine, "ground")
        scores, block = mine[None], slice(photo, photo + 1)
        distances_m = None if positions is None else _distances_m(positions[block], ranked)
        if protocol == "paired":
            ranks.append(ranks_of_own(scores, own[block]))
            if alone is not None:
                separated_ranks.append(_ranks_among(scores, own, alone, block))
        else:
            assert distances_m is not None
            right = distances_m <= CORRECT_WITHIN_M
            ranks.append(ranks_of_best_right(scores, right))
            listed = [_diversified_rank(*each, ranked) for each in zip(scores, right, strict=True)]
            separated_ranks.append(np.array(listed, np.float64))
        if distances_m is not None:
            first_m.append(first_match_m(scores, distances_m))
    return (
        np.concatenate(ranks),
        np.concatenate(separated_ranks) if separated_ranks else None,
        np.concatenate(first_m) if first_m else None,
    )


def _alone(positions: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(Q,) a choice of photos, in their order, of which no two lie within 25 m of each other."""
    chosen = np.zeros(len(positions), bool)
    chosen[spatial_nms(positions[:, 0], positions[:, 1], CORRECT_WITHIN_M, len(positions))] = True
    return chosen


def _ranks_among(
    scores: NDArray[np.float32], own: NDArray, chosen: NDArray[np.bool_], block: slice
) -> NDArray[np.float64]:
    """(B,) ranks, from 0, of the own tiles of a block's chosen photos among those of all chosen, NaN for the others."""
    ranks = np.full(len(scores), np.nan)
    inside = chosen[block]
    column = np.cumsum(chosen) - 1
    ranks[inside] = ranks_of_own(scores[inside][:, own[chosen]], column[block][inside])
    return ranks


def _diversified_rank(scores: NDArray[np.float32], right: NDArray[np.bool_], ranked: _Ranked) -> int:
    """Rank, from 0, of the first right of the diversified answers to list, as localization does; beyond all if none."""
    assert ranked.latitudes is not None and ranked.longitudes is not None
    best = np.argpartition(-scores, min(LISTED_OF, len(scores)) - 1)[:LISTED_OF]
    best = best[np.lexsort((right[best], -np.round(scores[best] / TIE)))]  # of equal scores the wrong first
    listed, _ = diversify(
        scores[best],
        ranked.latitudes[best],
        ranked.longitudes[best],
        CORRECT_WITHIN_M,
        ranked.temperature,
        max(LISTED),
    )
    found = np.flatnonzero(right[best[listed]])
    return int(found[0]) if len(found) else len(scores)


def _summary(
    ranks: NDArray[np.int64], errors_m: NDArray[np.float32] | None, gallery_size: int
) -> dict[str, float]:
    report = recalls_of_ranks(ranks, gallery_size)
    if errors_m is not None:
        for limit_m in REPORTED_DISTANCES_M:
            report[f"recall_within_{limit_m}m"] = float((errors_m <= limit_m).mean())
        report["median_error_m"] = round(float(np.median(errors_m)), 2)
    return report


def _positions(photos: Sequence[Query], ranked: _Ranked) -> NDArray[np.float64] | None:
    """(Q, 2) latitudes and longitudes of the photos, None where theirs or the places' are unknown."""
    known = [photo.location for photo in photos if photo.location is not None]
    if ranked.latitudes is None or len(known) < len(photos):
        return None
    return np.array([(place.latitude, place.longitude) for place in known])


def _distances_m(positions: NDArray[np.float64], ranked: _Ranked) -> NDArray[np.float32]:
    """(B, N) metres from each of B positions, latitude and longitude, to each place."""
    assert ranked.latitudes is not None and ranked.longitudes is not None
    distances_m = distance_m(positions[:, :1], positions[:, 1:], ranked.latitudes, ranked.longitudes)
    return distances_m.astype(np.float32)
