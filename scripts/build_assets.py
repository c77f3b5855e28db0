"""Everything under assets/ that is made by the program, in the order of making.

    python scripts/build_assets.py worlds       the cities a checkpoint learns from    (runs/worlds)
    python scripts/build_assets.py train NAME   a checkpoint of configs/NAME.toml      (runs/NAME)
    python scripts/build_assets.py queries      held-out photos and the orthophoto     (runs/helsinki-test)
    python scripts/build_assets.py samples      the photos and the walks that the app offers
    python scripts/build_assets.py picture      the README's picture of the twin
    python scripts/build_assets.py publish NAME...   checkpoints, gallery, measured cards
    python scripts/build_assets.py readme       the table of results

Each step leaves out what is already there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from shapely import LineString

import l2ltr_core as l2
from citysim.build import build_city
from citysim.cameras import camera_spots
from citysim.cities import load_city
from citysim.light import Light, dry_light, dusk, flight_light, fog, rain, snow
from citysim.plan import CityPlan
from citysim.procedural import procedural_city
from citysim.render import orthophoto, panorama
from citysim.shooting import SOFTWARE
from citysim.world import FINE, World
from l2ltr_core.assets import ASSETS
from l2ltr_core.checkpoints import find_card, load_card
from l2ltr_core.datasets import open_dataset
from l2ltr_core.evaluation import read_held_out
from l2ltr_core.evaluation.page import write_page
from l2ltr_core.evaluation.real import open_real_pairs
from l2ltr_core.evaluation.report import EvaluationContext, write_report
from l2ltr_core.gallery import add_index, build_gallery, load_places, open_gallery
from l2ltr_core.imagery import open_imagery
from l2ltr_core.model.config import CheckpointCard
from l2ltr_core.photo import write_panorama
from l2ltr_core.reading import build
from l2ltr_core.types import Location

RUNS = Path("runs")
WORLDS = Path(__file__).with_name("worlds.toml")
DEFAULT_SEED = 100
"""Of cars, weather and cameras, together with the variant, where a world has none of its own."""


@dataclass(frozen=True)
class City:
    """A simulated city to learn from or to measure on; where fewer spots are free, fewer panoramas are taken."""

    city: str
    part: str
    variant: int
    panoramas: int
    orthophotos: int
    varied: bool
    seed: int

    @property
    def folder(self) -> Path:
        """Where it is rendered to."""
        seed = "" if self.seed == DEFAULT_SEED else f"-{self.seed}"
        return RUNS / "worlds" / f"{self.city}-{self.part}-{self.variant}{seed}"


@dataclass(frozen=True)
class Listed:
    """A table of `WORLDS`: worlds of one city that differ in their variant."""

    city: str
    part: str
    panoramas: int
    orthophotos: int
    variants: tuple[int, ...] = (0,)
    seeds: tuple[int, ...] = ()
    varied: bool = False

    def worlds(self) -> list[City]:
        """One of each variant."""
        seeds = self.seeds or (DEFAULT_SEED,) * len(self.variants)
        return [
            City(self.city, self.part, variant, self.panoramas, self.orthophotos, self.varied, seed)
            for variant, seed in zip(self.variants, seeds, strict=True)
        ]


@dataclass(frozen=True)
class Worlds:
    """What `WORLDS` lists."""

    validation: Listed
    calibration: Listed
    learned: tuple[Listed, ...]

    def to_learn_from(self) -> list[City]:
        """What every checkpoint learns from."""
        return [world for listed in self.learned for world in listed.worlds()]

    def to_measure_on(self) -> list[City]:
        """What training is watched on, then what is chosen on."""
        return [*self.validation.worlds(), *self.calibration.worlds()]


def read_worlds() -> Worlds:
    """Raises ConfigurationError where the file says anything unknown."""
    return build(Worlds, tomllib.loads(WORLDS.read_text(encoding="utf-8")))


CHECKPOINTS = ("world-l2ltr", "world-vit")
SIZE_PX, RAYS = (128, 512), 1
"""Of the photos that are learned from and measured on: one ray for each pixel is a cheap camera's picture."""


