"""`l2ltr inspect`: draw what a checkpoint looks at and what it has learned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from l2ltr_core import types
from l2ltr_core.cli.options import (
    BranchName,
    CheckpointName,
    FigureFile,
    command_group,
    open_encoder,
    parse_heading,
)
from l2ltr_core.cli.terminal import print_notes
from l2ltr_core.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from l2ltr_core.gallery import Gallery
    from l2ltr_core.inspection import AttentionChoice
    from l2ltr_core.localization import HeadingChoice
    from l2ltr_core.model.config import CheckpointCard
    from l2ltr_core.model.encoder import Encoder

COMPARED = 4
"""Most checkpoints in one figure."""

app = command_group("Draw what a checkpoint looks at and what it has learned.")


@app.command("attention")
def attention(
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
    chosen_heading = parse_heading(heading)
    if branch == "ground" and place is not None:
        raise ConfigurationError("--place belongs to the aerial branch; add --branch aerial or leave it out.")
    if (photo is None) == (place is None):
        raise ConfigurationError("Give either a photo or, with --branch aerial, the --place of a tile.")
    searching = branch == "aerial" or chosen_heading == "search"
    opened = open_gallery(gallery) if searching or checkpoint is None else None
    encoder = open_encoder(checkpoint, opened)
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
    heading: HeadingChoice,
    gallery: Gallery | None,
) -> Figure:
    import numpy as np

    from l2ltr_core import figures
    from l2ltr_core.geometry.panorama import ground_view
    from l2ltr_core.inspection import heat
    from l2ltr_core.localization import choose_heading, search_heading
    from l2ltr_core.photo import load_panorama

    card, panorama = encoder.card, load_panorama(photo)
    print_notes(panorama.notes)
    heading_deg, source = choose_heading(panorama, heading)
    if source == "search":
        assert gallery is not None
        heading_deg = search_heading(panorama, encoder, gallery)
    if source == "assumed":
        print_notes(["The photo does not say which way it looks, so its centre was taken for north."])
    view = ground_view(panorama, heading_deg, card.view.ground_vertical_field_deg, figures.STRIP_PX)
    maps = encoder.attention(panorama, "ground", range(card.model.depth), heading_deg=heading_deg)
    return figures.heat_strip(view, heat(np.stack(maps), choice, card.model.ground_grid), None)


def _best_place(photo: Path, encoder: Encoder, gallery: Gallery, heading: HeadingChoice) -> int:
    from l2ltr_core.localization import localize as find

    found = find(photo, encoder=encoder, gallery=gallery, heading=heading, top_k=1)
    print_notes(found.notes)
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


@app.command("positions")
def positions(
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
    encoder = open_encoder(checkpoint, None)
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


@app.command("layers")
def layers(
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
    encoders = [open_encoder(name, None) for name in names]
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


def _layers_alike(encoder: Encoder, panoramas: Sequence[types.Panorama], measure: str) -> NDArray[np.float32]:
    import numpy as np

    from l2ltr_core.inspection import layer_cka, layer_similarity

    tokens = np.concatenate([encoder.layer_tokens(each) for each in panoramas], axis=1)
    return layer_cka(tokens) if measure == "cka" else layer_similarity(tokens)


def _counted(what: str, number: int, count: int) -> int:
    """A number counted from 1 as one counted from 0; raises ConfigurationError outside 1 to `count`."""
    if not 1 <= number <= count:
        raise ConfigurationError(f"There is no {what} {number}; the checkpoint has 1 to {count}.")
    return number - 1
