"""Pictures as a browser takes them."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from app.encoding import data_uri, jpeg, png


def test_a_png_has_the_very_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (5, 7, 4), dtype=np.uint8)
    assert (np.asarray(Image.open(io.BytesIO(png(pixels)))) == pixels).all()


def test_a_jpeg_is_progressive_only_where_that_is_asked_for() -> None:
    image = Image.fromarray(np.full((16, 32, 3), 90, np.uint8))
    for progressive in (False, True):
        shown = Image.open(io.BytesIO(jpeg(image, progressive=progressive)))
        assert (shown.format, shown.size) == ("JPEG", (32, 16))
        assert bool(shown.info.get("progressive")) is progressive


def test_an_address_holds_the_picture_itself() -> None:
    kind, _, data = data_uri(b"a picture", "png").partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data) == b"a picture"
