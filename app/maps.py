"""Matches on a folium map: pure functions; nothing comes from the internet unless the visitor asks."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import folium
import numpy as np
from folium.raster_layers import ImageOverlay
from numpy.typing import NDArray

from app.figures import ACCENT, Fan, ink_on, rank_colour
from app.game import Round
from app.offline import BaseImage, leaflet_assets
from app.words import RIGHT, WRONG, alone, radii, together
from l2ltr_core.figures.style import TURQUOISE
from l2ltr_core.geometry.geodesy import (
    MERCATOR_RADIUS_M,
    distance_between_m,
    from_mercator,
    mercator_bounds,
    mercator_units_per_m,
    offset,
    to_mercator,
)
from l2ltr_core.types import Bounds, Location, LocationEstimate, Match
from l2ltr_core.walks import Walk

OPENSTREETMAP = "https://tile.openstreetmap.org/{z}/{x}/{y}.png"
OPENSTREETMAP_CREDIT = (
    '&copy; <a href="https://www.openstreetmap.org/copyright">OpenStreetMap</a> contributors'
)
SATELLITE = "https://server.arcgisonline.com/ArcGIS/rest/services/World_Imagery/MapServer/tile/{z}/{y}/{x}"
SATELLITE_CREDIT = "Imagery &copy; Esri, Maxar, Earthstar Geographics"
MAX_ZOOM = 20
SHAPES = ("50%", "4px", "50% 50% 4px 4px", "4px 4px 50% 50%")
"""Of the pins of checkpoints side by side, as CSS corners."""
SIZE_PX = (580, 520)
"""About the width and height of a map beside other columns."""
NARROW_PX = (340, 520)
"""The same on a telephone."""
PIXEL_AT_ZOOM_0 = 2 * math.pi * MERCATOR_RADIUS_M / 256
"""EPSG:3857 units a pixel."""
MOST_MOVED_PX = 130
NEAR_M = 5_000.0
AROUND_M = 120.0
"""Shown on each side of an answer that is sure, and more where its radii are larger."""
MOST_AROUND_M = 300.0
WIDEST_M = 1_500.0
"""A larger circle would surround most of a city's map, and say nothing."""
LEAST_FAN_M = 40.0
"""How far a photo's line of sight is drawn, at least."""
CLOSE_ZOOM = 17
"""Where a hundred metres fill about a third of the map."""
YOU, MODEL = ACCENT, "#0b7285"
"""Whose an answer is."""
WALK_ZOOM = 16.25
"""Farther away the stops of a walk, some 35 m apart, would lie upon one another."""


@dataclass(frozen=True)
class MapView:
    """Where the map looks: `center` is (latitude, longitude), `zoom` a multiple of a quarter."""

    center: tuple[float, float]
    zoom: float


def base_map(image: BaseImage, view: MapView, paper: str = "#ffffff") -> folium.Map:
    """The gallery's own aerial image, with OpenStreetMap and satellite imagery to switch to when online."""
    figure = folium.Map(
        location=view.center,
        zoom_start=view.zoom,  # type: ignore[arg-type]  # a multiple of zoom_snap
        max_zoom=MAX_ZOOM,
        tiles=None,
        zoom_snap=0.25,
        keyboard=False,  # else the first click moves the focus, the page scrolls, and the click misses the pin
    )
    folium.Element(
        f"<style>.leaflet-container{{background:{paper};font-size:12px!important}}</style>"
    ).add_to(figure.get_root().header)  # type: ignore[attr-defined]
    figure.default_js, figure.default_css = leaflet_assets()
    box = image.bounds
    aerial = ImageOverlay(
        image="https://",
        bounds=[[box.south, box.west], [box.north, box.east]],
        name="Aerial image of this gallery",
        overlay=False,
        attribution=escape(image.attribution),
        alt="Aerial image of the gallery, north up",
    )
    aerial.url = image.url  # an address on this very server, which folium takes for a file name
    aerial.add_to(figure)
    folium.TileLayer(
        OPENSTREETMAP,
        attr=OPENSTREETMAP_CREDIT,
        name="OpenStreetMap (online)",
        max_zoom=MAX_ZOOM,
        max_native_zoom=19,
        show=False,
    ).add_to(figure)
    folium.TileLayer(
        SATELLITE,
        attr=SATELLITE_CREDIT,
        name="Satellite photo (online)",
        max_zoom=MAX_ZOOM,
        max_native_zoom=19,
        show=False,
    ).add_to(figure)
    folium.LayerControl(position="topright", collapsed=True).add_to(figure)
    return figure


