"""Bytes to RGB pixels, safely: sizes are checked before decoding, and odd forms become plain RGB."""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from l2ltr_core.errors import ImageError
from l2ltr_core.notes import Note
from l2ltr_core.types import RGB

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP")
MIN_SIDE_PX = 16
MAX_SIDE_PX = 20_000
MAX_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485
"""Largest number of pixels of a photo, Pillow's own limit: above every current 360 degree camera (72 megapixels)."""
MAX_BYTES = 256 * 2**20

DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    struct.error,
)
"""Errors that Pillow's readers raise on damaged data."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Transposition that puts the pixels upright, by EXIF orientation."""


@dataclass(frozen=True)
class DecodedImage:
    """Pixels, and what a person should know about how they were made."""

    pixels: RGB
    notes: tuple[Note, ...] = ()


def read_bytes(source: str | Path | bytes) -> bytes:
    """The bytes of a file, or `source` itself; raises ImageError for what is missing, empty or too large."""
    if isinstance(source, bytes):
        data, name = source, "The photo"
    else:
        path = Path(source)
        name = f"The file {path.name}"
        if path.is_dir():
            raise ImageError(f"{path} is a folder; give the path of one photo (JPEG or PNG).")
        if not path.is_file():
            raise ImageError(f"There is no file {path}; give the path of a photo (JPEG or PNG).")
        if path.stat().st_size > MAX_BYTES:
            raise ImageError(f"{name} is larger than {MAX_BYTES >> 20} MB; save it smaller, as JPEG.")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ImageError(f"{name} cannot be read ({error.strerror}); check its permissions.") from error
    if not data:
        raise ImageError(f"{name} is empty (0 bytes); a photo was expected, so copy or download it again.")
    if len(data) > MAX_BYTES:
        raise ImageError(f"{name} is larger than {MAX_BYTES >> 20} MB; save it smaller, as JPEG.")
    return data


def decode_rgb(source: str | Path | bytes) -> RGB:
    """(H, W, 3) uint8 pixels of a photo, upright; raises ImageError in one sentence."""
    return decode(source).pixels


def decode(source: str | Path | bytes, *, enough_px: int | None = None) -> DecodedImage:
    """Pixels and notes of a photo, upright; raises ImageError.

    A JPEG more than twice as wide as `enough_px` is decoded at a half, a quarter or an eighth of its size,
    which is much faster and never below `enough_px`.
    """
    return decode_opened(open_image(source), enough_px=enough_px)


def decode_opened(image: Image.Image, *, enough_px: int | None = None) -> DecodedImage:
    """`decode` of what `open_image` returned."""
    try:
        if enough_px is not None:
            image.draft(None, (enough_px, max(1, enough_px * image.height // image.width)))
        _refuse_frames(image)
        image.load()
        pixels, notes = _to_rgb(_upright(image))
    except DECODING_ERRORS as error:
        raise ImageError(
            "The photo is damaged or cut short and cannot be decoded; copy or download the original again."
        ) from error
    return DecodedImage(pixels, tuple(notes))


def open_image(source: str | Path | bytes) -> Image.Image:
    """The image with its header read and its size accepted, nothing decoded; raises ImageError."""
    data = read_bytes(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ImageError(
            f"The photo has more than {MAX_PIXELS // 10**6} megapixels; "
            "save it smaller (4096 x 2048 is plenty)."
        ) from error
    except UnidentifiedImageError as error:
        raise ImageError(
            "The file is not an image that can be read here; a JPEG or PNG photo was expected "
            "(WebP, TIFF, GIF and BMP work too)."
        ) from error
    except DECODING_ERRORS as error:
        raise ImageError(
            "The photo's header is damaged or cut short; copy or download the original again."
        ) from error
    width, height = image.size
    if max(width, height) > MAX_SIDE_PX:
        raise ImageError(
            f"The photo is {width} x {height} px, more than {MAX_SIDE_PX} px along a side; "
            "save it smaller (4096 x 2048 is plenty)."
        )
    if min(width, height) < MIN_SIDE_PX:
        raise ImageError(
            f"The photo is {width} x {height} px; at least {MIN_SIDE_PX} px along each side are needed, "
            "so use the original instead of a thumbnail."
        )
    return image


def _refuse_frames(image: Image.Image) -> None:
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # a JPEG with a preview inside is not an animation
        raise ImageError(
            f"The file holds {frames} frames or pages; save the one that is meant as JPEG or PNG."
        )


def _upright(image: Image.Image) -> Image.Image:
    """Turned as EXIF says. Not by Pillow's `exif_transpose`: it writes EXIF anew and fails where that is broken."""
    try:
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except DECODING_ERRORS:
        return image
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> tuple[RGB, list[Note]]:
    mode = image.mode
    if mode == "F":
        raise ImageError("The photo holds floating-point values; an ordinary 8-bit JPEG or PNG was expected.")
    if mode.startswith("I"):
        values = np.asarray(image).astype(np.float64)
        scale = 257.0 if values.max() > 255 else 1.0
        grey = np.clip(values / scale, 0, 255).round().astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2), [Note("16_bits")]
    if mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in image.info:
        return _over_mean_colour(np.asarray(image.convert("RGBA")))
    notes = [Note("printing_colours")] if mode in {"CMYK", "YCCK"} else []
    return np.asarray(image.convert("RGB")).copy(), notes


def _over_mean_colour(rgba: np.ndarray) -> tuple[RGB, list[Note]]:
    """Transparent parts filled with the mean colour of the rest, (H, W, 4) uint8 -> (H, W, 3) uint8."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    if alpha.min() == 1:
        return rgba[..., :3].copy(), []
    if alpha.max() == 0:
        raise ImageError("The photo is completely transparent; save it again without transparency.")
    colour = rgba[..., :3].astype(np.float32)
    mean = (colour * alpha).sum(axis=(0, 1)) / alpha.sum()
    filled = colour * alpha + mean * (1 - alpha)
    return filled.round().astype(np.uint8), [Note("transparent_parts")]
