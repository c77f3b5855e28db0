"""Occlusion sensitivity of each direction, beside the attention that it gets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.components.mount import mount
from app.encoding import data_uri
from l2ltr_core import figures


def occlusion(
    key: str, title: str, picture: bytes, falls: NDArray[np.float32], shares: NDArray[np.float32], whose: str
) -> None:
    """Below a strip, by range of azimuth from south by west: how the score falls, and the share of attention.

    `falls` (S,) are differences of cosines, `shares` (S,) sum to 1 and belong to `whose` attention.
    """
    step = 360 / len(falls)
    words = [
        f"{figures.wind(180 + step * (number + 0.5))}, {(180 + step * number) % 360:.0f}° to "
        f"{(180 + step * (number + 1)) % 360:.0f}°: score {-fall:+.3f}, attention {share:.0%}"
        for number, (fall, share) in enumerate(zip(falls, shares, strict=True))
    ]
    mount(
        "occlusion",
        key=key,
        data={
            "title": title,
            "alt": "The photo, north in the middle",
            "picture": data_uri(picture),
            "falls": [float(fall) for fall in falls],
            "shares": [float(share) for share in shares],
            "falls_name": f"by how much the score falls when this is hidden (at most {falls.max():.3f})",
            "shares_name": f"share of the attention of {whose} (at most {shares.max():.0%}; dashed: an even share)",
            "words": words,
            "offer": "point at a direction to hide it",
        },
    )