def match_layer(
    matches: Sequence[Match],
    estimate: LocationEstimate,
    *,
    selected_rank: int,
    fan: Fan | None = None,
    truth: Location | None = None,
    notes: Sequence[str] = (),
) -> folium.FeatureGroup:
    """Numbered pins, the estimate with its radii, and the true place if known.

    `fan` is where the photo's centre looks and how wide a range is nearly as likely, in degrees.
    """
    group = folium.FeatureGroup(name="Matches")
    _add_estimate(group, estimate, fan)
    # the best are drawn last and so lie on top; the selected one above all
    for match in sorted(matches, key=lambda each: (each.rank == selected_rank, -each.rank)):
        note = notes[match.rank - 1] if notes else ""
        _pin(match, len(matches), match.rank == selected_rank, note).add_to(group)
    if truth is not None:
        _truth(truth).add_to(group)
    return group


def attention_layer(
    place: Location,
    side_m: float,
    picture: str,
    opacity: float,
    azimuth_deg: float,
    label: str,
    truth: Location | None = None,
) -> folium.FeatureGroup:
    """A north-up square of `side_m` metres around `place` at its true place and scale, and a line of sight.

    `picture` is the address of what lies on the square, shown at an `opacity` in [0, 1]; `label` names it.
    """
    group = folium.FeatureGroup(name="Attention")
    box = square_bounds(place, side_m)
    corners = [[box.south, box.west], [box.north, box.east]]
    heat = ImageOverlay(image="https://", bounds=corners, opacity=opacity, alt=f"Attention over {label}")
    heat.url = picture
    heat.add_to(group)
    folium.Rectangle(corners, color="#ffffff", weight=1.5, fill=False, interactive=False).add_to(group)
    far, angle = side_m / 2, math.radians(azimuth_deg)
    end = offset(place, far * math.sin(angle), far * math.cos(angle))
    sight = [(place.latitude, place.longitude), (end.latitude, end.longitude)]
    for colour, weight in (("#10131a", 6), (TURQUOISE, 3)):
        folium.PolyLine(sight, color=colour, weight=weight, interactive=False).add_to(group)
    folium.CircleMarker(
        sight[0],
        radius=6,
        color="#10131a",
        weight=2,
        fill_color="#ffffff",
        fill_opacity=1,
        tooltip=escape(label),
    ).add_to(group)
    if truth is not None:
        _truth(truth).add_to(group)
    return group


def square_bounds(place: Location, side_m: float) -> Bounds:
    """The box of a north-up square of `side_m` metres around `place`."""
    x, y = to_mercator(place.latitude, place.longitude)
    half = side_m / 2 * mercator_units_per_m(place.latitude)
    return mercator_bounds(x - half, y - half, x + half, y + half)


def compared_layer(
    answers: Sequence[tuple[str, Sequence[Match], LocationEstimate]],
    colours: Sequence[str],
    truth: Location | None = None,
) -> folium.FeatureGroup:
    """The matches of several checkpoints, a colour and a shape each, and their estimates."""
    group = folium.FeatureGroup(name="Checkpoints")
    for number, (name, matches, estimate) in enumerate(answers):
        colour = colours[number]
        folium.Circle(
            (estimate.latitude, estimate.longitude), radius=estimate.shown_radius_m, color=colour, weight=3,
            fill_opacity=0.1, tooltip=escape(f"{name}: estimate"),
        ).add_to(group)  # fmt: skip
        for match in reversed(matches):
            html = (
                f'<div class="pin" style="width:24px;height:24px;border-radius:{SHAPES[number % 4]};'
                f"background:{colour};"
                f"border:2px solid #fff;box-shadow:0 1px 4px #000a;box-sizing:border-box;font:700 12px/20px system-ui;"
                f'text-align:center;color:{ink_on(colour)}">{match.rank}</div>'
            )
            folium.Marker(
                (match.latitude, match.longitude),
                # checkpoints that agree stand side by side, not one upon the other
                icon=folium.DivIcon(
                    html=html, icon_size=(24, 24), icon_anchor=(24 - 12 * number, 12), class_name="l2ltr-pin"
                ),
                tooltip=escape(f"{name}: place {match.rank}"),
                z_index_offset=100 - match.rank,
            ).add_to(group)
    if truth is not None:
        _truth(truth).add_to(group)
    return group


