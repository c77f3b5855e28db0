"""The photos that visitors look at: read, decoded, and kept as long as there is room."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from app import samples
from app.encoding import jpeg
from app.memory import Store, results
from app.state import Photo
from l2ltr_core.errors import ImageError
from l2ltr_core.notes import Note
from l2ltr_core.photo import load_panorama
from l2ltr_core.types import Panorama

DECODED_BYTES = 256 << 20
"""Memory limit of decoded photos, of which one has at most about 25 MB."""
FILES_BYTES = 512 << 20
"""Memory limit of walk photos, kept as the files that were given: decoded, fifty would not fit."""
STRIP_PX = (480, 144)
"""Width and height of a photo at a glance."""
FULL_HEIGHT_DEG = 120
"""Vertical field of view above which a glance shows only the band about the horizon."""
decoded = Store(DECODED_BYTES)
files = Store(FILES_BYTES)


@dataclass(frozen=True)
class Glance:
    """A photo of a walk at a glance: the band about its horizon as JPEG, and what to know of how it was read."""

    strip: bytes
    notes: tuple[Note, ...]


def read_upload(data: bytes, title: str) -> Photo:
    """Decode a photo and keep it. Raises ImageError or MetadataError in one sentence."""
    photo = Photo.of(data, title)
    if decoded.get(photo.key) is None:
        decoded.put(photo.key, load_panorama(data))
    return photo


def read_walk_upload(data: bytes, title: str) -> Photo:
    """Look at a photo of a walk and keep its file. Raises ImageError or MetadataError in one sentence."""
    photo = Photo.of(data, title)
    files.put(photo.key, data)
    glance(photo)
    return photo


def read_sample(file: str) -> Photo:
    """A photo that came with the product, by the name that `samples.located` knows, as the visitor's photo.

    Raises ImageError for any other name.
    """
    path, title = samples.located(file)
    return replace(read_upload(path.read_bytes(), title), sample=file)


def panorama(photo: Photo) -> Panorama:
    """The decoded photo. Raises ImageError when it has left the memory and must be given again."""
    found = decoded.get(photo.key)
    if found is None:
        found = load_panorama(file_of(photo))
        decoded.put(photo.key, found)
    return found


def file_of(photo: Photo) -> Path | bytes:
    """What was read as this photo: a sample's file, or a visitor's as long as it is kept; else ImageError."""
    if photo.sample is not None:
        return samples.located(photo.sample)[0]
    if (data := files.get(photo.key)) is None:
        raise ImageError(f"The photo {photo.title!r} is no longer in memory; upload it again.")
    return data


@results.keeps
def glance(photo: Photo) -> Glance:
    """A photo of a walk at a glance. Raises what `load_panorama` raises, and ImageError as `panorama` does."""
    seen = load_panorama(file_of(photo))
    height = len(seen.pixels)
    full = seen.top_deg - seen.bottom_deg > FULL_HEIGHT_DEG
    band = seen.pixels[height // 5 : height - height // 5] if full else seen.pixels
    return Glance(jpeg(Image.fromarray(band).resize(STRIP_PX, Image.Resampling.LANCZOS)), seen.notes)
