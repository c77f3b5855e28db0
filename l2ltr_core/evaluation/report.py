"""Everything measured about a checkpoint, section by section into its card: whole, or not at all.

A section that was measured on the same weights, data and settings is not measured again, so a report that was
interrupted goes on. Nothing is chosen on held-out photos: the calibration comes from validation photos.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from l2ltr_core.checkpoints import load_card, update_card
from l2ltr_core.datasets import PairedDataset
from l2ltr_core.errors import ConfigurationError, DatasetError
from l2ltr_core.evaluation.calibration import (
    FALSE_REJECTIONS,
    Judged,
    absent_confidences,
    across_halves,
    calibrate,
    calibration_summary,
    confidences,
    coverage,
    judge,
)
from l2ltr_core.evaluation.corruptions import CORRUPTIONS, LEVELS, corrupted, require_corruptions
from l2ltr_core.evaluation.evaluate import (
    LISTED,
    Evaluation,
    encode_known,
    encode_north,
    load_photos,
    measure,
)
from l2ltr_core.evaluation.held_out import searched_fingerprint, write_held_out
from l2ltr_core.evaluation.intervals import bootstrap_interval
from l2ltr_core.evaluation.real import RealPairs, calibrate_real, measure_real, weigh_layers_of_real
from l2ltr_core.evaluation.recall import COLUMN_DEG
from l2ltr_core.evaluation.walks import measure_walks
from l2ltr_core.evaluation.weighing import weigh_layers
from l2ltr_core.gallery import Gallery
from l2ltr_core.gallery.columns import VIEW_POOL_TEMPERATURE
from l2ltr_core.geometry.panorama import between_deg
from l2ltr_core.inspection import layer_cka, layer_similarity
from l2ltr_core.localization import (
    RADIUS_SHARES,
    Calibration,
    EncodedPhoto,
    HeadingKnown,
    kind_of,
    read_calibration,
)
from l2ltr_core.model.encoder import Encoder
from l2ltr_core.types import RGB, Location, Panorama, Progress
from l2ltr_core.walks import BROKEN, CAUTION, GOING_ON, STEP_M, WALK_PLACES

FIELDS_DEG = (180, 90, 70)
FIELD_PHOTOS = 300
HEADING_PHOTOS = 300
SEARCHED_PHOTOS = 300
"""Validation photos on which the confidence of a searched heading is chosen."""
CORRUPTED_PHOTOS = 120
"""Each is encoded under 16 corruptions at 5 levels."""
ELSEWHERE_PHOTOS = 800
LAYER_PHOTOS = 16
COMPARED_PHOTOS = 64
"""So many photos are read to tell whether a dataset is still the same; of the others, name and position."""
WEIGHED_PHOTOS = 300
"""Validation photos on which the weight of the layers is chosen."""
SURE = 0.9
"""Confidence from which on a wrong answer misleads."""
AIM = 0.05
"""Share of the held-out photos that are turned away where checkpoints are compared, each by a line of its own."""
SEED = 0
INTERVALS_OF = (1, 5, 10)
T = TypeVar("T")


@dataclass(frozen=True)
class Subject:
    """A checkpoint and what it is measured on; `validation`, `elsewhere` (another city) and `pairs` may be missing."""

    encoder: Encoder
    gallery: Gallery
    held_out: PairedDataset
    validation: PairedDataset | None = None
    elsewhere: PairedDataset | None = None
    corrupted_photos: int = CORRUPTED_PHOTOS
    pairs: RealPairs | None = None
    _seen: dict[tuple[str, HeadingKnown], tuple[list[EncodedPhoto], list[Location]]] = field(
        default_factory=dict, init=False, repr=False
    )
    _judged: dict[tuple[str, str], Judged] = field(default_factory=dict, init=False, repr=False)
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

    def judged(self, role: str, heading: HeadingKnown, progress: Progress | None) -> Judged:
        """What a dataset's photos get in the gallery; where their heading is searched, some of them."""
        if (role, heading) not in self._judged:
            photos, locations = self.seen(role, heading, progress)
            search = heading == "searched"
            self._judged[role, heading] = judge(photos, locations, self.gallery, self.encoder, search=search)
        return self._judged[role, heading]

    def seen(
        self, role: str, heading: HeadingKnown, progress: Progress | None
    ) -> tuple[list[EncodedPhoto], list[Location]]:
        """A dataset's photos, encoded once, and where each was taken; where their heading is to be searched, some of
        them, as if each looked north."""
        if (role, heading) not in self._seen:
            photos = list(self.data(role).queries)
            encode = encode_known
            if heading == "searched":
                photos, encode = spread(photos, SEARCHED_PHOTOS), encode_north
            if any(photo.location is None for photo in photos):
                raise DatasetError(f"The dataset {self.data(role).name} has photos without a position.")
            kind = kind_of(self.gallery.simulated)
            ground = list(encode(load_photos(photos, None, progress), self.encoder, kind))
            self._seen[role, heading] = (
                ground,
                [photo.location for photo in photos if photo.location is not None],
            )
        return self._seen[role, heading]

    @property
    def has_layers_part(self) -> bool:
        """Whether the checkpoint's columns say what stem and layers see, each by itself."""
        return bool(self.encoder.card.model.stem_column_width)

    def forget(self) -> None:
        """Photos are to be compared anew: the weights of their columns' parts have changed."""
        self._seen.clear()
        self._judged.clear()

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


