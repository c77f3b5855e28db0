"""What a checkpoint is worth on real photos: pairs located one by one by `localize`, as a user's photo is."""

from __future__ import annotations

import csv
import hashlib
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from l2ltr_core.datasets.pairs import PairSet, Tile, credit_of, open_distractors, open_pairs
from l2ltr_core.errors import DatasetError
from l2ltr_core.evaluation.calibration import (
    FALSE_REJECTIONS,
    SURE,
    CalibrationSamples,
    calibrate,
    calibration_summary,
    score_for_calibration,
)
from l2ltr_core.evaluation.intervals import bootstrap_mean, wilson_interval
from l2ltr_core.evaluation.recall import REAL_HEADING_WITHIN_DEG, ranks_of_own
from l2ltr_core.evaluation.weighing import Scored, Weighed, scores_of_parts
from l2ltr_core.gallery import Gallery, build_gallery
from l2ltr_core.geometry.geodesy import distance_between_m, offset
from l2ltr_core.geometry.panorama import between_deg
from l2ltr_core.imagery import open_imagery
from l2ltr_core.imagery.folder import LIST_NAME
from l2ltr_core.localization import Calibration, EncodedPhoto, HeadingKnown, encode_photos, localize
from l2ltr_core.model.config import CheckpointCard
from l2ltr_core.model.protocol import EncoderLike
from l2ltr_core.types import RGB, Encoded, Location, Panorama, Progress

LISTED = (1, 5)
PLACES_APART_M = 1000.0
"""Distance between the made-up positions of tiles: no two are one place."""
FIRST_PLACE = Location(0.0, 0.0)
SEED = 0


@dataclass(frozen=True)
class RealPairs:
    """Sets of real pairs, further tiles that no photo belongs to, and whose imagery it is."""

    sets: tuple[PairSet, ...]
    distractors: tuple[Tile, ...] = ()
    imagery: str = ""

    @property
    def tiles(self) -> list[Tile]:
        """Those of all sets, then the distractors."""
        return [tile for each in self.sets for tile in each.tiles] + list(self.distractors)


def open_real_pairs(
    folder: str | Path, distractors: str | Path | None = None, imagery: str | None = None
) -> RealPairs:
    """The pairs in `folder`, other tiles in `distractors`, and whose `imagery` they are.

    By default the folder's own SOURCES.txt or README.md says that in its first line. Raises DatasetError.
    """
    sets = open_pairs(folder)
    for each in sets:
        if each.tile_count < 2:
            raise DatasetError(
                f"The set {each.name} in '{folder}' has a single tile, which its photos cannot be told from; "
                "add pairs to it, or count them to another set."
            )
    others = () if distractors is None else open_distractors(distractors)
    credit = credit_of(Path(folder).expanduser()) if imagery is None else " ".join(imagery.split())
    return RealPairs(sets, others, credit)


def measure_real(pairs: RealPairs, encoder: EncoderLike, progress: Progress | None = None) -> dict[str, Any]:
    """Each photo located among the tiles of its own set (`own_set`), and among all tiles (`together`).

    `together` is None where that would be the same. Both hold what `_summary` counts, `pooled` and `by_set`.
    Every tile stands in a gallery of its own place; each gallery is built with and without the photo's own
    tile. Raises what building a gallery and locating a photo raise.
    """
    known = _RememberingEncoder(encoder)
    everything = pairs.tiles
    together = len(pairs.sets) > 1 or bool(pairs.distractors)
    with TemporaryDirectory() as work:
        wide = _TileGalleries(Path(work) / "together", everything, known) if together else None
        own_set, in_all = [], []
        total = sum(len(each.queries) for each in pairs.sets)
        for number, each in enumerate(pairs.sets):
            narrow = _TileGalleries(Path(work) / str(number), each.tiles, known)
            for query in each.queries:
                photo, tile = query.load(), each.tiles[query.tile]
                own_set.append(_locate(each.name, photo, tile, narrow))
                if wide is not None:
                    in_all.append(_locate(each.name, photo, tile, wide))
                if progress is not None:
                    progress(len(own_set), total)
    return {
        "imagery": pairs.imagery,
        "pairs": total,
        "sets": {each.name: len(each.queries) for each in pairs.sets},
        "distractors": len(pairs.distractors),
        "own_set": _summaries(own_set),
        "together": {"tiles": len(everything), **_summaries(in_all)} if together else None,
    }


