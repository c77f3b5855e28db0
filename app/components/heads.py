"""Every layer and head at a glance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.components.heat import sprite
from app.components.mount import mount
from app.encoding import data_uri

MEASURES = [
    {
        "key": "entropy",
        "digits": 2,
        "orders": [("up", "lowest entropy first"), ("down", "highest entropy first")],
    },
    {
        "key": "distance",
        "digits": 1,
        "orders": [("down", "longest distance first"), ("up", "shortest distance first")],
    },
]
"""Measures of a head: its attention entropy and mean attention distance, the decimals shown, and the orders."""


@dataclass(frozen=True)
class Head:
    """One small map of `heads`: its layer and head (None for the mean), and what is measured of it."""

    layer: int
    head: int | None
    entropy: float | None = None
    distance: float | None = None


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
    mount(
        "heads",
        key=key,
        data={
            "picture": data_uri(picture),
            "sprite": sprite(heats),
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


def _cell(each: Head) -> dict[str, Any]:
    mean = each.head is None
    return {
        "of": [each.layer, each.head],
        "row": each.layer,
        "column": 0 if each.head is None else each.head + 1,
        "name": f"layer {each.layer + 1}, {'mean of all heads' if mean else f'head {(each.head or 0) + 1}'}",
        "short": f"layer {each.layer + 1} · {'mean' if mean else f'head {(each.head or 0) + 1}'}",
        "entropy": each.entropy,
        "distance": each.distance,
    }


def _of(layer: int, head: int | None) -> str:
    return f"{layer} {'' if head is None else head}"
