"""Parts of a page that Streamlit does not have: each is a script, a style sheet and some markup beside this file.

What they draw comes ready from the core; they lay it out for the width and theme of the screen, let it be
pointed at, and tell Python what was picked.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from matplotlib.colors import to_hex
from numpy.typing import NDArray
from PIL import Image

from l2ltr_core import figures
from l2ltr_core.types import Panorama

HERE = Path(__file__).parent
SCALE_TICKS = ("0", "even share", "2×", "3×", "4× and more")
SCALE_STEPS = 17
MEASURES = [
    {"key": "spread", "digits": 2, "orders": [("up", "narrowest look first"), ("down", "widest look first")]},
    {
        "key": "reach",
        "digits": 1,
        "orders": [("down", "farthest reach first"), ("up", "nearest reach first")],
    },
]
"""Of a head: how many decimals are shown of it, and the orders that it can put the heads in."""


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


@dataclass(frozen=True)
class Head:
    """One small map of `heads`: its layer and head (None for the mean), and what is measured of it."""

    layer: int
    head: int | None
    spread: float | None = None
    reach: float | None = None


def heat_uri(heat: NDArray[np.float32]) -> str:
    """Heat (rows, columns) in times the average, NaN where nothing is seen, as the address of a picture."""
    return _png(figures.heat_pixels(heat))


def copy_link(label: str, note: str, key: str = "copy_link", words: str = "") -> None:
    """A button that copies the page's address, after `words`; `note` is said when one points at it."""
    _mount("copy_link", key=key, data={"label": label, "note": note, "words": words})


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
    _mount("sight", key=key, data={"strips": [{**_layered(picture), "marked": marked_deg}]})


