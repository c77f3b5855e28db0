"""`l2ltr train`."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from l2ltr_core.cli.terminal import INTERRUPTED, progress_bar

if TYPE_CHECKING:
    from l2ltr_core.training import Report


def train(
    dataset: Annotated[
        list[str],
        typer.Option(
            help="A geotagged folder, `cvusa:DIR`, `cvact:DIR` or `vigor:DIR`; give several times for several."
        ),
    ],
    config: Annotated[Path, typer.Option(help="The run's TOML file.")],
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the state in OUT.")] = False,
    start_from: Annotated[
        str | None, typer.Option(help="A checkpoint to train further; its columns are aligned already.")
    ] = None,
    validation: Annotated[str | None, typer.Option(help="A geotagged folder that is only measured.")] = None,
    validation_pairs: Annotated[
        str | None,
        typer.Option(
            help="A folder of real pairs that are only measured: the weights that they speak for are kept."
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Where prepared photos and sums are kept, for several runs; else in OUT."),
    ] = None,
) -> None:
    """Train a checkpoint on panoramas and imagery."""
    from l2ltr_core.training import leads, load_config
    from l2ltr_core.training import train as run

    with progress_bar("Photos") if leads() else nullcontext() as progress:
        result = run(
            load_config(config), dataset, out, resume, start_from=start_from, validation=validation,
            validation_pairs=validation_pairs, cache_dir=cache, on_load=progress, on_report=_print_report,
        )  # fmt: skip
    for card in result.cards if leads() else ():
        print(f"{result.out_dir / card.name}.safetensors: fingerprint {card.fingerprint}")
    if not result.finished:
        raise typer.Exit(INTERRUPTED)


def _print_report(report: Report) -> None:
    values = " ".join(f"{name} {value:.4g}" for name, value in report.values.items())
    left = f"{report.eta_seconds / 60:.0f} min left"
    said = report.note or f"{values} {left}".strip()
    print(f"{report.stage} {report.step}/{report.steps} {said}", file=sys.stderr)
