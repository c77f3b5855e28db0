"""Everything that is loaded once and shared by all visitors: the only place that caches."""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import streamlit as st
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from app import figures, offline
from app.memory import Store
from app.state import Heading, Photo
from app.words import in_order
from l2ltr_core import assets
from l2ltr_core.checkpoints import load_card, load_encoder
from l2ltr_core.datasets.geotagged import open_geotagged
from l2ltr_core.errors import CheckpointError, ImageError
from l2ltr_core.evaluation import HeldOut, read_held_out, searched_fingerprint
from l2ltr_core.figures import STRIP_PX
from l2ltr_core.figures.style import grey
from l2ltr_core.gallery import Gallery, open_gallery
from l2ltr_core.geometry.panorama import ground_view
from l2ltr_core.geometry.polar import to_polar
from l2ltr_core.inspection import (
    entropy,
    heat_of_each,
    layer_cka,
    layer_similarity,
    mean_distance,
    score_falls,
    without_sectors,
)
from l2ltr_core.localization import (
    ESTIMATE_RADIUS_M,
    EncodedPhoto,
    Kind,
    Localization,
    encode_photos,
    kind_of,
    localize,
)
from l2ltr_core.metadata import read_metadata
from l2ltr_core.model.config import CheckpointCard
from l2ltr_core.model.encoder import Encoder
from l2ltr_core.notes import Note
from l2ltr_core.photo import load_panorama
from l2ltr_core.training.positions import positions_before_and_after
from l2ltr_core.types import RGB, Location, Match, Panorama, Progress
from l2ltr_core.walks import Walk, localize_walk

PHOTOS_BYTES = 256 << 20
"""Of decoded photos in memory; one has at most about 25 MB."""
RESULTS_BYTES = 256 << 20
"""Of what was computed and drawn from photos and tiles; attention of a full-size model has 38 MB a photo."""
SAMPLES_COMPARED = 12
RANKED = 1000
"""Places whose ranks checkpoints are compared by."""
POLAR_PX = (160, 640)
COVERAGE_PX = 1400
TILE_PX = 480
LOOK_AROUND_PX = 3072
FILES_BYTES = 512 << 20
"""Of photo files of walks, as they were given: decoded, fifty would not fit."""
GLANCE_PX = (480, 144)
Place = int | Location
"""A place of a gallery by its number, or any other by where it lies."""
results = Store(RESULTS_BYTES)
photos = Store(PHOTOS_BYTES)
files = Store(FILES_BYTES)


@dataclass(frozen=True)
class Sample:
    """A panorama that comes with the product."""

    file: str
    title: str
    note: str = ""


@dataclass(frozen=True)
class SampleWalk:
    """Photos of one walk that come with the product, in their order."""

    folder: str
    title: str
    note: str
    photos: tuple[Photo, ...]


@dataclass(frozen=True)
class Glance:
    """A photo of a walk at a glance: the band about its horizon as JPEG, and what to know of how it was read."""

    strip: bytes
    notes: tuple[Note, ...]


@st.cache_resource(max_entries=4, show_spinner="Loading the checkpoint …")
def encoder(name: str) -> Encoder:
    """An encoder by the name of its checkpoint. Shared: never change it."""
    return load_encoder(name)


@st.cache_resource(max_entries=4, show_spinner="Opening the gallery …")
def gallery(name: str) -> Gallery:
    """A gallery by name. Shared: never change it."""
    return open_gallery(name)


def cards() -> list[CheckpointCard]:
    """The cards of all checkpoints in the assets folder that can be read, the default first, then by name."""
    return _cards_and_faults()[0]


def checkpoint_faults() -> list[str]:
    """One sentence for each file in the checkpoints' folder that is no checkpoint as it is."""
    return _cards_and_faults()[1]