def look_around(
    key: str, picture: bytes, panorama: Panorama, heading_deg: float, note: str = "", bring: bool = False
) -> None:
    """The whole photo (JPEG) from within, to be turned and zoomed; its centre looks at `heading_deg`.

    With `bring` the page scrolls to it when another photo takes its place.
    """
    _mount(
        "look_around",
        key=key,
        data={
            "picture": _uri(picture, "jpeg"),
            "alt": "The photo from within",
            "note": note,
            "bring": bring,
            "hint": "Drag to turn, scroll or pinch to zoom; or arrow keys, + and −, Home",
            "heading": heading_deg,
            "field": panorama.horizontal_field_deg,
            "top": panorama.top_deg,
            "bottom": panorama.bottom_deg,
        },
    )


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

    _mount(
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


def heads(
    key: str,
    picture: bytes,
    heats: NDArray[np.float32],
    cells: Sequence[Head],
    chosen: tuple[int, int | None] | None,
    shown_at: str,
    legend: str,
    on_pick: Callable[[int, int | None], None],
) -> None:
    """Every layer and head as a small map over `picture` that is a button, and an order to put them in.

    `heats` is (layers, 1 + heads, rows, columns), the mean first, as are `cells`. `shown_at` is the CSS
    selector of what a click enlarges.
    """

    def picked() -> None:
        on_pick(*st.session_state[key].picked)

    layers, columns = heats.shape[:2]
    _mount(
        "heads",
        key=key,
        data={
            "picture": _uri(picture, "jpeg"),
            "sprite": _sprite(heats),
            "rows": layers,
            "columns": columns,
            "aspect": 4,
            "cells": [_cell(each) for each in cells],
            "row_names": [f"layer {layer + 1}" for layer in range(layers)],
            "column_names": ["mean", *(f"head {head + 1}" for head in range(columns - 1))],
            "measures": MEASURES,
            "legend": legend,
            "chosen": _of(*chosen) if chosen is not None else None,
            "shown_at": shown_at,
        },
        on_picked_change=picked,
    )


def hiding(
    key: str, title: str, picture: bytes, falls: NDArray[np.float32], shares: NDArray[np.float32], whose: str
) -> None:
    """Below a strip, by range of azimuth from south by west: how the score falls, and the share of attention.

    `falls` (S,) are differences of cosines, `shares` (S,) sum to 1 and belong to `whose` attention.
    """
    step = 360 / len(falls)
    words = [
        f"{figures.wind(180 + step * (number + 0.5))}, {(180 + step * number) % 360:.0f}° to "
        f"{(180 + step * (number + 1)) % 360:.0f}°: score {-fall:+.3f}, attention {share:.0%}"
        for number, (fall, share) in enumerate(zip(falls, shares, strict=True))
    ]
    _mount(
        "hiding",
        key=key,
        data={
            "title": title,
            "alt": "The photo, north in the middle",
            "picture": _uri(picture, "jpeg"),
            "falls": [float(fall) for fall in falls],
            "shares": [float(share) for share in shares],
            "falls_name": f"by how much the score falls when this is hidden (at most {falls.max():.3f})",
            "shares_name": f"share of the attention of {whose} (at most {shares.max():.0%}; dashed: an even share)",
            "words": words,
            "offer": "point at a direction to hide it",
        },
    )


def directions(parts: NDArray[np.float32]) -> None:
    """Below a polar picture: what each of (w,) azimuths adds to the similarity, south first, by west.

    A bar is full where an azimuth adds half as much again as each would in a perfect match.
    """
    step = 360 / len(parts)
    bars = "".join(
        f"<i style='--part:{min(1.0, max(0.0, float(part)) * len(parts) / 1.5):.2f}' "
        f"title='{figures.wind(180 + step * (number + 0.5))}: {float(part):+.3f}'></i>"
        for number, part in enumerate(parts)
    )
    best = figures.wind(180 + step * (int(parts.argmax()) + 0.5))
    st.html(
        f"<div class='directions' role='img' aria-label='How much each direction adds to the similarity of photo and "
        f"tile, south first, by west; most in the {best}'>{bars}</div>"
    )


def headings(scores: NDArray[np.float32], heading_deg: float, range_deg: float) -> None:
    """Below a strip with north in the middle: (w,) scores of a whole turn, the first with the photo's centre to north.

    The best heading is marked, and the `range_deg` around it that is nearly as good.
    """
    count = len(scores)
    step = 360 / count
    bars = ""
    for number in range(
        count // 2, count // 2 + count + 1
    ):  # from south by west to south again, half a bar each
        azimuth, score = number * step % 360, float(scores[number % count])
        away_deg = abs((azimuth - heading_deg + 180) % 360 - 180)
        kind = (
            "peak" if number % count == int(scores.argmax()) else "near" if 2 * away_deg <= range_deg else ""
        )
        half = "style='flex:0.5'" if number in (count // 2, count // 2 + count) else ""
        bars += (
            f"<span {half} title='{azimuth:.0f}° {figures.wind(azimuth)}: {score:.3f}'>"
            f"<i class='{kind}' style='height:{100 * min(max(score, 0.0), 1.0):.0f}%'></i></span>"
        )
    best = f"{heading_deg:.0f}° {figures.wind(heading_deg)}"
    winds = "".join(
        f"<span style='left:{25 * place}%'>{'NESW'[(place + 2) % 4]} <small>{(180 + 90 * place) % 360}°</small></span>"
        for place in range(5)
    )
    told = (
        f"Similarity with the best place under every heading of the photo&#39;s centre: highest, "
        f"{float(scores.max()):.2f}, at {best}; lowest {float(scores.min()):.2f}. Within {range_deg / 2:.0f}° on each "
        "side it is nearly as high."
    )
    st.html(
        f"<div class='headings' role='img' tabindex='0' aria-label='{told}'><div class='turn'>{bars}"
        f"<b style='left:{(heading_deg + 180) % 360 / 3.6:.2f}%'>{best}</b></div><div class='winds'>{winds}</div></div>"
    )


def _cell(each: Head) -> dict[str, Any]:
    mean = each.head is None
    return {
        "of": [each.layer, each.head],
        "row": each.layer,
        "column": 0 if each.head is None else each.head + 1,
        "name": f"layer {each.layer + 1}, {'mean of all heads' if mean else f'head {(each.head or 0) + 1}'}",
        "short": f"layer {each.layer + 1} · {'mean' if mean else f'head {(each.head or 0) + 1}'}",
        "spread": each.spread,
        "reach": each.reach,
    }


def _of(layer: int, head: int | None) -> str:
    return f"{layer} {'' if head is None else head}"


def _layered(each: Layered) -> dict[str, Any]:
    row, column, rows, columns = each.patch or (0, 0, 1, 1)
    patch = [column / columns, row / rows, 1 / columns, 1 / rows] if each.patch else None
    return {
        "title": each.title,
        "alt": each.alt,
        "picture": _uri(each.jpeg, "jpeg"),
        "heat": each.heat,
        "patch": patch,
        "sheet": None if each.sheet is None else _sheet(each.sheet, each.unrolled),
        "missing": [[(start + 180) % 360 / 360, width / 360] for start, width in each.missing],
    }


def _sheet(heats: NDArray[np.float32], unrolled: bool) -> dict[str, Any]:
    return {"sprite": _sprite(heats), "rows": heats.shape[2], "columns": heats.shape[3], "unrolled": unrolled}


def _sprite(heats: NDArray[np.float32]) -> str:
    """(layers, heads, rows, columns) of heat side by side in one picture, a layer below the other."""
    layers, heads, rows, columns = heats.shape
    return heat_uri(heats.transpose(0, 2, 1, 3).reshape(layers * rows, heads * columns))


def _scale_colours() -> list[str]:
    return [to_hex(figures.HEAT(step / (SCALE_STEPS - 1))) for step in range(SCALE_STEPS)]


def _png(pixels: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return _uri(buffer.getvalue(), "png")


def _uri(data: bytes, kind: str) -> str:
    """A picture as an address that needs no server."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _mount(name: str, **arguments: Any) -> Any:
    return _component(name)(**arguments)


@cache
def _component(name: str) -> Any:
    html, css, js = ((HERE / f"{name}.{part}").read_text("utf-8") for part in ("html", "css", "js"))
    return st.components.v2.component(f"l2ltr_{name}", html=html, css=css, js=js)
