"""What a photo says about itself: position, heading and the part of the sphere it shows (EXIF, XMP GPano).

An impossible tag is dropped and noted: a photo with broken GPS is a good query.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image
from PIL.ExifTags import GPS, Base

from l2ltr_core.errors import ImageError, MetadataError
from l2ltr_core.images import open_image
from l2ltr_core.notes import Note
from l2ltr_core.tags import Tags, read_tags, to_numbers, to_text
from l2ltr_core.types import Location

RENDERED_MARK = "(simulated)"
"""Text that the simulated city writes into the software tag of its photos."""
_XMP_ANGLE = re.compile(r"(\d+),(\d+(?:\.\d*)?)(?:,(\d+(?:\.\d*)?))?([NSEW])", re.ASCII)
"""Pattern of an angle in XMP: "60,10.5N", "24,57,30E"."""
_FILM_WIDTH_MM = 36.0


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
    """`metadata_of` a photo's bytes; nothing of a file that cannot be read as an image."""
    try:
        image = open_image(data)
    except ImageError:
        return PhotoMetadata()
    return metadata_of(image)


def metadata_of(image: Image.Image) -> PhotoMetadata:
    """Position, heading and field of an opened photo.

    Impossible positions and headings are ignored with a note; GPano tags that contradict each other raise
    MetadataError, since nothing sensible can be done without knowing what the photo shows.
    """
    tags = read_tags(image)
    notes: list[Note] = []
    location = _location(tags, notes)
    crop = _Crop.read(tags.xmp)
    heading = _heading(tags, crop, notes)
    rendered = RENDERED_MARK in to_text(tags.exif.get(Base.Software))
    if crop is None:
        return PhotoMetadata(
            location,
            heading,
            equirectangular=tags.xmp.get("GPano:ProjectionType", "") == "equirectangular",
            lens_field_deg=_lens_field(tags),
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


def _location(tags: Tags, notes: list[Note]) -> Location | None:
    """EXIF's position, else XMP's; a note where there is one that cannot be."""
    exif = [
        tags.gps.get(n) for n in (GPS.GPSLatitude, GPS.GPSLatitudeRef, GPS.GPSLongitude, GPS.GPSLongitudeRef)
    ]
    names = ("GPSLatitude", "GPSLatitudeRef", "GPSLongitude", "GPSLongitudeRef")
    xmp = [tags.xmp.get(f"exif:{name}") for name in names]
    if exif[0] is None and xmp[0] is None:
        return None
    for latitude_tag, south, longitude_tag, west in (exif, xmp):
        latitude, longitude = _angle(latitude_tag, south), _angle(longitude_tag, west)
        if math.isfinite(latitude) and math.isfinite(longitude):
            return _on_earth(latitude, longitude, notes)
    notes.append(Note("position_unreadable"))
    return None


def _angle(value: object, reference: object) -> float:
    """Degrees, positive to the north and east, where no reference is taken for these; NaN if unreadable."""
    written = _XMP_ANGLE.fullmatch(value.strip()) if isinstance(value, str) else None
    if written:
        *parts, reference = written.groups()
        numbers = tuple(float(part or 0) for part in parts)
    else:
        numbers = to_numbers(value)
    if len(numbers) not in (1, 3):
        return math.nan
    angle = sum(number / 60**power for power, number in enumerate(numbers))
    return -angle if to_text(reference).startswith(("S", "W")) else angle


def _on_earth(latitude: float, longitude: float, notes: list[Note]) -> Location | None:
    if abs(latitude) > 90 or abs(longitude) > 180:
        notes.append(Note("position_not_on_earth", (latitude, longitude)))
        return None
    if latitude == 0 and longitude == 0:
        notes.append(Note("position_without_a_fix"))
        return None
    return Location(latitude, longitude)


def _heading(tags: Tags, crop: _Crop | None, notes: list[Note]) -> float | None:
    """GPano's pose first, then the GPS direction; never the initial view, which is a matter of taste."""
    pose = _degrees("PoseHeadingDegrees", tags.xmp.get("GPano:PoseHeadingDegrees"), notes)
    if pose is not None and crop is not None:
        pose += crop.centre_offset_deg  # the pose is that of the whole sphere's centre
    direction = _degrees("GPSImgDirection", tags.gps.get(GPS.GPSImgDirection), notes)
    if pose is None:
        if direction is not None and to_text(tags.gps.get(GPS.GPSImgDirectionRef)).startswith("M"):
            notes.append(Note("heading_magnetic"))
        return None if direction is None else direction % 360
    if direction is not None and abs((pose - direction + 180) % 360 - 180) > 10:
        notes.append(Note("headings_differ", (pose % 360, direction % 360)))
    return pose % 360


def _degrees(name: str, value: object, notes: list[Note]) -> float | None:
    if not to_text(value):
        return None
    numbers = to_numbers(value)
    if len(numbers) != 1 or not math.isfinite(numbers[0]):
        notes.append(Note("heading_not_a_number", (name, to_text(value)[:40])))
        return None
    if not -360 <= numbers[0] <= 720:
        notes.append(Note("heading_out_of_range", (name, numbers[0])))
        return None
    return numbers[0]


def _lens_field(tags: Tags) -> float | None:
    """Field across the longer side in whole degrees, from the focal length as on 35 mm film."""
    numbers = to_numbers(tags.exif.get(Base.FocalLengthIn35mmFilm))
    if len(numbers) != 1 or not numbers[0] > 0:
        return None
    field_deg = float(round(math.degrees(2 * math.atan(_FILM_WIDTH_MM / (2 * numbers[0])))))
    return field_deg if 1 < field_deg < 180 else None


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
    def read(cls, xmp: Mapping[str, str]) -> _Crop | None:
        """From XMP, with what GPano lets a file leave out; raises MetadataError where they cannot be."""
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
            value = xmp.get(f"GPano:{name}", "")
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
