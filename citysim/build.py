"""One city -> the two standard things: an orthophoto and a folder of geotagged panoramas."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import rasterio
from rasterio.shutil import copy as raster_copy

from citysim.cameras import camera_spots, grid_places
from citysim.cities import load_city
from citysim.light import any_flight_light, flight_light
from citysim.optics import as_survey
from citysim.plan import CityPlan
from citysim.render import orthophoto
from citysim.shooting import SOFTWARE, Shooting, take_photos
from citysim.world import FINE, STANDARD, World
from l2ltr_core.files import atomic_write
from l2ltr_core.types import RGB, Location, Progress

ATTRIBUTION = "Simulated city, geometry (c) OpenStreetMap contributors (ODbL 1.0)"
EDGE_M = 40.0
"""Every camera and place stays so far inside the city."""
BORDER_M = 40.0
"""So much of the city's mirror image surrounds it in an orthophoto: a tile of 160 m around any place is whole."""
_OFF_NADIR = 0.2
"""Largest off-nadir displacement in the orthophoto, in each direction, of what stands a metre high, in metres."""
_VARIED_OFF_NADIR, _VARIED_PIXEL_M = 0.42, (0.2, 0.6)


def build_city(
    city: str | Path,
    out_dir: Path,
    *,
    seed: int = 0,
    part: str = "all",
    variant: int = 0,
    augment: bool = True,
    panoramas: int = 400,
    size_px: tuple[int, int] = (64, 256),
    samples: int = 2,
    full_sphere: bool = False,
    captures: int = 1,
    pixel_m: float = 0.4,
    varied: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
) -> None:
    """Write `orthophoto*.tif`, `panoramas/*.jpg`, `places.csv` and `dataset.json` into `out_dir`.

    `variant` > 0 builds a perturbed city with the grain of the real one (see `variants.perturbed` for `augment`), or
    of the city "invented" a street plan of its own. `size_px` is the (height, width) of a panorama, which spans
    +-45 degrees of elevation unless `full_sphere`; `samples` x `samples` rays make one of its pixels.
    `captures` orthophotos are taken, each with other sun, season and traffic, `pixel_m` metres a pixel. `varied`
    pictures share no paint: orthophotos see other colours, seasons and resolutions (0.2 to 0.6 m), photos come
    from tilted cameras at 1.6 to 3 m with seams and tones of their own.
    `jobs` processes take the photos, which are the same for any number of them. Work that is already there is
    not done again; `dataset.json` is written last. Raises CitySimError for an unusable city or where a process died.
    """
    plan, chosen = load_city(city, part, variant, augment)
    detail = FINE if size_px[1] > 512 else STANDARD
    world = World(plan, variant=variant, detail=detail)
    everywhere = (EDGE_M, EDGE_M, plan.width_m - EDGE_M, plan.height_m - EDGE_M)
    windows = chosen.cameras or (everywhere,)
    (out_dir / "panoramas").mkdir(parents=True, exist_ok=True)
    for capture in range(captures):
        name = "orthophoto.tif" if captures == 1 else f"orthophoto_{capture}.tif"
        if not (out_dir / name).exists():
            picture, resolution_m = _survey(world, seed, capture, pixel_m, varied)
            write_orthophoto(out_dir / name, picture, plan, resolution_m, BORDER_M)
    spots = camera_spots(world, windows, panoramas, (seed, 3, variant))
    shooting = Shooting(spots, out_dir / "panoramas", seed, size_px, samples, full_sphere, varied)
    take_photos(world, shooting, jobs, progress)
    places = [plan.frame.to_location(*spot) for spot in grid_places(world, everywhere, 10.0)]
    write_places(out_dir / "places.csv", places)
    imagery = [f"orthophoto_{k}.tif" for k in range(captures)] if captures > 1 else "orthophoto.tif"
    about = {"simulated": True, "attribution": ATTRIBUTION, "imagery": imagery}
    made = {
        "city": plan.name,
        "part": part,
        "seed": seed,
        "variant": variant,
        "rebuilt": augment,
        **({"varied": True} if varied else {}),
        "panoramas": len(spots),
        "places": len(places),
    }
    for name, values in (("twin.json", made), ("dataset.json", about)):
        with atomic_write(out_dir / name) as path:
            path.write_text(json.dumps(values, indent=2) + "\n")


def _survey(world: World, seed: int, capture: int, pixel_m: float, varied: bool) -> tuple[RGB, float]:
    """The orthophoto of a capture and its resolution in metres a pixel."""
    rng = np.random.default_rng([seed, 2, capture])
    light, (east, north) = flight_light(rng), rng.uniform(-_OFF_NADIR, _OFF_NADIR, 2)
    samples = 2
    if varied:
        odd = np.random.default_rng([seed, 9, world.variant, capture])
        light, (east, north) = (
            any_flight_light(odd),
            odd.uniform(-_VARIED_OFF_NADIR, _VARIED_OFF_NADIR, 2),
        )
        pixel_m = float(odd.uniform(*_VARIED_PIXEL_M))
        samples = 2 if pixel_m > 0.3 else 1
        world.repaint(odd, 1.0)
    world.set_capture((seed, 1, capture))
    picture = orthophoto(
        world, light, pixel_m=pixel_m, border_m=BORDER_M, samples=samples, off_nadir=(float(east), float(north)),
    )  # fmt: skip
    return (as_survey(picture, odd) if varied else picture), pixel_m


def write_orthophoto(path: Path, picture: RGB, plan: CityPlan, pixel_m: float, border_m: float = 0.0) -> None:
    """A cloud-optimised GeoTIFF in EPSG:3857, `pixel_m` metres on the ground a pixel, JPEG inside."""
    transform = plan.frame.raster_transform(-border_m, plan.height_m + border_m, pixel_m)
    profile = {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": 3,
        "width": picture.shape[1],
        "height": picture.shape[0],
    }
    with rasterio.MemoryFile() as memory, atomic_write(path) as partial:
        with memory.open(crs="EPSG:3857", transform=transform, photometric="rgb", **profile) as raster:
            raster.write(picture.transpose(2, 0, 1))
            raster.update_tags(TIFFTAG_COPYRIGHT=ATTRIBUTION, TIFFTAG_SOFTWARE=SOFTWARE)
        with memory.open() as raster:
            raster_copy(
                raster,
                partial,
                driver="COG",
                compress="JPEG",
                quality=86,
                blocksize=256,
                overview_resampling="average",
            )


def write_places(path: Path, places: list[Location]) -> None:
    """CSV of latitude, longitude in degrees."""
    with atomic_write(path) as partial, partial.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("latitude", "longitude"))
        rows.writerows((f"{p.latitude:.7f}", f"{p.longitude:.7f}") for p in places)
