"""What a photo says about itself: position, heading and the part of the sphere it shows (EXIF, XMP GPano).

Tags are read by exiv2, so GPano written as attributes or as elements comes out alike, and interpreted by
geopic-tag-reader, the reader of the Panoramax project. Its reader refuses a photo for a single impossible
tag; here such a tag is dropped and noted instead, because a photo with broken GPS is a good query.
"""

from __future__ import annotations

import logging
import math
import threading
from dataclasses import dataclass
from fractions import Fraction

from l2ltr_core.errors import MetadataError
from l2ltr_core.notes import Note
from l2ltr_core.types import Location

_EXIV2 = threading.Lock()  # exiv2's XMP parser is not safe to enter twice at once
RENDERED_MARK = "(simulated)"
"""What the simulated city writes into the software tag of its photos."""
_GPANO = "Xmp.GPano."
_LATITUDE_TAGS = ("Exif.GPSInfo.GPSLatitude", "Xmp.exif.GPSLatitude")
_LENS_TAGS = ("Make", "Model", "FocalLength", "FocalLengthIn35mmFilm")


@dataclass(frozen=True)
class PhotoMetadata:
    """What was found; None where the photo does not say.

    `heading_deg` is where the centre column of the pixels looks, in [0, 360). `horizontal_field_deg`,
    `top_deg` and `bottom_deg` (elevations, 0 = horizon) are there for photos placed in a sphere;
    `lens_field_deg` is the field across the longer side of an ordinary photo.
    """

    location: Location | None = None
    heading_deg: float | None = None
    horizontal_field_deg: float | None = None
    top_deg: float | None = None
    bottom_deg: float | None = None
    equirectangular: bool = False
    lens_field_deg: float | None = None
    notes: tuple[Note, ...] = ()
    rendered: bool = False
    """Whether the software that wrote the file calls itself a simulation."""


def read_metadata(data: bytes) -> PhotoMetadata:
    """Position, heading and field of a photo's bytes.

    Impossible positions and headings are ignored with a note; GPano tags that contradict each other raise
    MetadataError, since nothing sensible can be done without knowing what the photo shows.
    """
    tags, size_px = _read_tags(data)
    notes: list[Note] = []
    location = _location(tags, notes)
    crop = _Crop.read(tags)
    heading = _heading(tags, crop, notes)
    lens_field = _lens_field(tags, size_px)
    rendered = RENDERED_MARK in tags.get("Exif.Image.Software", "")
    if crop is None:
        return PhotoMetadata(
            location,
            heading,
            equirectangular=tags.get(_GPANO + "ProjectionType", "") == "equirectangular",
            lens_field_deg=lens_field,
            notes=tuple(notes),
            rendered=rendered,
        )
    return PhotoMetadata(
        location,
        heading,
        crop.horizontal_field_deg,
        crop.top_deg,
        crop.bottom_deg,
        True,
        None,
        tuple(notes),
        rendered,
    )


def _read_tags(data: bytes) -> tuple[dict[str, str], tuple[int, int]]:
    """All EXIF and XMP tags by their exiv2 names, and the size (width, height) in pixels."""
    import pyexiv2

    tags: dict[str, str] = {}
    size_px = (0, 0)
    with _EXIV2:
        pyexiv2.set_log_level(4)
        try:
            with pyexiv2.ImageData(data) as image:
                size_px = (image.get_pixel_width(), image.get_pixel_height())
                for read in (image.read_exif, image.read_xmp):
                    for encoding in ("utf-8", "iso-8859-1"):
                        try:
                            tags.update(read(encoding))
                            break
                        except (RuntimeError, UnicodeError) as error:
                            logging.getLogger(__name__).debug("unreadable tags: %s", error)
        except RuntimeError as error:  # a kind of file that carries no tags
            logging.getLogger(__name__).debug("no tags: %s", error)
    return {name: value for name, value in tags.items() if isinstance(value, str)}, size_px


def _location(tags: dict[str, str], notes: list[Note]) -> Location | None:
    from geopic_tag_reader import reader

    if not any(name in tags for name in _LATITUDE_TAGS):
        return None
    latitude = longitude = None
    for group in ("Exif.GPSInfo", "Xmp.exif"):
        try:
            latitude, longitude, _ = reader.decodeLatLon(tags, group, lambda text: text)
        except (reader.InvalidExifException, reader.InvalidFractionException, ValueError, ZeroDivisionError):
            continue
        if latitude is not None:
            break
    if latitude is None or longitude is None:
        notes.append(Note("position_unreadable"))
        return None
    if not (math.isfinite(latitude) and math.isfinite(longitude)):
        notes.append(Note("position_not_a_number"))
        return None
    if abs(latitude) > 90 or abs(longitude) > 180:
        notes.append(Note("position_not_on_earth", (latitude, longitude)))
        return None
    if latitude == 0 and longitude == 0:
        notes.append(Note("position_without_a_fix"))
        return None
    return Location(float(latitude), float(longitude))


