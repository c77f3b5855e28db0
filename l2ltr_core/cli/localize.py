"""`l2ltr localize`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from l2ltr_core.cli.options import CheckpointName, Json, open_encoder, parse_heading
from l2ltr_core.cli.terminal import distance_text, print_notes

if TYPE_CHECKING:
    from l2ltr_core.localization import Localization
    from l2ltr_core.model.config import CheckpointCard

ASSUMED = (
    "The photo does not say which way it looks, so its centre was taken for north; turn it (--heading DEG) or let the "
    "program try a whole turn (--heading search)."
)
HEADLINES = {
    "almost certain": "almost certainly here",
    "probable": "probably here",
    "possible": "perhaps here",
    "unsure": "not sure; the best guess",
    "not here": "probably not taken in this gallery; the best guess",
    "not measured": "best guess, how certain was not measured",
}


def localize(
    panorama: Annotated[Path, typer.Argument(help="The photo: JPEG or PNG, best a 360 degree panorama.")],
    gallery: Annotated[str, typer.Option(help="A shipped name or a folder.")] = "helsinki",
    checkpoint: CheckpointName = None,
    heading: Annotated[
        str, typer.Option(help="Where the photo's centre looks: degrees from north, `exif` or `search`.")
    ] = "exif",
    top_k: Annotated[int, typer.Option(help="How many matches to list.")] = 10,
    min_separation_m: Annotated[
        float,
        typer.Option(
            help="Diversify the matches: list such as lie farther than so many metres from each other."
        ),
    ] = 0.0,
    as_json: Json = False,
) -> None:
    """Find where a panorama was taken."""
    from l2ltr_core.gallery import open_gallery
    from l2ltr_core.localization import localize as find
    from l2ltr_core.photo import load_panorama

    chosen_heading = parse_heading(heading)
    photo = load_panorama(panorama)  # a bad photo is refused before the model is read
    opened = open_gallery(gallery)
    encoder = open_encoder(checkpoint, opened)
    result = find(
        photo,
        encoder=encoder,
        gallery=opened,
        heading=chosen_heading,
        top_k=top_k,
        min_separation_m=min_separation_m,
    )
    result = replace(result, photo_name=panorama.name)
    print_notes([*result.notes, *result.doubts])
    if result.heading_source == "assumed":
        print_notes([ASSUMED])
    if as_json:
        print(result.to_json())
    else:
        _show_localization(result, encoder.card)


def _show_localization(result: Localization, card: CheckpointCard) -> None:
    values = result.to_dict()
    estimate = values["estimate"]
    has_confidence = estimate["confidence"] is not None and result.verdict != "not here"
    radii = f"within {estimate['radius_m']:.0f} m"
    if estimate["radius_95_m"] is not None:
        radii = f"68 % within {estimate['radius_m']:.0f} m, 95 % within {estimate['radius_95_m']:.0f} m"
    print(
        f"{HEADLINES[result.verdict]}: {estimate['latitude']:.6f}, {estimate['longitude']:.6f}"
        + (
            f"  {radii}, confidence {estimate['confidence']:.0%} (within {estimate['confidence_within_m']:.0f} m)"
            if has_confidence
            else ""
        )
    )
    if "truth" in values:
        truth = values["truth"]
        print(
            f"{truth['latitude']:.6f}, {truth['longitude']:.6f}  the photo's own position, "
            f"{distance_text(values['error_m'])} from the estimate"
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
