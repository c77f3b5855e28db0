"""From a click on the panorama to the ray on the map, and from a small map to the large one."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, expect

from tests.e2e.visit import PATIENCE_MS, Visit


def open_attention(visit: Visit, query: str = "") -> None:
    visit.page.goto(visit.page.url.partition("?")[0].rstrip("/") + "/attention" + query)
    expect(visit.page.get_by_text("Rank correlation of the two")).to_be_visible(timeout=PATIENCE_MS)


def test_a_click_on_the_panorama_turns_the_line_on_the_tile_and_on_the_map(visit: Visit) -> None:
    open_attention(visit)
    photo = visit.page.locator(".strip .view").first
    box = photo.bounding_box()
    assert box is not None
    photo.click(position={"x": 0.75 * box["width"], "y": 20})
    expect(visit.page.get_by_role("slider", name="Direction on the photo")).to_have_attribute(
        "aria-valuetext", "90° E"
    )
    expect(visit.page.locator(".tile .ray")).to_have_attribute("style", "transform: rotate(90deg);")
    expect(visit.page).to_have_url(re.compile("azimuth=90"), timeout=30_000)
    expect(visit.map.locator("img[alt='Attention over the tile of place 1']")).to_be_attached()
    assert visit.refused == []
    assert visit.errors == []


def watched_heats(visit: Visit) -> Locator:
    """The heat over the photo, the unrolled tile and the square tile; every address they take is written down."""
    heats = visit.page.locator("figure img.heat")
    expect(heats).to_have_count(3)
    heats.evaluate_all(
        """(all) => {
            window.taken = all.map(() => []);
            all.forEach((heat, number) => {
                const write = () => window.taken[number].push(heat.getAttribute("src"));
                new MutationObserver(write).observe(heat, { attributeFilter: ["src"] });
            });
        }"""
    )
    return heats


def test_a_small_map_becomes_the_large_one_at_once_and_the_link_brings_it_back(visit: Visit) -> None:
    open_attention(visit)
    heats = watched_heats(visit)
    visit.page.get_by_role("button", name="layer 2, head 1").focus()
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_function("window.taken.every((addresses) => addresses.length === 2)", timeout=30_000)
    taken = visit.page.evaluate("window.taken")
    for browser, python in taken:
        drawn, meant = opaque_pixels(browser, 64), opaque_pixels(python, 64)
        assert (np.abs(drawn - meant).max(axis=2) < 40).mean() > 0.9  # but for the edges between patches
    expect(visit.page).to_have_url(
        re.compile("layer=layer[+]2.*head=head[+]1|head=head[+]1.*layer=layer[+]2"), timeout=30_000
    )
    visit.page.reload()
    expect(heats.first).to_have_attribute("src", taken[0][1], timeout=PATIENCE_MS)
    pressed = visit.page.locator("[data-of='1 0']")
    expect(pressed).to_have_attribute("aria-pressed", "true")


def opaque_pixels(address: str, side: int) -> np.ndarray:
    """A picture over black, (side, side, 3)."""
    picture = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGBA")
    black = Image.new("RGBA", picture.size, "black")
    flat = Image.alpha_composite(black, picture).convert("RGB")
    return np.asarray(flat.resize((side, side), Image.Resampling.NEAREST)).astype(int)


def test_heads_can_be_put_in_order_of_what_is_measured(visit: Visit) -> None:
    open_attention(visit)
    visit.page.get_by_label("Order").select_option("down entropy")
    notes = visit.page.locator(".sheet .note span").all_text_contents()
    entropies = [float(note.split(" · ")[0]) for note in notes]
    assert len(entropies) == 4
    assert entropies == sorted(entropies, reverse=True)
