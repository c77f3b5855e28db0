"""Photos that tests make: as 360 degree cameras write them, and as no camera should."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from l2ltr_core.types import RGB

GPANO = "http://ns.google.com/photos/1.0/panorama/"
XMP_EXIF = "http://ns.adobe.com/exif/1.0/"


def pixels(height: int = 64, width: int = 128, seed: int = 0) -> RGB:
    """Smooth colours, so that JPEG keeps them."""
    small = np.random.default_rng(seed).integers(0, 255, (4, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR))


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    """The file's bytes."""
    stream = BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def jpeg(
    image: RGB | None = None,
    *,
    gps: dict[int, object] | None = None,
    gpano: dict[str, object] | None = None,
    xmp: dict[str, object] | None = None,
    as_elements: bool = False,
    orientation: int | None = None,
) -> bytes:
    """A JPEG with the EXIF GPS entries and the properties of GPano and of XMP's EXIF namespace given."""
    options: dict[str, object] = {"quality": 95}
    exif = Image.Exif()
    if gps is not None:
        exif[0x8825] = gps
    if orientation is not None:
        exif[0x0112] = orientation
    if len(exif):
        options["exif"] = exif
    if gpano is not None or xmp is not None:
        properties = {f"GPano:{name}": value for name, value in (gpano or {}).items()}
        properties |= {f"exif:{name}": value for name, value in (xmp or {}).items()}
        options["xmp"] = _packet(properties, as_elements)
    return encoded(Image.fromarray(pixels() if image is None else image), "JPEG", **options)


def position(latitude: float, longitude: float) -> dict[int, object]:
    """EXIF GPS entries of a position, valid or not."""
    return {
        1: "N" if latitude >= 0 else "S",
        2: (abs(latitude), 0.0, 0.0),
        3: "E" if longitude >= 0 else "W",
        4: (abs(longitude), 0.0, 0.0),
    }


def write(path: Path, data: bytes) -> Path:
    """The file, written."""
    path.write_bytes(data)
    return path


def _packet(properties: dict[str, object], as_elements: bool) -> bytes:
    namespaces = f'xmlns:GPano="{GPANO}" xmlns:exif="{XMP_EXIF}"'
    if as_elements:
        inside = "".join(f"<{name}>{value}</{name}>" for name, value in properties.items())
        description = f'<rdf:Description rdf:about="" {namespaces}>{inside}</rdf:Description>'
    else:
        inside = " ".join(f'{name}="{value}"' for name, value in properties.items())
        description = f'<rdf:Description rdf:about="" {namespaces} {inside}/>'
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f"{description}</rdf:RDF></x:xmpmeta>"
    ).encode()
