"""Photos of a world from the street, taken by one process or by several."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from citysim.errors import CitySimError
from citysim.light import Light, dry_light, street_light
from citysim.optics import as_stitched
from citysim.plan import CityPlan
from citysim.render import panorama
from citysim.world import Detail, World
from l2ltr_core.files import atomic_write
from l2ltr_core.photo import write_panorama
from l2ltr_core.types import RGB, Progress

SOFTWARE = "l2ltr twin (simulated)"
"""Software tag of every picture; the library takes a photo that says "(simulated)" for a rendered one."""
POSITION_ERROR_M = 1.5
"""Standard deviation of a photo's recorded position, east and north; never more than twice that."""
_HEADING_ERROR_DEG = 2.0
_CAPTURE_PHOTOS, _CLOSE_CAPTURE_PHOTOS = 120, 6
"""Photos of one capture; in a close world each has fine trees, cars and grass of its own around it."""
_TILT_DEG = 5.0
_DRY = 0.85
"""Share of varied photos without rain, fog, snow or dusk."""
_REPAINTED = 0.4
"""How far photos of one capture stray from the world's own paint, orthophotos: 1."""


@dataclass(frozen=True)
class Shooting:
    """How photos are taken: (N, 2) spots in metres, the folder they go to, and all that `build_city` says of them."""

    spots: NDArray[np.float64]
    folder: Path
    seed: int
    size_px: tuple[int, int]
    samples: int
    full_sphere: bool
    varied: bool

    def file(self, index: int) -> Path:
        """Where the photo from a spot is written."""
        return self.folder / f"{index:05d}.jpg"

    @property
    def missing(self) -> list[int]:
        """The spots of which there is no photo yet."""
        return [k for k in range(len(self.spots)) if not self.file(k).exists()]


def take_photos(world: World, shooting: Shooting, jobs: int, progress: Progress | None) -> None:
    """Write every photo that is missing. Raises CitySimError where a process of several has died."""
    for left_by_a_killed_process in shooting.folder.glob(".*.jpg"):
        left_by_a_killed_process.unlink()
    missing = shooting.missing
    jobs = min(jobs, len(missing))
    taken = _in_processes(world, shooting, missing, jobs) if jobs > 1 else _taken(world, shooting, missing)
    done = len(shooting.spots) - len(missing)
    for _ in taken:
        done += 1
        if progress:
            progress(done, len(shooting.spots))


def _in_processes(world: World, shooting: Shooting, missing: list[int], jobs: int) -> Iterator[int]:
    """Every process builds the world for itself and takes one photo of `jobs`."""
    context = get_context("spawn")
    processes, pipes = [], []
    for job in range(jobs):
        receiver, sender = context.Pipe(duplex=False)
        args = (sender, world.plan, world.variant, world.detail, shooting, missing[job::jobs])
        process = context.Process(target=_work, args=args, daemon=True)
        process.start()
        sender.close()  # so that the pipe ends with the process
        processes.append(process)
        pipes.append(receiver)
    while pipes:
        for pipe in wait(pipes):
            assert isinstance(pipe, Connection)
            try:
                yield pipe.recv()
            except EOFError:
                pipes.remove(pipe)
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise CitySimError(
            f"One of {jobs} processes has ended early, perhaps for want of memory; what it said stands above. "
            "Start again, perhaps with fewer jobs: photos that are there are not taken again."
        )


def _work(
    pipe: Connection, plan: CityPlan, variant: int, detail: Detail, shooting: Shooting, which: list[int]
) -> None:
    for index in _taken(World(plan, variant=variant, detail=detail), shooting, which):
        pipe.send(index)
    pipe.close()


def _taken(world: World, shooting: Shooting, which: list[int]) -> Iterator[int]:
    """Take some of the photos, capture by capture, each known by its spot's index."""
    every = _CLOSE_CAPTURE_PHOTOS if world.detail.close else _CAPTURE_PHOTOS
    capture = -1
    for index in which:
        start = index // every * every
        if start != capture:
            capture = start
            _begin_capture(world, shooting, start, every)
        _take(world, shooting, index)
        yield index


def _begin_capture(world: World, shooting: Shooting, start: int, every: int) -> None:
    seed = shooting.seed
    density = float(np.random.default_rng([seed, 5, start]).uniform(0.2, 0.75))
    if shooting.varied:
        world.repaint(np.random.default_rng([seed, 7, world.variant, start]), _REPAINTED)
    world.set_capture((seed, 4, start), clear=shooting.spots[start : start + every], density=density)


def _take(world: World, shooting: Shooting, index: int) -> None:
    reach = 90.0 if shooting.full_sphere else 45.0
    rng = np.random.default_rng([shooting.seed, 6, index])
    odd = np.random.default_rng([shooting.seed, 8, world.variant, index])
    x, y = shooting.spots[index]
    heading = float(rng.uniform(0, 360))
    light = street_light(rng)
    if shooting.varied and odd.random() < _DRY:
        light = dry_light(odd)
    camera_m = float(rng.uniform(2.1, 2.8))
    pixels = panorama(
        world,
        float(x),
        float(y),
        light,
        size_px=shooting.size_px,
        camera_m=float(odd.uniform(1.6, 3.0)) if shooting.varied else camera_m,
        heading_deg=heading,
        top_deg=reach,
        bottom_deg=-reach,
        samples=shooting.samples,
        tilt_deg=_tilt(odd) if shooting.varied else None,
    )
    if shooting.varied:
        pixels = as_stitched(pixels, odd)
    pixels = _with_sensor_noise(pixels, light, rng)
    error = np.clip(rng.normal(size=3), -2, 2)
    location = world.plan.frame.to_location(x + error[0] * POSITION_ERROR_M, y + error[1] * POSITION_ERROR_M)
    with atomic_write(shooting.file(index)) as path:
        write_panorama(
            path,
            pixels,
            location=location,
            heading_deg=(heading + error[2] * _HEADING_ERROR_DEG) % 360,
            top_deg=reach,
            bottom_deg=-reach,
            quality=int(rng.integers(70, 93)),
            software=SOFTWARE,
        )


def _tilt(rng: np.random.Generator) -> tuple[float, float]:
    """Pitch and roll in degrees, mostly small, never together more than `_TILT_DEG`."""
    size, turn = _TILT_DEG * rng.random() ** 2, rng.uniform(0, 2 * np.pi)
    return float(size * np.cos(turn)), float(size * np.sin(turn))


def _with_sensor_noise(pixels: RGB, light: Light, rng: np.random.Generator) -> RGB:
    """Grain of up to 4 levels of 255, and of up to 4 more after sunset."""
    levels = rng.uniform(0, 4) + 4 * light.dusk * rng.random()
    grain = rng.standard_normal(pixels.shape, np.float32) * np.float32(levels)
    return np.clip(pixels + grain + 0.5, 0, 255).astype(np.uint8)
