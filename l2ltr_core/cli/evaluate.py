"""`l2ltr evaluate`."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

from l2ltr_core.cli.options import CheckpointName, Json, open_encoder
from l2ltr_core.cli.terminal import print_values, progress_bar


def evaluate(
    dataset: Annotated[
        str, typer.Option(help="helsinki, a folder, or cvusa:DIR, cvact:DIR, vigor:DIR, vigor-cross:DIR.")
    ] = "helsinki",
    checkpoint: CheckpointName = None,
    protocol: Annotated[
        Literal["paired", "places"] | None, typer.Option(help="By default places, where a gallery is named.")
    ] = None,
    heading: Annotated[
        Literal["exif", "search"],
        typer.Option(help="As the dataset knows it, or searched: each photo's is found with its place."),
    ] = "exif",
    fov_deg: Annotated[
        float | None,
        typer.Option(
            help="Leave each photo so many degrees of the circle, in a random direction that is known."
        ),
    ] = None,
    gallery: Annotated[str | None, typer.Option(help="Another gallery than the dataset names.")] = None,
    rerank: Annotated[
        bool,
        typer.Option(
            help="Rank by column similarity, where the checkpoint has columns; --no-rerank: by the global "
            "descriptor (CLS)."
        ),
    ] = True,
    write_card: Annotated[
        bool, typer.Option("--write-card", help="Keep the result on the checkpoint's card.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure a checkpoint: recall@k, and distances where positions are known."""
    from l2ltr_core.datasets import open_dataset
    from l2ltr_core.evaluation import measure
    from l2ltr_core.evaluation.recording import record
    from l2ltr_core.gallery import open_gallery

    opened = open_dataset(dataset)
    named = gallery or opened.gallery_name
    needed = protocol != "paired" or checkpoint is None  # to search, or to choose the checkpoint by
    searched = open_gallery(named) if named is not None and needed else None
    encoder = open_encoder(checkpoint, searched)
    with progress_bar("Photos") as progress:
        measured = measure(
            opened, encoder, protocol=protocol, heading=heading, fov_deg=fov_deg, gallery=searched,
            rerank=rerank, progress=progress,
        )  # fmt: skip
    report = measured.report
    if write_card:
        record(measured, checkpoint or encoder.name, encoder, searched)
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        print_values(report)
