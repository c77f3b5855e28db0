"""Small charts below a strip: what each direction adds, and how each heading scores."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from l2ltr_core import figures


def directions(parts: NDArray[np.float32]) -> None:
    """Below a polar picture: what each of (w,) azimuths adds to the similarity, south first, by west.

    A bar is full where an azimuth adds half as much again as each would in a perfect match.
    """
    step = 360 / len(parts)
    bars = "".join(
        f"<i style='--part:{min(1.0, max(0.0, float(part)) * len(parts) / 1.5):.2f}' "
        f"title='{figures.wind(180 + step * (number + 0.5))}: {float(part):+.3f}'></i>"
        for number, part in enumerate(parts)
    )
    best = figures.wind(180 + step * (int(parts.argmax()) + 0.5))
    st.html(
        f"<div class='directions' role='img' aria-label='How much each direction adds to the similarity of photo and "
        f"tile, south first, by west; most in the {best}'>{bars}</div>"
    )


def headings(scores: NDArray[np.float32], heading_deg: float, range_deg: float) -> None:
    """Below a strip with north in the middle: (w,) scores of a whole turn, the first with the photo's centre to north.

    The best heading is marked, and the `range_deg` around it that is nearly as good.
    """
    count = len(scores)
    step = 360 / count
    bars = ""
    for number in range(
        count // 2, count // 2 + count + 1
    ):  # from south by west to south again, half a bar each
        azimuth, score = number * step % 360, float(scores[number % count])
        away_deg = abs((azimuth - heading_deg + 180) % 360 - 180)
        kind = (
            "peak" if number % count == int(scores.argmax()) else "near" if 2 * away_deg <= range_deg else ""
        )
        half = "style='flex:0.5'" if number in (count // 2, count // 2 + count) else ""
        bars += (
            f"<span {half} title='{azimuth:.0f}° {figures.wind(azimuth)}: {score:.3f}'>"
            f"<i class='{kind}' style='height:{100 * min(max(score, 0.0), 1.0):.0f}%'></i></span>"
        )
    best = f"{heading_deg:.0f}° {figures.wind(heading_deg)}"
    winds = "".join(
        f"<span style='left:{25 * place}%'>{'NESW'[(place + 2) % 4]} <small>{(180 + 90 * place) % 360}°</small></span>"
        for place in range(5)
    )
    label = (
        f"Similarity with the best place under every heading of the photo&#39;s centre: highest, "
        f"{float(scores.max()):.2f}, at {best}; lowest {float(scores.min()):.2f}. Within {range_deg / 2:.0f}° on each "
        "side it is nearly as high."
    )
    st.html(
        f"<div class='headings' role='img' tabindex='0' aria-label='{label}'><div class='turn'>{bars}"
        f"<b style='left:{(heading_deg + 180) % 360 / 3.6:.2f}%'>{best}</b></div><div class='winds'>{winds}</div></div>"
    )
