"""From a held-out case to its full view, and a link to one positional embedding, in a real browser."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e.visit import PATIENCE_MS, Visit


def test_a_case_is_one_click_from_its_full_view(visit: Visit, address: str) -> None:
    visit.page.goto(f"{address}/compare")
    visit.page.locator(".st-key-Attention_a_toy-b button").first.click(timeout=PATIENCE_MS)
    expect(visit.page.get_by_role("heading", name="What does the model look at?")).to_be_visible(
        timeout=PATIENCE_MS
    )
    visit.page.wait_for_url(
        lambda url: "sample=walk%2Fa" in url and "checkpoint=toy-b" in url, timeout=PATIENCE_MS
    )
    assert visit.refused == []
    assert visit.errors == []


def test_the_link_of_a_position_opens_it_again(visit: Visit, address: str) -> None:
    visit.page.goto(f"{address}/positional_embeddings")
    visit.page.wait_for_url(lambda url: "gallery=" in url, timeout=PATIENCE_MS)  # the page is whole
    visit.page.get_by_role("radio", name="tile", exact=True).click(timeout=PATIENCE_MS)
    visit.page.wait_for_url(lambda url: "view=tile" in url, timeout=PATIENCE_MS)
    visit.page.get_by_role("slider").first.press("ArrowRight")
    visit.page.wait_for_url(lambda url: "row=2" in url, timeout=PATIENCE_MS)
    visit.page.goto(visit.page.url)
    slider = visit.page.get_by_role("slider").first
    expect(slider).to_have_value("2", timeout=PATIENCE_MS)
    assert visit.errors == []
