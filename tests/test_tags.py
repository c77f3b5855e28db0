"""Untrusted EXIF and XMP: what is well formed is read, what is not is left out, and nothing is expanded."""

from __future__ import annotations

import math
import struct
import time
from io import BytesIO

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import IFDRational

from l2ltr_core.photo import load_panorama
from l2ltr_core.tags import MAX_XMP_BYTES, Tags, parse_xmp, read_tags, to_numbers, to_text
from tests.photos import GPANO, encoded, jpeg, pixels

GPS_POINTER = 0x8825
CAMERA_POINTER = 0x8769


def tags_of(data: bytes) -> Tags:
    return read_tags(Image.open(BytesIO(data)))


def with_exif(exif: bytes) -> bytes:
    return encoded(Image.fromarray(pixels()), "JPEG", exif=b"Exif\0\0" + exif)


def with_xmp(packet: str, form: str = "JPEG") -> bytes:
    return encoded(Image.fromarray(pixels()), form, xmp=packet.encode())


def directory(*entries: tuple[int, int, int, int]) -> bytes:
    """A little-endian EXIF block of one directory: (tag, type, count, value or offset) each."""
    packed = b"".join(struct.pack("<HHLL", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<LH", 8, len(entries)) + packed + bytes(4)


def described(inside: str = "", attributes: str = "", prolog: str = "") -> str:
    """An XMP packet of one description."""
    return (
        f'{prolog}<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:P="{GPANO}" {attributes}>{inside}</rdf:Description></rdf:RDF></x:xmpmeta>'
    )


def test_an_image_without_tags_has_none() -> None:
    assert tags_of(jpeg()) == Tags()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_each_format_that_carries_tags_is_read(form: str) -> None:
    exif = Image.Exif()
    exif[GPS_POINTER] = {17: 90.5}
    exif[0x0131] = "a camera"
    packet = described(attributes='P:PoseHeadingDegrees="7"')
    exif[0x02BC] = packet.encode()  # where TIFF holds XMP
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", packet)
    photo = encoded(Image.fromarray(pixels()), form, exif=exif.tobytes(), xmp=packet.encode(), pnginfo=text)
    found = tags_of(photo)
    assert (to_text(found.exif[0x0131]), to_numbers(found.gps[17])) == ("a camera", (90.5,))
    assert found.xmp == {"GPano:PoseHeadingDegrees": "7"}


def test_a_property_is_known_by_its_namespace_and_not_by_its_prefix() -> None:
    other = described('<Q:A xmlns:Q="urn:another">1</Q:A>', 'P:B=" 2 "')
    assert parse_xmp(other.encode()) == {"GPano:B": "2"}


def test_a_property_inside_a_structure_is_not_the_photos_own() -> None:
    assert parse_xmp(described("<P:A><P:B>1</P:B></P:A>").encode()) == {}


def test_a_packet_in_latin_1_is_read() -> None:
    assert parse_xmp(described(attributes='P:A="é"').encode("iso-8859-1")) == {"GPano:A": "é"}


def test_a_packet_padded_with_zeros_is_read() -> None:
    assert parse_xmp(described("<P:A>1</P:A>").encode() + bytes(100)) == {"GPano:A": "1"}


ENTITIES = "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 12))
LAUGHS = f"<!DOCTYPE lolz [<!ENTITY a0 'ha'>{ENTITIES}]>"
REFUSED = {
    "billion laughs": described("<P:A>&a11;</P:A>", prolog=LAUGHS),
    "an external entity": described(
        "<P:A>&file;</P:A>", prolog="<!DOCTYPE x [<!ENTITY file SYSTEM 'file:///etc/hostname'>]>"
    ),
    "a document type": described("<P:A>1</P:A>", prolog="<!DOCTYPE x>"),
    "not closed": described()[:-20],
    "an encoding that does not exist": described(
        "<P:A>1</P:A>", prolog='<?xml version="1.0" encoding="no"?>'
    ),
    "empty": "",
    "only padding": " \0",
    "a hundred thousand levels": "<a>" * 100_000 + "</a>" * 100_000,
}


@pytest.mark.parametrize("packet", REFUSED.values(), ids=REFUSED)
def test_a_packet_that_is_broken_or_hostile_says_nothing(packet: str) -> None:
    start = time.perf_counter()
    assert parse_xmp(packet.encode()) == {}
    assert time.perf_counter() - start < 5


def test_a_packet_above_the_bound_is_not_parsed() -> None:
    padding = f"<!--{'x' * MAX_XMP_BYTES}-->"
    assert tags_of(with_xmp(described("<P:A>1</P:A>"), "WEBP")).xmp == {"GPano:A": "1"}
    assert tags_of(with_xmp(described(padding + "<P:A>1</P:A>"), "WEBP")).xmp == {}


BROKEN = {
    "an empty block": b"",
    "no directory at all": b"garbage",
    "a directory past the end": b"II*\0" + struct.pack("<L", 2**31),
    "more entries than there are": b"II*\0" + struct.pack("<LH", 8, 60_000),
    "GPS past the end": directory((GPS_POINTER, 4, 1, 2**32 - 16)),
    "GPS that is the main directory": directory((GPS_POINTER, 4, 1, 8)),
    "GPS at a fraction": directory((GPS_POINTER, 5, 1, 8)),
    "GPS at no number": directory((GPS_POINTER, 2, 4, 0x00414141)),
    "a camera's directory past the end": directory((CAMERA_POINTER, 4, 1, 2**31)),
    "a value past the end": directory((0x0131, 2, 2**31, 2**31)),
    "a type that does not exist": directory((0x0131, 99, 1, 0)),
    "an orientation that is text": directory((0x0112, 2, 4, 0x00414141)),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("exif", BROKEN.values(), ids=BROKEN)
def test_a_photo_with_broken_exif_is_still_a_photo(exif: bytes) -> None:
    panorama = load_panorama(with_exif(exif))
    assert panorama.pixels.shape == pixels().shape
    assert (panorama.location, panorama.heading_deg, panorama.notes) == (None, None, ())


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        ((IFDRational(1, 2), 3), (0.5, 3.0)),
        (IFDRational(5, 4), (1.25,)),
        ("60/1 21/2 0", (60.0, 10.5, 0.0)),
        (b"1.5", (1.5,)),
        ("1e999999999", (math.inf,)),
        ("", ()),
        (None, ()),
    ],
)
def test_numbers_are_read_from_every_form(value: object, numbers: tuple[float, ...]) -> None:
    assert to_numbers(value) == numbers


@pytest.mark.parametrize(
    "value", [IFDRational(0, 0), IFDRational(1, 0), "1/0", "0/0", "north", "nan", "1/2/3"]
)
def test_what_is_no_number_is_nan(value: object) -> None:
    (number,) = to_numbers(value)
    assert math.isnan(number)


def test_text_in_bytes_and_beyond_ascii_is_text() -> None:
    assert to_text("Kamera Ä\0".encode()) == "Kamera Ä"
    assert to_text(b"\xff") == "\ufffd"