def _heading(tags: dict[str, str], crop: _Crop | None, notes: list[Note]) -> float | None:
    """GPano's pose first, then the GPS direction; never the initial view, which is a matter of taste."""
    pose = _degrees(tags, _GPANO + "PoseHeadingDegrees", notes)
    if pose is not None and crop is not None:
        pose += crop.centre_offset_deg  # the pose is that of the whole sphere's centre
    direction = _degrees(tags, "Exif.GPSInfo.GPSImgDirection", notes)
    if pose is None:
        if direction is not None and tags.get("Exif.GPSInfo.GPSImgDirectionRef", "T").startswith("M"):
            notes.append(Note("heading_magnetic"))
        return None if direction is None else direction % 360
    if direction is not None and abs((pose - direction + 180) % 360 - 180) > 10:
        notes.append(Note("headings_differ", (pose % 360, direction % 360)))
    return pose % 360


def _degrees(tags: dict[str, str], name: str, notes: list[Note]) -> float | None:
    value = tags.get(name)
    if value is None or not value.strip():
        return None
    short = name.rsplit(".", 1)[1]
    try:
        number = float(Fraction(value.strip())) if "/" in value else float(value)
    except (ValueError, ZeroDivisionError):
        number = math.nan
    if not math.isfinite(number):
        notes.append(Note("heading_not_a_number", (short, value.strip()[:40])))
        return None
    if not -360 <= number <= 720:
        notes.append(Note("heading_out_of_range", (short, number)))
        return None
    return number


def _lens_field(tags: dict[str, str], size_px: tuple[int, int]) -> float | None:
    """Field across the longer side, from the focal length or the camera's model."""
    from geopic_tag_reader import reader

    # Only what it needs: on other tags (a date cut short) the reader can fail altogether.
    clean = {name: value for name, value in tags.items() if name.rsplit(".", 1)[-1] in _LENS_TAGS}
    clean[_GPANO + "ProjectionType"] = "flat"
    try:
        reader.getPictureMetadata(clean, *size_px)
    except reader.PartialExifException as partial:
        field = partial.tags.field_of_view
        return float(field) if field and 1 < field < 180 else None
    except (reader.InvalidExifException, ValueError, ZeroDivisionError, OverflowError):
        return None
    return None


@dataclass(frozen=True)
class _Crop:
    """GPano's cropped area: the part (width, height, left, top) of a full sphere, in its pixels."""

    full_width: int
    full_height: int
    width: int
    height: int
    left: int
    top: int

    @classmethod
    def read(cls, tags: dict[str, str]) -> _Crop | None:
        """From the tags, with what GPano lets a file leave out; raises MetadataError where they cannot be."""
        names = {
            "full_width": "FullPanoWidthPixels",
            "full_height": "FullPanoHeightPixels",
            "width": "CroppedAreaImageWidthPixels",
            "height": "CroppedAreaImageHeightPixels",
            "left": "CroppedAreaLeftPixels",
            "top": "CroppedAreaTopPixels",
        }
        found: dict[str, int] = {}
        for field, name in names.items():
            value = tags.get(_GPANO + name, "").strip()
            if not value:
                continue
            try:
                found[field] = round(float(value))
            except (ValueError, OverflowError) as error:
                raise MetadataError(
                    f"The photo's GPano tag {name} is {value[:40]!r}, a number of pixels was expected; "
                    "correct or remove the photo's XMP tags."
                ) from error
        if "width" not in found or "height" not in found:
            return None
        full_width = found.get("full_width") or 2 * found.get("full_height", 0)
        full_height = found.get("full_height") or full_width // 2
        if not full_width:
            return None
        crop = cls(
            full_width,
            full_height,
            found["width"],
            found["height"],
            found.get("left", (full_width - found["width"]) // 2),
            found.get("top", (full_height - found["height"]) // 2),
        )
        crop._check()
        return crop

    def _check(self) -> None:
        inside = (
            min(self.width, self.height) > 0
            and min(self.left, self.top) >= 0
            and self.left <= self.full_width
            and self.width <= self.full_width
            and self.top + self.height <= self.full_height
        )
        if not inside:
            raise MetadataError(
                f"The photo's GPano tags contradict each other: a cropped area of {self.width} x "
                f"{self.height} px at ({self.left}, {self.top}) does not fit a sphere of {self.full_width} x "
                f"{self.full_height} px; correct or remove the photo's XMP tags."
            )

    @property
    def horizontal_field_deg(self) -> float:
        return 360 * self.width / self.full_width

    @property
    def centre_offset_deg(self) -> float:
        """How far the crop's centre lies right of the sphere's."""
        return ((self.left + self.width / 2) / self.full_width - 0.5) * 360

    @property
    def top_deg(self) -> float:
        return 90 - 180 * self.top / self.full_height

    @property
    def bottom_deg(self) -> float:
        return 90 - 180 * (self.top + self.height) / self.full_height
