"""A walk on a map: its stops, the true way, and what each photo alone would have said."""

from __future__ import annotations

from html import escape

import folium
import numpy as np

from app.figures import ink_on, rank_colour
from app.map_layers import line, point
from app.viewport import (
    NARROW_PX,
    NEAR_M,
    SIZE_PX,
    MapView,
    clamp_keeping,
    fits_viewport,
    pan_to_include,
    view_of,
)
from app.words import RIGHT, WRONG, alone, together
from l2ltr_core.figures.style import TURQUOISE
from l2ltr_core.geometry.geodesy import distance_between_m
from l2ltr_core.types import Bounds, Location
from l2ltr_core.walks import Walk

WALK_ZOOM = 16.25
"""Least zoom that keeps the stops of a walk, some 35 m apart, from lying upon one another."""


def walk_layer(walk: Walk, selected: int | None = None) -> folium.FeatureGroup:
    """The stops of a walk, numbered, as a line; the true way beneath; and what each photo alone would have said.

    A lone answer is drawn where it lies outside its stop's circle, faint, and tied to its stop by dashes.
    """
    group = folium.FeatureGroup(name="Walk")
    stops = [estimate.location for estimate in walk.estimates]
    way = [point(photo.truth) for photo in walk.alone if photo.truth]
    line(group, way, "#10131a", 20, opacity=0.35)
    line(group, way, "#ffffff", 16, opacity=0.8)
    apart = [
        (number, photo.estimate.location, stop)
        for number, (photo, stop) in enumerate(zip(walk.alone, stops, strict=True), 1)
        if distance_between_m(photo.estimate.location, stop) > walk.estimates[number - 1].shown_radius_m
    ]
    for number, lone, stop in apart:
        colour = _lone_colour(walk, number)
        line(group, [point(lone), point(stop)], "#ffffff", 4, opacity=0.5)
        line(group, [point(lone), point(stop)], colour, 2, dash_array="2 6", opacity=0.95)
    line(group, [point(stop) for stop in stops], "#10131a", 7)
    line(group, [point(stop) for stop in stops], TURQUOISE, 3.5)
    for photo in walk.alone:
        if photo.truth is not None:
            folium.CircleMarker(
                point(photo.truth), radius=4, color="#ffffff", weight=2, fill_color="#10131a", fill_opacity=1,
                interactive=False,
            ).add_to(group)  # fmt: skip
    for number, lone, _ in apart:
        _lone_pin(walk, number, lone).add_to(group)
    for number, stop in enumerate(stops, 1):
        _stop(walk, number, stop, number == selected).add_to(group)
    return group


def walk_overview(walk: Walk, bounds: Bounds) -> MapView:
    """The whole way, on a telephone, too, with as many of the lone answers, nearest first, as leave the stops apart.

    Less of what lies beyond `bounds` is shown where that leaves the way in sight.
    """
    way = [estimate.location for estimate in walk.estimates]
    way += [
        photo.truth
        for photo, error_m in zip(walk.alone, walk.errors_m, strict=True)
        if photo.truth is not None and error_m is not None and error_m < NEAR_M
    ]
    shown, view = list(way), view_of(way, NARROW_PX)
    middle, least = Location(*view.center), min(view.zoom, WALK_ZOOM)
    for lone in sorted(
        (photo.estimate.location for photo in walk.alone), key=lambda each: distance_between_m(middle, each)
    ):
        every = [*shown, lone]
        views = (
            pan_to_include(way, MapView(view_of(every).center, zoom), NARROW_PX)
            for zoom in np.arange(view.zoom, least - 0.25, -0.25)
        )
        wider = next((each for each in views if fits_viewport(every, each, SIZE_PX)), None)
        if wider is None:
            break
        shown, view = every, wider
    return clamp_keeping(way, view, bounds)


def _stop(walk: Walk, number: int, place: Location, selected: bool) -> folium.Marker:
    colour = rank_colour(number, len(walk.estimates))
    size = 32 if selected else 24 if len(walk.estimates) <= 20 else 20
    answer = together(walk)[number - 1]
    missed = answer.error_m is not None and not answer.is_right
    ring = "box-shadow:0 0 0 3px #fff,0 0 0 6px #10131a;" if selected else "box-shadow:0 1px 4px #000a;"
    html = (
        f'<div class="stop{" selected" if selected else ""}" data-photo="{number}" style="width:{size}px;'
        f"height:{size}px;border-radius:50%;background:{colour};border:2.5px solid {WRONG if missed else '#fff'};{ring}"
        f"box-sizing:border-box;font:700 {size * 0.46:.0f}px/{size - 5}px system-ui,sans-serif;text-align:center;"
        f'color:{ink_on(colour)}">{number}</div>'
    )
    return folium.Marker(
        point(place),
        icon=folium.DivIcon(
            html=html, icon_size=(size, size), icon_anchor=(size // 2, size // 2), class_name="l2ltr-stop"
        ),
        tooltip=escape(f"Photo {number} with the walk: {answer.summary}"),
        z_index_offset=1000 if selected else 200 - number,
    )


def _lone_pin(walk: Walk, number: int, place: Location) -> folium.Marker:
    colour = _lone_colour(walk, number)
    html = (
        f'<div class="lone" data-photo="{number}" style="width:20px;height:20px;border-radius:50%;background:#fff;'
        f"opacity:0.85;border:2px solid {colour};box-sizing:border-box;font:700 11px/16px system-ui,sans-serif;"
        f'text-align:center;color:{colour}">{number}</div>'
    )
    return folium.Marker(
        point(place),
        icon=folium.DivIcon(html=html, icon_size=(20, 20), icon_anchor=(10, 10), class_name="l2ltr-lone"),
        tooltip=escape(f"Photo {number} alone: {alone(walk)[number - 1].summary}"),
        z_index_offset=-number,
    )


def _lone_colour(walk: Walk, number: int) -> str:
    answer = alone(walk)[number - 1]
    if answer.error_m is None:
        return "#495057"
    return RIGHT if answer.is_right else WRONG
