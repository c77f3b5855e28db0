"""`l2ltr report`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from l2ltr_core.cli.options import Json
from l2ltr_core.cli.terminal import print_notes, progress_bar
from l2ltr_core.errors import ConfigurationError

if TYPE_CHECKING:
    from l2ltr_core.evaluation.real import RealPairs
    from l2ltr_core.evaluation.report import EvaluationContext


def report(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="CHECKPOINT...", help="As elsewhere; by default every shipped one."),
    ] = None,
    dataset: Annotated[str, typer.Option(help="The held-out photos.")] = "helsinki",
    gallery: Annotated[str | None, typer.Option(help="Another gallery than the dataset names.")] = None,
    validation: Annotated[
        str | None, typer.Option(help="Photos of the same city that confidences may be chosen on.")
    ] = None,
    elsewhere: Annotated[str | None, typer.Option(help="A dataset of another city.")] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="Real photos with their tiles: a folder with a pairs.csv.")
    ] = None,
    distractors: Annotated[
        Path | None, typer.Option(help="Further tiles for --pairs: a folder beside its own .csv.")
    ] = None,
    pairs_imagery: Annotated[
        str | None, typer.Option(help="Whose pictures they are; else what the folder of --pairs says.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="One section by its name on the card; give several times.")
    ] = None,
    corrupted_photos: Annotated[
        int, typer.Option(min=1, help="Photos under each corruption and level.")
    ] = 120,
    again: Annotated[bool, typer.Option("--again", help="Measure also what was measured.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Only say what the cards hold.")] = False,
    page: Annotated[Path | None, typer.Option(help="Also write the tables to this Markdown file.")] = None,
    as_json: Json = False,
) -> None:
    """Measure everything about checkpoints into their cards. Interrupted, it goes on with what is left."""
    from l2ltr_core.checkpoints import find_card, list_checkpoints, load_card
    from l2ltr_core.evaluation import read_held_out
    from l2ltr_core.evaluation.page import write_page
    from l2ltr_core.evaluation.report import write_report
    from l2ltr_core.evaluation.tables import report_tables

    chosen = names or [card.name for card in list_checkpoints()]
    if not show:
        real = _real_pairs(pairs, distractors, pairs_imagery)
        contexts = _contexts(chosen, dataset, gallery, validation, elsewhere, real, corrupted_photos)
        for name, context in contexts:
            lacking = write_report(
                context, find_card(name), only=only or (), again=again, progress=progress_bar
            )
            if lacking:
                print_notes([_not_measured(context.encoder.name, lacking)])
    cards = [load_card(name) for name in chosen]
    records = {card.name: read_held_out(find_card(name)) for card, name in zip(cards, chosen, strict=True)}
    if page is not None:
        write_page(page, cards, records)
    if as_json:
        print(json.dumps({card.name: card.results for card in cards}, indent=2))
        return
    for table in report_tables(cards, records):
        shown = Table(*table.head, title=table.title, caption=table.about, title_justify="left", box=None)
        for row in table.rows:
            shown.add_row(*row)
        Console().print(shown, "")


def _real_pairs(pairs: Path | None, distractors: Path | None, imagery: str | None) -> RealPairs | None:
    """The pairs to measure on, None without; raises ConfigurationError for an option that needs them."""
    if pairs is not None:
        from l2ltr_core.evaluation.real import open_real_pairs

        return open_real_pairs(pairs, distractors, imagery)
    if distractors is not None or imagery is not None:
        raise ConfigurationError("--distractors and --pairs-imagery belong to --pairs; give that, too.")
    return None


def _not_measured(checkpoint: str, sections: Sequence[str]) -> str:
    needed = "--validation, --elsewhere or --pairs"
    return f"{checkpoint}: not measured without {needed}: {', '.join(sections)}."


def _contexts(
    names: Sequence[str],
    dataset: str,
    gallery: str | None,
    validation: str | None,
    elsewhere: str | None,
    pairs: RealPairs | None,
    corrupted_photos: int,
) -> Iterator[tuple[str, EvaluationContext]]:
    """Each named checkpoint and what it is measured on; the data are opened once for all."""
    from l2ltr_core.checkpoints import load_encoder
    from l2ltr_core.datasets import open_dataset
    from l2ltr_core.evaluation.report import EvaluationContext
    from l2ltr_core.gallery import open_gallery

    held_out = open_dataset(dataset)
    tuned = None if validation is None else open_dataset(validation)
    away = None if elsewhere is None else open_dataset(elsewhere)
    named = gallery or held_out.gallery_name
    if named is None:
        raise ConfigurationError(f"The dataset {held_out.name} names no gallery; give --gallery.")
    searched = open_gallery(named)
    for name in names:
        yield (
            name,
            EvaluationContext(load_encoder(name), searched, held_out, tuned, away, corrupted_photos, pairs),
        )
