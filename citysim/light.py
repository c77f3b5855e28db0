"""The light of a capture: where the sun stands, what the sky does, which season and which weather it is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from citysim.mesh import Floats, f32


@dataclass(frozen=True)
class Light:
    """Linear colours; `sun_direction` points to the sun, x east, y north, z up."""

    sun_direction: Floats
    sun: Floats  # (3,) strength and colour, zero under an overcast sky
    ambient: Floats  # (3,) from the sky
    bounce: Floats  # (3,) from the ground
    horizon: Floats
    zenith: Floats
    cloud: Floats
    cloud_cover: float  # 0 clear .. 1 closed
    cloud_shift: float
    haze: float  # 0 none .. 1 opaque far away
    haze_m: float
    autumn: float  # 0 summer green .. 1 yellow and rust
    exposure: float
    snow: float = 0.0  # 0 none .. 1 roofs, lawns and pavements white
    wet: float = 0.0  # 0 dry .. 1 dark stones and puddles
    dusk: float = 0.0  # 0 day .. 1 the lamps and most rooms lit
    rainfall: float = 0.0  # 0 none .. 1 a downpour
    snowfall: float = 0.0  # 0 none .. 1 thick flakes


def street_light(rng: np.random.Generator) -> Light:
    """The light as a street camera meets it: dry, or in one case of three with weather."""
    light = dry_light(rng)
    chance = rng.random()
    for likely, weather in _WEATHERS:
        if chance < likely:
            return weather(light, rng)
        chance -= likely
    return light


def dry_light(rng: np.random.Generator) -> Light:
    """Any hour of the day and any leaf season, one in four overcast."""
    overcast = rng.random() < 0.27
    light = _daylight(rng.uniform(0, 2 * math.pi), math.radians(rng.uniform(16, 56)), rng, overcast)
    season = rng.random()
    autumn = 0.0 if season < 0.62 else float(rng.uniform(0.2, 1.0))
    haze, reach = float(rng.uniform(0.1, 0.75)), float(rng.uniform(350, 1400))
    return replace(light, haze=haze, haze_m=reach, autumn=autumn, exposure=float(rng.uniform(0.82, 1.22)))


def rain(light: Light, rng: np.random.Generator) -> Light:
    """A grey sky, wet stones, streaks in the air."""
    grey = _daylight(0.0, 0.7, rng, True)
    return replace(
        _under(grey, light),
        wet=float(rng.uniform(0.5, 1)),
        rainfall=float(rng.uniform(0.2, 1)),
        haze=float(rng.uniform(0.5, 0.9)),
        haze_m=float(rng.uniform(200, 600)),
    )


def fog(light: Light, rng: np.random.Generator) -> Light:
    """Nothing to be seen beyond 60 to 250 metres."""
    grey = _daylight(0.0, 0.7, rng, True)
    return replace(
        _under(grey, light), haze=float(rng.uniform(0.85, 1.0)), haze_m=float(rng.uniform(40, 160)), wet=0.3
    )


def snow(light: Light, rng: np.random.Generator) -> Light:
    """A winter's day: a low sun on the snow, or grey with flakes falling."""
    falling = rng.random() < 0.5
    azimuth = rng.uniform(0, 2 * math.pi)
    day = _daylight(azimuth, math.radians(rng.uniform(8, 22)), rng, falling)
    return replace(
        _under(day, light),
        snow=float(rng.uniform(0.45, 1)),
        snowfall=float(rng.uniform(0.2, 1)) if falling else 0.0,
        haze_m=float(rng.uniform(150, 500)) if falling else light.haze_m,
        exposure=light.exposure * 0.86,
    )