@st.cache_data(ttl=60)
def _cards_and_faults() -> tuple[list[CheckpointCard], list[str]]:
    """One broken card or a file without a card must not take the others away."""
    found, faults = [], []
    folder = assets.find_checkpoint_dir()
    for stem in sorted(
        {path.stem for ending in ("json", "safetensors") for path in folder.glob(f"*.{ending}")}
    ):
        try:
            found.append(load_card(folder / f"{stem}.json"))
        except CheckpointError as error:
            faults.append(str(error))
    return sorted(found, key=lambda each: assets.default_first(each.name)), faults


@st.cache_data
def samples() -> list[Sample]:
    """The sample panoramas, in the order of their list."""
    listed = assets.ASSETS / "samples" / "samples.json"
    if not listed.exists():
        return []
    return [
        Sample(each["file"], each["title"], each.get("note", ""))
        for each in json.loads(listed.read_text())
        if (listed.parent / each["file"]).exists()
    ]


@st.cache_data
def sample_walks() -> list[SampleWalk]:
    """The walks that come with the product, in the order of their list; one needs two photos."""
    folder = assets.ASSETS / "samples"
    if not (folder / "walks.json").exists():
        return []
    walks = [
        SampleWalk(
            each["folder"],
            each["title"],
            each.get("note", ""),
            _photos_of_walk(each["folder"], each["title"]),
        )
        for each in json.loads((folder / "walks.json").read_text())
    ]
    return [walk for walk in walks if len(walk.photos) > 1]


def note_of(photo: Photo) -> str:
    """What is to be said of a photo that came with the product, alone or in a walk; nothing of a visitor's own."""
    notes = {sample.file: sample.note for sample in samples()}
    notes |= {each.sample: walk.note for walk in sample_walks() for each in walk.photos if each.sample}
    return notes.get(photo.sample or "", "")


def _photos_of_walk(folder: str, title: str) -> tuple[Photo, ...]:
    """The photos in a folder, by their numbers."""
    found = (assets.ASSETS / "samples" / folder).glob("*.jpg")
    return tuple(
        Photo(_key(file.read_bytes()), f"{title}, photo {number}", f"{folder}/{file.name}")
        for number, file in enumerate(sorted(found, key=lambda each: in_order(each.name)), 1)
    )


@st.cache_data(show_spinner=False)
def taken_at() -> dict[str, Location]:
    """Where the samples and the photos of the sample walks were taken, by file; of those that say so."""
    walked = [photo.sample for walk in sample_walks() for photo in walk.photos if photo.sample]
    places = {
        file: read_metadata((assets.ASSETS / "samples" / file).read_bytes()).location
        for file in [*(sample.file for sample in samples()), *walked]
    }
    return {file: place for file, place in places.items() if place is not None}


