"""Compare: several checkpoints on the same photo."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from streamlit_folium import st_folium

from app import maps, resources, state, widgets
from app.words import metres
from l2ltr_core import figures
from l2ltr_core.evaluation import CORRECT_WITHIN_M, HeldOut, bootstrap_interval, error_curve
from l2ltr_core.geometry.geodesy import distance_between_m
from l2ltr_core.inspection import rank_biased_overlap
from l2ltr_core.localization import Localization
from l2ltr_core.model.config import CheckpointCard
from l2ltr_core.types import Location

MAP_HEIGHT_PX = 460
RECALLED_AT = (1, 5, 10)


def show() -> None:
    """Answers side by side, their places in ranks and on one map, and how far they agree."""
    st.title("Do the checkpoints agree?")
    st.html(
        "<p class='lead'>The same photo, several checkpoints. Where they agree on a place, trust it more; one photo "
        "says little about which checkpoint is better: the measured recalls below do.</p>"
    )
    photo, name = state.photo(), state.setting(state.GALLERY) or ""
    if photo is None:
        st.info("Pick a photo on the Localize page to begin.", icon=":material/add_photo_alternate:")
        return
    manifest = resources.gallery(name).manifest
    ready = [card for card in resources.cards() if manifest.index_of(card.fingerprint)]
    lacking = [card.name for card in resources.cards() if card not in ready]
    if lacking:
        st.caption(
            f"Not offered, for want of descriptors of these places (see Galleries): {', '.join(lacking)}."
        )
    cards = widgets.checkpoints_side_by_side("compare_checkpoints", ready)
    if not cards:
        st.info("Choose at least one checkpoint.")
        return
    found = {card.name: resources.localized(photo, name, card.name, state.heading()) for card in cards}
    _answers(found)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _map(found, name)
    with right:
        _ranks(found)
    if len(found) > 1:
        _agreement(found)
    with widgets.errors_shown():
        _held_out(cards, name)
    _measured(cards)


def _answers(found: dict[str, Localization]) -> None:
    for column, (number, (name, each)) in zip(st.columns(len(found)), enumerate(found.items()), strict=True):
        error = f" · <b>error {metres(each.error_m)}</b>" if each.error_m is not None else ""
        column.html(
            f"<div class='verdict' style='--verdict:{figures.CHECKPOINT_COLOURS[number]}'><div class='big'>{name}</div>"
            f"<div class='small'>{each.estimate.latitude:.5f}, {each.estimate.longitude:.5f} · "
            f"confidence {each.estimate.confidence:.0%}{error}</div></div>"
        )


@st.fragment
def _map(found: dict[str, Localization], gallery_name: str) -> None:
    image = resources.base_image(gallery_name)
    places = [Location(m.latitude, m.longitude) for each in found.values() for m in each.matches]
    truth = next(iter(found.values())).truth
    view = maps.overview(places, truth)
    layers = maps.compared_layer(
        [(name, each.matches, each.estimate) for name, each in found.items()],
        figures.CHECKPOINT_COLOURS,
        truth,
    )
    st_folium(
        maps.base_map(image, maps.whole(image.bounds), widgets.look().paper), key="compare_map",
        height=MAP_HEIGHT_PX, use_container_width=True, center=view.center, zoom=view.zoom,
        feature_group_to_add=layers, returned_objects=[],
    )  # fmt: skip


def _ranks(found: dict[str, Localization]) -> None:
    ranks = {name: [match.place_id for match in each.matches] for name, each in found.items()}
    figure = figures.rank_moves(ranks, widgets.look())
    st.image(
        figures.to_png(figure), width="stretch", alt="The ranks of places, joined where checkpoints share one"
    )
    numbers = pd.DataFrame({name: pd.Series(ids) for name, ids in ranks.items()})
    widgets.figure_downloads(figure, numbers, "ranks")
    st.caption("Each column is a checkpoint's list, best on top; a line joins the same place.")


def _agreement(found: dict[str, Localization]) -> None:
    rows = []
    for (a, first), (b, second) in itertools.combinations(found.items(), 2):
        ids = [[match.place_id for match in each.matches] for each in (first, second)]
        places = [Location(each.estimate.latitude, each.estimate.longitude) for each in (first, second)]
        rows.append(
            {
                "checkpoints": f"{a} and {b}",
                "same first place": "yes" if ids[0][0] == ids[1][0] else "no",
                "places shared of 10": len(set(ids[0]) & set(ids[1])),
                "rank-biased overlap": round(rank_biased_overlap(*ids), 2),
                "estimates apart": metres(distance_between_m(*places)),
            }
        )
    st.subheader("Agreement")
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")
    st.caption(
        "Rank-biased overlap weighs the first ranks most (p = 0.8): 1 for the same order, 0 for nothing shared."
    )


def _held_out(cards: list[CheckpointCard], gallery_name: str) -> None:
    st.subheader("On held-out photos, one by one")
    records = {card.name: resources.held_out(card.name, gallery_name) for card in cards}
    if lacking := [name for name, record in records.items() if record is None]:
        st.caption(
            f"Not measured photo by photo in this gallery: {', '.join(lacking)}. "
            f"`l2ltr evaluate --checkpoint {lacking[0]} --write-card` does it."
        )
    kept = {name: record for name, record in records.items() if record is not None}
    if not kept:
        return
    rows = [{"checkpoint": name, **recall_row(record)} for name, record in kept.items()]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")
    curves = {name: error_curve(record.photos["error_m"].to_numpy()) for name, record in kept.items()}
    figure = figures.error_curves(curves, widgets.look())
    st.image(figures.to_png(figure, dpi=110), width="stretch", alt="Share of photos by distance of the match")
    st.caption(
        f"Found: a place within {CORRECT_WITHIN_M:g} m. In brackets what chance leaves open: 95 % of bootstrap "
        "resamples of the photos; photos along one street are alike, so the true doubt is somewhat larger. The curves: "
        "how many photos have their first match that near."
    )
    table = pd.concat([record.photos.assign(checkpoint=name) for name, record in kept.items()])
    widgets.figure_downloads(figure, table, "held-out")


def recall_row(record: HeldOut) -> dict[str, Any]:
    """Recall@k in percent with its interval, and the median error, of one checkpoint."""
    ranks = record.photos["rank"].to_numpy()
    row: dict[str, Any] = {"photos": len(ranks)}
    for k in RECALLED_AT:
        low, high = bootstrap_interval(ranks <= k, seed=0)
        row[f"recall@{k}"] = f"{(ranks <= k).mean():.1%} ({low:.1%} to {high:.1%})"
    row["median error"] = metres(record.photos["error_m"].median())
    return row


def _measured(cards: list[CheckpointCard]) -> None:
    st.subheader("Everything measured")
    columns = {card.name: numbers(card.results) for card in cards}
    if not any(columns.values()):
        st.caption("No results are on these cards; `l2ltr evaluate` measures them.")
        return
    table = pd.DataFrame(columns).rename_axis("what was measured").reset_index()
    st.dataframe(table.replace({np.nan: None}), hide_index=True, width="stretch")


def numbers(results: Mapping[str, Any], above: str = "") -> dict[str, float]:
    """Nested named numbers, flat: {"places": {"recall_at_1": .5, "heading": "exif"}} -> {"places: recall at 1": .5}."""
    flat: dict[str, float] = {}
    for name, value in results.items():
        path = f"{above}: {name}" if above else name
        if isinstance(value, Mapping):
            flat |= numbers(value, path)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            flat[path.replace("_", " ")] = value
    return flat


show()
