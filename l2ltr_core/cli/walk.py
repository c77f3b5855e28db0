"""`l2ltr walk`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from l2ltr_core.cli.localize import ASSUMED
from l2ltr_core.cli.options import CheckpointName, Json, open_encoder, parse_heading, read_named
from l2ltr_core.cli.terminal import distance_text, print_notes, progress_bar, share_text

if TYPE_CHECKING:
    from l2ltr_core.walks import Walk


def walk(
    panoramas: Annotated[list[Path], typer.Argument(help="The photos of one walk, in their order.")],
    gallery: Annotated[str, typer.Option(help="A shipped name or a folder.")] = "helsinki",
    checkpoint: CheckpointName = None,
    heading: Annotated[
        str, typer.Option(help="Where each photo's centre looks: degrees from north, `exif` or `search`.")
    ] = "exif",
    step_m: Annotated[
        float | None, typer.Option(help="How far one photo is from the next, at most; without it 50.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find where the photos of a walk were taken: they help to find each other."""
    from l2ltr_core.gallery import open_gallery
    from l2ltr_core.photo import load_panorama
    from l2ltr_core.walks import STEP_M, localize_walk

    chosen_heading = parse_heading(heading)
    photos = [read_named(each, load_panorama) for each in panoramas]
    opened = open_gallery(gallery)
    encoder = open_encoder(checkpoint, opened)
    with progress_bar("Comparing the photos") as progress:
        found = localize_walk(
            photos, encoder=encoder, gallery=opened, heading=chosen_heading,
            step_m=STEP_M if step_m is None else step_m, progress=progress,
        )  # fmt: skip
    found = found.named([each.name for each in panoramas])
    for name, photo in zip(panoramas, found.alone, strict=True):
        print_notes([f"{name.name}: {ASSUMED}"] if photo.heading_source == "assumed" else [])
    if as_json:
        print(found.to_json())
    else:
        _show_walk(found, [each.name for each in panoramas])


def _show_walk(found: Walk, names: Sequence[str]) -> None:
    values = found.to_dict()
    print(
        f"{len(names)} photos, each at most {found.step_m:g} m from the next, checkpoint {values['checkpoint']}, "
        f"gallery {values['gallery']}"
    )
    if found.in_gallery is not None:
        print(f"taken in the gallery: {'probably' if found.in_gallery else 'probably not'}")
    unmeasured = [photo.rests_on for photo in found.alone if photo.estimate.confidence is None]
    print(f"certainty: {(unmeasured or [found.alone[0].rests_on])[0]}")
    known = any("truth" in photo for photo in values["photos"])
    heads = ("photo", "latitude", "longitude", "confidence", "alone")
    table = Table(*heads, *(("error", "error alone") if known else ()), box=None)
    for name, photo in zip(names, values["photos"], strict=True):
        estimate = photo["estimate"]
        errors = [distance_text(photo[key]) if key in photo else "" for key in ("error_m", "error_alone_m")]
        table.add_row(
            name, f"{estimate['latitude']:.6f}", f"{estimate['longitude']:.6f}", share_text(estimate["confidence"]),
            share_text(photo["alone"]["confidence"]), *(errors if known else ()),
        )  # fmt: skip
    Console().print(table)
