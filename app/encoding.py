"""Pictures as a browser takes them: encoded, and as addresses that need no server."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def jpeg(image: Image.Image, quality: int = 85, *, progressive: bool = False) -> bytes:
    """An image as JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, progressive=progressive)
    return buffer.getvalue()


def png(pixels: NDArray[np.uint8]) -> bytes:
    """(H, W, 3 or 4) as PNG, compressed quickly."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def data_uri(data: bytes, kind: str = "jpeg") -> str:
    """An encoded picture as an address that needs no server."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
