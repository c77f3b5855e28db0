"""Parts of a page that Streamlit does not have: each is a script, a style sheet and some markup beside its file here.

What they draw comes ready from the core; they lay it out for the width and theme of the screen, let it be
pointed at, and tell Python what was picked.
"""

from app.components.bars import directions, headings
from app.components.copy_link import copy_link
from app.components.heads import Head, heads
from app.components.heat import heat_uri
from app.components.look_around import look_around
from app.components.occlusion import occlusion
from app.components.sight import Layered, photo_layer, sight, strip

__all__ = [
    "Head",
    "Layered",
    "copy_link",
    "directions",
    "headings",
    "heads",
    "heat_uri",
    "look_around",
    "occlusion",
    "photo_layer",
    "sight",
    "strip",
]