@dataclass(frozen=True)
class Found:
    """What a section found: numbers for the card, and what else it settles."""

    results: dict[str, Any]
    calibration: dict[str, dict[str, Calibration]] = field(default_factory=dict)
    """By kind of imagery and way of knowing the heading."""
    layers_weight: dict[str, float] = field(default_factory=dict)
    """By kind of imagery."""
    photos: Evaluation | None = None


@dataclass(frozen=True)
class Section:
    """A part of the report and the datasets it cannot do without."""

    title: str
    measure: Callable[[Subject, Progress | None], Found]
    needs: tuple[str, ...] = ("held_out",)


def write_report(
    subject: Subject,
    card: Path,
    *,
    only: Collection[str] = (),
    again: bool = False,
    progress: Callable[[str], AbstractContextManager[Progress | None]] = lambda _: nullcontext(),
) -> list[str]:
    """Measure the sections named in `only` (all, if none is) into the card; returns those that lack a dataset.

    `again` measures what was measured. `progress` is entered with each section's title. Raises
    ConfigurationError for an unknown section or a missing package, and what `measure` raises.
    """
    if unknown := sorted(set(only) - set(SECTIONS)):
        raise ConfigurationError(
            f"The report has no section {', '.join(unknown)}; it has {', '.join(SECTIONS)}."
        )
    wanted = {name: section for name, section in SECTIONS.items() if not only or name in only}
    if not subject.has_layers_part:  # columns of one part, or none: there is nothing to weigh
        wanted = {name: section for name, section in wanted.items() if not name.endswith("layers_weight")}
    lacking = [
        name
        for name, section in wanted.items()
        if any(getattr(subject, role) is None for role in section.needs)
    ]

    def due(name: str) -> bool:
        return again or not _is_measured(load_card(card).results, name, _stamp(subject, name))

    measurable = [name for name in wanted if name not in lacking]
    if "corruptions" in measurable and due("corruptions"):
        require_corruptions()
    for name in filter(due, measurable):  # asked in turn: the calibration decides what is due after it
        began = time.perf_counter()
        with progress(SECTIONS[name].title) as tick:
            found = SECTIONS[name].measure(subject, tick)
        measured = {**_stamp(subject, name), "seconds": round(time.perf_counter() - began, 1)}
        if found.photos is not None:
            write_held_out(found.photos, subject.encoder, subject.gallery, card)
        changes: dict[str, Any] = {
            "results": {**load_card(card).results, name: {**_rounded(found.results), "measured": measured}}
        }
        if found.calibration:
            chosen = {
                kind: {heading: each.to_dict() for heading, each in by_heading.items()}
                for kind, by_heading in found.calibration.items()
            }
            changes["calibration"] = {**load_card(card).calibration, **chosen}
        if found.layers_weight:
            changes["layers_weight"] = {**load_card(card).layers_weight, **found.layers_weight}
            subject.forget()
        subject.encoder.card = update_card(card, **changes)
    return lacking


