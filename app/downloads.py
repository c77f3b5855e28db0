"""What a visitor may take away: results and figures as files."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

import pandas as pd
import streamlit as st
from matplotlib.figure import Figure

from app import figures, state, widgets


class Result(Protocol):
    """What can be taken away as files."""

    def to_json(self) -> str:
        """As one JSON object."""

    def to_csv(self) -> str:
        """As a table."""

    def to_geojson(self) -> dict[str, Any]:
        """As places on a map."""


def result_downloads(found: Result, photo: state.Photo, page: str) -> None:
    """A result as JSON, CSV and GeoJSON, in files named after the photo and the page."""
    with st.popover("Download", icon=":material/download:"):
        files = {
            "JSON": (found.to_json(), "application/json", "json"),
            "CSV": (found.to_csv(), "text/csv", "csv"),
            "GeoJSON": (json.dumps(found.to_geojson(), indent=2), "application/geo+json", "geojson"),
        }
        for label, (text, mime, ending) in files.items():
            st.download_button(
                label,
                text,
                f"{photo.stem}-{page}.{ending}",
                mime,
                key=f"download_{ending}",
                width="stretch",
                on_click="ignore",
            )


def figure_downloads(
    figure: Figure | Callable[[], Figure], numbers: pd.DataFrame, name: str, label: str = "Download"
) -> None:
    """The figure as PNG and SVG and what it shows as CSV; `name` is the files' and tells them apart on a page.

    A figure that the page does not show itself may be given as what draws it, when it is asked for.
    """
    paper = widgets.look().paper

    def drawn() -> Figure:
        made = figure if isinstance(figure, Figure) else figure()
        made.set_facecolor(paper)
        return made

    files = {
        "PNG": (lambda: figures.to_png(drawn()), f"{name}.png", "image/png"),
        "SVG": (lambda: figures.to_svg(drawn()), f"{name}.svg", "image/svg+xml"),
        "CSV": (lambda: numbers.to_csv(index=False), f"{name}.csv", "text/csv"),
    }
    with st.popover(label, icon=":material/download:", key=f"downloads_{name}"):
        for kind, (data, file, mime) in files.items():
            st.download_button(kind, data, file, mime, key=f"download_{file}", on_click="ignore")
