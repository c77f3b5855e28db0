"""Figures as files."""

from __future__ import annotations

import io
import os
from pathlib import Path

from matplotlib.figure import Figure

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.figures.style import LIGHT, Look
from l2ltr_core.files import atomic_write

SUFFIXES = (".png", ".svg")


def to_svg(figure: Figure) -> str:
    """The figure as an SVG file."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    return buffer.getvalue()


def to_png(figure: Figure, dpi: int = 128) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def to_jpeg(figure: Figure, dpi: int = 128, quality: int = 90) -> bytes:
    """The figure as a JPEG file: of a photographic one a fifth of the PNG's size."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="jpeg", dpi=dpi, pil_kwargs={"quality": quality})
    return buffer.getvalue()


def require_figure_file(path: Path) -> None:
    """Refuse, before work is done, what `save` could not write: ConfigurationError says why."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigurationError(f"The figure's file is {path}; give a name that ends in .png or .svg.")
    if path.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK) or not path.parent.is_dir():
        raise ConfigurationError(f"{path} cannot be written; give a file in a folder that can.")


def save(figure: Figure, path: Path, look: Look = LIGHT) -> None:
    """Write the figure on the theme's paper, as PNG or SVG by the name's end, whole or not at all.

    Raises ConfigurationError.
    """
    require_figure_file(path)
    figure.set_facecolor(look.paper)
    data = to_svg(figure).encode() if path.suffix.lower() == ".svg" else to_png(figure)
    try:
        with atomic_write(path) as file:
            file.write_bytes(data)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from error
