"""The `l2ltr` command: every part of the product without a screen.

Exit codes: 0 done, 2 bad input (one line on standard error says what and what to do), 130 interrupted.
Results go to standard output, notes and progress to standard error.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from typer.exceptions import TyperException

from l2ltr_core import types
from l2ltr_core.errors import CheckpointError, ConfigurationError, L2LTRError

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from l2ltr_core.evaluation import Evaluation
    from l2ltr_core.evaluation.real import RealPairs
    from l2ltr_core.gallery import Gallery
    from l2ltr_core.inspection import AttentionChoice
    from l2ltr_core.localization import Localization
    from l2ltr_core.model.config import CheckpointCard
    from l2ltr_core.model.encoder import Encoder
    from l2ltr_core.walks import Walk

Read = TypeVar("Read")
BAD_INPUT = 2
INTERRUPTED = 130
CVUSA_CHIP_M = 175.0
"""What CVUSA's aerial tiles show: 750 px at zoom 19, at the middle latitude of the United States (38.5)."""


def _group(about: str) -> typer.Typer:
    return typer.Typer(
        help=about,
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


app = _group("Find where a street panorama was taken, on aerial imagery.")
gallery_app = _group("Make, check and describe galleries.")
checkpoint_app = _group("Bring checkpoints in and describe them.")
inspect_app = _group("Draw what a checkpoint looks at and what it has learned.")
twin_app = _group("Render a simulated city from OpenStreetMap.")
app.add_typer(gallery_app, name="gallery")
app.add_typer(checkpoint_app, name="checkpoint")
app.add_typer(inspect_app, name="inspect")
app.add_typer(twin_app, name="twin")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
CheckpointName = Annotated[
    str | None, typer.Option("--checkpoint", help="A shipped name, a file, a folder or hf://owner/name.")
]
FigureFile = Annotated[Path, typer.Option("--out", help="The figure's file, .png or .svg.")]
BranchName = Annotated[Literal["ground", "aerial"], typer.Option(help="The photo's side or the tile's.")]
COMPARED = 4
"""Checkpoints that one figure can tell apart."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code. Bad input is one line on standard error, never a traceback."""
    logging.getLogger("rasterio").setLevel(logging.CRITICAL)  # what GDAL says is part of our own messages
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    try:
        code = app(list(sys.argv[1:] if arguments is None else arguments), standalone_mode=False)
    except TyperException as error:
        return _refuse(
            f"{error.format_message().rstrip('.')}; `l2ltr --help` and `l2ltr COMMAND --help` tell more."
        )
    except L2LTRError as error:
        return _refuse(str(error))
    except OSError as error:  # a full disk, a folder that may not be written
        return _refuse(f"{error.filename or 'A file'} cannot be used: {error.strerror or error}.")
    if code == INTERRUPTED:
        print(
            "l2ltr: interrupted; the same command goes on from there (train: with --resume).", file=sys.stderr
        )
    return code if isinstance(code, int) else 0


ASSUMED = (
    "The photo does not say which way it looks, so its centre was taken for north; turn it (--heading DEG) or let the "
    "program try a whole turn (--heading search)."
)


def _refuse(message: str) -> int:
    print("l2ltr: " + " ".join(message.split()), file=sys.stderr)
    return BAD_INPUT


@app.command()
def localize(
    panorama: Annotated[Path, typer.Argument(help="The photo: JPEG or PNG, best a 360 degree panorama.")],
    gallery: Annotated[str, typer.Option(help="A shipped name or a folder.")] = "helsinki",
    checkpoint: CheckpointName = None,
    heading: Annotated[
        str, typer.Option(help="Where the photo's centre looks: degrees from north, `exif` or `search`.")
    ] = "exif",
    top_k: Annotated[int, typer.Option(help="How many matches to list.")] = 10,
    apart_m: Annotated[
        float, typer.Option(help="List different answers, farther than so many metres from each other.")
    ] = 0.0,
    as_json: Json = False,
) -> None:
    """Find where a panorama was taken."""
    from l2ltr_core.gallery import open_gallery
    from l2ltr_core.localization import localize as find
    from l2ltr_core.photo import load_panorama

    chosen_heading = _heading(heading)
    photo = load_panorama(panorama)  # a bad photo is refused before the model is read
    opened = open_gallery(gallery)
    encoder = _encoder(checkpoint, opened)
    result = find(
        photo, encoder=encoder, gallery=opened, heading=chosen_heading, top_k=top_k, apart_m=apart_m
    )
    result = replace(result, photo_name=panorama.name)
    _notes([*result.notes, *result.doubts])
    if result.heading_source == "assumed":
        _notes([ASSUMED])
    if as_json:
        print(result.to_json())
    else:
        _show_localization(result, encoder.card)


@app.command()
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

    chosen_heading = _heading(heading)
    photos = [_named(each, load_panorama) for each in panoramas]
    opened = open_gallery(gallery)
    encoder = _encoder(checkpoint, opened)
    with _progress("Comparing the photos") as progress:
        found = localize_walk(
            photos, encoder=encoder, gallery=opened, heading=chosen_heading,
            step_m=STEP_M if step_m is None else step_m, progress=progress,
        )  # fmt: skip
    found = found.named([each.name for each in panoramas])
    for name, photo in zip(panoramas, found.alone, strict=True):
        _notes([f"{name.name}: {ASSUMED}"] if photo.heading_source == "assumed" else [])
    if as_json:
        print(found.to_json())
    else:
        _show_walk(found, [each.name for each in panoramas])


@gallery_app.command("build")
def gallery_build(
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
    looks: Annotated[
        int | None,
        typer.Option(
            help="4 looks at each place from four points of its cell: finds more, costs more. By default as the "
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
        with _progress("Tiles") as progress:
            built = add_index(
                out, _encoder(checkpoint, None), index=index, looks=looks, engine=engine, progress=progress
            )
    else:
        source = open_imagery(imagery)
        listed = None if places is None else load_places(places)
        encoder = _encoder(checkpoint, None)
        with _progress("Tiles") as progress:
            built = build_gallery(
                source, out, encoder, name=name, places=listed, spacing_m=spacing_m,
                bbox=None if bbox is None else types.Bounds(*bbox), chip_m=chip_m, index=index or "flat",
                looks=1 if looks is None else looks, engine=engine, attribution=attribution, licence=licence,
                simulated=simulated, progress=progress,
            )  # fmt: skip
    print(f"{built.folder}: {built.manifest.places} places, indexes of {_indexes(built)}")


@gallery_app.command("verify")
def gallery_verify(
    folder: Annotated[str, typer.Argument(help="The gallery's folder or shipped name.")],
) -> None:
    """Read every file of a gallery and compare it with what the gallery says; exit 2 if anything is wrong."""
    from l2ltr_core.gallery import verify_gallery

    problems = verify_gallery(folder)
    if problems:
        for problem in problems:
            _refuse(problem)
        raise typer.Exit(BAD_INPUT)
    print(f"{folder}: whole")


@gallery_app.command("info")
def gallery_info(
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
        f"{i['checkpoint']} ({i['fingerprint']}, {i['kind']}, looks: {i['looks']})" for i in values["indexes"]
    )
    box = values["bounds"]
    values["bounds"] = f"{box['west']:.5f} {box['south']:.5f} {box['east']:.5f} {box['north']:.5f} (W S E N)"
    values["files"] = (
        f"{len(values['files'])}, {sum(f['bytes'] for f in values['files'].values()) / 1e6:.1f} MB"
    )
    _show_values(values)


@checkpoint_app.command("import")
def checkpoint_import(
    file: Annotated[Path, typer.Argument(help="The authors' checkpoint (.pth).")],
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    name: Annotated[str, typer.Option(help="The checkpoint's new name.")],
    ground_size: Annotated[tuple[int, int], typer.Option(metavar="H W", help="Ground view, pixels.")] = (
        128,
        512,
    ),
    aerial_size: Annotated[tuple[int, int], typer.Option(metavar="H W", help="Aerial view, pixels.")] = (
        128,
        512,
    ),
    heads: Annotated[int | None, typer.Option(help="Attention heads; by default width / 64.")] = None,
    polar: Annotated[bool, typer.Option(help="Whether the aerial view is polar-transformed.")] = True,
    chip_m: Annotated[float, typer.Option(help="Width of the aerial squares, metres.")] = CVUSA_CHIP_M,
    vertical_field_deg: Annotated[float, typer.Option(help="Vertical field of the ground view.")] = 90.0,
    licence: Annotated[str, typer.Option(help="Of the weights.")] = "",
    description: Annotated[str, typer.Option(help="One sentence for people.")] = "",
) -> None:
    """Bring a checkpoint of the authors into this product's form."""
    from l2ltr_core.checkpoints import import_authors, infer_authors_config
    from l2ltr_core.model.config import ViewConfig

    config = infer_authors_config(file, ground_size_px=ground_size, aerial_size_px=aerial_size, heads=heads)
    view = ViewConfig(chip_m=chip_m, polar=polar, ground_vertical_field_deg=vertical_field_deg)
    card = import_authors(file, config, view, out, name, licence=licence, description=description)
    print(f"{out / card.name}.safetensors: fingerprint {card.fingerprint}")


@checkpoint_app.command("push")
def checkpoint_push(
    name: Annotated[str, typer.Argument(help="A shipped name, a file or a folder.")],
    address: Annotated[str, typer.Argument(help="hf://owner/name; made, and private, if it is not there.")],
) -> None:
    """Upload a checkpoint to the Hugging Face Hub. The token is HF_TOKEN's or that of `hf auth login`."""
    from l2ltr_core.checkpoints import push_checkpoint

    print(push_checkpoint(name, address))


@checkpoint_app.command("info")
def checkpoint_info(
    name: Annotated[str, typer.Argument(help="A shipped name, a file or a folder.")], as_json: Json = False
) -> None:
    """Say what a checkpoint is: architecture, views, training, results."""
    from l2ltr_core.checkpoints import load_card

    values = load_card(name).to_dict()
    if as_json:
        print(json.dumps(values, indent=2))
    else:
        _show_values(values)


@app.command()
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
            help="Compare every place column by column, where the checkpoint has columns; --no-rerank: by CLS alone."
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
    from l2ltr_core.gallery import open_gallery

    opened = open_dataset(dataset)
    named = gallery or opened.gallery_name
    needed = protocol != "paired" or checkpoint is None  # to search, or to choose the checkpoint by
    searched = open_gallery(named) if named is not None and needed else None
    encoder = _encoder(checkpoint, searched)
    with _progress("Photos") as progress:
        measured = measure(
            opened, encoder, protocol=protocol, heading=heading, fov_deg=fov_deg, gallery=searched,
            rerank=rerank, progress=progress,
        )  # fmt: skip
    report = measured.report
    if write_card:
        _write_card(checkpoint or encoder.name, report)
        if report["protocol"] == "places" and report["heading"] == "exif" and fov_deg is None and rerank:
            _write_photos(checkpoint or encoder.name, measured, encoder, searched)
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        _show_values(report)


@app.command()
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
    from l2ltr_core.evaluation.tables import report_tables

    chosen = names or [card.name for card in list_checkpoints()]
    if not show:
        real = _real_pairs(pairs, distractors, pairs_imagery)
        _measure_all(
            chosen, dataset, gallery, validation, elsewhere, real, only or [], corrupted_photos, again
        )
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


@app.command()
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

    with _progress("Photos") if leads() else nullcontext() as progress:
        result = run(
            load_config(config), dataset, out, resume, start_from=start_from, validation=validation,
            validation_pairs=validation_pairs, cache_dir=cache, on_load=progress, on_report=_print_report,
        )  # fmt: skip
    for card in result.cards if leads() else ():
        print(f"{result.out_dir / card.name}.safetensors: fingerprint {card.fingerprint}")
    if not result.finished:
        raise typer.Exit(INTERRUPTED)


@inspect_app.command("attention")
def inspect_attention(
    out: FigureFile,
    photo: Annotated[Path | None, typer.Argument(help="The photo; not needed with --place.")] = None,
    checkpoint: CheckpointName = None,
    branch: BranchName = "ground",
    layer: Annotated[int | None, typer.Option(help="One layer, counted from 1.")] = None,
    head: Annotated[str, typer.Option(help="One head of the layer, counted from 1, or `mean`.")] = "mean",
    rollout: Annotated[
        bool, typer.Option("--rollout", help="Through all layers: so without --layer, too.")
    ] = False,
    gallery: Annotated[str, typer.Option(help="Where the aerial tile is from.")] = "helsinki",
    place: Annotated[
        int | None, typer.Option(help="The aerial tile; without it the photo's best match.")
    ] = None,
    heading: Annotated[
        str, typer.Option(help="Where the photo's centre looks: degrees from north, `exif` or `search`.")
    ] = "exif",
) -> None:
    """Draw where CLS looks: over the photo, north in the middle, or over a place's tile, north up."""
    from l2ltr_core.figures import require_figure_file, save
    from l2ltr_core.gallery import open_gallery

    require_figure_file(out)
    chosen_heading = _heading(heading)
    if branch == "ground" and place is not None:
        raise ConfigurationError("--place belongs to the aerial branch; add --branch aerial or leave it out.")
    if (photo is None) == (place is None):
        raise ConfigurationError("Give either a photo or, with --branch aerial, the --place of a tile.")
    searching = branch == "aerial" or chosen_heading == "search"
    opened = open_gallery(gallery) if searching or checkpoint is None else None
    encoder = _encoder(checkpoint, opened)
    choice = _attention_choice(encoder.card, layer, head, rollout)
    if branch == "ground":
        assert photo is not None
        figure = _photo_attention(photo, encoder, choice, chosen_heading, opened)
    else:
        assert opened is not None
        if photo is not None:
            place = _best_place(photo, encoder, opened, chosen_heading)
        assert place is not None
        figure = _tile_attention(place, encoder, choice, opened)
    save(figure, out)
    print(out)


@inspect_app.command("positions")
def inspect_positions(
    out: FigureFile,
    checkpoint: CheckpointName = None,
    branch: BranchName = "ground",
    row: Annotated[
        int | None, typer.Option(help="With --column: one position, from the top, from 1.")
    ] = None,
    column: Annotated[int | None, typer.Option(help="From the left, from 1.")] = None,
    across: Annotated[
        bool,
        typer.Option("--across", help="Which of the tile's positions are like the photo's one position."),
    ] = False,
    before: Annotated[
        bool, typer.Option("--before", help="All positions as they were before training.")
    ] = False,
) -> None:
    """Draw how alike positional embeddings are: each to all others, or one position larger."""
    from l2ltr_core import figures, inspection
    from l2ltr_core.model.position_init import AFTER, BEFORE, positions_before_and_after

    figures.require_figure_file(out)
    if (row is None) != (column is None):
        raise ConfigurationError("A position is a --row and a --column; give both or neither.")
    if across and (row is None or branch == "aerial"):
        raise ConfigurationError("--across needs the --row and the --column of a position of the photo.")
    encoder = _encoder(checkpoint, None)
    model, view = encoder.card.model, encoder.card.view
    grid = model.ground_grid if branch == "ground" else model.aerial_grid
    meaning, times = figures.axes_of(view, branch), positions_before_and_after(encoder, branch)
    if before and BEFORE not in times:
        raise ConfigurationError(f"The card of {encoder.name} does not tell how its positions began.")
    if row is None or column is None:
        similarity = inspection.position_similarity(times[BEFORE if before else AFTER], grid)
        figure = figures.position_sheet(similarity, meaning)
    else:
        position = _counted("row", row, grid[0]), _counted("column", column, grid[1])
        if across:
            aerial = positions_before_and_after(encoder, "aerial")
            maps = {when: inspection.across(times[when], aerial[when], model)[position] for when in times}
            title = f"Tile positions like the photo's {meaning.describe(position, grid)}"
            figure = figures.position_map(maps, None, figures.axes_of(view, "aerial"), title)
        else:
            maps = {
                when: inspection.position_similarity(each, grid)[position] for when, each in times.items()
            }
            figure = figures.position_map(maps, position, meaning)
    figures.save(figure, out)
    print(out)


@inspect_app.command("layers")
def inspect_layers(
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO...", help="Photos, taken together.")],
    out: FigureFile,
    checkpoint: Annotated[
        list[str] | None, typer.Option(help="As elsewhere; give several times for up to four in one figure.")
    ] = None,
    measure: Annotated[Literal["cosine", "cka"], typer.Option(help="Of likeness.")] = "cosine",
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Every layer with every other, of one checkpoint.")
    ] = False,
) -> None:
    """Draw how alike layers are: neighbours, one line a checkpoint, or every pair."""
    from l2ltr_core import figures
    from l2ltr_core.photo import load_panorama

    figures.require_figure_file(out)
    names: list[str | None] = [None] if checkpoint is None else [*checkpoint]
    if len(names) > (most := 1 if pairs else COMPARED) or len(set(names)) < len(names):
        raise ConfigurationError(
            f"There are {len(names)} checkpoints; this figure shows at most {most}, each once."
        )
    panoramas = [load_panorama(photo) for photo in photos]
    encoders = [_encoder(name, None) for name in names]
    tables = {
        figures.checkpoint_label(each.card): _layers_alike(each, panoramas, measure) for each in encoders
    }
    label = "CKA" if measure == "cka" else measure
    if pairs:
        ((name, table),) = tables.items()
        bounds = (min(0.0, float(table.min())), 1.0)
        figure = figures.square_matrix(table, name, "tokens after layer", bounds, unit=f"{label} similarity")
    else:
        lines = {name: table.diagonal(offset=1) for name, table in tables.items()}
        plain = [
            figures.checkpoint_label(each.card) for each in encoders if each.card.model.attention == "self"
        ]
        figure = figures.layer_lines(lines, f"{label}, layer's input to output", dashed=plain)
    figures.save(figure, out)
    print(out)


@twin_app.command("build")
def twin_build(
    city: Annotated[str, typer.Option(help="A bundled city, `invented`, or an .osm.pbf file.")],
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 0,
    part: Annotated[
        str, typer.Option(help="Which part of a bundled city, or which kind of invented place.")
    ] = "all",
    variant: Annotated[
        int, typer.Option(help="Above 0: imagined with the grain of the real city, or invented.")
    ] = 0,
    rebuilt: Annotated[
        bool, typer.Option(help="An imagined city has other heights and trees, too, not only other walls.")
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
    from l2ltr_core.twin import build_city

    height_px = width_px // 2 if full_sphere else width_px // 4
    with _progress("Photos") as progress:
        build_city(
            city, out, seed=seed, part=part, variant=variant, rebuilt=rebuilt, panoramas=panoramas,
            moments=moments, full_sphere=full_sphere, size_px=(height_px, width_px), samples=samples,
            varied=varied, jobs=jobs, progress=progress,
        )  # fmt: skip
    print(out)


def _named(path: Path, read: Callable[[Path], Read]) -> Read:
    """What `read` makes of one of several files; what is wrong with it is said with its name."""
    try:
        return read(path)
    except L2LTRError as error:
        raise type(error)(f"{path.name}: {error}") from error


def _heading(text: str) -> float | Literal["exif", "search"]:
    if text == "exif":
        return "exif"
    if text == "search":
        return "search"
    try:
        heading_deg = float(text)
    except ValueError:
        heading_deg = math.nan
    if not math.isfinite(heading_deg):
        raise ConfigurationError(
            f"The heading is {text!r}; give degrees clockwise from north, `exif` or `search`."
        )
    return heading_deg


def _counted(what: str, number: int, count: int) -> int:
    """A number counted from 1 as one counted from 0; raises ConfigurationError outside 1 to `count`."""
    if not 1 <= number <= count:
        raise ConfigurationError(f"There is no {what} {number}; the checkpoint has 1 to {count}.")
    return number - 1


def _attention_choice(card: CheckpointCard, layer: int | None, head: str, rollout: bool) -> AttentionChoice:
    from l2ltr_core.inspection import AttentionChoice

    if layer is None and head != "mean":
        raise ConfigurationError(f"The head {head!r} belongs to a layer; add --layer.")
    if layer is not None and rollout:
        raise ConfigurationError("The rollout goes through all layers; give --layer or --rollout, not both.")
    if layer is None:
        return AttentionChoice()
    if head != "mean" and not head.isdecimal():
        raise ConfigurationError(f"The head is {head!r}; give a number from 1, or `mean`.")
    return AttentionChoice(
        _counted("layer", layer, card.model.depth),
        None if head == "mean" else _counted("head", int(head), card.model.heads),
    )


def _photo_attention(
    photo: Path,
    encoder: Encoder,
    choice: AttentionChoice,
    heading: float | Literal["exif", "search"],
    gallery: Gallery | None,
) -> Figure:
    import numpy as np

    from l2ltr_core import figures
    from l2ltr_core.geometry.panorama import ground_view
    from l2ltr_core.inspection import heat
    from l2ltr_core.localization import search_heading
    from l2ltr_core.photo import load_panorama

    card, panorama = encoder.card, load_panorama(photo)
    _notes(panorama.notes)
    if heading == "search":
        assert gallery is not None
        heading_deg = search_heading(panorama, encoder, gallery)
    elif heading == "exif":
        heading_deg = panorama.heading_deg or 0.0
        if panorama.heading_deg is None:
            _notes(["The photo does not say which way it looks, so its centre was taken for north."])
    else:
        heading_deg = heading
    view = ground_view(panorama, heading_deg, card.view.ground_vertical_field_deg, figures.STRIP_PX)
    maps = encoder.attention(panorama, "ground", range(card.model.depth), heading_deg=heading_deg)
    return figures.heat_strip(view, heat(np.stack(maps), choice, card.model.ground_grid), None)


def _best_place(
    photo: Path, encoder: Encoder, gallery: Gallery, heading: float | Literal["exif", "search"]
) -> int:
    from l2ltr_core.localization import localize as find

    found = find(photo, encoder=encoder, gallery=gallery, heading=heading, top_k=1)
    _notes(found.notes)
    return found.matches[0].place_id


def _tile_attention(place: int, encoder: Encoder, choice: AttentionChoice, gallery: Gallery) -> Figure:
    import numpy as np

    from l2ltr_core import figures
    from l2ltr_core.inspection import heat, on_tile

    view, model = encoder.card.view, encoder.card.model
    chip = gallery.imagery.chip(gallery.location(place), view.chip_m, None)
    maps = np.stack(encoder.attention(chip, "aerial", range(model.depth)))
    tile = on_tile(heat(maps, choice, model.aerial_grid), view.polar, figures.TILE_PX)
    return figures.heat_tile(chip, tile, view.chip_m, None)


def _layers_alike(encoder: Encoder, panoramas: Sequence[types.Panorama], measure: str) -> NDArray[np.float32]:
    import numpy as np

    from l2ltr_core.inspection import layer_cka, layer_similarity

    tokens = np.concatenate([encoder.layer_tokens(each) for each in panoramas], axis=1)
    return layer_cka(tokens) if measure == "cka" else layer_similarity(tokens)


def _encoder(name: str | None, gallery: Gallery | None) -> Encoder:
    """The named checkpoint, else the best shipped one that the gallery has an index of, else the only one."""
    from l2ltr_core.checkpoints import best_first, list_checkpoints, load_encoder

    if name is not None:
        return load_encoder(name)
    cards = best_first(list_checkpoints(), "" if gallery is None else gallery.name)
    shipped = {card.fingerprint: card.name for card in cards}
    if gallery is not None:
        indexed = {index.fingerprint for index in gallery.manifest.indexes}
        usable = [name for fingerprint, name in shipped.items() if fingerprint in indexed]
        if not usable:
            raise CheckpointError(
                f"None of the shipped checkpoints ({', '.join(shipped.values()) or 'none'}) made an index of "
                f"the gallery {gallery.name}, which has those of {_indexes(gallery)}; "
                "name one with --checkpoint."
            )
        return load_encoder(usable[0])
    if len(shipped) != 1:
        raise CheckpointError(
            f"There are {len(shipped)} shipped checkpoints ({', '.join(shipped.values()) or 'none'}); "
            "name one with --checkpoint."
        )
    return load_encoder(next(iter(shipped.values())))


def _real_pairs(pairs: Path | None, distractors: Path | None, imagery: str | None) -> RealPairs | None:
    """The pairs to measure on, None without; raises ConfigurationError for an option that needs them."""
    if pairs is not None:
        from l2ltr_core.evaluation.real import open_real_pairs

        return open_real_pairs(pairs, distractors, imagery)
    if distractors is not None or imagery is not None:
        raise ConfigurationError("--distractors and --pairs-imagery belong to --pairs; give that, too.")
    return None


def _measure_all(
    names: Sequence[str],
    dataset: str,
    gallery: str | None,
    validation: str | None,
    elsewhere: str | None,
    pairs: RealPairs | None,
    only: Sequence[str],
    corrupted_photos: int,
    again: bool,
) -> None:
    from l2ltr_core.checkpoints import find_card, load_encoder
    from l2ltr_core.datasets import open_dataset
    from l2ltr_core.evaluation.report import Subject, write_report
    from l2ltr_core.gallery import open_gallery

    held_out = open_dataset(dataset)
    tuned = None if validation is None else open_dataset(validation)
    away = None if elsewhere is None else open_dataset(elsewhere)
    named = gallery or held_out.gallery_name
    if named is None:
        raise ConfigurationError(f"The dataset {held_out.name} names no gallery; give --gallery.")
    searched = open_gallery(named)
    for name in names:
        encoder = load_encoder(name)
        subject = Subject(encoder, searched, held_out, tuned, away, corrupted_photos, pairs)
        lacking = write_report(subject, find_card(name), only=only, again=again, progress=_progress)
        if lacking:
            _notes(
                [
                    f"{encoder.name}: not measured without --validation, --elsewhere or --pairs: "
                    f"{', '.join(lacking)}."
                ]
            )


def _indexes(gallery: Gallery) -> str:
    made_by = [f"{index.checkpoint} ({index.fingerprint})" for index in gallery.manifest.indexes]
    return ", ".join(made_by) or "none"


def _write_card(checkpoint: str, report: dict[str, Any]) -> None:
    from l2ltr_core.checkpoints import load_card, update_card

    about = ("dataset", "checkpoint")
    measured = {key: value for key, value in report.items() if key not in about}
    key = " ".join(
        [report["dataset"], report["protocol"]]
        + (["search"] if report["heading"] == "search" else [])
        + ([f"{report['fov_deg']:g} degrees"] if "fov_deg" in report else [])
        + (["by CLS"] if report.get("reranked") is False else [])
    )
    update_card(checkpoint, results={**load_card(checkpoint).results, key: measured})


def _write_photos(checkpoint: str, measured: Evaluation, encoder: Encoder, gallery: Gallery | None) -> None:
    """Keep what became of each photo beside the card, for the app's Compare page."""
    from l2ltr_core.checkpoints import find_card
    from l2ltr_core.evaluation import write_held_out

    assert gallery is not None
    write_held_out(measured, encoder, gallery, find_card(checkpoint))


@contextmanager
def _progress(label: str) -> Iterator[types.Progress]:
    """A bar on standard error, where that is a screen."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(label, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total or None)


def _print_report(report: Any) -> None:
    values = " ".join(f"{name} {value:.4g}" for name, value in report.values.items())
    left = f"{report.eta_seconds / 60:.0f} min left"
    said = report.note or f"{values} {left}".strip()
    print(f"{report.stage} {report.step}/{report.steps} {said}", file=sys.stderr)


def _notes(notes: Sequence[str]) -> None:
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


HEADLINES = {
    "almost certain": "almost certainly here",
    "probable": "probably here",
    "possible": "perhaps here",
    "unsure": "not sure; the best guess",
    "not here": "probably not taken in this gallery; the best guess",
    "not measured": "best guess, how certain was not measured",
}


def _show_localization(result: Localization, card: CheckpointCard) -> None:
    values = result.to_dict()
    estimate = values["estimate"]
    told = estimate["confidence"] is not None and result.verdict != "not here"
    radii = f"within {estimate['radius_m']:.0f} m"
    if estimate["radius_95_m"] is not None:
        radii = f"68 % within {estimate['radius_m']:.0f} m, 95 % within {estimate['radius_95_m']:.0f} m"
    print(
        f"{HEADLINES[result.verdict]}: {estimate['latitude']:.6f}, {estimate['longitude']:.6f}"
        + (
            f"  {radii}, confidence {estimate['confidence']:.0%} (within {estimate['confidence_within_m']:.0f} m)"
            if told
            else ""
        )
    )
    if "truth" in values:
        truth = values["truth"]
        print(
            f"{truth['latitude']:.6f}, {truth['longitude']:.6f}  the photo's own position, "
            f"{_distance(values['error_m'])} from the estimate"
        )
    print(
        f"heading {values['heading_deg']:.1f} degrees ({values['heading_source']}), checkpoint "
        f"{values['checkpoint']}, gallery {values['gallery']}"
    )
    print(f"certainty: {result.rests_on}")
    print(
        f"{card.description} Photo: {result.photo_kind}; imagery of the gallery: {result.gallery_kind}"
        + (f" ({result.attribution})." if result.attribution else ".")
    )
    different = any("probability" in match for match in values["matches"])
    heads = ("rank", "place", "latitude", "longitude", "score", *(("probability",) if different else ()))
    table = Table(*heads, box=None)
    for match in values["matches"]:
        table.add_row(
            str(match["rank"]), str(match["place_id"]), f"{match['latitude']:.6f}",
            f"{match['longitude']:.6f}", f"{match['score']:.4f}",
            *((f"{match['probability']:.1%}",) if different else ()),
        )  # fmt: skip
    Console().print(table)


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
        errors = [_distance(photo[key]) if key in photo else "" for key in ("error_m", "error_alone_m")]
        table.add_row(
            name, f"{estimate['latitude']:.6f}", f"{estimate['longitude']:.6f}", _share(estimate["confidence"]),
            _share(photo["alone"]["confidence"]), *(errors if known else ()),
        )  # fmt: skip
    Console().print(table)


def _share(confidence: float | None) -> str:
    return "–" if confidence is None else f"{confidence:.0%}"


def _distance(metres: float) -> str:
    return f"{metres / 1000:,.1f} km" if metres >= 1000 else f"{metres:.1f} m"


def _show_values(values: dict[str, Any]) -> None:
    table = Table(show_header=False, box=None)
    for name, value in values.items():
        text = f"{value:.4f}" if isinstance(value, float) else str(value)
        table.add_row(name, text)
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
