"""A simulated city from OpenStreetMap: rendered from above and from the street."""

from citysim.build import CITIES, build_city

__all__ = ["CITIES", "build_city"]