TEST = RUNS / "helsinki-test"
ELSEWHERE = RUNS / "monaco-elsewhere"
"""Photos that Helsinki's gallery should turn down: Monaco's streets, which were learned from, on other days."""
TEST_SEED, QUERIES = 7, 900
PAGE = Path("docs/checkpoints.md")
OPEN, CLOSE = "<!-- results -->", "<!-- /results -->"
NOT_MEASURED = "not measured"
INDEX, VIEWS_PER_CELL = "byte", 1  # every clone carries an index of each checkpoint
LICENCE = "ODbL 1.0 (geometry (c) OpenStreetMap contributors)"
SAMPLES = [  # name, title, metres east and north in the twin's frame, weather
    ("senate-square", "Senate Square", 930, 590, None),
    ("esplanadi", "Esplanadi park", 713, 369, None),
    ("esplanadi-east", "East end of Esplanadi, in the evening", 832, 372, dusk),
    ("pitkasilta", "Pitkäsilta bridge", 826, 1355, None),
    ("unioninkatu", "Unioninkatu", 779, 713, None),
    ("kaisaniemi-park", "Kaisaniemi park in the snow", 713, 1070, snow),
    ("botanical-garden", "Botanical garden", 701, 1225, None),
    ("waterfront", "Kaisaniemi waterfront", 713, 1330, None),
    ("liisankatu", "Liisankatu", 904, 1100, None),
    ("market-square", "Market Square", 904, 428, None),
    ("aleksanterinkatu", "Aleksanterinkatu in the evening", 820, 559, dusk),
    ("kasarmitori", "Kasarmitori in the fog", 743, 131, fog),
    ("fabianinkatu", "Fabianinkatu in the snow", 785, 238, snow),
    ("siltasaari", "Siltasaari", 785, 1498, None),
    ("south-harbour", "South Harbour in the rain", 955, 238, rain),
    ("house-of-estates", "By the House of the Estates", 886, 785, None),
]


WALKS = [  # folder, title, seed, corners in metres east and north in the twin's frame, weather
    (
        "walk-market-square",
        "Past Market Square into Esplanadi",
        2,
        [(886, 489), (884, 425), (885, 400), (864, 382), (760, 372)],
        None,
    ),
    (
        "walk-kaartinkaupunki",
        "South through Kaartinkaupunki, in the rain",
        3,
        [(880, 383), (885, 303), (889, 263), (897, 223), (902, 164)],
        rain,
    ),
    ("walk-liisankatu", "Along Liisankatu, in the evening", 1, [(771, 1094), (960, 1104)], dusk),
    ("walk-unioninkatu", "Up Unioninkatu, which has a double", 0, [(777, 640), (769, 850)], None),
]
WALK_STEP_M = 35
SAMPLE_QUALITY = 66
"""Of the samples' JPEG: 8 MB for all of them."""


def worlds() -> None:
    """Render every city to learn from and to be watched on."""
    listed = read_worlds()
    _render([*listed.to_measure_on(), *listed.to_learn_from()])


def _render(cities: list[City]) -> None:
    """Render those that are not there yet, one on each core."""
    missing = [each for each in dict.fromkeys(cities) if not (each.folder / "dataset.json").exists()]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        rendered = [pool.submit(_render_one, each) for each in missing]
        for done in as_completed(rendered):
            print(done.result(), flush=True)


def _render_one(each: City) -> Path:
    build_city(
        each.city, each.folder, seed=each.seed + each.variant, part=each.part, variant=each.variant,
        panoramas=each.panoramas, captures=each.orthophotos, varied=each.varied, size_px=SIZE_PX, samples=RAYS,
    )  # fmt: skip
    return each.folder


def train(name: str) -> None:
    """Train a checkpoint of `configs` on the worlds, or go on with it; worlds that are missing are rendered first."""
    worlds()
    listed, out = read_worlds(), RUNS / name
    [validation] = listed.validation.worlds()
    command = [sys.executable, "-m", "l2ltr_core", "train", "--config", f"configs/{name}.toml", "--out", out]
    command += ["--cache", RUNS / "cache", "--validation", validation.folder]
    for each in listed.to_learn_from():
        command += ["--dataset", each.folder]
    if (out / "state.pt").exists():
        command += ["--resume"]
    if code := subprocess.run(list(map(str, command)), check=False).returncode:
        sys.exit(code)


def queries() -> None:
    """The whole city from above, photos of its held-out east, and photos of another city."""
    sharp = {"size_px": SIZE_PX, "samples": RAYS}
    build_city("helsinki", TEST, seed=TEST_SEED, part="test", panoramas=QUERIES, **sharp)
    build_city("monaco", ELSEWHERE, seed=900, part="east", panoramas=600, **sharp)
    target = ASSETS / "datasets" / "helsinki"
    shutil.copytree(TEST / "panoramas", target / "panoramas", dirs_exist_ok=True)
    settings = json.loads((TEST / "dataset.json").read_text())
    settings |= {"imagery": "../../galleries/helsinki/orthophoto.tif", "gallery": "helsinki"}
    (target / "dataset.json").write_text(json.dumps(settings, indent=2) + "\n")