def spread(photos: Sequence[T], count: int) -> list[T]:
    """`count` of them at equal steps, all if there are fewer."""
    steps = np.linspace(0, len(photos) - 1, min(count, len(photos))).round().astype(int)
    return [photos[step] for step in steps]


def _places(subject: Subject, progress: Progress | None) -> Found:
    run = partial(measure, subject.held_out, subject.encoder, protocol="places", gallery=subject.gallery)
    measured = run(progress=progress)
    return Found({**_numbers(measured), **_by_cls(subject, run)}, photos=measured)


def _paired(subject: Subject, progress: Progress | None) -> Found:
    run = partial(measure, subject.held_out, subject.encoder, protocol="paired")
    return Found({**_numbers(run(progress=progress)), **_by_cls(subject, run)})


def _by_cls(subject: Subject, run: Callable[..., Evaluation]) -> dict[str, Any]:
    """What CLS finds alone, for a checkpoint whose places are otherwise re-ranked."""
    return {} if subject.encoder.columns is None else {"by_cls": _brief(run(rerank=False))}


def _validation_photos(subject: Subject, progress: Progress | None) -> Found:
    validation = subject.data("validation")
    measured = measure(
        validation, subject.encoder, protocol="places", gallery=subject.gallery, progress=progress
    )
    return Found(_numbers(measured))


def _layers_weight(subject: Subject, progress: Progress | None) -> Found:
    """How much the layers' part of the columns counts on the gallery's kind of imagery."""
    photos, locations = subject.seen("validation", "known", progress)
    weighed = weigh_layers(
        spread(photos, WEIGHED_PHOTOS), spread(locations, WEIGHED_PHOTOS), subject.gallery, subject.encoder
    )
    kind = kind_of(subject.gallery.simulated)
    return Found(weighed.to_dict(), layers_weight={kind: weighed.best})


def _real_layers_weight(subject: Subject, progress: Progress | None) -> Found:
    weighed = weigh_layers_of_real(subject.measured_pairs(), subject.encoder, progress)
    return Found(weighed.to_dict(), layers_weight={"real": weighed.best})


def _calibration(subject: Subject, progress: Progress | None) -> Found:
    if subject.encoder.columns is None:
        raise ConfigurationError(
            f"The checkpoint {subject.encoder.name} has no columns; confidences are measured of checkpoints that have."
        )
    kind = kind_of(subject.gallery.simulated)
    measured_on = f"{subject.data('validation').name}, in the gallery {subject.gallery.name}"
    results: dict[str, Any] = {}
    calibrations: dict[str, Calibration] = {}
    headings: tuple[HeadingKnown, ...] = ("known", "searched")
    for heading in headings:
        validation = subject.judged("validation", heading, progress)
        longitudes = np.array([place.longitude for place in validation.truth])

        def fit(judged: Judged) -> Calibration:
            return calibrate(judged, measured_on, FALSE_REJECTIONS[kind], radii_in=subject.gallery)

        chosen = calibrations[heading] = fit(validation)
        halves = across_halves(validation, longitudes, fit)
        held_out = subject.judged("held_out", heading, progress)
        results[heading] = {
            "validation": calibration_summary(*_joined([confidences(*half) for half in halves])),
            "held_out": calibration_summary(*confidences(held_out, chosen)),
            "radii_held_out": _radii(held_out, chosen, subject.gallery),
            "false_rejections": _share(held_out.excess < _least(chosen)),
            "surroundings_left_out": {
                "rejected": _share(held_out.absent_excess < _least(chosen)),
                "told_nine_tenths": _share(
                    (absent_confidences(held_out, chosen) >= SURE)
                    & (held_out.absent_excess >= _least(chosen))
                ),
            },
        }
    return Found({**results["known"], "searched": results["searched"]}, {kind: calibrations})


