"""`l2ltr twin`: render a simulated city."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from l2ltr_core.cli.options import command_group
from l2ltr_core.cli.terminal import progress_bar
from l2ltr_core.errors import ConfigurationError

app = command_group("Render a simulated city from OpenStreetMap.")


@app.command("build")
def build(
    city: Annotated[str, typer.Option(help="A bundled city, `invented`, or an .osm.pbf file.")],
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 0,
    part: Annotated[
        str, typer.Option(help="Which part of a bundled city, or which kind of procedural place.")
    ] = "all",
    variant: Annotated[
        int,
        typer.Option(help="Above 0: a city perturbed from the real one, or the number of a procedural one."),
    ] = 0,
    rebuilt: Annotated[
        bool, typer.Option(help="A perturbed city has other heights and trees, too, not only other walls.")
    ] = True,
    panoramas: Annotated[int, typer.Option(help="How many photos to take.")] = 400,
    moments: Annotated[int, typer.Option(help="How many orthophotos, each at another time.")] = 1,
    full_sphere: Annotated[bool, typer.Option("--full-sphere", help="Photos of the whole sphere.")] = False,
    width_px: Annotated[int, typer.Option(help="Width of a photo.")] = 256,
    samples: Annotated[int, typer.Option(help="So many rays, squared, make a pixel of a photo.", min=1)] = 2,
    varied: Annotated[
        bool, typer.Option("--varied", help="Photos and orthophotos share neither colours nor season.")
    ] = False,
    jobs: Annotated[int, typer.Option(help="How many processes take the photos.", min=1)] = 1,
) -> None:
    """Render a simulated city: an orthophoto and geotagged panoramas."""
    height_px = width_px // 2 if full_sphere else width_px // 4
    with progress_bar("Photos") as progress, _citysim_extra():
        from citysim import build_city

        build_city(
            city, out, seed=seed, part=part, variant=variant, augment=rebuilt, panoramas=panoramas,
            captures=moments, full_sphere=full_sphere, size_px=(height_px, width_px), samples=samples,
            varied=varied, jobs=jobs, progress=progress,
        )  # fmt: skip
    print(out)


@contextmanager
def _citysim_extra() -> Iterator[None]:
    """Say what to install where the simulated city or a package that it needs is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"`l2ltr twin build` needs the package {error.name}; install it with pip install -e '.[citysim]'."
        ) from error