def samples() -> None:
    """Large photos of the held-out east near places people know."""
    target = ASSETS / "samples"
    target.mkdir(parents=True, exist_ok=True)
    plan, part = load_city("helsinki", "test")
    world = World(plan, detail=FINE)
    spots = camera_spots(world, part.cameras, 3000, (11,))
    listed = []
    for number, (name, title, x, y, weather) in enumerate(SAMPLES):
        path = target / f"{name}.jpg"
        listed.append({"file": path.name, "title": title, "note": "Simulated photo, held out from training"})
        if path.exists():
            continue
        spot = spots[np.hypot(*(spots - (x, y)).T).argmin()]
        world.set_capture((11, number), clear=spot[None])
        rng = np.random.default_rng([11, number])
        heading_deg = float(rng.uniform(0, 360))
        _take(path, world, plan.frame.to_location(*spot), spot, _light(weather, rng), heading_deg)
    (target / "samples.json").write_text(json.dumps(listed, indent=2, ensure_ascii=False) + "\n")
    _walks(target, plan, world, spots)


def _walks(target: Path, plan: CityPlan, world: World, spots: NDArray[np.float64]) -> None:
    """Large photos along streets of the held-out east, each walk in one hour and one weather."""
    listed = []
    for folder, title, seed, corners, weather in WALKS:
        note = "Simulated photos, held out from training"
        listed.append({"folder": folder, "title": title, "note": note})
        way = LineString(corners)
        wanted = [
            way.interpolate(share, normalized=True)
            for share in np.linspace(0, 1, round(way.length / WALK_STEP_M) + 1)
        ]
        stops = [spots[np.hypot(*(spots - (point.x, point.y)).T).argmin()] for point in wanted]
        rng = np.random.default_rng([12, seed])
        light = _light(weather, rng)
        (target / folder).mkdir(parents=True, exist_ok=True)
        for photo, spot in enumerate(stops, 1):
            path = target / folder / f"{photo:02}.jpg"
            heading_deg = float(rng.uniform(0, 360))
            if path.exists():
                continue
            world.set_capture((12, seed, photo), clear=np.array(stops))
            _take(path, world, plan.frame.to_location(*spot), spot, light, heading_deg)
    (target / "walks.json").write_text(json.dumps(listed, indent=2, ensure_ascii=False) + "\n")


def _take(
    path: Path, world: World, place: Location, spot: NDArray[np.float64], light: Light, heading_deg: float
) -> None:
    """One large photo, with where and which way it was taken."""
    pixels = panorama(world, *spot, light, size_px=(1024, 2048), heading_deg=heading_deg)
    write_panorama(
        path, pixels, location=place, heading_deg=heading_deg, quality=SAMPLE_QUALITY,
        software=SOFTWARE,
    )  # fmt: skip
    print(path, spot.round(), flush=True)


def _light(weather: Callable[[Light, np.random.Generator], Light] | None, rng: np.random.Generator) -> Light:
    """Sunshine, or what a weather makes of it."""
    while not (light := dry_light(rng)).sun.any():
        pass
    return weather(light, rng) if weather else light


def publish(
    names: list[str],
    validation: Path,
    elsewhere: Path,
    pairs: Path | None = None,
    distractors: Path | None = None,
    imagery: str | None = None,
) -> None:
    """Copy checkpoints from their runs, index the gallery, and measure the whole report into their cards.

    `pairs` are real ones, `distractors` further real tiles, `imagery` whose they are; without them nothing is said of
    real photos.

    A checkpoint that ships already keeps what was measured on it, so that this goes on after a stop.
    """
    shipped = ASSETS / "checkpoints"
    shipped.mkdir(parents=True, exist_ok=True)
    for name in names:
        found, card = next(iter(sorted(RUNS.glob(f"*/{name}.safetensors")))), shipped / f"{name}.json"
        if not card.exists() or load_card(card).fingerprint != load_card(found).fingerprint:
            for suffix in (".safetensors", ".json"):
                shutil.copy(found.with_suffix(suffix), card.with_suffix(suffix))
        encoder = l2.load_encoder(name)
        gallery = _index(ASSETS / "galleries" / "helsinki", TEST, encoder, "helsinki")
        context = EvaluationContext(
            encoder,
            gallery,
            open_dataset("helsinki"),
            open_dataset(validation),
            open_dataset(elsewhere) if elsewhere.exists() else None,
            pairs=None if pairs is None else open_real_pairs(pairs, distractors, imagery),
        )
        write_report(context, card, progress=_timed)
    readme()


