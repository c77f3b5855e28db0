"""A photo file as a panorama on the viewing sphere, and back: what 360 degree cameras write and read."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

from PIL import Image

from l2ltr_core.errors import ImageError
from l2ltr_core.images import decode_opened, open_image
from l2ltr_core.metadata import PhotoMetadata, metadata_of
from l2ltr_core.notes import Note
from l2ltr_core.types import RGB, Location, Panorama

ENOUGH_PX = 4096
"""Width in pixels above which panoramas are decoded smaller: eight times the width that the largest model sees."""
DEFAULT_LENS_FIELD_DEG = 67.0
"""Field of view in degrees across the longer side of a photo that names no focal length: a phone's main camera (27
mm)."""
SPHERE_RATIO = (1.9, 2.1)
"""Range of width over height that is taken for a full 360 x 180 degree panorama."""
STRIP_RATIO = 3.0
"""Width over height from which on an untagged photo is taken for a strip around the whole circle."""

_GPS_IFD = 0x8825


def load_panorama(source: str | Path | bytes) -> Panorama:
    """Read a photo and place it on the viewing sphere.

    A photo without GPano tags is a full panorama if it is twice as wide as high, a strip around the circle if it is
    much wider, else an ordinary photo of a part of the circle.

    Args:
        source: A JPEG or PNG, as a path or as bytes.

    Returns:
        The pixels, (H, W, 3) uint8 RGB, the field that they span in degrees, heading and position where the photo
        carries them, and notes on what was assumed.

    Raises:
        ImageError: The photo cannot be decoded, or is higher than wide.
        MetadataError: Its EXIF or XMP cannot be used.
    """
    opened = open_image(source)
    image = decode_opened(opened, enough_px=ENOUGH_PX)
    metadata = metadata_of(opened)
    height, width = image.pixels.shape[:2]
    horizontal, top, bottom, note = _place_on_sphere(metadata, width, height)
    return Panorama(
        image.pixels,
        horizontal_field_deg=horizontal,
        top_deg=top,
        bottom_deg=bottom,
        heading_deg=metadata.heading_deg,
        location=metadata.location,
        rendered=metadata.rendered,
        notes=(*image.notes, *metadata.notes, *note),
    )


def _place_on_sphere(
    metadata: PhotoMetadata, width: int, height: int
) -> tuple[float, float, float, tuple[Note, ...]]:
    """Horizontal field, top and bottom elevation in degrees, and a note where they are a guess."""
    ratio = width / height
    if ratio < 1 and metadata.horizontal_field_deg is None:
        raise ImageError(
            f"The photo is {width} x {height} px, higher than wide; a 360 degree panorama, twice as wide as "
            "high, was expected, as a phone's photo sphere or a 360 degree camera takes it."
        )
    if metadata.horizontal_field_deg is not None:
        assert metadata.top_deg is not None and metadata.bottom_deg is not None
        return metadata.horizontal_field_deg, metadata.top_deg, metadata.bottom_deg, ()
    if SPHERE_RATIO[0] <= ratio <= SPHERE_RATIO[1]:
        return 360.0, 90.0, -90.0, ()
    if ratio >= STRIP_RATIO or (metadata.equirectangular and ratio > SPHERE_RATIO[1]):
        half = 180 / ratio
        return 360.0, half, -half, (Note("strip_assumed", (width, height, 2 * half)),)
    horizontal = metadata.lens_field_deg or DEFAULT_LENS_FIELD_DEG
    vertical = 2 * math.degrees(math.atan(math.tan(math.radians(horizontal) / 2) / ratio))
    source = "its focal length" if metadata.lens_field_deg else "a guess"
    note = Note("part_of_the_circle", (width, height, horizontal, source))
    return horizontal, vertical / 2, -vertical / 2, (note,)


def write_panorama(
    path: Path,
    pixels: RGB,
    *,
    location: Location,
    heading_deg: float,
    top_deg: float = 90.0,
    bottom_deg: float = -90.0,
    quality: int = 88,
    software: str = "",
) -> None:
    """A JPEG around the whole circle as 360 degree cameras write it: EXIF GPS, direction and GPano XMP.

    `heading_deg` is where the centre column looks; `top_deg` and `bottom_deg` are the elevations of the first
    and last row's edges, written as GPano's cropped area, which counts whole rows.
    """
    exif = Image.Exif()
    if software:
        exif[0x0131] = software
    exif[_GPS_IFD] = {
        0: b"\x02\x03\x00\x00",
        1: "N" if location.latitude >= 0 else "S",
        2: _degrees_minutes_seconds(location.latitude),
        3: "E" if location.longitude >= 0 else "W",
        4: _degrees_minutes_seconds(location.longitude),
        16: "T",
        17: Fraction(round(heading_deg % 360 * 1000), 1000),
        18: "WGS-84",
    }
    Image.fromarray(pixels).save(
        path, "JPEG", quality=quality, exif=exif, xmp=_gpano(pixels, heading_deg, top_deg, bottom_deg)
    )


def _degrees_minutes_seconds(angle_deg: float) -> tuple[Fraction, Fraction, Fraction]:
    ten_thousandths = round(abs(angle_deg) * 3600 * 10_000)  # of a second of arc: 3 mm
    seconds, rest = divmod(ten_thousandths, 10_000)
    return (
        Fraction(seconds // 3600),
        Fraction(seconds // 60 % 60),
        Fraction((seconds % 60) * 10_000 + rest, 10_000),
    )


def _gpano(pixels: RGB, heading_deg: float, top_deg: float, bottom_deg: float) -> bytes:
    height, width = pixels.shape[:2]
    full_height = round(height * 180 / (top_deg - bottom_deg))
    tags = {
        "ProjectionType": "equirectangular",
        "UsePanoramaViewer": "True",
        "PoseHeadingDegrees": f"{heading_deg % 360:.3f}",
        "FullPanoWidthPixels": width,
        "FullPanoHeightPixels": full_height,
        "CroppedAreaImageWidthPixels": width,
        "CroppedAreaImageHeightPixels": height,
        "CroppedAreaLeftPixels": 0,
        "CroppedAreaTopPixels": round((90 - top_deg) / 180 * full_height),
    }
    attributes = "\n   ".join(f'GPano:{name}="{value}"' for name, value in tags.items())
    packet = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:GPano="http://ns.google.com/photos/1.0/panorama/"
   {attributes}/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""
    return packet.encode()
