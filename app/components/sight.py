"""Photo and tile under one line of sight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from app.components.heat import sprite
from app.components.mount import mount
from app.encoding import data_uri
from l2ltr_core import figures
from l2ltr_core.types import Panorama

SCALE_TICKS = ("0", "even share", "2×", "3×", "4× and more")
SCALE_STEPS = 17


@dataclass(frozen=True)
class Layered:
    """A picture for `sight`: a JPEG, above it what `heat_uri` made, and words about it.

    `patch` is the (row, column, rows, columns) of a framed patch and its grid; `missing` are ranges of azimuth,
    (from, width) in degrees clockwise, that the photo does not show. `sheet` is the heat of every layer and head,
    (layers, 1 + heads, rows, columns), the mean first: a click on a small map of `heads` shows it at once, before
    Python has answered; `unrolled` says that its columns are directions and the picture is a square.
    """

    title: str
    alt: str
    jpeg: bytes
    heat: str | None = None
    patch: tuple[int, int, int, int] | None = None
    missing: tuple[tuple[float, float], ...] = ()
    sheet: NDArray[np.float32] | None = None
    unrolled: bool = False


def photo_layer(
    title: str,
    view: bytes,
    panorama: Panorama,
    heading_deg: float,
    heat: str | None = None,
    patch: tuple[int, int, int, int] | None = None,
    sheet: NDArray[np.float32] | None = None,
) -> Layered:
    """A north-centred view of a photo whose centre looks at `heading_deg`; what the photo does not show is hatched."""
    field_deg = panorama.horizontal_field_deg
    missing = ((heading_deg + field_deg / 2, 360 - field_deg),) if field_deg < 360 else ()
    return Layered(
        title, "The photo as the model sees it, north in the middle", view, heat, patch, missing, sheet
    )


def strip(key: str, picture: Layered, marked_deg: float) -> None:
    """One strip with north in the middle above its compass; a mark where the photo's own centre looks."""
    mount("sight", key=key, data={"strips": [{**_layered(picture), "marked": marked_deg}]})


def sight(
    key: str,
    azimuth_deg: float,
    strips: Sequence[Layered],
    tile: Layered,
    tile_m: float,
    hint: str,
    on_pick: Callable[[float, float | None], None],
) -> None:
    """Strips with north in the middle and a north-up tile of `tile_m` metres, one line of sight through all.

    `on_pick` is told the azimuth in degrees, and how far down the first strip in [0, 1), None beside it.
    """

    def picked() -> None:
        found = st.session_state[key].picked
        on_pick(float(found["azimuth"]), found["row"])

    mount(
        "sight",
        key=key,
        data={
            "azimuth": azimuth_deg,
            "strips": [_layered(each) for each in strips],
            "tile": {**_layered(tile), "metres": tile_m, "bar_m": figures.scale_bar_m(tile_m)},
            "scale": {"colours": _scale_colours(), "ticks": SCALE_TICKS},
            "hint": hint,
        },
        on_picked_change=picked,
    )


def _layered(each: Layered) -> dict[str, Any]:
    row, column, rows, columns = each.patch or (0, 0, 1, 1)
    patch = [column / columns, row / rows, 1 / columns, 1 / rows] if each.patch else None
    return {
        "title": each.title,
        "alt": each.alt,
        "picture": data_uri(each.jpeg),
        "heat": each.heat,
        "patch": patch,
        "sheet": None if each.sheet is None else _sheet(each.sheet, each.unrolled),
        "missing": [[(start + 180) % 360 / 360, width / 360] for start, width in each.missing],
    }


def _sheet(heats: NDArray[np.float32], unrolled: bool) -> dict[str, Any]:
    return {"sprite": sprite(heats), "rows": heats.shape[2], "columns": heats.shape[3], "unrolled": unrolled}


def _scale_colours() -> list[str]:
    return [to_hex(figures.HEAT(step / (SCALE_STEPS - 1))) for step in range(SCALE_STEPS)]