def weigh_layers_of_real(pairs: RealPairs, encoder: EncoderLike, progress: Progress | None = None) -> Weighed:
    """How much the layers should count on real imagery: each photo among all tiles, its heading known and searched."""
    remembering = _RememberingEncoder(encoder)
    scored: dict[HeadingKnown, list[Scored]] = {"known": [], "searched": []}
    with TemporaryDirectory() as work:
        galleries = _TileGalleries(Path(work) / "together", pairs.tiles, remembering)
        for number, each in enumerate(pairs.sets):
            for heading, photos in _photos_of(each, remembering).items():
                for photo, query in zip(photos, each.queries, strict=True):
                    right = np.arange(len(galleries.whole.places)) == galleries.place_of(
                        each.tiles[query.tile]
                    )
                    found = scores_of_parts(photo, right, galleries.whole, remembering, heading == "searched")
                    scored[heading].append(found)
            if progress is not None:
                progress(number + 1, len(pairs.sets))
    return Weighed.of(scored["known"], scored["searched"])


def _photos_of(pairs: PairSet, encoder: _RememberingEncoder) -> dict[HeadingKnown, list[EncodedPhoto]]:
    """The photos of a set under their headings, and turned, for a search."""
    panoramas = [query.load() for query in pairs.queries]
    headings_deg = [panorama.heading_deg or 0.0 for panorama in panoramas]
    around = [turned(panorama) for panorama in panoramas]
    return {
        "known": encode_photos(panoramas, headings_deg, encoder, "real"),
        "searched": encode_photos(around, [0.0] * len(around), encoder, "real", search=True),
    }


def calibrate_real(
    pairs: RealPairs, encoder: EncoderLike, progress: Progress | None = None
) -> dict[str, Calibration]:
    """What scores on real imagery are worth, with the heading known and searched, from all photos in the gallery of
    their own set and in that of all tiles. Raises DatasetError for fewer than 10 photos.
    """
    remembering = _RememberingEncoder(encoder)
    everything = pairs.tiles
    samples: dict[HeadingKnown, list[CalibrationSamples]] = {"known": [], "searched": []}
    with TemporaryDirectory() as work:
        wide = _TileGalleries(Path(work) / "together", everything, remembering)
        for number, each in enumerate(pairs.sets):
            photos = _photos_of(each, remembering)
            narrow = _TileGalleries(Path(work) / str(number), each.tiles, remembering)
            for galleries in (narrow, wide):
                own = [galleries.place_of(each.tiles[query.tile]) for query in each.queries]
                locations = [galleries.whole.location(place) for place in own]
                for heading, parts in samples.items():
                    search = heading == "searched"
                    parts.append(
                        score_for_calibration(
                            photos[heading], locations, galleries.whole, remembering, search=search
                        )
                    )
            if progress is not None:
                progress(number + 1, len(pairs.sets))
    count = sum(len(each.queries) for each in pairs.sets)
    named = ", ".join(each.name for each in pairs.sets)
    measured_on = f"other places ({named})"
    return {
        heading: replace(
            calibrate(CalibrationSamples.joined(parts), measured_on, FALSE_REJECTIONS["real"]), photos=count
        )
        for heading, parts in samples.items()
    }


