"""How walls are divided into floors and bays, for what is painted on them and for what stands out of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from citysim.buildings import Styles

_SHOP_M = 4.4


class Storeys(NamedTuple):
    """How walls are divided, one or N: shops below, where floors begin, how many and how high, how wide bays are."""

    shop: Any
    base: Any  # metres above the ground, as all below
    floors: Any
    floor_height: Any
    bay_width: Any


def storeys(style: Styles, owner: Any, length: Any) -> Storeys:
    """Of walls `length` metres long, of the buildings `owner`."""
    top = style.height[owner]
    shop = (style.shops[owner] > 0) & (top > 9) & (length > 5)
    base = np.where(shop, 4.0, 0.9).astype(np.float32)
    floors = np.maximum(np.floor((top - base - 0.9) / style.floor_height[owner]), 1)
    bays = np.maximum(np.round(length / style.bay_width[owner]), 1)
    return Storeys(shop, base, floors, (top - base - 0.9) / floors, length / bays)


def shop_width(bay_width: Any) -> Any:
    """Metres of front that a shop has: whole bays."""
    return bay_width * np.maximum(np.round(_SHOP_M / bay_width), 1)
