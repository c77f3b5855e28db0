"""The photos that come with the product: sample panoramas, sample walks and held-out photos."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from app.state import Photo
from app.words import in_order
from l2ltr_core import assets
from l2ltr_core.datasets.geotagged import open_geotagged
from l2ltr_core.errors import ImageError
from l2ltr_core.metadata import read_metadata
from l2ltr_core.types import Location


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


@st.cache_data
def panoramas() -> list[Sample]:
    """The sample panoramas, in the order of their list."""
    return [
        Sample(each["file"], each["title"], each.get("note", ""))
        for each in _listed("samples.json")
        if (_folder() / each["file"]).exists()
    ]


@st.cache_data
def walks() -> list[SampleWalk]:
    """The walks that come with the product, in the order of their list; one needs two photos."""
    found = [
        SampleWalk(
            each["folder"],
            each["title"],
            each.get("note", ""),
            _photos_of_walk(each["folder"], each["title"]),
        )
        for each in _listed("walks.json")
    ]
    return [walk for walk in found if len(walk.photos) > 1]


def _photos_of_walk(folder: str, title: str) -> tuple[Photo, ...]:
    """The photos in a folder, by their numbers."""
    files = sorted((_folder() / folder).glob("*.jpg"), key=lambda each: in_order(each.name))
    return tuple(
        Photo.of(file.read_bytes(), f"{title}, photo {number}", f"{folder}/{file.name}")
        for number, file in enumerate(files, 1)
    )


def note_of(photo: Photo) -> str:
    """What is to be said of a photo that came with the product, alone or in a walk; nothing of a visitor's own."""
    notes = {sample.file: sample.note for sample in panoramas()}
    notes |= {each.sample: walk.note for walk in walks() for each in walk.photos if each.sample}
    return notes.get(photo.sample or "", "")


@st.cache_data(show_spinner=False)
def taken_at() -> dict[str, Location]:
    """Where the samples and the photos of the sample walks were taken, by file; of those that say so."""
    places = {file: read_metadata((_folder() / file).read_bytes()).location for file in _titles()}
    return {file: place for file, place in places.items() if place is not None}


def located(file: str) -> tuple[Path, str]:
    """Where a sample, one photo of a sample walk (FOLDER/01.jpg) or a held-out photo (DATASET/NAME) is, and its title.

    Raises ImageError for any other name.
    """
    titles = _titles()
    if file in titles:
        return _folder() / file, titles[file]
    if "/" in file:
        return held_out_photo(*file.split("/", 1)), file
    raise ImageError(f"There is no sample {file!r}; pick one from the list.")


def _titles() -> dict[str, str]:
    """The titles of all samples and of the photos of all sample walks, by file."""
    walked = {each.sample: each.title for walk in walks() for each in walk.photos if each.sample}
    return {sample.file: sample.title for sample in panoramas()} | walked


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


def _listed(name: str) -> list[dict[str, str]]:
    """The entries of a list of samples, none where there is no list."""
    path = _folder() / name
    return json.loads(path.read_text()) if path.exists() else []


def _folder() -> Path:
    return assets.ASSETS / "samples"