def walk_layer(walk: Walk, selected: int | None = None) -> folium.FeatureGroup:
    """The stops of a walk, numbered, as a line; the true way beneath; and what each photo alone would have said.

    A lone answer is drawn where it lies outside its stop's circle, faint, and tied to its stop by dashes.
    """
    group = folium.FeatureGroup(name="Walk")
    stops = [estimate.location for estimate in walk.estimates]
    way = [_point(photo.truth) for photo in walk.alone if photo.truth]
    _line(group, way, "#10131a", 20, opacity=0.35)
    _line(group, way, "#ffffff", 16, opacity=0.8)
    apart = [
        (number, photo.estimate.location, stop)
        for number, (photo, stop) in enumerate(zip(walk.alone, stops, strict=True), 1)
        if distance_between_m(photo.estimate.location, stop) > walk.estimates[number - 1].shown_radius_m
    ]
    for number, lone, stop in apart:
        colour = _lone_colour(walk, number)
        _line(group, [_point(lone), _point(stop)], "#ffffff", 4, opacity=0.5)
        _line(group, [_point(lone), _point(stop)], colour, 2, dash_array="2 6", opacity=0.95)
    _line(group, [_point(stop) for stop in stops], "#10131a", 7)
    _line(group, [_point(stop) for stop in stops], TURQUOISE, 3.5)
    for photo in walk.alone:
        if photo.truth is not None:
            folium.CircleMarker(
                _point(photo.truth), radius=4, color="#ffffff", weight=2, fill_color="#10131a", fill_opacity=1,
                interactive=False,
            ).add_to(group)  # fmt: skip
    for number, lone, _ in apart:
        _lone_pin(walk, number, lone).add_to(group)
    for number, stop in enumerate(stops, 1):
        _stop(walk, number, stop, number == selected).add_to(group)
    return group


def pin_layer(place: Location | None) -> folium.FeatureGroup:
    """Where a visitor points, if anywhere; a click goes through the pin to the map."""
    group = folium.FeatureGroup(name="Your pin")
    if place is not None:
        _tag(place, "You", YOU, -1).add_to(group)
    return group


def rounds_layer(rounds: Sequence[Round], numbers: Sequence[int] = ()) -> folium.FeatureGroup:
    """True places, and tied to each by dashes where a visitor and the model put it; `numbers` tell photos apart."""
    group = folium.FeatureGroup(name="Answers")
    labels = [(str(number), str(number)) for number in numbers] or [("You", "Model")] * len(rounds)
    for each in rounds:
        true = _point(each.truth)
        folium.Circle(
            _point(each.estimate.location), radius=each.estimate.shown_radius_m, color=MODEL, weight=2.5,
            fill_color=TURQUOISE, fill_opacity=0.18, interactive=False,
        ).add_to(group)  # fmt: skip
        for answer, colour in ((each.estimate.location, TURQUOISE), (each.guess, YOU)):
            if answer is not None:
                _line(group, [_point(answer), true], "#10131a", 5, opacity=0.6)
                _line(group, [_point(answer), true], colour, 3, dash_array="7 7")
    for each, (you, model) in zip(rounds, labels, strict=True):
        _truth(each.truth).add_to(group)
        _tag(each.estimate.location, model, MODEL, 1).add_to(group)
        if each.guess is not None:
            _tag(each.guess, you, YOU, -1).add_to(group)
    return group


