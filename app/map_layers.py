"""Answers as layers of a folium map: pure functions; nothing comes from the internet unless the visitor asks."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from html import escape

import folium
from folium.raster_layers import ImageOverlay

from app.figures import ACCENT, Fan, ink_on, rank_colour
from app.offline import BaseImage, leaflet_assets
from app.viewport import AROUND_M, MAX_ZOOM, MapView, square_bounds
from app.words import radii
from l2ltr_core.figures.style import TURQUOISE
from l2ltr_core.geometry.geodesy import offset
from l2ltr_core.types import Location, LocationEstimate, Match

OPENSTREETMAP = "https://tile.openstreetmap.org/{z}/{x}/{y}.png"
OPENSTREETMAP_CREDIT = (
    '&copy; <a href="https://www.openstreetmap.org/copyright">OpenStreetMap</a> contributors'
)
SATELLITE = "https://server.arcgisonline.com/ArcGIS/rest/services/World_Imagery/MapServer/tile/{z}/{y}/{x}"
SATELLITE_CREDIT = "Imagery &copy; Esri, Maxar, Earthstar Geographics"
SHAPES = ("50%", "4px", "50% 50% 4px 4px", "4px 4px 50% 50%")
"""CSS corner radii of pins, one shape for each checkpoint."""
WIDEST_M = 1_500.0
"""Largest radius drawn for 95 of 100 answers; a larger circle would surround most of a city's map."""
LEAST_FAN_M = 40.0
"""Least length of a photo's drawn line of sight."""
MODEL = "#0b7285"
"""The colour of the model's answer."""


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
        truth_marker(truth).add_to(group)
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
        truth_marker(truth).add_to(group)
    return group


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
        truth_marker(truth).add_to(group)
    return group


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


def clicked(what: str, tooltip: str | None) -> int | None:
    """The number of the `what` (`Place`, `Photo`) whose pin the map reports by its tooltip, None for anything else."""
    found = re.match(rf"\s*{what} (\d+)\b", tooltip or "")
    return int(found.group(1)) if found else None


def line(
    group: folium.FeatureGroup,
    points: Sequence[tuple[float, float]],
    colour: str,
    weight: float,
    **rest: object,
) -> None:
    """Add a line through (latitude, longitude) points that lets clicks through; fewer than two are none."""
    if len(points) > 1:
        folium.PolyLine(points, color=colour, weight=weight, interactive=False, **rest).add_to(group)


def truth_marker(place: Location) -> folium.Marker:
    """A target: where a photo was truly taken."""
    html = (
        '<div class="truth" style="width:26px;height:26px;border-radius:50%;border:4px solid #fff;'
        "background:radial-gradient(#10131a 0 30%,#fff 32% 48%,#10131a 50%);box-shadow:0 0 0 2px #10131a;"
        'box-sizing:border-box"></div>'
    )
    return folium.Marker(
        point(place),
        icon=folium.DivIcon(html=html, icon_size=(26, 26), icon_anchor=(13, 13), class_name="l2ltr-truth"),
        tooltip="True position, as the photo says",
        z_index_offset=500,
    )


def point(place: Location) -> tuple[float, float]:
    """(latitude, longitude), as folium wants it."""
    return place.latitude, place.longitude


def _add_estimate(group: folium.FeatureGroup, estimate: LocationEstimate, fan: Fan | None) -> None:
    where = (estimate.latitude, estimate.longitude)
    radius_m, wide_m = estimate.shown_radius_m, drawn_95_m(estimate)
    tooltip = radii(estimate) or "The best guess; how far off such answers are was not measured"
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
            [point(corner) for corner in corners], color="#10131a", weight=1, fill_color=ACCENT, fill_opacity=0.6,
            interactive=False,
        ).add_to(group)  # fmt: skip
    folium.Circle(
        where, radius=radius_m, color="#ffffff", weight=5, opacity=0.9, fill=False, interactive=False
    ).add_to(group)
    folium.Circle(
        where, radius=radius_m, color=MODEL, weight=2.5, dash_array="7 5", fill_color="#3bc9db",
        fill_opacity=0.18 if radius_m <= AROUND_M else 0.05, tooltip=tooltip,
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
