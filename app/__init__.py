"""The Streamlit app: pages around `l2ltr_core`, no model code."""
