"""Which photos are found, under which circumstances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ltr_core.evaluation.corruptions import CORRUPTIONS, LEVELS, corrupted
from l2ltr_core.evaluation.evaluate import Evaluation, load_photos, measure
from l2ltr_core.evaluation.recall import COLUMN_DEG
from l2ltr_core.evaluation.report.context import EvaluationContext, spread
from l2ltr_core.evaluation.report.result import SEED, SectionResult, brief, in_training, numbers_of
from l2ltr_core.evaluation.walks import measure_walks
from l2ltr_core.geometry.panorama import between_deg
from l2ltr_core.inspection import layer_cka, layer_similarity
from l2ltr_core.types import RGB, Panorama, Progress

FIELDS_DEG = (180, 90, 70)
FIELD_PHOTOS = 300
HEADING_PHOTOS = 300
ELSEWHERE_PHOTOS = 800
LAYER_PHOTOS = 16


def places(context: EvaluationContext, progress: Progress | None) -> SectionResult:
    """The held-out photos among all places of the gallery."""
    run = partial(measure, context.held_out, context.encoder, protocol="places", gallery=context.gallery)
    measured = run(progress=progress)
    return SectionResult({**numbers_of(measured), **_by_cls(context, run)}, photos=measured)


def paired(context: EvaluationContext, progress: Progress | None) -> SectionResult:
    """The held-out photos among the tiles of all of them."""
    run = partial(measure, context.held_out, context.encoder, protocol="paired")
    return SectionResult({**numbers_of(run(progress=progress)), **_by_cls(context, run)})


def _by_cls(context: EvaluationContext, run: Callable[..., Evaluation]) -> dict[str, Any]:
    """What CLS finds alone, for a checkpoint whose places are otherwise re-ranked."""
    return {} if context.encoder.columns is None else {"by_cls": brief(run(rerank=False))}


def validation_photos(context: EvaluationContext, progress: Progress | None) -> SectionResult:
    """The validation photos among all places of the gallery."""
    validation = context.data("validation")
    measured = measure(
        validation, context.encoder, protocol="places", gallery=context.gallery, progress=progress
    )
    return SectionResult(numbers_of(measured))


def walks(context: EvaluationContext, progress: Progress | None) -> SectionResult:
    """The held-out photos as walks."""
    photos, locations = context.encoded_photos("held_out", "known", progress)
    return SectionResult(
        measure_walks(photos, locations, context.gallery, context.encoder, context.calibration("known"), SEED)
    )


def unknown_heading(context: EvaluationContext, progress: Progress | None) -> SectionResult:
    """The held-out photos with their headings known, searched and wrong."""
    photos = spread(context.held_out.queries, HEADING_PHOTOS)
    random = np.random.default_rng(SEED)
    turned = [replace(photo, heading_deg=float(random.uniform(0, 360))) for photo in photos]
    run = partial(measure, context.held_out, context.encoder, protocol="places", gallery=context.gallery)
    searched = run(heading="search", photos=photos, progress=progress)
    found_deg = searched.photos["heading_deg"].to_numpy()
    true_deg = np.array([np.nan if photo.heading_deg is None else photo.heading_deg for photo in photos])
    off_deg = between_deg(found_deg, true_deg)
    return SectionResult(
        {
            "photos": len(photos),
            "known": brief(run(photos=photos)),
            "searched": {**brief(searched), "heading_right": float((off_deg <= COLUMN_DEG).mean())},
            "random": brief(run(photos=turned)),
        }
    )


def field_of_view(context: EvaluationContext, progress: Progress | None) -> SectionResult:
    """The held-out photos, each left a part of the circle."""
    photos = spread(context.held_out.queries, FIELD_PHOTOS)
    run = partial(measure, context.held_out, context.encoder, protocol="places", gallery=context.gallery)
    fields: dict[str, Any] = {"photos": len(photos)}
    for field_deg in (360, *FIELDS_DEG):
        fields[str(field_deg)] = brief(run(photos=photos, fov_deg=field_deg, progress=progress))
    return SectionResult(fields)


def corruptions(context: EvaluationContext, progress: Progress | None) -> SectionResult:
    """Of the view at the model's own size, so that levels mean the same whatever the photo's size."""
    encoder = context.encoder
    photos = spread(context.held_out.queries, context.corrupted_photos)
    views = [encoder.ground_view(each, each.heading_deg or 0.0) for each in load_photos(photos, None, None)]
    half_deg = encoder.card.view.ground_vertical_field_deg / 2

    def recall(name: str | None, level: int) -> float:
        shown = [
            replace(photo, heading_deg=0.0, load=partial(_damaged, view, name, level, seed, half_deg))
            for seed, (photo, view) in enumerate(zip(photos, views, strict=True))
        ]
        run = measure(context.held_out, encoder, protocol="places", gallery=context.gallery, photos=shown)
        return float(run.report["recall_at_1"])

    names = [name for group in CORRUPTIONS.values() for name in group]
    levels: dict[str, list[float]] = {name: [] for name in names}
    for number, name in enumerate(names):
        for level in LEVELS:
            levels[name].append(recall(name, level))
            if progress is not None:
                progress(number * len(LEVELS) + level, len(names) * len(LEVELS))
    means = {name: float(np.mean(each)) for name, each in levels.items()}
    return SectionResult(
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


def elsewhere(context: EvaluationContext, progress: Progress | None) -> SectionResult:
    """Another city's photos among their own tiles."""
    elsewhere = context.data("elsewhere")
    photos = spread(elsewhere.queries, ELSEWHERE_PHOTOS)
    measured = measure(elsewhere, context.encoder, protocol="paired", photos=photos, progress=progress)
    return SectionResult({**numbers_of(measured), "in_training": in_training(context, elsewhere)})


def layers(context: EvaluationContext, progress: Progress | None) -> SectionResult:
    """How alike the layers of the ground branch are."""
    photos = spread(context.held_out.queries, LAYER_PHOTOS)
    panoramas = load_photos(photos, None, progress)
    tokens = np.concatenate([context.encoder.layer_tokens(panorama) for panorama in panoramas], axis=1)
    cosine, cka = layer_similarity(tokens), layer_cka(tokens)
    return SectionResult(
        {
            "photos": len(photos),
            "cosine": _off_diagonal(cosine),
            "cka": _off_diagonal(cka),
            "cosine_of_neighbours": cosine.diagonal(offset=1).tolist(),
            "cka_of_neighbours": cka.diagonal(offset=1).tolist(),
        }
    )


def _off_diagonal(table: NDArray) -> float:
    """The mean of a square table (L, L) without its diagonal."""
    return float(table[~np.eye(len(table), dtype=bool)].mean())