def rounds_overview(rounds: Sequence[Round], bounds: Bounds) -> MapView:
    """All true places and answers with their tags, on a telephone, too; and less of what lies beyond `bounds`."""
    places = [place for each in rounds for place in (each.truth, each.guess, each.estimate.location) if place]
    return _inside_with(places, view_of(places, NARROW_PX, closest=CLOSE_ZOOM, filled=0.68), bounds)


def anew(view: MapView) -> MapView:
    """The same view in other figures: the map goes only where they differ from the last ones that it was told."""
    return MapView((view.center[0] + 1e-9, view.center[1]), view.zoom + 1e-6)


def clicked_place(clicked: dict[str, float] | None) -> Location | None:
    """Where on the map a visitor clicked, as the map reports it."""
    return Location(clicked["lat"], clicked["lng"]) if clicked else None


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
            holding(way, MapView(view_of(every).center, zoom), NARROW_PX)
            for zoom in np.arange(view.zoom, least - 0.25, -0.25)
        )
        wider = next((each for each in views if in_sight(every, each, SIZE_PX)), None)
        if wider is None:
            break
        shown, view = every, wider
    return _inside_with(way, view, bounds)


def holding(places: Sequence[Location], view: MapView, size_px: tuple[int, int]) -> MapView:
    """The same view, moved only as far as it takes to have all `places` on a map of (width, height) pixels."""
    pixel = PIXEL_AT_ZOOM_0 / 2**view.zoom
    middle = [
        min(max(at, max(along) - pixels / 2 * pixel), min(along) + pixels / 2 * pixel)
        for at, along, pixels in zip(to_mercator(*view.center), _along(places), size_px, strict=True)
    ]
    latitude, longitude = from_mercator(*middle)
    return MapView((float(latitude), float(longitude)), float(view.zoom))


def _along(places: Sequence[Location]) -> tuple[NDArray, NDArray]:
    """Easts and norths of places in EPSG:3857."""
    return to_mercator([p.latitude for p in places], [p.longitude for p in places])


def in_sight(places: Sequence[Location], view: MapView, size_px: tuple[int, int]) -> bool:
    """Whether a map of (width, height) pixels shows all `places`."""
    pixel = PIXEL_AT_ZOOM_0 / 2**view.zoom
    return all(
        np.abs(along - at).max() <= (pixels / 2 + 1e-3) * pixel
        for along, at, pixels in zip(_along(places), to_mercator(*view.center), size_px, strict=True)
    )


def clicked(what: str, tooltip: str | None) -> int | None:
    """The number of the `what` (`Place`, `Photo`) whose pin the map reports by its tooltip, None for anything else."""
    found = re.match(rf"\s*{what} (\d+)\b", tooltip or "")
    return int(found.group(1)) if found else None


def view_of(
    places: Sequence[Location], size_px: tuple[int, int] = SIZE_PX, closest: float = 18, filled: float = 0.85
) -> MapView:
    """The closest view that shows all `places` on the `filled` part of a map of (width, height) pixels."""
    x, y = _along(places)
    spans = [(max(x) - min(x), size_px[0]), (max(y) - min(y), size_px[1])]
    zooms = [math.log2(filled * pixels * PIXEL_AT_ZOOM_0 / span) for span, pixels in spans if span > 0]
    middle = (_middle([p.latitude for p in places]), _middle([p.longitude for p in places]))
    return MapView(middle, max(1, min([closest, *(math.floor(4 * zoom) / 4 for zoom in zooms)])))


def kept_inside(view: MapView, bounds: Bounds, size_px: tuple[int, int] = SIZE_PX) -> MapView:
    """The same view, moved so that a map of (width, height) pixels shows less of what lies beyond `bounds`.

    It moves by `MOST_MOVED_PX` at most, so that its middle stays in sight on a telephone.
    """
    (west, east), (south, north) = to_mercator([bounds.south, bounds.north], [bounds.west, bounds.east])
    x, y = to_mercator(*view.center)
    pixel = PIXEL_AT_ZOOM_0 / 2**view.zoom
    middle = []
    for at, low, high, pixels in ((x, west, east, size_px[0]), (y, south, north, size_px[1])):
        half, most = pixels / 2 * pixel, MOST_MOVED_PX * pixel
        inside = min(max(at, low + half), high - half) if high - low > 2 * half else (low + high) / 2
        middle.append(min(max(inside, at - most), at + most))
    latitude, longitude = from_mercator(*middle)
    return MapView((float(latitude), float(longitude)), view.zoom)


