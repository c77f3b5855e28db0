"""From the photos of a walk to its way on the map, in a real browser without internet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.app import toy
from tests.e2e.visit import PATIENCE_MS, Visit


def open_walk(visit: Visit, query: str = "") -> None:
    visit.page.goto(visit.page.url.partition("?")[0].rstrip("/") + "/walk" + query)
    visit.map.locator(".l2ltr-stop").nth(toy.WALK_PHOTOS - 1).wait_for(timeout=PATIENCE_MS)


def test_a_sample_walk_is_counted_drawn_and_linked_with_its_photos(visit: Visit) -> None:
    open_walk(visit)
    expect(visit.page.get_by_text(re.compile(r"^\d of 3 found$"))).to_have_count(2)
    expect(visit.page.get_by_role("radio", name="A stroll")).to_be_checked()
    for number in (3, 1):  # a click on the map, wherever the others lie
        visit.map.locator(f".stop[data-photo='{number}']").dispatch_event("click")
        expect(visit.page.get_by_role("heading", name=f"Photo {number}")).to_be_visible(timeout=30_000)
        expect(visit.map.locator(".stop.selected")).to_have_attribute("data-photo", str(number))
    visit.page.locator(".st-key-walk_photo_2 button").click()
    selected = visit.map.locator(".stop.selected[data-photo='2']")
    expect(selected).to_be_visible(timeout=30_000)
    expect(visit.page.get_by_alt_text("With the walk: the aerial image")).to_be_visible()
    visit.until_in_the_middle(selected, (40, 40))
    assert visit.refused == []
    assert visit.errors == []


def test_two_files_become_the_visitors_walk_and_a_third_that_is_no_photo_is_named(
    visit: Visit, toy_assets: Path, tmp_path: Path
) -> None:
    open_walk(visit)
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"not a photo")
    samples = toy_assets / "samples"
    visit.page.locator("input[type=file]").set_input_files(
        [samples / "street-1.jpg", bad, samples / "street-0.jpg"]
    )
    expect(visit.page.get_by_text("bad.jpg: The file is not an image")).to_be_visible(timeout=PATIENCE_MS)
    expect(visit.page.get_by_role("radio", name="Your own photos")).to_be_checked()
    expect(visit.page.get_by_text(re.compile(r"^\d of 2 found$"))).to_have_count(2)
    expect(visit.map.locator(".l2ltr-stop")).to_have_count(2, timeout=30_000)
    visit.page.locator(".st-key-walk_photo_1 button").click()
    expect(visit.page.get_by_text("street-0.jpg; north in the middle")).to_be_visible(timeout=30_000)
    visit.page.get_by_role("radio", name="Your own photos").focus()
    visit.page.keyboard.press("ArrowRight")
    expect(visit.page.get_by_text(re.compile(r"^\d of 3 found$"))).to_have_count(2, timeout=PATIENCE_MS)
    assert visit.errors == []


def test_step_and_heading_go_into_the_link_and_come_back(visit: Visit) -> None:
    open_walk(visit)
    slider = visit.page.get_by_role("slider")
    slider.press("ArrowRight")
    expect(visit.page).to_have_url(re.compile(r"step=55"), timeout=30_000)
    visit.page.get_by_text("Search for it").click()
    expect(visit.page).to_have_url(re.compile(r"turn=Search"), timeout=PATIENCE_MS)
    visit.page.goto(visit.page.url)
    expect(slider).to_have_value("55", timeout=PATIENCE_MS)
    expect(visit.page.get_by_role("radio", name="Search for it")).to_be_checked()


@pytest.mark.parametrize("visit", [(420, 900)], indirect=True, ids=["narrow"])
def test_a_narrow_screen_shows_a_walk_without_scrolling_sideways(visit: Visit) -> None:
    open_walk(visit)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 420
    for number in range(1, toy.WALK_PHOTOS + 1):
        row = visit.page.locator(f".st-key-walk_photo_{number} button")
        assert row.evaluate("row => row.scrollWidth <= row.clientWidth + 1")
