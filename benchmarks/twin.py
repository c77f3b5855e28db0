"""How many small panoramas of the twin one core renders in a second; the target is 20."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.table import Row, Target, report
from citysim.cameras import camera_spots
from citysim.cities import load_city
from citysim.light import street_light
from citysim.render import panorama
from citysim.world import World

SIZE_PX = (64, 256)
TARGET = 20.0


def rows(rounds: int = 5, photos: int = 20) -> list[Row]:
    """Central Helsinki, 2 x 2 rays a pixel, any weather, the traffic of one capture."""
    plan, _ = load_city("helsinki")
    world = World(plan)
    spots = camera_spots(world, [(40, 40, plan.width_m - 40, plan.height_m - 40)], rounds * photos, (1,))
    world.set_capture((1,), clear=spots)
    rates = [
        photos / _seconds(world, spots[start : start + photos], start)
        for start in range(0, rounds * photos, photos)
    ]
    rate = float(np.median(rates))
    spread = f"{min(rates):.1f} to {max(rates):.1f} over {rounds} rounds of {photos}"
    return [
        Row(
            "twin: panorama 64 x 256, 4 rays a pixel",
            "photos a second",
            rate,
            targets=(Target.at_least("photos a second", rate, TARGET),),
            note=spread,
        )
    ]


def _seconds(world: World, spots: np.ndarray, seed: int) -> float:
    start = time.process_time()
    for number, (x, y) in enumerate(spots):
        light = street_light(np.random.default_rng([seed, number]))
        panorama(world, float(x), float(y), light, size_px=SIZE_PX, top_deg=45, bottom_deg=-45)
    return time.process_time() - start


if __name__ == "__main__":
    print(report(rows()))
