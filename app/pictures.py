"""Photos and aerial imagery as pictures for the browser, each drawn and encoded once."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from app import figures, offline, samples
from app.encoding import jpeg
from app.loading import Place, card, chip, gallery, location
from app.memory import results
from app.photo_store import panorama
from app.state import Photo
from l2ltr_core.figures import STRIP_PX
from l2ltr_core.figures.style import grey
from l2ltr_core.geometry.panorama import ground_view
from l2ltr_core.geometry.polar import to_polar
from l2ltr_core.types import RGB

POLAR_PX = (160, 640)
COVERAGE_PX = 1400
TILE_PX = 480
LOOK_AROUND_PX = 3072


@results.keeps
def sample_thumbnail(file: str, width_px: int = 192) -> bytes:
    """A JPEG of the middle band of a sample."""
    with Image.open(samples.located(file)[0]) as image:
        image.draft("RGB", (width_px * 2, width_px))
        width, height = image.size
        band = image.convert("RGB").crop((0, height // 5, width, height - height // 5))
    return jpeg(band.resize((width_px, width_px * 3 // 10), Image.Resampling.LANCZOS))


@results.keeps
def held_out_strip(dataset: str, name: str, width_px: int = 512) -> bytes:
    """A held-out photo as a small JPEG."""
    with Image.open(samples.held_out_photo(dataset, name)) as image:
        image.thumbnail((width_px, width_px), Image.Resampling.LANCZOS)
        return jpeg(image.convert("RGB"))


@results.keeps
def photo_jpeg(photo: Photo) -> bytes:
    """The whole photo, at most `LOOK_AROUND_PX` wide, as JPEG."""
    image = Image.fromarray(panorama(photo).pixels)
    image.thumbnail((LOOK_AROUND_PX, LOOK_AROUND_PX), Image.Resampling.LANCZOS)
    return jpeg(image, quality=90)


@results.keeps
def view(photo: Photo, heading_deg: float, checkpoint: str, in_grey: bool = False) -> bytes:
    """The photo as a checkpoint sees it, north in the middle, but finer; in grey for heat to lie on. JPEG."""
    seen = view_pixels(photo, heading_deg, checkpoint)
    return jpeg(Image.fromarray(grey(seen) if in_grey else seen))


def view_pixels(photo: Photo, heading_deg: float, checkpoint: str) -> RGB:
    """The photo as a checkpoint sees it, north in the middle, but finer."""
    return ground_view(
        panorama(photo), heading_deg, card(checkpoint).view.ground_vertical_field_deg, STRIP_PX
    )


@results.keeps
def tile_jpeg(gallery_name: str, place_id: int, size_px: int) -> bytes:
    """The aerial square of a place, as JPEG."""
    return jpeg(Image.fromarray(gallery(gallery_name).chip(place_id, size_px)))


@results.keeps
def place_tile_png(gallery_name: str, place: Place, fan: figures.Fan | None, size_px: int) -> bytes:
    """The drawn aerial square of a place, with scale, north and, where it is known, the camera's direction."""
    chosen = gallery(gallery_name)
    chip_m = chosen.manifest.chip_m
    square = chosen.imagery.chip(location(gallery_name, place), chip_m, size_px)
    return figures.to_png(figures.place_tile(square, chip_m, *(fan or ())))


@results.keeps
def grey_tile(gallery_name: str, place: Place, checkpoint: str) -> bytes:
    """The square around a place in grey, for heat to lie on; JPEG."""
    square = Image.fromarray(grey(chip(gallery_name, place, checkpoint)))
    return jpeg(square.resize((TILE_PX, TILE_PX), Image.Resampling.LANCZOS))


@results.keeps
def grey_polar(gallery_name: str, place: Place, checkpoint: str) -> bytes:
    """The same unrolled around its centre, north in the middle; JPEG."""
    return jpeg(Image.fromarray(grey(polar_pixels(gallery_name, place, checkpoint))))


@results.keeps
def polar_jpeg(gallery_name: str, checkpoint: str, place_id: int) -> bytes | None:
    """A place's square unrolled around its centre, sharper than the checkpoint sees it; None if not polar."""
    if not card(checkpoint).view.polar:
        return None
    return jpeg(Image.fromarray(polar_pixels(gallery_name, place_id, checkpoint)))


def polar_pixels(
    gallery_name: str, place: Place, checkpoint: str, size_px: tuple[int, int] = POLAR_PX
) -> RGB:
    """The square around a place unrolled around its centre to (height, width) pixels, north in the middle."""
    return np.rint(to_polar(chip(gallery_name, place, checkpoint), size_px)).astype(np.uint8)


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
