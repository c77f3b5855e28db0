"""Options that several commands share, and what is made of their text."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from l2ltr_core.errors import CheckpointError, ConfigurationError, L2LTRError

if TYPE_CHECKING:
    from l2ltr_core.gallery import Gallery
    from l2ltr_core.localization import HeadingChoice
    from l2ltr_core.model.encoder import Encoder

Read = TypeVar("Read")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
CheckpointName = Annotated[
    str | None, typer.Option("--checkpoint", help="A shipped name, a file, a folder or hf://owner/name.")
]
FigureFile = Annotated[Path, typer.Option("--out", help="The figure's file, .png or .svg.")]
BranchName = Annotated[Literal["ground", "aerial"], typer.Option(help="The photo's side or the tile's.")]


def command_group(about: str) -> typer.Typer:
    """A Typer application without colours, completion or tracebacks of its own."""
    return typer.Typer(
        help=about,
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


def parse_heading(text: str) -> HeadingChoice:
    """The text of --heading; raises ConfigurationError."""
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


def read_named(path: Path, read: Callable[[Path], Read]) -> Read:
    """What `read` makes of one of several files; what is wrong with it is said with its name."""
    try:
        return read(path)
    except L2LTRError as error:
        raise type(error)(f"{path.name}: {error}") from error


def open_encoder(name: str | None, gallery: Gallery | None) -> Encoder:
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
                f"the gallery {gallery.name}, which has those of {indexes_of(gallery)}; "
                "name one with --checkpoint."
            )
        return load_encoder(usable[0])
    if len(shipped) != 1:
        raise CheckpointError(
            f"There are {len(shipped)} shipped checkpoints ({', '.join(shipped.values()) or 'none'}); "
            "name one with --checkpoint."
        )
    return load_encoder(next(iter(shipped.values())))


def indexes_of(gallery: Gallery) -> str:
    """Which checkpoints a gallery has an index of, for people."""
    made_by = [f"{index.checkpoint} ({index.fingerprint})" for index in gallery.manifest.indexes]
    return ", ".join(made_by) or "none"
