"""The app's entry: `streamlit run app/main.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

if (root := str(Path(__file__).parents[1])) not in sys.path:  # streamlit alone adds only this folder
    sys.path.insert(0, root)

PAGES = [
    st.Page("views/localize.py", title="Localize", icon=":material/location_on:", default=True),
    st.Page("views/walk.py", title="Walk", icon=":material/directions_walk:"),
    st.Page("views/play.py", title="Play", icon=":material/sports_esports:"),
    st.Page("views/attention.py", title="Attention", icon=":material/visibility:"),
    st.Page("views/positional_embeddings.py", title="Positional embeddings", icon=":material/my_location:"),
    st.Page("views/layers.py", title="Layers", icon=":material/layers:"),
    st.Page("views/compare.py", title="Compare", icon=":material/compare_arrows:"),
    st.Page("views/galleries.py", title="Galleries", icon=":material/grid_view:"),
]

st.set_page_config(page_title="L2LTR · where was this photo taken?", page_icon="🧭", layout="wide")
page = st.navigation(PAGES)
with st.spinner("Starting: PyTorch is loaded, once, in about ten seconds …"):  # shows after a moment only
    from app import photo_input, sidebar, state, widgets
widgets.style()
with widgets.errors_shown():
    photo_input.begin_with_a_photo()
    sidebar.sidebar()
    page.run()
state.publish()
