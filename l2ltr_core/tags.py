"""EXIF and XMP of an opened image, read by Pillow: untrusted bytes in, plain text and numbers out.

XMP is parsed with defusedxml, which refuses document types and entities, and only up to `MAX_XMP_BYTES`.
Tags that cannot be read are left out: a photo with broken metadata is still a photo.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException, ElementTree
from PIL import ExifTags, Image

from l2ltr_core.images import DECODING_ERRORS

MAX_XMP_BYTES = 2**20
"""Largest XMP packet, in bytes, that is parsed; JPEG holds at most 64 KB in one."""

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_XMP_PREFIXES = {
    "{http://ns.google.com/photos/1.0/panorama/": "GPano",
    "{http://ns.adobe.com/exif/1.0/": "exif",
}
"""The XMP namespaces that are read, under the prefixes that their specifications use."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tags:
    """EXIF by tag number, as Pillow reads it, and XMP by name (`GPano:PoseHeadingDegrees`)."""

    exif: Mapping[int, Any] = field(default_factory=dict)
    """The main directory and the camera's own, which share no numbers."""
    gps: Mapping[int, Any] = field(default_factory=dict)
    xmp: Mapping[str, str] = field(default_factory=dict)


def read_tags(image: Image.Image) -> Tags:
    """The tags of an image; what is broken or absent is left out."""
    camera = _read_directory(image, ExifTags.IFD.Exif)
    gps = _read_directory(image, ExifTags.IFD.GPSInfo)
    return Tags({**_read_directory(image), **camera}, gps, _read_xmp(image))


def to_text(value: object) -> str:
    """A tag's value as text, empty for an absent one."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return "" if value is None else str(value).strip("\0 \t\r\n")


def to_numbers(value: object) -> tuple[float, ...]:
    """The numbers of a value, NaN for each that is none: rationals, or text such as "60/1 10.5"."""
    values = value if isinstance(value, tuple) else to_text(value).split()
    return tuple(_to_number(each) for each in values)


def _to_number(value: object) -> float:
    # Not by Fraction: "1e999999999" would keep it busy for hours.
    numerator, _, denominator = to_text(value).partition("/")
    try:
        return float(numerator) / float(denominator or 1)
    except (ValueError, ZeroDivisionError):
        return math.nan


def _read_directory(image: Image.Image, number: int | None = None) -> Mapping[int, Any]:
    """One EXIF directory, the main one by default; empty where it is absent or broken."""
    try:
        exif = image.getexif()
        return dict(exif) if number is None else exif.get_ifd(number)
    except DECODING_ERRORS as error:
        _log.debug("unreadable EXIF: %s", error)
        return {}


def _read_xmp(image: Image.Image) -> dict[str, str]:
    packet = image.info.get("xmp", b"")
    if isinstance(packet, str):
        packet = packet.encode()
    if not isinstance(packet, bytes) or not 0 < len(packet) <= MAX_XMP_BYTES:
        return {}
    return parse_xmp(packet)


def parse_xmp(packet: bytes) -> dict[str, str]:
    """The simple properties in GPano's and EXIF's namespaces, by prefix and name; empty where XML is broken."""
    packet = packet.strip(b"\0 \t\r\n")
    try:
        packet.decode()
    except UnicodeDecodeError:
        packet = packet.decode("iso-8859-1").encode()
    try:
        root = ElementTree.fromstring(packet, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        _log.debug("unreadable XMP: %s", error)
        return {}
    found: dict[str, str] = {}
    for rdf in root.iter(f"{_RDF}RDF"):
        for description in rdf.findall(f"{_RDF}Description"):
            found |= _properties(description)
    return found


def _properties(description: Element) -> dict[str, str]:
    """Properties written as attributes or as elements without children."""
    written = {**description.attrib, **{e.tag: e.text or "" for e in description if not len(e)}}
    found = {}
    for name, value in written.items():
        namespace, _, local = name.partition("}")
        if prefix := _XMP_PREFIXES.get(namespace):
            found[f"{prefix}:{local}"] = value.strip()
    return found