def _radii(judged: Judged, calibration: Calibration, gallery: Gallery) -> dict[str, Any]:
    """How many photos lie within the radii that should hold a given share of them."""
    covered = coverage(judged, calibration, gallery)
    return {f"{share:.0%}": _share(covered <= share) for share in RADIUS_SHARES}


def _not_in_gallery(subject: Subject, progress: Progress | None) -> Found:
    elsewhere = subject.data("elsewhere")
    photos = spread(elsewhere.queries, ELSEWHERE_PHOTOS)
    seen = list(
        encode_known(load_photos(photos, None, progress), subject.encoder, kind_of(subject.gallery.simulated))
    )
    somewhere = [subject.gallery.location(0)] * len(seen)  # where they were taken plays no part
    speaking = judge(seen, somewhere, subject.gallery, subject.encoder).excess
    held_out = subject.judged("held_out", "known", progress).excess
    calibration = subject.calibration("known")
    if calibration is None:
        raise ConfigurationError("This part of the report needs a calibration; measure that section first.")
    return Found(
        {
            "least_excess": _least(calibration),
            "aim": AIM,
            "false_rejections_held_out": _share(held_out < _least(calibration)),
            "rejected": {"dataset": elsewhere.name, **_share(speaking < _least(calibration))},
            "rejected_at_the_aim": _share(speaking < np.quantile(held_out, AIM)),
            "in_training": _in_training(subject, elsewhere),
        }
    )


def _walks(subject: Subject, progress: Progress | None) -> Found:
    seen, locations = subject.seen("held_out", "known", progress)
    return Found(
        measure_walks(seen, locations, subject.gallery, subject.encoder, subject.calibration("known"), SEED)
    )


def _unknown_heading(subject: Subject, progress: Progress | None) -> Found:
    photos = spread(subject.held_out.queries, HEADING_PHOTOS)
    random = np.random.default_rng(SEED)
    turned = [replace(photo, heading_deg=float(random.uniform(0, 360))) for photo in photos]
    run = partial(measure, subject.held_out, subject.encoder, protocol="places", gallery=subject.gallery)
    searched = run(heading="search", photos=photos, progress=progress)
    found_deg = searched.photos["heading_deg"].to_numpy()
    true_deg = np.array([np.nan if photo.heading_deg is None else photo.heading_deg for photo in photos])
    off_deg = between_deg(found_deg, true_deg)
    return Found(
        {
            "photos": len(photos),
            "known": _brief(run(photos=photos)),
            "searched": {**_brief(searched), "heading_right": float((off_deg <= COLUMN_DEG).mean())},
            "random": _brief(run(photos=turned)),
        }
    )


def _field_of_view(subject: Subject, progress: Progress | None) -> Found:
    photos = spread(subject.held_out.queries, FIELD_PHOTOS)
    run = partial(measure, subject.held_out, subject.encoder, protocol="places", gallery=subject.gallery)
    fields: dict[str, Any] = {"photos": len(photos)}
    for field_deg in (360, *FIELDS_DEG):
        fields[str(field_deg)] = _brief(run(photos=photos, fov_deg=field_deg, progress=progress))
    return Found(fields)


