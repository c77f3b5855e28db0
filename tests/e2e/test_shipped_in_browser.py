"""The demo as it ships: its own city, its own checkpoint, its own samples."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from benchmarks.serving import served
from l2ltr_core.assets import ASSETS
from l2ltr_core.photo import load_panorama
from tests.e2e.conftest import visiting
from tests.e2e.visit import MAP_FRAME, PATIENCE_MS, Visit, box_of


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("log") / "app.log") as (address, _):
        yield address


@pytest.fixture
def visit(browser: Browser, shipped: str) -> Iterator[Visit]:
    with visiting(browser, shipped) as visit:
        yield visit


def test_an_uploaded_sample_becomes_ten_pins_and_a_click_on_one_shows_its_tile(visit: Visit) -> None:
    visit.wait_for_pins()
    expect(visit.page.get_by_text("Simulated city").locator("visible=true").first).to_be_visible()
    photo = ASSETS / "samples" / "unioninkatu.jpg"
    heading_deg = load_panorama(photo).heading_deg
    assert heading_deg is not None
    visit.page.locator("input[type=file]").set_input_files(photo)
    expect(visit.page.get_by_text(f"{heading_deg:.0f}° ").first).to_be_visible(timeout=PATIENCE_MS)
    visit.wait_for_pins()
    visit.page.locator(".st-key-place_2 button").click()
    expect(visit.page.get_by_text("Place 2 of 10")).to_be_visible(timeout=30_000)
    expect(visit.page.get_by_alt_text("Aerial tile of place 2")).to_be_visible()
    assert visit.refused == []
    assert visit.errors == []


def test_the_map_comes_back_after_the_window_has_changed_its_size(visit: Visit) -> None:
    visit.wait_for_pins()
    visit.page.set_viewport_size({"width": 900, "height": 1400})
    shown = visit.page.locator(MAP_FRAME)
    visit.until(lambda: (box := box_of(shown))["width"] < 900 and box["height"] > 300)
    visit.until_the_page_is_done()
    visit.wait_for_pins()
    assert box_of(shown)["height"] > 300
