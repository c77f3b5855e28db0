"""What the models compute, once for each question, and only one at a time."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app import photo_store, samples
from app.loading import Place, card, chip, encoder, gallery
from app.memory import results
from app.photo_store import panorama
from app.state import Heading, Photo
from l2ltr_core.inspection import (
    attention_entropy,
    heat_of_each,
    layer_cka,
    layer_similarity,
    mean_attention_distance,
    occluded_views,
    occlusion_sensitivity,
)
from l2ltr_core.localization import ESTIMATE_RADIUS_M, Localization, localize
from l2ltr_core.model.position_init import positions_before_and_after
from l2ltr_core.photo import load_panorama
from l2ltr_core.types import Location, Match, Progress
from l2ltr_core.walks import Walk, localize_walk

SAMPLES_COMPARED = 12
"""Number of samples whose layers are compared together."""
TOP = 10
"""Number of matches listed."""
RANKED = 1000
"""Number of best places whose ranks are compared across checkpoints."""


@st.cache_resource
def inference() -> threading.Lock:
    """Held while a model works: visitors queue instead of exhausting the memory."""
    return threading.Lock()


@results.keeps
def localized(photo: Photo, gallery_name: str, checkpoint: str, heading: Heading) -> Localization:
    """Ten different answers, 25 m apart, for a photo. Raises what `localize` raises."""
    with inference():
        found = localize(
            panorama(photo), encoder=encoder(checkpoint), gallery=gallery(gallery_name), heading=heading,
            min_separation_m=ESTIMATE_RADIUS_M,
        )  # fmt: skip
    return replace(found, photo_name=photo.name)


@dataclass(frozen=True)
class Ranking:
    """A photo's ten best places, neighbours among them, and place -> rank from 1 of the best `RANKED`."""

    found: Localization
    ranks: dict[int, int]


@results.keeps
def ranked(photo: Photo, gallery_name: str, checkpoint: str, heading: Heading) -> Ranking:
    """How a checkpoint ranks the places for a photo. Raises what `localize` raises."""
    with inference():
        found = localize(
            panorama(photo), encoder=encoder(checkpoint), gallery=gallery(gallery_name), heading=heading,
            top_k=RANKED,
        )  # fmt: skip
    ranks = {match.place_id: match.rank for match in found.matches}
    return Ranking(replace(found, matches=found.matches[:TOP], photo_name=photo.name), ranks)


@results.keeps
def first_match(dataset: str, name: str, checkpoint: str, gallery_name: str) -> Match:
    """Where a checkpoint puts a held-out photo, which is not kept in memory for it."""
    photo = load_panorama(samples.held_out_photo(dataset, name))
    with inference():
        found = localize(photo, encoder=encoder(checkpoint), gallery=gallery(gallery_name), top_k=1)
    return found.matches[0]


@results.keeps
def walked(
    photos: tuple[Photo, ...],
    gallery_name: str,
    checkpoint: str,
    heading: Heading,
    step_m: float,
    *,
    progress: Progress,
) -> Walk:
    """Where the photos of a walk were taken, together and alone; compared once, whatever the step.

    Raises what `localize_walk` raises.
    """
    compared = _compared(photos, gallery_name, checkpoint, heading, progress=progress)
    return compared.with_step(step_m, gallery(gallery_name))


@results.keeps
def _compared(
    photos: tuple[Photo, ...], gallery_name: str, checkpoint: str, heading: Heading, *, progress: Progress
) -> Walk:
    progress(0, len(photos))
    with inference():
        walk = localize_walk(
            [photo_store.file_of(photo) for photo in photos], encoder=encoder(checkpoint),
            gallery=gallery(gallery_name), heading=heading, progress=progress,
        )  # fmt: skip
    return walk.named([photo.name for photo in photos])


def similarity_by_azimuth(
    found: Localization, gallery_name: str, place_id: int
) -> NDArray[np.float32] | None:
    """(w,): what each azimuth adds to the similarity of photo and place, south first, by west; None without columns."""
    if found.columns is None:
        return None
    chosen = gallery(gallery_name)
    return chosen.similarity_by_azimuth(found.columns, place_id, encoder(found.checkpoint), turn=0)


