"""Checkpoints side by side on held-out photos: recalls, differences, error curves, and single cases."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from app import compute, downloads, loading, photo_store, pictures, samples, state, widgets
from app.words import metres
from l2ltr_core import figures
from l2ltr_core.evaluation import (
    CORRECT_WITHIN_M,
    HeldOut,
    aligned,
    bootstrap_difference,
    bootstrap_interval,
    error_curve,
    found_only_by,
)
from l2ltr_core.model.config import CheckpointCard

RECALLED_AT = (1, 5, 10)
CASES = 6
"""Number of photos on one page."""
CURVES_PX = 760
TILE_PX = 240
FULL_VIEWS = {
    "Localize": ("views/localize.py", ":material/location_on:"),
    "Attention": ("views/attention.py", ":material/visibility:"),
}


def show(cards: list[CheckpointCard], gallery_name: str) -> None:
    """Everything that the records beside the cards allow. Raises L2LTRError for records that do not fit."""
    st.subheader("On held-out photos, one by one")
    found = {card.name: loading.held_out_record(card.name, gallery_name) for card in cards}
    if lacking := [name for name, record in found.items() if record is None]:
        st.caption(
            f"Not measured photo by photo with these weights in this gallery: {', '.join(lacking)}. "
            f"`l2ltr evaluate --checkpoint {lacking[0]} --write-card` does it."
        )
    records = {name: record for name, record in found.items() if record is not None}
    if not records:
        return
    _recalls(records)
    _curves(records)
    if len(records) > 1:
        tables = aligned(records)
        _differences(tables)
        _cases(tables, next(iter(records.values())).dataset, gallery_name)


def _recalls(records: Mapping[str, HeldOut]) -> None:
    rows = [{"checkpoint": name, **recall_row(record)} for name, record in records.items()]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")
    st.caption(
        f"recall@k: photos with a place within {CORRECT_WITHIN_M:g} m among the first k. In brackets what chance "
        "leaves open: 95 % of bootstrap resamples of the photos; photos along one street are alike, so the true "
        "doubt is somewhat larger."
    )


def recall_row(record: HeldOut) -> dict[str, Any]:
    """Recall@k in percent with its interval, and the median error, of one checkpoint."""
    ranks = record.photos["rank"].to_numpy()
    row: dict[str, Any] = {"photos": len(ranks)}
    for k in RECALLED_AT:
        low, high = bootstrap_interval(ranks <= k, seed=0)
        row[f"recall@{k}"] = f"{(ranks <= k).mean():.1%} ({low:.1%} to {high:.1%})"
    row["median error"] = metres(record.photos["error_m"].median())
    return row


def _curves(records: Mapping[str, HeldOut]) -> None:
    curves = {name: error_curve(record.photos["error_m"].to_numpy()) for name, record in records.items()}
    figure = figures.error_curves(curves, widgets.look())
    st.image(figures.to_png(figure), width=CURVES_PX, alt="Share of photos by distance of the match")
    table = pd.concat([record.photos.assign(checkpoint=name) for name, record in records.items()])
    downloads.figure_downloads(figure, table, "held-out")
    st.caption("How many photos have their first match that near.")


def _differences(tables: Mapping[str, pd.DataFrame]) -> None:
    rows = [
        {"checkpoints": f"{a} less {b}", **difference_row(tables[a], tables[b])}
        for a, b in itertools.combinations(tables, 2)
    ]
    st.markdown("**Is one better?**")
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")
    st.caption(
        "Differences of recall in percentage points on the same photos, with 95 % of paired bootstrap resamples: each "
        "photo is drawn with both answers. Where the range holds 0, chance explains the difference. It leaves out that "
        "another training run of the same recipe would differ, too."
    )


def difference_row(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, str]:
    """Recall@k of the first less that of the second, in percentage points with its interval, on the same photos."""
    row = {}
    for k in RECALLED_AT:
        hits = [(table["rank"] <= k).to_numpy() for table in (first, second)]
        low, high = bootstrap_difference(hits[0], hits[1], seed=0)
        difference = hits[0].mean() - hits[1].mean()
        row[f"recall@{k}"] = f"{100 * difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    row["found by the first only"] = str(len(found_only_by(first, second)))
    row["by the second only"] = str(len(found_only_by(second, first)))
    return row


@st.fragment
def _cases(tables: Mapping[str, pd.DataFrame], dataset: str, gallery_name: str) -> None:
    """Photos that one checkpoint finds and another does not, a page of them at a time."""
    with widgets.errors_shown():
        st.subheader("Where one is right and the other wrong")
        if not samples.held_out_photos(dataset):
            st.caption(f"The photos of {dataset} are not on this machine, so single cases cannot be shown.")
            return
        pairs = {f"{a} right, {b} wrong": (a, b) for a, b in itertools.permutations(tables, 2)}
        left, right = st.columns([4, 1])
        right_name, wrong_name = pairs[
            left.selectbox("Cases", list(pairs), key="cases", bind="query-params") or next(iter(pairs))
        ]
        photos = found_only_by(tables[right_name], tables[wrong_name])
        if not photos:
            st.caption("There is no such photo.")
            return
        pages = -(-len(photos) // CASES)
        page = _page(right, pages)
        shown = photos[(page - 1) * CASES : page * CASES]
        columns = st.columns(3, gap="medium")
        for number, photo in enumerate(shown):
            with columns[number % 3], st.container(border=True, gap="small", key=f"beside_case_{number}"):
                _case(
                    photo,
                    dataset,
                    {name: tables[name].loc[photo] for name in (right_name, wrong_name)},
                    gallery_name,
                )
        st.caption(
            f"{len(photos):,} photos, page {page} of {pages}; those that went astray farthest come first, so these are "
            "not typical ones. Under each photo the tile that each checkpoint puts first."
        )


def _page(where: st.delta_generator.DeltaGenerator, pages: int) -> int:
    if st.session_state.get("part", 1) > pages:
        st.session_state["part"] = pages
    return int(where.number_input("Page", 1, pages, key="part", bind="query-params"))


def _case(photo: str, dataset: str, outcomes: Mapping[str, pd.Series], gallery_name: str) -> None:
    st.image(pictures.held_out_strip(dataset, photo), width="stretch", alt=f"Held-out photo {photo}")
    for column, (name, outcome) in zip(st.columns(2, gap="small"), outcomes.items(), strict=True):
        with column:
            match = compute.first_match(dataset, photo, name, gallery_name)
            right = outcome["rank"] == 1
            st.image(
                pictures.tile_jpeg(gallery_name, match.place_id, TILE_PX), width="stretch",
                alt=f"The tile that {name} puts first",
            )  # fmt: skip
            verdict = "right" if right else f"wrong, a right place at rank {int(outcome['rank']):,}"
            st.markdown(f"{'✓' if right else '✗'} **{name}**  \n{verdict}, {metres(outcome['error_m'])} off")
            with st.container(horizontal=True, gap="xsmall"):
                for title, (page, icon) in FULL_VIEWS.items():
                    if st.button(
                        title, key=f"{title}_{photo}_{name}", type="tertiary", icon=icon,
                        on_click=partial(_take, f"{dataset}/{photo}", name),
                        help=f"This photo with {name} on the page {title}",
                    ):  # fmt: skip
                        st.switch_page(page)


def _take(sample: str, checkpoint: str) -> None:
    state.choose_photo(photo_store.read_sample(sample))
    state.choose_checkpoint(checkpoint)
