"""What is drawn on a layer of a map, for the tests of the layers."""

from __future__ import annotations

import re

import folium


def html(layer: folium.FeatureGroup) -> str:
    """The page of a map with that layer alone."""
    figure = folium.Map(tiles=None)
    layer.add_to(figure)
    return figure.get_root().render()


def markers(group: folium.FeatureGroup, kind: str) -> dict[int, folium.Marker]:
    """The pins of a kind, by the number of their photo."""
    found = {}
    for child in group._children.values():
        icon = getattr(child, "icon", None)
        if icon is not None and icon.options["class_name"] == kind:
            found[int(re.findall(r'data-photo="(\d+)"', icon.options["html"])[0])] = child
    return found


def lines(group: folium.FeatureGroup, colour: str) -> list[folium.PolyLine]:
    """The lines of a colour."""
    drawn = [child for child in group._children.values() if isinstance(child, folium.PolyLine)]
    return [line for line in drawn if line.options["color"] == colour]