@contextmanager
def _timed(title: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    print(f"{title}: {time.perf_counter() - began:.0f} s", flush=True)


def picture() -> None:
    """The picture of the twin for the README: the map, and seven samples beside it."""
    shown = (
        "senate-square",
        "pitkasilta",
        "liisankatu",
        "esplanadi-east",
        "fabianinkatu",
        "waterfront",
        "unioninkatu",
    )
    height, gap = 1260, 8
    city = Image.open(ASSETS / "galleries" / "helsinki" / "orthophoto.tif").convert("RGB")
    left = city.resize((round(city.width * height / city.height), height), Image.Resampling.LANCZOS)
    strip_height = (height - gap * (len(shown) - 1)) // len(shown)
    sheet = Image.new("RGB", (left.width + gap + 4 * strip_height, height), "white")
    sheet.paste(left, (0, 0))
    for row, name in enumerate(shown):
        photo = Image.open(ASSETS / "samples" / f"{name}.jpg")
        middle = photo.crop((0, photo.height // 4, photo.width, photo.height * 3 // 4))
        strip = middle.resize((4 * strip_height, strip_height), Image.Resampling.LANCZOS)
        sheet.paste(strip, (left.width + gap, row * (strip_height + gap)))
    sheet.save("docs/city.jpg", quality=85)
    _weather_sheet().save("docs/weather.jpg", quality=85)
    _procedural_sheet().save("docs/invented.jpg", quality=85)
    _mapped_sheet().save("docs/mapped.jpg", quality=85)


def _weather_sheet() -> Image.Image:
    """The waterfront of Kaisaniemi in six kinds of weather."""
    plan, part = load_city("helsinki", "test")
    world = World(plan, detail=FINE)
    spots = camera_spots(world, part.cameras, 3000, (11,))
    spot = spots[np.hypot(*(spots - (713, 1330)).T).argmin()]
    world.set_capture((11, 0), clear=spot[None])
    fair = replace(flight_light(np.random.default_rng(2)), haze=0.3, haze_m=900.0)
    autumn = replace(fair, autumn=0.9)
    lights = [fair, autumn, *(weather(fair, np.random.default_rng(4)) for weather in (rain, fog, snow, dusk))]
    photos = [
        panorama(world, *spot, light, size_px=(280, 840), top_deg=60, bottom_deg=-60, heading_deg=0)
        for light in lights
    ]
    return _tiled([Image.fromarray(photo) for photo in photos], columns=2)


def _procedural_sheet() -> Image.Image:
    """Six procedural cities from above."""
    maps = [
        orthophoto(
            World(procedural_city(number), variant=number),
            flight_light(np.random.default_rng(number)),
            pixel_m=1.8,
        )
        for number in range(1, 7)
    ]
    return _tiled([Image.fromarray(picture) for picture in maps], columns=3)


def _mapped_sheet() -> Image.Image:
    """San Francisco and Astana from above (840 x 280 m) and, in another hour, from the street."""
    tiles = []
    for city, part, seed in (("san-francisco", "northeast", 4), ("astana", "east", 9)):
        plan, _ = load_city(city, part)
        world = World(plan, detail=FINE)
        west, south = plan.width_m / 2 - 420, plan.height_m / 2 - 140
        middle = World(plan.clipped(west, south, west + 840, south + 280))
        above = orthophoto(middle, flight_light(np.random.default_rng(seed)), pixel_m=1.0)
        spots = camera_spots(world, [(west, south, west + 840, south + 280)], 40, (seed,))
        world.set_capture((seed, 0), clear=spots[:1])
        light = _light(None, np.random.default_rng(seed))
        seen = panorama(world, *spots[0], light, size_px=(280, 840), top_deg=60, bottom_deg=-60)
        tiles += [Image.fromarray(above), Image.fromarray(seen)]
    return _tiled(tiles, columns=2)


def _tiled(pictures: list[Image.Image], columns: int, gap: int = 8) -> Image.Image:
    width, height = pictures[0].size
    rows = len(pictures) // columns
    sheet = Image.new("RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), "white")
    for number, picture in enumerate(pictures):
        sheet.paste(picture, ((number % columns) * (width + gap), number // columns * (height + gap)))
    return sheet


def results_block(cards: list[CheckpointCard]) -> str:
    """The README's table of results, from the cards: a row for each protocol, a column for each checkpoint."""
    places = cards[0].results["places"]
    rows: list[tuple[str, Callable[[CheckpointCard], str]]] = []
    caption = "Real photos: nothing was measured yet."
    if measured := [card.results["real"] for card in cards if "real" in card.results]:
        photos, tiles = measured[0]["pairs"], measured[0]["together"]["tiles"]
        rows += [
            (f"{photos} {gallery}, heading {known}", partial(_real, where, heading))
            for where, gallery in (
                ("own_set", "real photos, each among the tiles of its data set"),
                ("together", f"real photos among {tiles} tiles"),
            )
            for heading, known in (("known", "known"), ("searched", "unknown"))
        ]
        rows.append((f"mean confidence / accuracy among {tiles} tiles, heading known", _real_confidence))
        caption = f"One real photo is {100 / photos:.1f} points. Imagery of the real pairs: {measured[0]['imagery']}."
    held_out = (
        f"{places['queries']} held-out photos of simulated Helsinki among {places['gallery_size']:,} places"
    )
    rows.append((f"{held_out}, heading known", lambda card: _recalls(card.results["places"])))
    return "\n".join(
        [
            f"| R@1 / R@5 | {' | '.join(f'`{card.name}`' for card in cards)} |",
            f"|---|{'---|' * len(cards)}",
            *(f"| {title} | {' | '.join(cell(card) for card in cards)} |" for title, cell in rows),
            "",
            caption,
        ]
    )


def _real(where: str, heading: str, card: CheckpointCard) -> str:
    """R@1 and R@5 of the real pairs in one gallery (`own_set`, `together`), the heading `known` or `searched`."""
    real = card.results.get("real")
    return _recalls(real[where]["pooled"][heading]) if real else NOT_MEASURED


def _real_confidence(card: CheckpointCard) -> str:
    """The mean confidence of answers among all tiles, and the share of them that was right."""
    real = card.results.get("real")
    confidence = real["together"]["pooled"]["confidence"] if real else {"photos": 0}
    if not confidence["photos"]:
        return NOT_MEASURED
    return f"{100 * confidence['mean_told']:.0f} / {100 * confidence['came_true']:.0f} %"


def _recalls(measured: dict[str, Any]) -> str:
    return f"{100 * measured['recall_at_1']:.0f} / {100 * measured['recall_at_5']:.0f} %"


def readme() -> None:
    """Write the measured results into the README, and docs/checkpoints.md anew."""
    cards = [card for card in l2.list_checkpoints() if "places" in card.results]
    write_page(PAGE, cards, {card.name: read_held_out(find_card(card.name)) for card in cards})
    path = Path("README.md")
    before, rest = path.read_text().split(OPEN)
    path.write_text(f"{before}{OPEN}\n{results_block(cards)}\n{CLOSE}{rest.split(CLOSE)[1]}")


def _index(folder: Path, city: Path, encoder: l2.Encoder, name: str) -> l2.Gallery:
    if (folder / "gallery.json").exists():
        gallery = open_gallery(folder)
        if gallery.has_index(encoder):
            return gallery
        return add_index(folder, encoder, index=INDEX, views_per_cell=VIEWS_PER_CELL)
    return build_gallery(
        open_imagery(str(city / "orthophoto.tif")),
        folder,
        encoder,
        name=name,
        places=load_places(city / "places.csv"),
        index=INDEX,
        views_per_cell=VIEWS_PER_CELL,
        licence=LICENCE,
        simulated=True,
    )


if __name__ == "__main__":
    steps = {"worlds": worlds, "queries": queries, "samples": samples, "picture": picture, "readme": readme}
    if sys.argv[1:2] == ["publish"]:
        [calibration] = read_worlds().calibration.worlds()
        asked = argparse.ArgumentParser(prog="build_assets.py publish")
        asked.add_argument("names", nargs="+", help="checkpoints, found in runs/*/NAME.safetensors")
        asked.add_argument("--validation", type=Path, default=calibration.folder)
        asked.add_argument("--elsewhere", type=Path, default=ELSEWHERE)
        asked.add_argument("--pairs", type=Path, help="real pairs: a folder with pairs.csv")
        asked.add_argument("--distractors", type=Path, help="real tiles that no photo belongs to")
        asked.add_argument("--imagery", help="whose imagery the pairs are")
        publish(**vars(asked.parse_args(sys.argv[2:])))
    elif sys.argv[1:2] == ["train"] and len(sys.argv) == 3 and sys.argv[2] in CHECKPOINTS:
        train(sys.argv[2])
    elif len(sys.argv) == 2 and sys.argv[1] in steps:
        steps[sys.argv[1]]()
    else:
        sys.exit(__doc__)
