"""Numbers as people say them."""

from __future__ import annotations

PROBABLY = 0.6
"""From this confidence on a place counts as found."""


def metres(distance: float) -> str:
    """A distance: 7 m, 1.2 km."""
    return f"{distance / 1000:,.1f} km" if distance >= 1000 else f"{distance:.0f} m"


def confidence(value: float) -> tuple[str, str]:
    """A confidence in [0, 1] as a plain sentence, and its colour."""
    if value >= 0.85:
        return "Found: almost certainly here", "#0b7285"
    if value >= PROBABLY:
        return "Found: probably here", "#0b7285"
    if value >= 0.3:
        return "Perhaps here: compare the list", "#b7791f"
    return "Not sure: the best places disagree", "#b4412f"
