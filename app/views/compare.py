"""Compare: several checkpoints on the same photo, and on all held-out photos."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app import (
    compute,
    downloads,
    held_out,
    loading,
    map_layers,
    photo_input,
    pictures,
    state,
    viewport,
    widgets,
)
from app.building import offer_to_build
from app.encoding import data_uri
from app.words import Answer, metres
from l2ltr_core import figures
from l2ltr_core.evaluation import CORRECT_WITHIN_M
from l2ltr_core.gallery import Gallery
from l2ltr_core.geometry.geodesy import distance_between_m
from l2ltr_core.inspection import most_apart, overlap_at, rank_biased_overlap
from l2ltr_core.localization import Localization
from l2ltr_core.model.config import CheckpointCard

MAP_HEIGHT_PX = 460
MOST_APART = 6
THUMBNAIL_PX = 88
Answers = dict[str, Localization]


def show() -> None:
    """Answers side by side, their places in ranks and on one map, how far they agree, and what was measured."""
    st.title("Do the checkpoints agree?")
    st.html(
        "<p class='lead'>The same photo, several checkpoints. Where they agree on a place, trust it more; one photo "
        "says little about which checkpoint is better: the held-out photos below do.</p>"
    )
    name = state.setting(state.GALLERY) or ""
    gallery = loading.gallery(name)
    ready = [card for card in loading.cards() if gallery.manifest.index_of(card.fingerprint)]
    cards = widgets.checkpoints_side_by_side("checkpoints", ready)
    _lacking(gallery, [card for card in loading.cards() if card not in ready])
    if not cards:
        st.info("Choose at least one checkpoint.")
        return
    with widgets.errors_shown():
        _on_this_photo(cards, name)
    with widgets.errors_shown():
        held_out.show(cards, name)
    _measured(cards)


def _lacking(gallery: Gallery, cards: list[CheckpointCard]) -> None:
    if cards:
        names = ", ".join(card.name for card in cards)
        with st.expander(f"Not offered, for want of descriptors of these places: {names}"):
            for card in cards:
                offer_to_build(gallery, card)


def _on_this_photo(cards: list[CheckpointCard], gallery_name: str) -> None:
    photo = photo_input.photo_at_hand()
    if photo is None:
        return
    rankings = {card.name: compute.ranked(photo, gallery_name, card.name, state.heading()) for card in cards}
    found = {name: ranking.found for name, ranking in rankings.items()}
    _answers(found)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _map(found, gallery_name)
    with right:
        _ranks(photo, found)
    if len(found) > 1:
        _agreement(found)
        _apart(found, {name: ranking.ranks for name, ranking in rankings.items()}, gallery_name)


def _answers(found: Answers) -> None:
    for column, (number, (name, each)) in zip(st.columns(len(found)), enumerate(found.items()), strict=True):
        error = f" · <b>error {metres(each.error_m)}</b>" if each.error_m is not None else ""
        column.html(
            f"<div class='verdict' style='--verdict:{figures.CHECKPOINT_COLOURS[number]}'><div class='big'>{name}</div>"
            f"<div class='small'>{each.estimate.latitude:.5f}, {each.estimate.longitude:.5f} · "
            f"{Answer.of(each).sure}{error}</div></div>"
        )


@st.fragment
def _map(found: Answers, gallery_name: str) -> None:
    image = loading.base_image(gallery_name)
    places = [match.location for each in found.values() for match in each.matches]
    truth = next(iter(found.values())).truth
    view = viewport.overview(places, truth)
    layers = map_layers.compared_layer(
        [(name, each.matches, each.estimate) for name, each in found.items()],
        figures.CHECKPOINT_COLOURS,
        truth,
    )
    widgets.gallery_map(image, view, layers, key="compare_map", height_px=MAP_HEIGHT_PX)


def _ranks(photo: state.Photo, found: Answers) -> None:
    ranks = {name: _places(each) for name, each in found.items()}
    right = {
        match.place_id
        for each in found.values()
        for match in each.matches
        if each.truth and distance_between_m(each.truth, match.location) <= CORRECT_WITHIN_M
    }
    figure = figures.rank_moves(ranks, widgets.look(), right)
    st.image(
        figures.to_png(figure), width="stretch", alt="The ranks of places, joined where checkpoints share one"
    )
    numbers = pd.DataFrame({name: pd.Series(ids) for name, ids in ranks.items()})
    numbers.insert(0, "rank", numbers.index + 1)
    downloads.figure_downloads(figure, numbers, f"{photo.stem}-ranks")
    ring = f" A ring: within {CORRECT_WITHIN_M:g} m of the true position." if right else ""
    st.caption(f"Each column is a checkpoint's list, best on top; a line joins the same place.{ring}")


def _agreement(found: Answers) -> None:
    rows = []
    for (a, first), (b, second) in itertools.combinations(found.items(), 2):
        ids = (_places(first), _places(second))
        apart_m = distance_between_m(first.estimate.location, second.estimate.location)
        shared = {f"overlap@{k}": overlap_at(*ids, k) for k in (1, 5, compute.TOP) if k <= min(map(len, ids))}
        rows.append(
            {
                "checkpoints": f"{a} and {b}",
                "estimates apart": metres(apart_m),
                **{name: f"{share:.0%}" for name, share in shared.items()},
                "rank-biased overlap": f"{rank_biased_overlap(*ids):.2f}",
            }
        )
    st.subheader("Agreement")
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")
    st.caption(
        "Overlap@k: which share of the first k places is the same. Rank-biased overlap weighs the first ranks most "
        "(p = 0.8): 1 for the same order, 0 for nothing shared."
    )


def _apart(found: Answers, ranks: Mapping[str, Mapping[int, int]], gallery_name: str) -> None:
    """The places that one checkpoint puts high and another low."""
    truth = next(iter(found.values())).truth
    gallery = loading.gallery(gallery_name)
    rows = []
    for place in most_apart(list(ranks.values()), compute.RANKED + 1, compute.TOP)[:MOST_APART]:
        where = gallery.location(place)
        row = {
            "tile": data_uri(pictures.tile_jpeg(gallery_name, place, THUMBNAIL_PX)),
            "place": place,
            **{name: _rank_told(each.get(place)) for name, each in ranks.items()},
        }
        if truth is not None:
            row["from the true position"] = metres(distance_between_m(truth, where))
        rows.append(row)
    st.subheader("Where they differ most")
    st.dataframe(
        pd.DataFrame(rows), hide_index=True, width="stretch", row_height=48,
        column_config={"tile": st.column_config.ImageColumn(width="small")},
    )  # fmt: skip
    caption = (
        f"The rank that each checkpoint gives to a place that one of them has among its first {compute.TOP}."
    )
    if _share_the_answer(found):
        caption += f" All answer within {CORRECT_WITHIN_M:g} m of each other: these are runners-up."
    st.caption(caption)


def _share_the_answer(found: Answers) -> bool:
    places = [each.estimate.location for each in found.values()]
    return all(distance_between_m(a, b) <= CORRECT_WITHIN_M for a, b in itertools.combinations(places, 2))


def _rank_told(rank: int | None) -> str:
    return f"beyond {compute.RANKED:,}" if rank is None else f"{rank:,}"


def _places(found: Localization) -> list[int]:
    return [match.place_id for match in found.matches]


def _measured(cards: list[CheckpointCard]) -> None:
    columns = {card.name: numbers(card.results) for card in cards}
    with st.expander("Everything that the cards have measured"):
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