def _inside_with(places: Sequence[Location], view: MapView, bounds: Bounds) -> MapView:
    """The view kept inside, unless a telephone would lose some of the `places` by it."""
    moved = kept_inside(view, bounds)
    return moved if in_sight(places, moved, NARROW_PX) else view


def overview(
    pins: Sequence[Location], truth: Location | None, answer: LocationEstimate | None = None
) -> MapView:
    """All pins, or only what lies around the one `answer`; and the true place, unless so far that all would melt."""
    shown = pins
    if answer is not None:
        around_m = min(max(AROUND_M, answer.radius_95_m or 0), MOST_AROUND_M)
        shown = [offset(answer.location, side * around_m, side * around_m) for side in (-1, 1)]
    near = truth is not None and min(distance_between_m(truth, pin) for pin in pins) < NEAR_M
    return view_of([*shown, truth] if truth is not None and near else shown)


def whole(bounds: Bounds) -> MapView:
    """The view that shows all of `bounds`, on a telephone, too."""
    corners = [Location(bounds.south, bounds.west), Location(bounds.north, bounds.east)]
    return view_of(corners, NARROW_PX, filled=1)


def heading_wedge(place: Location, heading_deg: float, radius_m: float, field_deg: float) -> list[Location]:
    """The corners of a sector that opens from `place` towards `heading_deg`."""
    arc = [math.radians(heading_deg + field_deg * (step / 12 - 0.5)) for step in range(13)]
    return [place, *(offset(place, radius_m * math.sin(angle), radius_m * math.cos(angle)) for angle in arc)]


def drawn_95_m(estimate: LocationEstimate) -> float | None:
    """The radius that holds 95 of 100 photos, where it is known and a map can show it beside the other."""
    wide_m = estimate.radius_95_m
    if wide_m is None or not estimate.is_one_place:
        return None
    return wide_m if estimate.shown_radius_m < wide_m <= WIDEST_M else None


def _add_estimate(group: folium.FeatureGroup, estimate: LocationEstimate, fan: Fan | None) -> None:
    where = (estimate.latitude, estimate.longitude)
    radius_m, wide_m = estimate.shown_radius_m, drawn_95_m(estimate)
    told = radii(estimate) or "The best guess; how far off such answers are was not measured"
    if wide_m is not None:
        for colour, weight, opacity in (("#ffffff", 4, 0.55), (MODEL, 1.5, 0.75)):
            folium.Circle(
                where, radius=wide_m, color=colour, weight=weight, opacity=opacity, fill=False, interactive=False,
                dash_array="2 7",
            ).add_to(group)  # fmt: skip
    if fan is not None:
        corners = heading_wedge(
            estimate.location, fan[0], min(max(LEAST_FAN_M, 1.6 * radius_m), AROUND_M), fan[1]
        )
        folium.Polygon(
            [_point(corner) for corner in corners], color="#10131a", weight=1, fill_color=ACCENT, fill_opacity=0.6,
            interactive=False,
        ).add_to(group)  # fmt: skip
    folium.Circle(
        where, radius=radius_m, color="#ffffff", weight=5, opacity=0.9, fill=False, interactive=False
    ).add_to(group)
    folium.Circle(
        where, radius=radius_m, color=MODEL, weight=2.5, dash_array="7 5", fill_color="#3bc9db",
        fill_opacity=0.18 if radius_m <= AROUND_M else 0.05, tooltip=told,
    ).add_to(group)  # fmt: skip


