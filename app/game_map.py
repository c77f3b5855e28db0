"""The game on a map: where a visitor points, and both answers beside the true places."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import folium

from app.figures import ACCENT, ink_on
from app.game import Round
from app.map_layers import MODEL, line, point, truth_marker
from app.viewport import CLOSE_ZOOM, NARROW_PX, MapView, clamp_keeping, view_of
from l2ltr_core.figures.style import TURQUOISE
from l2ltr_core.types import Bounds, Location

YOU = ACCENT
"""The colour of the visitor's answer."""


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
        true = point(each.truth)
        folium.Circle(
            point(each.estimate.location), radius=each.estimate.shown_radius_m, color=MODEL, weight=2.5,
            fill_color=TURQUOISE, fill_opacity=0.18, interactive=False,
        ).add_to(group)  # fmt: skip
        for answer, colour in ((each.estimate.location, TURQUOISE), (each.guess, YOU)):
            if answer is not None:
                line(group, [point(answer), true], "#10131a", 5, opacity=0.6)
                line(group, [point(answer), true], colour, 3, dash_array="7 7")
    for each, (you, model) in zip(rounds, labels, strict=True):
        truth_marker(each.truth).add_to(group)
        _tag(each.estimate.location, model, MODEL, 1).add_to(group)
        if each.guess is not None:
            _tag(each.guess, you, YOU, -1).add_to(group)
    return group


def rounds_overview(rounds: Sequence[Round], bounds: Bounds) -> MapView:
    """All true places and answers with their tags, on a telephone, too; and less of what lies beyond `bounds`."""
    places = [place for each in rounds for place in (each.truth, each.guess, each.estimate.location) if place]
    return clamp_keeping(places, view_of(places, NARROW_PX, closest=CLOSE_ZOOM, filled=0.68), bounds)


def clicked_place(clicked: dict[str, float] | None) -> Location | None:
    """Where on the map a visitor clicked, as the map reports it."""
    return Location(clicked["lat"], clicked["lng"]) if clicked else None


def _tag(place: Location, label: str, colour: str, side: int) -> folium.Marker:
    """A word on a colour, its lower corner at the place: the right one for `side` -1, the left one for 1."""
    ink, corner = ink_on(colour), "12px 12px 0 12px" if side < 0 else "12px 12px 12px 0"
    html = (
        f'<div class="tag" style="position:absolute;bottom:0;{"right" if side < 0 else "left"}:0;background:{colour};'
        f"color:{ink};border:2px solid #fff;border-radius:{corner};box-shadow:0 1px 5px #000c;padding:0 8px;"
        f'font:700 13px/20px system-ui,sans-serif;white-space:nowrap">{escape(label)}</div>'
    )
    return folium.Marker(
        point(place),
        icon=folium.DivIcon(html=html, icon_size=(0, 0), icon_anchor=(0, 0), class_name="l2ltr-tag"),
        interactive=False,
        z_index_offset=600,
    )
