"""`l2ltr checkpoint`: bring checkpoints in, push and describe them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from l2ltr_core.cli.options import Json, command_group
from l2ltr_core.cli.terminal import print_values

CVUSA_CHIP_M = 175.0
"""Width in metres of CVUSA's aerial tiles: 750 px at zoom 19, at the middle latitude of the United States (38.5)."""

app = command_group("Bring checkpoints in and describe them.")


@app.command("import")
def import_(
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


@app.command("push")
def push(
    name: Annotated[str, typer.Argument(help="A shipped name, a file or a folder.")],
    address: Annotated[str, typer.Argument(help="hf://owner/name; made, and private, if it is not there.")],
) -> None:
    """Upload a checkpoint to the Hugging Face Hub. The token is HF_TOKEN's or that of `hf auth login`."""
    from l2ltr_core.checkpoints import push_checkpoint

    print(push_checkpoint(name, address))


@app.command("info")
def info(
    name: Annotated[str, typer.Argument(help="A shipped name, a file or a folder.")], as_json: Json = False
) -> None:
    """Say what a checkpoint is: architecture, views, training, results."""
    from l2ltr_core.checkpoints import load_card

    values = load_card(name).to_dict()
    if as_json:
        print(json.dumps(values, indent=2))
    else:
        print_values(values)
