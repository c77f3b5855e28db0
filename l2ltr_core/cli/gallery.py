"""`l2ltr gallery`: make, check and describe galleries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from l2ltr_core import types
from l2ltr_core.cli.options import CheckpointName, Json, command_group, indexes_of, open_encoder
from l2ltr_core.cli.terminal import BAD_INPUT, print_values, progress_bar, refuse

app = command_group("Make, check and describe galleries.")


@app.command("build")
def build(
    out: Annotated[Path, typer.Option(help="The gallery's folder.")],
    imagery: Annotated[
        str | None,
        typer.Option(
            help="A raster, a folder of tiles or a {z}/{x}/{y} address; without it OUT is a gallery "
            "that gets the checkpoint's index."
        ),
    ] = None,
    checkpoint: CheckpointName = None,
    bbox: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option(help="Only within west south east north, degrees.", metavar="W S E N"),
    ] = None,
    spacing_m: Annotated[float, typer.Option(help="Metres between places of the grid.")] = 10.0,
    chip_m: Annotated[
        float | None, typer.Option(help="Width of the aerial squares in metres; by default the checkpoint's.")
    ] = None,
    index: Annotated[
        Literal["flat", "half", "byte", "hnsw", "ivfpq"] | None,
        typer.Option(
            help="Exact; rounded to half or a quarter of the size; fast; or small. By default as the gallery's "
            "latest index, else flat."
        ),
    ] = None,
    views_per_cell: Annotated[
        int | None,
        typer.Option(
            help="With 4, four views of each place's cell are encoded: finds more, costs more. By default as the "
            "gallery's latest index, else 1."
        ),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Encode in this process, or on a Ray cluster.")
    ] = "local",
    places: Annotated[
        Path | None, typer.Option(help="A list of places (CSV, GeoJSON, Parquet) instead of a grid.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The gallery's name; by default its folder's.")] = None,
    attribution: Annotated[str | None, typer.Option(help="Whom to credit for the imagery.")] = None,
    licence: Annotated[str, typer.Option(help="The imagery's licence.")] = "",
    simulated: Annotated[bool, typer.Option("--simulated", help="The imagery is rendered.")] = False,
) -> None:
    """Build a gallery from imagery, or add a checkpoint's index to one. Interrupted, it resumes."""
    from l2ltr_core.gallery import add_index, build_gallery, load_places
    from l2ltr_core.imagery import open_imagery

    if imagery is None:
        with progress_bar("Tiles") as progress:
            built = add_index(
                out,
                open_encoder(checkpoint, None),
                index=index,
                views_per_cell=views_per_cell,
                engine=engine,
                progress=progress,
            )
    else:
        source = open_imagery(imagery)
        listed = None if places is None else load_places(places)
        encoder = open_encoder(checkpoint, None)
        with progress_bar("Tiles") as progress:
            built = build_gallery(
                source, out, encoder, name=name, places=listed, spacing_m=spacing_m,
                bbox=None if bbox is None else types.Bounds(*bbox), chip_m=chip_m, index=index or "flat",
                views_per_cell=1 if views_per_cell is None else views_per_cell, engine=engine,
                attribution=attribution, licence=licence, simulated=simulated, progress=progress,
            )  # fmt: skip
    print(f"{built.folder}: {built.manifest.places} places, indexes of {indexes_of(built)}")


@app.command("verify")
def verify(
    folder: Annotated[str, typer.Argument(help="The gallery's folder or shipped name.")],
) -> None:
    """Read every file of a gallery and compare it with what the gallery says; exit 2 if anything is wrong."""
    from l2ltr_core.gallery import verify_gallery

    problems = verify_gallery(folder)
    if problems:
        for problem in problems:
            refuse(problem)
        raise typer.Exit(BAD_INPUT)
    print(f"{folder}: whole")


@app.command("info")
def info(
    folder: Annotated[str, typer.Argument(help="The gallery's folder or shipped name.")],
    as_json: Json = False,
) -> None:
    """Say what is in a gallery."""
    from dataclasses import asdict

    from l2ltr_core.gallery import open_gallery

    values = asdict(open_gallery(folder).manifest)
    if as_json:
        print(json.dumps(values, indent=2))
        return
    values["indexes"] = ", ".join(
        f"{i['checkpoint']} ({i['fingerprint']}, {i['kind']}, views per cell: {i['looks']})"
        for i in values["indexes"]
    )
    box = values["bounds"]
    values["bounds"] = f"{box['west']:.5f} {box['south']:.5f} {box['east']:.5f} {box['north']:.5f} (W S E N)"
    values["files"] = (
        f"{len(values['files'])}, {sum(f['bytes'] for f in values['files'].values()) / 1e6:.1f} MB"
    )
    print_values(values)