@results.keeps
def ground_attention(photo: Photo, heading_deg: float, checkpoint: str) -> NDArray[np.float32]:
    """Attention of every layer over the photo: (layers, heads, tokens, tokens), rows sum to 1. Shared: read only.

    With 12 layers, 12 heads and 256 patches 38 MB, of which four are kept.
    """
    chosen = encoder(checkpoint)
    with st.spinner("Reading the model's attention …"), inference():
        layers = range(chosen.card.model.depth)
        return np.stack(chosen.attention(panorama(photo), "ground", layers, heading_deg=heading_deg))


@results.keeps
def aerial_attention(gallery_name: str, place: Place, checkpoint: str) -> NDArray[np.float32]:
    """Attention of every layer over a place: (layers, heads, tokens, tokens), rows sum to 1. Shared: read only."""
    chosen = encoder(checkpoint)
    square = chip(gallery_name, place, checkpoint)
    with inference():
        return np.stack(chosen.attention(square, "aerial", range(chosen.card.model.depth)))


@results.keeps
def heads(
    photo: Photo, heading_deg: float, checkpoint: str
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """What CLS reads from the photo: heat (layers, 1 + heads, rows, columns), first the mean of the heads.

    Then the attention entropy and the mean attention distance of each head, both (layers, heads).
    """
    maps, grid = ground_attention(photo, heading_deg, checkpoint), card(checkpoint).model.ground_grid
    return heat_of_each(maps, grid), attention_entropy(maps), mean_attention_distance(maps, grid)


@results.keeps
def tile_heads(gallery_name: str, place: Place, checkpoint: str) -> NDArray[np.float32]:
    """What CLS reads from a place's tile, as the first of `heads`."""
    return heat_of_each(aerial_attention(gallery_name, place, checkpoint), card(checkpoint).model.aerial_grid)


@results.keeps
def sensitivity_by_direction(
    photo: Photo, heading_deg: float, checkpoint: str, gallery_name: str, place: Place, sectors: int
) -> NDArray[np.float32]:
    """(S,) occlusion sensitivity: by how much the score of a place falls when a range of azimuth is occluded."""
    chosen = encoder(checkpoint)
    view = chosen.ground_view(panorama(photo), heading_deg)
    with st.spinner("Hiding one direction after the other …"), inference():
        descriptors = chosen.encode_ground([view, *occluded_views(view, sectors)], prepared=True)
        if isinstance(place, Location):
            aerial = chosen.encode_aerial([chip(gallery_name, place, checkpoint)])[0]
        else:
            views = gallery(gallery_name).view_descriptors(place, chosen)
            aerial = views[(views @ descriptors[0]).argmax()]
    return occlusion_sensitivity(descriptors[0], descriptors[1:], aerial)


@results.keeps
def positions(checkpoint: str, branch: Literal["ground", "aerial"]) -> dict[str, NDArray[np.float32]]:
    """(1 + N, D) positional embeddings of a checkpoint after training, and before it where the card tells."""
    return positions_before_and_after(encoder(checkpoint), branch)


@results.keeps
def layers_alike(
    photo: Photo, heading_deg: float, checkpoint: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosine similarity and CKA between every two depths for a photo, both (depth + 1, depth + 1)."""
    chosen = encoder(checkpoint)
    with st.spinner("Comparing the layers …"), inference():
        tokens = chosen.layer_tokens(panorama(photo), "ground", heading_deg=heading_deg)
    return layer_similarity(tokens), layer_cka(tokens)


@results.keeps
def layers_alike_in_samples(checkpoint: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The same over the tokens of all sample photos together."""
    chosen = encoder(checkpoint)
    with st.spinner("Comparing the layers for every sample …"), inference():
        files = [samples.located(each.file)[0] for each in samples.panoramas()[:SAMPLES_COMPARED]]
        tokens = np.concatenate([chosen.layer_tokens(file) for file in files], axis=1)
    return layer_similarity(tokens), layer_cka(tokens)
