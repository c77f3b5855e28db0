"""From a panorama to a pin on the map, in a real browser without internet."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.app import toy
from tests.e2e.visit import PATIENCE_MS, Visit


def test_an_upload_becomes_pins_and_a_click_on_a_pin_shows_its_tile(visit: Visit, toy_assets: Path) -> None:
    visit.wait_for_pins()
    visit.page.locator("input[type=file]").set_input_files(toy_assets / "samples" / "street-1.jpg")
    expect(visit.page.get_by_text("210° SW")).to_be_visible(timeout=PATIENCE_MS)
    visit.wait_for_pins()
    visit.map.locator(".pin[data-rank='6']").click()
    expect(visit.page.get_by_text("Place 6 of 10")).to_be_visible(timeout=30_000)
    expect(visit.page.get_by_alt_text("Aerial tile of place 6")).to_be_visible()
    assert visit.map.locator(".pin.selected").get_attribute("data-rank") == "6"


def test_a_click_in_the_list_selects_the_pin_and_brings_the_map_there(visit: Visit) -> None:
    visit.wait_for_pins()
    visit.page.locator(".st-key-place_4 button").click()
    selected = visit.map.locator(".pin.selected[data-rank='4']")
    expect(selected).to_be_visible(timeout=30_000)
    visit.until_in_the_middle(selected, (40, 60), tip=1.0)


def test_a_real_photo_in_a_simulated_city_is_a_best_guess_and_its_reason_is_told(
    visit: Visit, tmp_path: Path
) -> None:
    visit.wait_for_pins()
    expect(visit.page.locator(".verdict")).to_contain_text("% sure to be within")
    real = tmp_path / "mine.jpg"
    Image.fromarray(toy.panorama(7)).save(real)
    visit.page.locator("input[type=file]").set_input_files(real)
    expect(visit.page.locator(".verdict .big")).to_have_text(
        "Best guess: how certain was not measured", timeout=PATIENCE_MS
    )
    expect(visit.page.get_by_text("Not measured: the photo is a real photograph")).to_be_visible()
    visit.wait_for_pins()
    for row in visit.page.locator("[class*=st-key-place_] button").all():
        assert re.fullmatch(
            r"\d+\s*-?\d\.\d{3}", row.inner_text().strip()
        )  # rank and similarity, nothing else
    assert visit.errors == []


@pytest.mark.parametrize("visit", [(1400, 1000), (420, 900)], indirect=True, ids=["wide", "narrow"])
def test_a_searched_heading_is_charted_below_the_photo_where_the_photo_has_it(visit: Visit) -> None:
    visit.wait_for_pins()
    expect(visit.page.locator(".headings")).to_have_count(0)
    visit.page.get_by_text("Search for it").click()
    chart = visit.page.locator(".headings")
    expect(chart).to_be_visible(timeout=30_000)
    expect(chart).to_have_attribute("aria-label", re.compile(r"highest, -?\d\.\d\d, at \d+° [NESW]+; lowest"))
    expect(chart.locator(".winds > span")).to_have_text(["S 180°", "W 270°", "N 0°", "E 90°", "S 180°"])
    mark, peak = visit.page.locator(".mark").first.bounding_box(), chart.locator("b").bounding_box()
    assert mark is not None
    assert peak is not None
    assert abs(mark["x"] + mark["width"] / 2 - peak["x"] - peak["width"] / 2) < 3
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= visit.page.viewport_size["width"]
    chart.focus()
    expect(chart).to_be_focused()  # it can be reached without a mouse
    assert visit.errors == []


@pytest.mark.parametrize("webgl", [True, False], ids=["webgl", "no-webgl"])
def test_the_photo_can_be_looked_around_in(visit: Visit, webgl: bool) -> None:
    if not webgl:
        visit.page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
        visit.page.reload()
    visit.wait_for_pins()
    visit.page.get_by_role("button", name="Look around").click()
    view, told = visit.page.get_by_role("application"), visit.page.locator("output").last
    expect(told).to_have_text(re.compile(r"looking \d+° [NESW]+, 90° wide"), timeout=PATIENCE_MS)
    expect(view.locator("canvas")).to_be_visible(visible=webgl)
    view.press("Home")
    start_deg = int(re.findall(r"\d+", told.inner_text())[0])
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "+"):
        view.press(key)
    expect(told).to_have_text(re.compile(rf"looking {(start_deg + 10) % 360}° [NESW]+, 82° wide"))
    box = view.bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    visit.page.mouse.move(*middle)
    visit.page.mouse.down()
    visit.page.mouse.move(middle[0] - box["width"] / 2 + 5, middle[1], steps=4)
    visit.page.mouse.up()
    dragged_deg = int(re.findall(r"\d+", told.inner_text())[0])
    turned_deg = (dragged_deg - start_deg - 10) % 360
    assert abs(turned_deg - 82 * (0.5 - 5 / box["width"])) < 2  # what lay in the middle lies at the edge now

    def contrast() -> float:
        shown = np.asarray(Image.open(io.BytesIO(view.screenshot())).convert("RGB"))[8:-8, 8:-8]
        return float(shown.std(axis=(0, 1)).max())

    visit.until(lambda: contrast() > 10)  # a picture, not a plain area
    assert visit.errors == []


def test_the_map_shows_the_city_without_internet(visit: Visit) -> None:
    visit.wait_for_pins()
    image = visit.map.locator("img.leaflet-image-layer")
    expect(image).to_be_visible()
    assert image.evaluate("image => image.complete && image.naturalWidth") > 100
    assert visit.map.locator(".leaflet-control-layers").count() == 1
    assert visit.refused == []
    assert visit.errors == []


def test_moving_the_map_does_not_run_the_page_again(visit: Visit) -> None:
    visit.wait_for_pins()
    visit.until_the_page_is_done()
    zoom = "() => map.getZoom()"
    before = visit.map.locator("#map_div").evaluate(zoom)
    script = "() => { window.runs = 0; new MutationObserver(() => { window.runs += 1 }).observe("
    script += "document.querySelector('[data-testid=stMain]'), {childList: true, subtree: true}) }"
    visit.page.evaluate(script)
    visit.map.locator(".leaflet-control-zoom-in").click()
    visit.until(lambda: visit.map.locator("#map_div").evaluate(zoom) > before)
    visit.page.wait_for_timeout(1000)  # that nothing follows cannot be waited for otherwise
    assert visit.page.evaluate("window.runs") == 0


@pytest.mark.parametrize("visit", [(420, 900)], indirect=True, ids=["narrow"])
def test_a_narrow_screen_shows_everything_without_scrolling_sideways(visit: Visit) -> None:
    visit.wait_for_pins()
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 420
    assert visit.map.locator("#map_div").evaluate("map => map.clientWidth") > 300


def test_a_file_that_is_no_photo_is_one_sentence_and_the_page_goes_on(visit: Visit, tmp_path: Path) -> None:
    visit.wait_for_pins()
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"not a photo")
    visit.page.locator("input[type=file]").set_input_files(bad)
    expect(visit.page.get_by_text("bad.jpg: The file is not an image")).to_be_visible(timeout=30_000)
    visit.wait_for_pins()  # the page goes on with the photo that it had
    visit.page.get_by_role("button", name="Street 1").first.click()
    expect(visit.page.get_by_text("210° SW")).to_be_visible(timeout=30_000)