def _corruptions(subject: Subject, progress: Progress | None) -> Found:
    """Of the view at the model's own size, so that levels mean the same whatever the photo's size."""
    encoder = subject.encoder
    photos = spread(subject.held_out.queries, subject.corrupted_photos)
    views = [encoder.ground_view(each, each.heading_deg or 0.0) for each in load_photos(photos, None, None)]
    half_deg = encoder.card.view.ground_vertical_field_deg / 2

    def recall(name: str | None, level: int) -> float:
        shown = [
            replace(photo, heading_deg=0.0, load=partial(_damaged, view, name, level, seed, half_deg))
            for seed, (photo, view) in enumerate(zip(photos, views, strict=True))
        ]
        run = measure(subject.held_out, encoder, protocol="places", gallery=subject.gallery, photos=shown)
        return float(run.report["recall_at_1"])

    names = [name for group in CORRUPTIONS.values() for name in group]
    levels: dict[str, list[float]] = {name: [] for name in names}
    for number, name in enumerate(names):
        for level in LEVELS:
            levels[name].append(recall(name, level))
            if progress is not None:
                progress(number * len(LEVELS) + level, len(names) * len(LEVELS))
    means = {name: float(np.mean(each)) for name, each in levels.items()}
    return Found(
        {
            "photos": len(photos),
            "clean": {"recall_at_1": recall(None, 0)},
            "mean": {"recall_at_1": float(np.mean(list(means.values())))},
            "by_group": {
                group: float(np.mean([means[name] for name in members]))
                for group, members in CORRUPTIONS.items()
            },
            "recall_at_1": levels,
        }
    )


def _damaged(view: RGB, name: str | None, level: int, seed: int, half_deg: float) -> Panorama:
    pixels = view if name is None else corrupted(view, name, level, seed)
    return Panorama(pixels, top_deg=half_deg, bottom_deg=-half_deg, heading_deg=0.0)


def _elsewhere(subject: Subject, progress: Progress | None) -> Found:
    elsewhere = subject.data("elsewhere")
    photos = spread(elsewhere.queries, ELSEWHERE_PHOTOS)
    measured = measure(elsewhere, subject.encoder, protocol="paired", photos=photos, progress=progress)
    return Found({**_numbers(measured), "in_training": _in_training(subject, elsewhere)})


def _layers(subject: Subject, progress: Progress | None) -> Found:
    photos = spread(subject.held_out.queries, LAYER_PHOTOS)
    panoramas = load_photos(photos, None, progress)
    tokens = np.concatenate([subject.encoder.layer_tokens(panorama) for panorama in panoramas], axis=1)
    cosine, cka = layer_similarity(tokens), layer_cka(tokens)
    return Found(
        {
            "photos": len(photos),
            "cosine": _off_diagonal(cosine),
            "cka": _off_diagonal(cka),
            "cosine_of_neighbours": cosine.diagonal(offset=1).tolist(),
            "cka_of_neighbours": cka.diagonal(offset=1).tolist(),
        }
    )


def _real(subject: Subject, progress: Progress | None) -> Found:
    return Found(measure_real(subject.measured_pairs(), subject.encoder, progress))


def _real_calibration(subject: Subject, progress: Progress | None) -> Found:
    chosen = calibrate_real(subject.measured_pairs(), subject.encoder, progress)
    return Found({heading: each.to_dict() for heading, each in chosen.items()}, {"real": chosen})


SECTIONS = {
    "layers_weight": Section("What the layers add", _layers_weight, ("validation",)),
    "real_layers_weight": Section("What the layers add on real photos", _real_layers_weight, ("pairs",)),
    "calibration": Section("Calibration", _calibration, ("validation", "held_out")),
    "places": Section("Held-out photos, the city's places", _places),
    "paired": Section("Held-out photos, own tiles", _paired),
    "walks": Section("Walks of held-out photos", _walks),
    "validation_photos": Section("Validation photos", _validation_photos, ("validation",)),
    "not_in_gallery": Section(
        "Photos from elsewhere", _not_in_gallery, ("validation", "held_out", "elsewhere")
    ),
    "layers": Section("Layers", _layers),
    "field_of_view": Section("Field of view", _field_of_view),
    "elsewhere": Section("Another city", _elsewhere, ("elsewhere",)),
    "unknown_heading": Section("Unknown heading", _unknown_heading),
    "corruptions": Section("Corruptions", _corruptions),
    "real_calibration": Section("Certainty of real photos", _real_calibration, ("pairs",)),
    "real": Section("Real photos", _real, ("pairs",)),
}
"""In the order in which they are measured; the keys are those of the card's results."""
CALIBRATED = ("places", "walks")
"""Sections whose numbers hang on the calibration's temperature."""


