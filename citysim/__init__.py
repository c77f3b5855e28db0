"""A simulated city from OpenStreetMap: rendered from above and from the street."""

from citysim.build import build_city

__all__ = ["build_city"]
