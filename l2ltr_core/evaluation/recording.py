"""Keep a measurement with its checkpoint: the result on the card, each photo's fate beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from l2ltr_core.checkpoints import find_card, load_card, update_card
from l2ltr_core.evaluation.evaluate import Evaluation
from l2ltr_core.evaluation.held_out import write_held_out
from l2ltr_core.gallery import Gallery
from l2ltr_core.model.protocol import EncoderLike

NOT_RESULTS = ("dataset", "checkpoint")
"""Entries of a report that the name of a result or its card states already."""


def record(
    measured: Evaluation, checkpoint: str | Path, encoder: EncoderLike, gallery: Gallery | None
) -> None:
    """Write a report on the checkpoint's card; of the product as it is (`is_default`) the photos' table, too.

    `gallery` is the one that was searched. Raises CheckpointError or GalleryError.
    """
    report = measured.report
    result = {key: value for key, value in report.items() if key not in NOT_RESULTS}
    update_card(checkpoint, results={**load_card(checkpoint).results, result_name(report): result})
    if gallery is not None and is_default(report):
        write_held_out(measured, encoder, gallery, find_card(checkpoint))


def result_name(report: dict[str, Any]) -> str:
    """What a report of `evaluate` is called on a card: dataset, protocol, and what differs from the default."""
    different = {
        "search": report["heading"] == "search",
        f"{report.get('fov_deg', 0):g} degrees": "fov_deg" in report,
        "by CLS": report.get("reranked") is False,
    }
    return " ".join(
        [report["dataset"], report["protocol"], *(name for name, true in different.items() if true)]
    )


def is_default(report: dict[str, Any]) -> bool:
    """Whether a report is of whole photos with known headings in a gallery: what the Compare page compares."""
    return (
        report["protocol"] == "places"
        and report["heading"] == "exif"
        and "fov_deg" not in report
        and report.get("reranked") is not False
    )
