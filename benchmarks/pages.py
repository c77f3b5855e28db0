"""How long the pages take in a browser: the first view of each, and a change of layer or head.

Run `python -m benchmarks pages`. The real app is started with its own assets and driven in headless Chromium.
Every round takes another sample photo, so that nothing of it is in the app's caches; what is loaded once
(libraries, checkpoint, gallery) is loaded before the first round.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.serving import served
from benchmarks.table import Row, Target
from l2ltr_core.errors import ConfigurationError

if TYPE_CHECKING:
    from playwright.sync_api import Page

FIRST_VIEW_S = 2.0
CHANGE_S = 0.3
CHANGES = 12
PATIENCE_MS = 120_000
MAP_PIN = ".l2ltr-pin"


@dataclass(frozen=True)
class Visited:
    """A page by its link's name, and what is there once a visitor has something to look at."""

    name: str
    title: str
    seen: str


PAGES = (
    Visited("Walk", "Where did this walk lead?", "iframe[title*=folium]"),
    Visited("Play", "Can you beat the model?", "iframe[title*=folium]"),
    Visited("Attention", "What does the model look at?", ".strip img.heat"),
    Visited("Positional embeddings", "What has the model learned", "[data-testid=stImage] img"),
    Visited("Layers", "Does each layer", "[data-testid=stImage] img"),
    Visited("Compare", "Do the checkpoints agree?", "iframe[title*=folium]"),
    Visited("Galleries", "Which places can", "[data-testid=stImage] img"),
)
CHANGE = """async ([of]) => {
  const roots = [...document.querySelectorAll("*")].map((each) => each.shadowRoot).filter(Boolean);
  const heats = roots.flatMap((root) => [...root.querySelectorAll("figure .heat")]);
  const sources = () => heats.map((heat) => heat.getAttribute("src"));
  const start = performance.now(), times = [];
  const button = roots.map((root) => root.querySelector(`[data-of='${of}']`)).find(Boolean);
  let before = sources();
  button.click();
  while (times.length < 2) {  // drawn by the browser, and then by Python
    while (sources().some((now, number) => now === before[number])) {
      await new Promise(requestAnimationFrame);
      if (performance.now() - start > 60000) throw new Error("the pictures did not change");
    }
    await Promise.all(heats.map((heat) => heat.decode()));
    times.push((performance.now() - start) / 1000);
    before = sources();
  }
  return times;
}"""
"""Seconds from a click on a small map until it lies over the photo and over both pictures of the tile."""


def rows(rounds: int) -> list[Row]:
    """First view of each page and change of layer or head, each round with another sample; ConfigurationError."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "app.log") as (address, pid):
        return measure(address, pid, rounds)


def measure(address: str, pid: int, rounds: int, changes: int = CHANGES) -> list[Row]:
    """The same of an app that runs at `address` in the process `pid`, with as many `changes` a round."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise ConfigurationError(
            "Playwright drives the browser; `pip install -e .[dev]` brings it."
        ) from error
    first: dict[str, list[float]] = {"Localize": [], **{page.name: [] for page in PAGES}}
    changed: list[float] = []
    answered: list[float] = []
    memory: list[float] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(address)
        _pins(page)
        for each in PAGES:  # the libraries that a page needs, and the browser's own scripts
            _visit(page, each)
        samples = None
        for number in range(1, rounds + 1):
            _go(page, "Localize")
            page.locator("h1", has_text="Where was this photo taken?").wait_for()
            _pins(page)
            _rest(page)
            samples = samples or page.locator("[class*=st-key-sample_]").count()
            first["Localize"].append(_take_sample(page, number % samples))
            for each in PAGES:
                first[each.name].append(_visit(page, each))
                if each.name == "Attention":
                    for turn in range(changes):
                        shown, settled = _change(page, turn)
                        changed.append(shown)
                        answered.append(settled)
            memory.append(_resident_mb(pid))
        browser.close()
    return [
        *(_row(f"pages: first view of {name}", times, FIRST_VIEW_S) for name, times in first.items()),
        _row("pages: another layer or head, all three pictures", changed, CHANGE_S),
        _row("pages: the same, as Python draws it", answered),
        Row("pages: memory of the app", "MB", memory[-1], note=f"{memory[0]:,.0f} after the first photo"),
    ]


def _row(case: str, seconds: list[float], bound_s: float | None = None) -> Row:
    middle = statistics.median(seconds)
    spread = f"click to picture, {min(seconds):.2f} to {max(seconds):.2f}"
    targets = () if bound_s is None else (Target.at_most("seconds", middle, bound_s),)
    return Row(case, "s", middle, targets=targets, note=spread)


def _take_sample(page: Page, number: int) -> float:
    """Seconds from a click on a sample until the map shows its pins."""
    button = page.locator(f".st-key-sample_{number} button").first  # one more belongs to its tooltip
    pins = page.frame_locator("iframe[title*=folium]").locator(MAP_PIN)
    pins.evaluate_all("pins => pins.forEach((pin) => { pin.dataset.old = 1 })")
    start = time.perf_counter()
    button.click()
    while True:
        if pins.evaluate_all("pins => pins.length === 10 && !pins.some((pin) => pin.dataset.old)"):
            return time.perf_counter() - start
        if time.perf_counter() - start > PATIENCE_MS / 1000:
            raise TimeoutError("the pins did not change")


def _visit(page: Page, each: Visited) -> float:
    """Seconds from a click on the page's name until there is something to see."""
    start = time.perf_counter()
    _go(page, each.name)
    page.locator("h1", has_text=each.title).wait_for()
    page.locator(each.seen).first.wait_for()
    page.locator(each.seen).first.evaluate("async (seen) => { if (seen.decode) await seen.decode() }")
    taken = time.perf_counter() - start
    _rest(page)
    return taken


def _go(page: Page, name: str) -> None:
    page.locator("[data-testid=stSidebarNavLink]", has_text=name).click()


def _change(page: Page, turn: int) -> tuple[float, float]:
    """Seconds from a click on a small map until the browser, and until Python, has drawn it large."""
    names = page.locator("[data-of]").evaluate_all("all => all.map((each) => each.dataset.of)")
    chosen = names[(7 * turn + 1) % len(names)]
    shown, settled = page.evaluate(CHANGE, [chosen])
    page.wait_for_timeout(400)
    return float(shown), float(settled)


def _pins(page: Page) -> None:
    page.frame_locator("iframe[title*=folium]").locator(MAP_PIN).nth(9).wait_for()


def _rest(page: Page) -> None:
    """Wait until the app has nothing left to do and the parts of the page before are gone."""
    page.wait_for_timeout(300)
    page.locator("[data-test-script-state=notRunning]").wait_for()
    page.wait_for_timeout(300)


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def _chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        raise ConfigurationError("There is no Chromium on this machine; install it to measure the pages.")
    return found