def _stamp(subject: Subject, name: str) -> dict[str, str]:
    """What a section's numbers belong to: the weights, and a digest of data, descriptors and settings."""
    settings: dict[str, Any] = {"corrupted_photos": subject.corrupted_photos} if name == "corruptions" else {}
    known = subject.calibration("known")
    if name in CALIBRATED:
        settings["temperature"] = None if known is None else known.temperature
    if name == "not_in_gallery":
        settings["least_excess"] = None if known is None else known.least_excess
    if name == "walks":
        settings["walking"] = (WALK_PLACES, BROKEN, GOING_ON, CAUTION, STEP_M)
    if subject.encoder.columns is not None and not name.endswith("layers_weight"):
        settings["ranking"] = (VIEW_POOL_TEMPERATURE, subject.encoder.card.layers_weight)
    if name == "real":  # in galleries of its own, as the next
        settings["calibration"] = subject.encoder.card.calibration.get("real")
        searched = ""
    elif name in ("real_calibration", "real_layers_weight"):
        searched = ""
    else:
        searched = searched_fingerprint(subject.gallery, subject.encoder.fingerprint)
    parts = [
        name,
        settings,
        searched,
        [subject.digest(role) for role in SECTIONS[name].needs],
    ]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return {"checkpoint": subject.encoder.fingerprint, "data": digest[:16]}


def _is_measured(results: dict[str, Any], name: str, stamp: dict[str, str]) -> bool:
    measured = results.get(name, {}).get("measured", {})
    return all(measured.get(key) == value for key, value in stamp.items())


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


def _numbers(measured: Evaluation) -> dict[str, Any]:
    """A report's entries, and bootstrap intervals of its recalls."""
    ranks, errors_m = measured.photos["rank"].to_numpy(), measured.photos["error_m"].to_numpy()
    hits = {f"recall_at_{k}": ranks <= k for k in INTERVALS_OF}
    if "rank_apart" in measured.photos:
        counted = measured.photos["rank_apart"].dropna().to_numpy()
        hits |= {
            name: counted <= k for k in (1, *LISTED) if (name := f"recall_at_{k}_apart") in measured.report
        }
    hits |= {
        name: errors_m <= float(name.removeprefix("recall_within_").removesuffix("m"))
        for name in measured.report
        if name.startswith("recall_within_")
    }
    numbers = {key: value for key, value in measured.report.items() if key != "checkpoint"}
    return {**numbers, "intervals": {name: bootstrap_interval(hit, SEED) for name, hit in hits.items()}}


def _brief(measured: Evaluation) -> dict[str, Any]:
    """Recalls and the median error, for one of several conditions."""
    numbers = _numbers(measured)
    kept = (*(f"recall_at_{k}" for k in INTERVALS_OF), "median_error_m")
    return {
        **{name: numbers[name] for name in kept if name in numbers},
        "intervals": {"recall_at_1": numbers["intervals"]["recall_at_1"]},
    }


def _least(calibration: Calibration) -> float:
    """The excess below which a photo is said not to be in the gallery."""
    if calibration.least_excess is None:
        raise ConfigurationError("This part of the report needs a calibration; measure that section first.")
    return calibration.least_excess


def _share(hits: NDArray[np.bool_]) -> dict[str, Any]:
    return {
        "photos": len(hits),
        "share": float(hits.mean()),
        "interval": bootstrap_interval(hits, SEED),
    }


def _in_training(subject: Subject, dataset: PairedDataset) -> bool:
    """Whether the checkpoint learned from this very dataset, as far as its card says."""
    return dataset.name in subject.encoder.card.training.get("data", {})


def _joined(
    parts: list[tuple[NDArray[np.float64], NDArray[np.bool_]]],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    told, came_true = zip(*parts, strict=True)
    return np.concatenate(told), np.concatenate(came_true)


def _off_diagonal(table: NDArray) -> float:
    """The mean of a square table (L, L) without its diagonal."""
    return float(table[~np.eye(len(table), dtype=bool)].mean())


def _rounded(value: Any) -> Any:
    """Numbers to four places all the way down: cards are read by people."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value