@results.keeps
def sample_thumbnail(file: str, width_px: int = 192) -> bytes:
    """A JPEG of the middle band of a sample."""
    with Image.open(assets.ASSETS / "samples" / file) as image:
        image.draft("RGB", (width_px * 2, width_px))
        width, height = image.size
        band = image.convert("RGB").crop((0, height // 5, width, height - height // 5))
    return _jpeg(band.resize((width_px, width_px * 3 // 10), Image.Resampling.LANCZOS))


def read_upload(data: bytes, title: str) -> Photo:
    """Decode a photo and keep it. Raises ImageError or MetadataError in one sentence."""
    key = _key(data)
    if photos.get(key) is None:
        photos.put(key, load_panorama(data))
    return Photo(key, title)


def read_walk_upload(data: bytes, title: str) -> Photo:
    """Look at a photo of a walk and keep its file. Raises ImageError or MetadataError in one sentence."""
    photo = Photo(_key(data), title)
    files.put(photo.key, data)
    glance(photo)
    return photo


@results.keeps
def glance(photo: Photo) -> Glance:
    """A photo of a walk at a glance. Raises what `load_panorama` raises, and ImageError as `panorama` does."""
    seen = load_panorama(_file(photo))
    height = len(seen.pixels)
    whole = seen.top_deg - seen.bottom_deg > 120
    band = seen.pixels[height // 5 : height - height // 5] if whole else seen.pixels
    return Glance(_jpeg(Image.fromarray(band).resize(GLANCE_PX, Image.Resampling.LANCZOS)), seen.notes)


def _file(photo: Photo) -> Path | bytes:
    """What was read as this photo: a sample's file, or a visitor's as long as it is kept."""
    if photo.sample is not None:
        return assets.ASSETS / "samples" / photo.sample
    if (data := files.get(photo.key)) is None:
        raise ImageError(f"The photo {photo.title!r} is no longer in memory; upload it again.")
    return data


def _key(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def read_sample(file: str) -> Photo:
    """A sample, one photo of a sample walk (FOLDER/01.jpg) or a held-out photo (DATASET/NAME), as the visitor's photo.

    Raises ImageError for any other name.
    """
    listed = {sample.file: sample.title for sample in samples()}
    if "/" in file:
        listed |= {
            photo.sample: photo.title for walk in sample_walks() for photo in walk.photos if photo.sample
        }
    if "/" in file and file not in listed:
        photo = read_upload(held_out_photo(*file.split("/", 1)).read_bytes(), file)
        return Photo(photo.key, photo.title, sample=file)
    if file not in listed:
        raise ImageError(f"There is no sample {file!r}; pick one from the list.")
    photo = read_upload((assets.ASSETS / "samples" / file).read_bytes(), listed[file])
    return Photo(photo.key, photo.title, sample=file)


def panorama(photo: Photo) -> Panorama:
    """The decoded photo. Raises ImageError when it has left the memory and must be given again."""
    found = photos.get(photo.key)
    if found is None and photo.sample is not None:
        read_sample(photo.sample)
        found = photos.get(photo.key)
    if found is None:
        found = load_panorama(_file(photo))
        photos.put(photo.key, found)
    return found


@results.keeps
def localized(
    photo: Photo, gallery_name: str, checkpoint: str, heading: Heading, neighbours: bool = False
) -> Localization:
    """The ten best places for a photo, computed once; without `neighbours` ten different answers, 25 m apart.

    Raises what `localize` raises.
    """
    with inference():
        found = localize(
            panorama(photo), encoder=encoder(checkpoint), gallery=gallery(gallery_name), heading=heading,
            apart_m=0.0 if neighbours else ESTIMATE_RADIUS_M,
        )  # fmt: skip
    return replace(found, photo_name=photo.name)


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
            [_file(photo) for photo in photos], encoder=encoder(checkpoint), gallery=gallery(gallery_name),
            heading=heading, progress=progress,
        )  # fmt: skip
    return walk.named([photo.name for photo in photos])


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

    Then the spread and the reach of each head, both (layers, heads).
    """
    maps, grid = ground_attention(photo, heading_deg, checkpoint), card(checkpoint).model.ground_grid
    return heat_of_each(maps, grid), entropy(maps), mean_distance(maps, grid)


@results.keeps
def tile_heads(gallery_name: str, place: Place, checkpoint: str) -> NDArray[np.float32]:
    """What CLS reads from a place's tile, as the first of `heads`."""
    return heat_of_each(aerial_attention(gallery_name, place, checkpoint), card(checkpoint).model.aerial_grid)


@results.keeps
def hidden_directions(
    photo: Photo, heading_deg: float, checkpoint: str, gallery_name: str, place: Place, sectors: int
) -> NDArray[np.float32]:
    """(S,): how much the match with a place loses when a range of azimuth of the photo is hidden."""
    chosen = encoder(checkpoint)
    view = chosen.ground_view(panorama(photo), heading_deg)
    with st.spinner("Hiding one direction after the other …"), inference():
        descriptors = chosen.encode_ground([view, *without_sectors(view, sectors)], prepared=True)
        if isinstance(place, Location):
            aerial = chosen.encode_aerial([chip(gallery_name, place, checkpoint)])[0]
        else:
            looks = gallery(gallery_name).looks_at(place, chosen)
            aerial = looks[(looks @ descriptors[0]).argmax()]
    return score_falls(descriptors[0], descriptors[1:], aerial)


def similarity_by_azimuth(
    photo: Photo, heading_deg: float, checkpoint: str, gallery_name: str, place_id: int
) -> NDArray[np.float32] | None:
    """(w,): what each azimuth adds to the similarity of photo and place, south first, by west; None without columns."""
    chosen = gallery(gallery_name)
    columns = _encoded(photo, heading_deg, checkpoint, kind_of(chosen.simulated)).columns
    if columns is None:
        return None
    return chosen.similarity_by_azimuth(columns, place_id, encoder(checkpoint), turn=0)


@results.keeps
def _encoded(photo: Photo, heading_deg: float, checkpoint: str, kind: Kind) -> EncodedPhoto:
    """A photo under the heading of its centre, to be compared with imagery of a kind."""
    with inference():
        [encoded] = encode_photos([panorama(photo)], [heading_deg], encoder(checkpoint), kind)
    return encoded


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
        files = [assets.ASSETS / "samples" / sample.file for sample in samples()[:SAMPLES_COMPARED]]
        tokens = np.concatenate([chosen.layer_tokens(file) for file in files], axis=1)
    return layer_similarity(tokens), layer_cka(tokens)


@results.keeps
def chip(gallery_name: str, place: Place, checkpoint: str) -> RGB:
    """The north-up square around a place as wide as the checkpoint wants it."""
    chosen = gallery(gallery_name)
    where = place if isinstance(place, Location) else chosen.location(place)
    return chosen.imagery.chip(where, card(checkpoint).view.chip_m, None)


@results.keeps
def view(photo: Photo, heading_deg: float, checkpoint: str, in_grey: bool = False) -> bytes:
    """The photo as a checkpoint sees it, north in the middle, but finer; in grey for heat to lie on. JPEG."""
    field_deg = card(checkpoint).view.ground_vertical_field_deg
    seen = ground_view(panorama(photo), heading_deg, field_deg, STRIP_PX)
    return _jpeg(Image.fromarray(grey(seen) if in_grey else seen))


@results.keeps
def photo_jpeg(photo: Photo) -> bytes:
    """The whole photo, at most `LOOK_AROUND_PX` wide, as JPEG."""
    image = Image.fromarray(panorama(photo).pixels)
    image.thumbnail((LOOK_AROUND_PX, LOOK_AROUND_PX), Image.Resampling.LANCZOS)
    return _jpeg(image, quality=90)


@results.keeps
def grey_tile(gallery_name: str, place: Place, checkpoint: str) -> bytes:
    """The square around a place in grey, for heat to lie on; JPEG."""
    square = Image.fromarray(grey(chip(gallery_name, place, checkpoint)))
    return _jpeg(square.resize((TILE_PX, TILE_PX), Image.Resampling.LANCZOS))


@results.keeps
def grey_polar(gallery_name: str, place: Place, checkpoint: str) -> bytes:
    """The same unrolled around its centre, north in the middle; JPEG."""
    polar = np.rint(to_polar(chip(gallery_name, place, checkpoint), POLAR_PX)).astype(np.uint8)
    return _jpeg(Image.fromarray(grey(polar)))


def held_out(checkpoint: str, gallery_name: str) -> HeldOut | None:
    """What became of each held-out photo, None unless it was measured with these weights in this gallery."""
    chosen, found = card(checkpoint), read_held_out(assets.find_checkpoint_dir() / f"{checkpoint}.json")
    if found is None or found.checkpoint != chosen.fingerprint:
        return None
    searched = searched_fingerprint(gallery(gallery_name), chosen.fingerprint)
    return found if found.searched == searched else None


@st.cache_data(max_entries=8, show_spinner=False)
def held_out_photos(dataset: str) -> dict[str, Path]:
    """The files of the photos of a dataset that came with the product, by name; empty when it did not."""
    folder = assets.ASSETS / "datasets" / dataset
    if not re.fullmatch(r"\w[\w.-]*", dataset) or not folder.is_dir():
        return {}
    return {file.stem: file for file in open_geotagged(folder).photos}


def held_out_photo(dataset: str, name: str) -> Path:
    """The file of a held-out photo. Raises ImageError when it is not on this machine."""
    if name not in held_out_photos(dataset):
        raise ImageError(
            f"There is no held-out photo {dataset}/{name} here; pick a sample or upload a photo."
        )
    return held_out_photos(dataset)[name]


@results.keeps
def held_out_strip(dataset: str, name: str, width_px: int = 512) -> bytes:
    """A held-out photo as a small JPEG."""
    with Image.open(held_out_photo(dataset, name)) as image:
        image.thumbnail((width_px, width_px), Image.Resampling.LANCZOS)
        return _jpeg(image.convert("RGB"))


@results.keeps
def first_match(dataset: str, name: str, checkpoint: str, gallery_name: str) -> Match:
    """Where a checkpoint puts a held-out photo, which is not kept in memory for it."""
    photo = load_panorama(held_out_photo(dataset, name))
    with inference():
        found = localize(photo, encoder=encoder(checkpoint), gallery=gallery(gallery_name), top_k=1)
    return found.matches[0]


@results.keeps
def ranks(photo: Photo, gallery_name: str, checkpoint: str, heading_deg: float) -> dict[int, int]:
    """Place -> rank from 1, of the best `RANKED` places."""
    with inference():
        found = localize(
            panorama(photo), encoder=encoder(checkpoint), gallery=gallery(gallery_name), heading=heading_deg,
            top_k=RANKED,
        )  # fmt: skip
    return {match.place_id: match.rank for match in found.matches}


def card(checkpoint: str) -> CheckpointCard:
    """What a checkpoint says of itself."""
    return next(each for each in cards() if each.name == checkpoint)


@results.keeps
def tile_jpeg(gallery_name: str, place_id: int, size_px: int) -> bytes:
    """The aerial square of a place, as JPEG."""
    return _jpeg(Image.fromarray(gallery(gallery_name).chip(place_id, size_px)))


@results.keeps
def place_tile_png(gallery_name: str, place: Place, fan: figures.Fan | None, size_px: int) -> bytes:
    """The drawn aerial square of a place, with scale, north and, where it is known, the camera's direction."""
    chosen = gallery(gallery_name)
    where = place if isinstance(place, Location) else chosen.location(place)
    square = chosen.imagery.chip(where, chosen.manifest.chip_m, size_px)
    return figures.to_png(figures.place_tile(square, chosen.manifest.chip_m, *(fan or ())))


@results.keeps
def polar_jpeg(gallery_name: str, checkpoint: str, place_id: int) -> bytes | None:
    """A place's square unrolled around its centre, sharper than the checkpoint sees it; None if not polar."""
    view = card(checkpoint).view
    if not view.polar:
        return None
    square = chip(gallery_name, place_id, checkpoint)
    return _jpeg(Image.fromarray(np.rint(to_polar(square, POLAR_PX)).astype(np.uint8)))


@st.cache_resource(max_entries=4, show_spinner="Preparing the map …")
def base_image(gallery_name: str) -> offline.BaseImage:
    """The gallery's aerial image as one picture that the map can load without internet."""
    offline.ensure_leaflet()
    return offline.base_image(gallery(gallery_name))


@results.keeps
def coverage_jpeg(gallery_name: str) -> bytes:
    """The drawn places of a gallery on its imagery, as JPEG."""
    return figures.to_jpeg(coverage(gallery_name))


def coverage(gallery_name: str) -> Figure:
    """The places of a gallery on its imagery."""
    chosen = gallery(gallery_name)
    bounds, pixels = offline.picture(chosen.imagery, COVERAGE_PX)
    places = chosen.places
    return figures.coverage(pixels, bounds, places["latitude"].to_numpy(), places["longitude"].to_numpy())


@st.cache_resource
def inference() -> threading.Lock:
    """Held while a model works: visitors queue instead of exhausting the memory."""
    return threading.Lock()


def _jpeg(image: Image.Image, quality: int = 85) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
