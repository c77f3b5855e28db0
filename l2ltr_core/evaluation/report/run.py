"""Measure what is missing or stale, and write it on the card."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from l2ltr_core.checkpoints import load_card, update_card
from l2ltr_core.errors import ConfigurationError
from l2ltr_core.evaluation.corruptions import require_corruptions
from l2ltr_core.evaluation.held_out import searched_fingerprint, write_held_out
from l2ltr_core.evaluation.report.context import EvaluationContext
from l2ltr_core.evaluation.report.result import rounded
from l2ltr_core.evaluation.report.sections import SECTIONS
from l2ltr_core.gallery.columns import VIEW_POOL_TEMPERATURE
from l2ltr_core.types import Progress
from l2ltr_core.walks import JUMP_PROBABILITY, STEP_M, TEMPERATURE_SCALE, TURN_CONCENTRATION, WALK_PLACES

CALIBRATED = ("places", "walks")
"""Sections whose numbers depend on the calibration's temperature."""


def write_report(
    context: EvaluationContext,
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
    if not context.has_layers_part:  # columns of one part, or none: there is nothing to weigh
        wanted = {name: section for name, section in wanted.items() if not name.endswith("layers_weight")}
    lacking = [
        name
        for name, section in wanted.items()
        if any(getattr(context, role) is None for role in section.needs)
    ]

    def due(name: str) -> bool:
        return again or not is_measured(load_card(card).results, name, stamp(context, name))

    measurable = [name for name in wanted if name not in lacking]
    if "corruptions" in measurable and due("corruptions"):
        require_corruptions()
    for name in filter(due, measurable):  # asked in turn: the calibration decides what is due after it
        began = time.perf_counter()
        with progress(SECTIONS[name].title) as tick:
            found = SECTIONS[name].measure(context, tick)
        measured = {**stamp(context, name), "seconds": round(time.perf_counter() - began, 1)}
        if found.photos is not None:
            write_held_out(found.photos, context.encoder, context.gallery, card)
        changes: dict[str, Any] = {
            "results": {**load_card(card).results, name: {**rounded(found.results), "measured": measured}}
        }
        if found.calibration:
            chosen = {
                kind: {heading: each.to_dict() for heading, each in by_heading.items()}
                for kind, by_heading in found.calibration.items()
            }
            changes["calibration"] = {**load_card(card).calibration, **chosen}
        if found.layers_weight:
            changes["layers_weight"] = {**load_card(card).layers_weight, **found.layers_weight}
            context.forget()
        context.encoder.card = update_card(card, **changes)
    return lacking


def stamp(context: EvaluationContext, name: str) -> dict[str, str]:
    """What a section's numbers belong to: the weights, and a digest of data, descriptors and settings."""
    settings: dict[str, Any] = {"corrupted_photos": context.corrupted_photos} if name == "corruptions" else {}
    known = context.calibration("known")
    if name in CALIBRATED:
        settings["temperature"] = None if known is None else known.temperature
    if name == "not_in_gallery":
        settings["least_excess"] = None if known is None else known.least_excess
    if name == "walks":
        settings["walking"] = (WALK_PLACES, JUMP_PROBABILITY, TURN_CONCENTRATION, TEMPERATURE_SCALE, STEP_M)
    if context.encoder.columns is not None and not name.endswith("layers_weight"):
        settings["ranking"] = (VIEW_POOL_TEMPERATURE, context.encoder.card.layers_weight)
    if name == "real":  # in galleries of its own, as the next
        settings["calibration"] = context.encoder.card.calibration.get("real")
        searched = ""
    elif name in ("real_calibration", "real_layers_weight"):
        searched = ""
    else:
        searched = searched_fingerprint(context.gallery, context.encoder.fingerprint)
    parts = [
        name,
        settings,
        searched,
        [context.digest(role) for role in SECTIONS[name].needs],
    ]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return {"checkpoint": context.encoder.fingerprint, "data": digest[:16]}


def is_measured(results: dict[str, Any], name: str, stamp: dict[str, str]) -> bool:
    """Whether the card holds the numbers that a stamp belongs to."""
    measured = results.get(name, {}).get("measured", {})
    return all(measured.get(key) == value for key, value in stamp.items())
