"""Results as matplotlib figures: pure functions, one look in light and dark."""

from l2ltr_core.figures.attention import (
    HEAT,
    HEAT_TOP,
    STRIP_PX,
    TILE_PX,
    contact_sheet,
    heat_pixels,
    heat_strip,
    heat_tile,
    occlusion,
)
from l2ltr_core.figures.comparison import error_curves, rank_moves
from l2ltr_core.figures.files import require_figure_file, save, to_jpeg, to_png, to_svg
from l2ltr_core.figures.layers import checkpoint_label, layer_lines, square_matrix
from l2ltr_core.figures.positions import GridAxes, axes_of, position_colours, position_map, position_sheet
from l2ltr_core.figures.reliability import reliability_diagram
from l2ltr_core.figures.style import ACCENT, CHECKPOINT_COLOURS, DARK, LIGHT, Look, ink_on, scale_bar_m, wind
from l2ltr_core.figures.views import compass_strip, place_tile

__all__ = [
    "ACCENT",
    "CHECKPOINT_COLOURS",
    "DARK",
    "HEAT",
    "HEAT_TOP",
    "LIGHT",
    "STRIP_PX",
    "TILE_PX",
    "GridAxes",
    "Look",
    "axes_of",
    "checkpoint_label",
    "compass_strip",
    "contact_sheet",
    "error_curves",
    "heat_pixels",
    "heat_strip",
    "heat_tile",
    "ink_on",
    "layer_lines",
    "occlusion",
    "place_tile",
    "position_colours",
    "position_map",
    "position_sheet",
    "rank_moves",
    "reliability_diagram",
    "require_figure_file",
    "save",
    "scale_bar_m",
    "square_matrix",
    "to_jpeg",
    "to_png",
    "to_svg",
    "wind",
]