def dusk(light: Light, rng: np.random.Generator) -> Light:
    """After sunset: a blue hour with a warm horizon, lamps and rooms lit."""
    deep = float(rng.uniform(0.4, 1.0))
    warm = float(rng.uniform(0.3, 1.0))
    sky = f32([0.26, 0.31, 0.46]) * f32(1 - 0.6 * deep)
    return replace(
        light,
        sun=f32([0, 0, 0]),
        ambient=sky,
        bounce=f32([0.17, 0.15, 0.14]) * f32(1 - 0.5 * deep),
        horizon=f32([0.32 + 0.34 * warm, 0.33 + 0.04 * warm, 0.42 - 0.10 * warm]) * f32(1 - 0.4 * deep),
        zenith=f32([0.05, 0.085, 0.22]) * f32(1 - 0.6 * deep),
        cloud=f32([0.30, 0.27, 0.33]) * f32(1 - 0.4 * deep),
        dusk=deep,
        exposure=light.exposure * (1.25 + 0.35 * deep),
    )


_WEATHERS = ((0.10, rain), (0.06, fog), (0.09, snow), (0.09, dusk))
"""How likely each is; what is left is dry weather by day."""


def _under(sky: Light, light: Light) -> Light:
    """The sky of one capture over the season and the camera of another."""
    kept = {name: getattr(light, name) for name in ("haze", "haze_m", "autumn", "exposure")}
    return replace(sky, **kept)


def flight_light(rng: np.random.Generator) -> Light:
    """The light as a survey flight chooses it: clear, the sun in the south and high."""
    bearing = math.radians(rng.uniform(120, 240))
    light = _daylight(math.pi / 2 - bearing, math.radians(rng.uniform(34, 54)), rng, False)
    autumn = 0.0 if rng.random() < 0.75 else float(rng.uniform(0.1, 0.6))
    return replace(light, haze=0.0, autumn=autumn, exposure=float(rng.uniform(0.92, 1.1)))


def any_flight_light(rng: np.random.Generator) -> Light:
    """The light of any survey flight: a lower sun on either side of noon, any leaf season, some haze."""
    bearing = math.radians(rng.uniform(60, 300))
    light = _daylight(math.pi / 2 - bearing, math.radians(rng.uniform(20, 62)), rng, rng.random() < 0.12)
    return replace(
        light,
        haze=float(rng.uniform(0, 0.6)) * (rng.random() < 0.5),
        haze_m=300.0,
        autumn=float(rng.uniform(0.1, 0.7)) * (rng.random() < 0.3),
        exposure=float(rng.uniform(0.85, 1.15)),
    )


def _daylight(azimuth: float, elevation: float, rng: np.random.Generator, overcast: bool) -> Light:
    warm = float(np.clip(1.1 - 1.4 * elevation, 0, 1)) * rng.uniform(0.3, 1.0)
    direction = [
        math.cos(elevation) * math.cos(azimuth),
        math.cos(elevation) * math.sin(azimuth),
        math.sin(elevation),
    ]
    strength = 0.0 if overcast else rng.uniform(2.1, 2.7)
    sky = rng.uniform(0.9, 1.15)
    ambient = f32([0.60, 0.62, 0.66]) * f32(1.35) if overcast else f32([0.42, 0.54, 0.74]) * f32(0.86)
    horizon = [0.62, 0.65, 0.69] if overcast else [0.66 + 0.14 * warm, 0.74, 0.84 - 0.12 * warm]
    zenith = [0.48, 0.52, 0.57] if overcast else [0.13, 0.29, 0.60]
    return Light(
        sun_direction=f32(direction),
        sun=f32([1.06 + 0.12 * warm, 0.97, 0.84 - 0.22 * warm]) * f32(strength * (1 - 0.25 * warm)),
        ambient=(ambient * sky).astype(np.float32),
        bounce=f32([0.30, 0.27, 0.235]) * f32(0.75 if overcast else 0.95),
        horizon=f32(horizon),
        zenith=f32(zenith),
        cloud=f32([0.60, 0.62, 0.645]) if overcast else f32([0.95, 0.94, 0.93]),
        cloud_cover=0.85 if overcast else float(rng.uniform(0.1, 0.55)),
        cloud_shift=float(rng.integers(1024)),
        haze=0.0,
        haze_m=1000.0,
        autumn=0.0,
        exposure=1.0,
    )