@dataclass
class _RememberingEncoder:
    """An encoder that describes the same picture once, so that a tile may stand in many galleries."""

    encoder: EncoderLike
    _known: dict[tuple[str, bytes], Encoded] = field(default_factory=dict)
    """Each picture by itself, (1, D) and (1, w, d), by what was done with it and its content."""

    @property
    def name(self) -> str:
        return self.encoder.name

    @property
    def fingerprint(self) -> str:
        return self.encoder.fingerprint

    @property
    def columns(self) -> tuple[int, int] | None:
        return self.encoder.columns

    @property
    def card(self) -> CheckpointCard:
        return self.encoder.card

    def ground_view(self, panorama: Panorama, heading_deg: float) -> RGB:
        return self.encoder.ground_view(panorama, heading_deg)

    def describe_ground(self, images: Iterable[RGB], *, prepared: bool) -> Encoded:
        describe = partial(self.encoder.describe_ground, prepared=prepared)
        return self._describe(f"ground {prepared}", images, describe)

    def describe_aerial(self, images: Iterable[RGB]) -> Encoded:
        return self._describe("aerial", images, self.encoder.describe_aerial)

    def _describe(self, how: str, images: Iterable[RGB], describe: Callable[[list[RGB]], Encoded]) -> Encoded:
        keys, new = [], {}
        for image in images:
            key = (how, hashlib.sha256(f"{image.shape}".encode() + image.tobytes()).digest())
            keys.append(key)
            if key not in self._known:
                new[key] = image
        if new:
            cls, columns = describe(list(new.values()))
            for row, key in enumerate(new):
                one = slice(row, row + 1)
                self._known[key] = Encoded(cls[one], None if columns is None else columns[one])
        return Encoded.joined([self._known[key] for key in keys])


class _TileGalleries:
    """A gallery of tiles, each at a place of its own, and the same gallery without one of them."""

    def __init__(self, folder: Path, tiles: Sequence[Tile], encoder: _RememberingEncoder) -> None:
        self.encoder = encoder
        self._folder, self._tiles = folder, list(dict.fromkeys(tiles))
        self.whole = self._build(folder, self._tiles)

    def place_of(self, tile: Tile) -> int:
        """The number of a tile's place in the whole gallery."""
        return self._tiles.index(tile)

    @contextmanager
    def without(self, tile: Tile) -> Iterator[Gallery]:
        """The gallery of the other tiles, there as long as it is needed."""
        with TemporaryDirectory(dir=self._folder) as folder:
            yield self._build(Path(folder), [each for each in self._tiles if each != tile])

    def _build(self, folder: Path, tiles: Sequence[Tile]) -> Gallery:
        source = folder / "tiles"
        source.mkdir(parents=True)
        _write_tile_list(source / LIST_NAME, tiles, self.encoder.card.view.chip_m)
        return build_gallery(open_imagery(source), folder / "gallery", self.encoder, name="real photos")


def _write_tile_list(path: Path, tiles: Sequence[Tile], chip_m: float) -> None:
    """The list that makes tiles an aerial source: made-up positions in rows, and widths that keep tiles of unknown
    width whole."""
    side = math.ceil(math.sqrt(len(tiles)))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "latitude", "longitude", "size_m"])
        for number, tile in enumerate(tiles):
            row, column = divmod(number, side)
            place = offset(FIRST_PLACE, column * PLACES_APART_M, row * PLACES_APART_M)
            writer.writerow([tile.path.resolve(), place.latitude, place.longitude, tile.span_m or chip_m])


@dataclass(frozen=True)
class _Answer:
    """What `localize` made of a photo: `rank` of its own tile among `tiles`, from 1, and what was said with it.

    `confidence` is None where the checkpoint tells none; `correct` is whether the circle holds the photo's place.
    """

    rank: int
    tiles: int
    confidence: float | None
    correct: bool
    in_gallery: bool | None
    heading_right: bool

    @property
    def percentile(self) -> float:
        """The share of the other tiles that rank behind the photo's own."""
        return 1 - (self.rank - 1) / (self.tiles - 1)


@dataclass(frozen=True)
class _Outcome:
    """A photo with its heading known, with its heading searched, and in the gallery without its own tile."""

    set_name: str
    known: _Answer
    searched: _Answer
    in_gallery_without_tile: bool | None


def _locate(set_name: str, photo: Panorama, tile: Tile, galleries: _TileGalleries) -> _Outcome:
    heading_deg = photo.heading_deg
    assert heading_deg is not None  # every pair has one
    own, encoder = galleries.place_of(tile), galleries.encoder
    known = _answer(photo, heading_deg, own, galleries.whole, encoder)
    searched = _answer(turned(photo), "search", own, galleries.whole, encoder)
    with galleries.without(tile) as others:
        absent = localize(photo, encoder=encoder, gallery=others, heading=heading_deg, top_k=1)
    return _Outcome(set_name, known, searched, absent.in_gallery)


