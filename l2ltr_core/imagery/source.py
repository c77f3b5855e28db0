"""What every aerial source offers, whatever it is read from."""

from __future__ import annotations

from typing import Protocol

from l2ltr_core.types import RGB, Bounds, Location


class Imagery(Protocol):
    """North-up squares of the ground around any place, from one aerial source; safe to use from threads."""

    @property
    def source(self) -> str:
        """The path or address it was opened from."""

    @property
    def bounds(self) -> Bounds:
        """The box that holds all of it."""

    @property
    def resolution_m(self) -> float:
        """Metres on the ground to a pixel, at the middle of the bounds."""

    @property
    def attribution(self) -> str:
        """Whom to credit, as the source itself says; empty when it does not say."""

    @property
    def places(self) -> list[Location] | None:
        """The places it consists of, for a folder of separate tiles; None where any place can be cut."""

    def chip(self, place: Location, size_m: float, size_px: int | None) -> RGB:
        """The (S, S, 3) uint8 square of `size_m` metres around `place`, row 0 to the north.

        `size_px` None gives the source's own resolution. Parts beyond the imagery get the mean colour of the
        rest; raises ImageryError when there is nothing at all.
        """

    def covers(self, place: Location, size_m: float) -> bool:
        """Whether the whole square is within the imagery, without gaps."""
