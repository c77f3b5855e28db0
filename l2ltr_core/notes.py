"""What a person should know about a photo or an answer, as values; every surface may word them for itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NoteKind = Literal[
    "16_bits",
    "printing_colours",
    "transparent_parts",
    "position_unreadable",
    "position_not_on_earth",
    "position_without_a_fix",
    "heading_magnetic",
    "headings_differ",
    "heading_not_a_number",
    "heading_out_of_range",
    "strip_assumed",
    "part_of_the_circle",
    "outside_the_gallery",
    "not_in_the_gallery",
    "nothing_stands_out",
]

SENTENCES: dict[NoteKind, str] = {
    "16_bits": "The photo has 16 bits a channel; 8 are used.",
    "printing_colours": "The photo is in printing colours (CMYK); it was converted to RGB, so colours may differ.",
    "transparent_parts": "The photo has transparent parts; they were filled with the mean colour of the rest.",
    "position_unreadable": "The GPS position in the photo is not readable and was ignored.",
    "position_not_on_earth": "The GPS position in the photo ({:g}, {:g}) is not on the Earth (latitude -90 to 90, "
    "longitude -180 to 180) and was ignored.",
    "position_without_a_fix": "The GPS position in the photo is (0, 0), what devices write without a fix; it was "
    "ignored.",
    "heading_magnetic": "The heading in the photo is magnetic, so it may be off by the local declination.",
    "headings_differ": "The photo gives two headings ({:.0f} in GPano, {:.0f} in EXIF); GPano's was used.",
    "heading_not_a_number": "The heading in the photo ({} = {}) is not a number; ignored.",
    "heading_out_of_range": "The heading in the photo ({} = {:g}) is not within 0 to 360; ignored.",
    "strip_assumed": "The photo ({} x {} px) does not say what it shows; it was taken for a strip around the whole "
    "circle, {:.0f} degrees high about the horizon, so results may be unreliable.",
    "part_of_the_circle": "The photo ({} x {} px) is not a 360 degree panorama (twice as wide as high, or with GPano "
    "tags): it shows about {:.0f} degrees of the circle ({}), the rest is filled with its mean colour, and results "
    "are unreliable.",
    "outside_the_gallery": "The photo's own position is {:,.1f} km from the nearest place of the gallery {}, so every "
    "match is wrong.",
    "not_in_the_gallery": "This photo was probably not taken in the gallery {}: its best match hardly stands out from "
    "what a mirrored copy of the photo finds there, which was taken nowhere.",
    "nothing_stands_out": "No place stands out (confidence {:.0%}): the photo may not have been taken in the gallery "
    "{} at all.",
}
"""Sentence of each kind of note, with its values in their order."""


@dataclass(frozen=True)
class Note:
    """A `kind` of thing to know and the `values` it is about, in the order of its sentence."""

    kind: NoteKind
    values: tuple[str | float, ...] = ()

    @property
    def sentence(self) -> str:
        """The note in plain words."""
        return SENTENCES[self.kind].format(*self.values)