def _pin(match: Match, ranks: int, selected: bool, note: str) -> folium.Marker:
    colour = rank_colour(match.rank, ranks)
    size = 40 if selected else 31 if match.rank == 1 else 25
    ring = "box-shadow:0 0 0 4px #fff,0 0 0 7px #10131a;" if selected else "box-shadow:0 1px 4px #000a;"
    html = (
        f'<div class="pin{" selected" if selected else ""}" data-rank="{match.rank}" style="width:{size}px;'
        f"height:{size}px;border-radius:50% 50% 50% 4px;transform:rotate(-45deg);background:{colour};"
        f"border:2px solid #fff;{ring}display:flex;align-items:center;justify-content:center;"
        f'box-sizing:border-box">'
        f'<span style="transform:rotate(45deg);font:700 {size * 0.45:.0f}px system-ui,sans-serif;'
        f'color:{ink_on(colour)}">{match.rank}</span></div>'
    )
    tip = math.sqrt(2) * size / 2  # the square's corner, turned down, points at the place
    return folium.Marker(
        (match.latitude, match.longitude),
        icon=folium.DivIcon(
            html=html,
            icon_size=(size, size),
            icon_anchor=(size // 2, round(size / 2 + tip)),
            class_name="l2ltr-pin",
        ),
        tooltip=escape(f"Place {match.rank}" + (f" · {note}" if note else "")),
        z_index_offset=1000 if selected else 100 - match.rank,
    )


def _line(
    group: folium.FeatureGroup,
    points: Sequence[tuple[float, float]],
    colour: str,
    weight: float,
    **rest: object,
) -> None:
    if len(points) > 1:
        folium.PolyLine(points, color=colour, weight=weight, interactive=False, **rest).add_to(group)


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
        _point(place),
        icon=folium.DivIcon(
            html=html, icon_size=(size, size), icon_anchor=(size // 2, size // 2), class_name="l2ltr-stop"
        ),
        tooltip=escape(f"Photo {number} with the walk: {answer.told}"),
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
        _point(place),
        icon=folium.DivIcon(html=html, icon_size=(20, 20), icon_anchor=(10, 10), class_name="l2ltr-lone"),
        tooltip=escape(f"Photo {number} alone: {alone(walk)[number - 1].told}"),
        z_index_offset=-number,
    )


def _lone_colour(walk: Walk, number: int) -> str:
    answer = alone(walk)[number - 1]
    if answer.error_m is None:
        return "#495057"
    return RIGHT if answer.is_right else WRONG


def _tag(place: Location, label: str, colour: str, side: int) -> folium.Marker:
    """A word on a colour, its lower corner at the place: the right one for `side` -1, the left one for 1."""
    ink, corner = ink_on(colour), "12px 12px 0 12px" if side < 0 else "12px 12px 12px 0"
    html = (
        f'<div class="tag" style="position:absolute;bottom:0;{"right" if side < 0 else "left"}:0;background:{colour};'
        f"color:{ink};border:2px solid #fff;border-radius:{corner};box-shadow:0 1px 5px #000c;padding:0 8px;"
        f'font:700 13px/20px system-ui,sans-serif;white-space:nowrap">{escape(label)}</div>'
    )
    return folium.Marker(
        _point(place),
        icon=folium.DivIcon(html=html, icon_size=(0, 0), icon_anchor=(0, 0), class_name="l2ltr-tag"),
        interactive=False,
        z_index_offset=600,
    )


def _point(place: Location) -> tuple[float, float]:
    return place.latitude, place.longitude


def _truth(place: Location) -> folium.Marker:
    html = (
        '<div class="truth" style="width:26px;height:26px;border-radius:50%;border:4px solid #fff;'
        "background:radial-gradient(#10131a 0 30%,#fff 32% 48%,#10131a 50%);box-shadow:0 0 0 2px #10131a;"
        'box-sizing:border-box"></div>'
    )
    return folium.Marker(
        (place.latitude, place.longitude),
        icon=folium.DivIcon(html=html, icon_size=(26, 26), icon_anchor=(13, 13), class_name="l2ltr-truth"),
        tooltip="True position, as the photo says",
        z_index_offset=500,
    )


def _middle(values: Sequence[float]) -> float:
    return (min(values) + max(values)) / 2