def turned(photo: Panorama) -> Panorama:
    """The photo with another centre column, drawn from its pixels: what is searched for must not be where it began."""
    width = photo.pixels.shape[1]
    columns = int(np.random.default_rng(zlib.crc32(photo.pixels.tobytes())).integers(width))
    heading_deg = ((photo.heading_deg or 0.0) - columns / width * 360) % 360
    return replace(photo, pixels=np.roll(photo.pixels, columns, axis=1), heading_deg=heading_deg)


def _answer(
    photo: Panorama,
    heading: float | Literal["search"],
    own: int,
    gallery: Gallery,
    encoder: _RememberingEncoder,
) -> _Answer:
    """Ties count against the model: tiles that score as the photo's own rank before it."""
    tiles = len(gallery.places)
    found = localize(photo, encoder=encoder, gallery=gallery, heading=heading, top_k=tiles)
    scores = np.array([match.score for match in found.matches], np.float32)
    mine = np.array([[match.place_id for match in found.matches].index(own)])
    away_m = distance_between_m(found.estimate.location, gallery.location(own))
    off_deg = between_deg(found.heading_deg, photo.heading_deg or 0.0)
    return _Answer(
        int(ranks_of_own(scores[None], mine)[0]) + 1,
        tiles,
        found.estimate.confidence,
        away_m <= found.estimate.within_m,
        found.in_gallery,
        bool(off_deg <= REAL_HEADING_WITHIN_DEG),
    )


def _summaries(outcomes: Sequence[_Outcome]) -> dict[str, Any]:
    names = dict.fromkeys(each.set_name for each in outcomes)
    return {
        "pooled": _summary(outcomes),
        "by_set": {name: _summary([each for each in outcomes if each.set_name == name]) for name in names},
    }


def _summary(outcomes: Sequence[_Outcome]) -> dict[str, Any]:
    """Retrieval with the heading known and searched, the confidence, and rejection of known-heading photos."""
    known, searched = [each.known for each in outcomes], [each.searched for each in outcomes]
    return {
        "photos": len(outcomes),
        "known": _retrieval(known),
        "searched": {
            **_retrieval(searched),
            "heading_right": _share([each.heading_right for each in searched]),
        },
        "confidence": _confidence(known),
        "false_rejections": _rejected([each.in_gallery for each in known]),
        "rejected_without_tile": _rejected([each.in_gallery_without_tile for each in outcomes]),
    }


def _retrieval(answers: Sequence[_Answer]) -> dict[str, Any]:
    ranks = np.array([each.rank for each in answers])
    percentiles = np.array([each.percentile for each in answers])
    hits = {f"recall_at_{k}": ranks <= k for k in LISTED}
    return {
        **{name: float(hit.mean()) for name, hit in hits.items()},
        "mean_percentile": float(percentiles.mean()),
        "intervals": {
            **{name: wilson_interval(hit) for name, hit in hits.items()},
            "mean_percentile": bootstrap_mean(percentiles, SEED),
        },
    }


def _confidence(answers: Sequence[_Answer]) -> dict[str, Any]:
    """Confidence against accuracy; `photos` alone where no answer has a confidence."""
    telling = [(each.confidence, each.correct) for each in answers if each.confidence is not None]
    if not telling:
        return {"photos": 0}
    confidence, correct = (np.array(each) for each in zip(*telling, strict=True))
    return {
        **calibration_summary(confidence, correct, SEED),
        "came_true_interval": wilson_interval(correct),
        "wrong_yet_sure": _share(confidence[~correct] >= SURE),
    }


def _rejected(said: Sequence[bool | None]) -> dict[str, Any]:
    """How many photos were rejected as out of gallery, of those with a verdict."""
    return _share([not each for each in said if each is not None])


def _share(hits: Sequence[bool] | NDArray[np.bool_]) -> dict[str, Any]:
    """Of how many photos, which share, and its interval; `photos` alone where there are none."""
    found = np.asarray(hits, bool)
    if not len(found):
        return {"photos": 0}
    return {"photos": len(found), "share": float(found.mean()), "interval": wilson_interval(found)}
