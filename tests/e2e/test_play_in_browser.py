"""A game against the model, from the first pin to the end, in a real browser without internet."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FrameLocator, Locator, expect

from app.game import draw
from benchmarks.serving import served
from l2ltr_core.geometry.geodesy import distance_between_m
from l2ltr_core.photo import load_panorama
from l2ltr_core.types import Location
from tests.app import toy
from tests.e2e.conftest import visiting
from tests.e2e.visit import MAP_FRAME, PATIENCE_MS, Visit, box_of

GUESS, GIVE_UP = "This is where it is", "I have no idea"


@pytest.fixture(scope="module")
def assets(toy_assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    mine = shutil.copytree(toy_assets, tmp_path_factory.mktemp("game") / "assets")
    toy.write_game(mine / "samples")
    return mine


@pytest.fixture(scope="module")
def served_game(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("log") / "app.log", L2LTR_ASSETS=str(assets)) as (address, _):
        yield address


@pytest.fixture(params=[(1400, 1000)], ids=["wide"])
def visit(browser: Browser, served_game: str, request: pytest.FixtureRequest) -> Iterator[Visit]:
    with visiting(browser, served_game, request.param) as visit:
        open_game(visit, served_game)
        yield visit


def open_game(visit: Visit, address: str, query: str = "") -> None:
    visit.page.goto(f"{address}/play{query}")
    visit.map.locator("img.leaflet-image-layer").wait_for(timeout=PATIENCE_MS)
    expect(visit.page.get_by_role("button", name=GUESS)).to_be_disabled()


def wait_for_the_map(visit: Visit) -> None:
    """Of another photo: the last one's leaves when the page is done."""
    visit.until_the_page_is_done()
    expect(visit.page.locator(MAP_FRAME)).to_have_count(1)
    visit.map.locator("img.leaflet-image-layer").wait_for(timeout=30_000)


def view_of(map_: FrameLocator) -> list[float]:
    """Latitude, longitude and zoom of the map's middle."""
    return map_.locator("#map_div").evaluate(
        "() => [map.getCenter().lat, map.getCenter().lng, map.getZoom()]"
    )


def click(visit: Visit, x: float, y: float) -> Location:
    """A click on the map, so many pixels from its upper left corner, and the place that lies there."""
    found = visit.map.locator("#map_div").evaluate(
        "(_, at) => { const place = map.containerPointToLatLng(at); return [place.lat, place.lng] }", [x, y]
    )
    visit.map.locator("#map_div").click(position={"x": x, "y": y})
    return Location(*found)


def expect_tag_at(visit: Visit, x: float, y: float) -> None:
    """The visitor's pin has its tip there."""
    expect(visit.map.locator(".tag")).to_have_text("You")

    def there() -> bool:
        frame, tag = box_of(visit.map.locator("#map_div")), box_of(visit.map.locator(".tag"))
        aside, below = tag["x"] + tag["width"] - frame["x"] - x, tag["y"] + tag["height"] - frame["y"] - y
        return abs(aside) < 3 and abs(below) < 3

    visit.until(there)


def within(visit: Visit) -> Callable[[Locator], bool]:
    """Says of an element whether all of it is on the map."""
    frame = box_of(visit.page.locator(MAP_FRAME))

    def fits(element: Locator) -> bool:
        box = box_of(element)
        across = frame["x"] <= box["x"] and box["x"] + box["width"] <= frame["x"] + frame["width"]
        return across and frame["y"] <= box["y"] and box["y"] + box["height"] <= frame["y"] + frame["height"]

    return fits


def test_a_game_from_the_first_pin_to_the_end(visit: Visit, assets: Path) -> None:
    page = visit.page
    whole = view_of(visit.map)
    visit.map.locator(".leaflet-control-zoom-in").click()
    visit.until(lambda: view_of(visit.map)[2] > whole[2])
    before = view_of(visit.map)
    click(visit, 120, 200)
    expect(page.get_by_role("button", name=GUESS)).to_be_enabled(timeout=30_000)
    expect_tag_at(visit, 120, 200)
    guess = click(visit, 200, 320)
    expect_tag_at(visit, 200, 320)
    visit.until_the_page_is_done()
    assert view_of(visit.map) == before  # the map stays where the visitor has it
    assert visit.map.locator(".l2ltr-truth").count() == 0

    page.get_by_role("button", name=GUESS).click()
    expect(visit.map.locator(".l2ltr-truth")).to_be_visible(timeout=30_000)
    expect(visit.map.locator(".tag", has_text="Model")).to_be_visible()
    truth = load_panorama(assets / "samples" / _photo(assets)).location
    assert truth is not None
    told = page.locator(".duel .answer .off").first.inner_text()
    assert int(told.removesuffix(" m off")) == pytest.approx(distance_between_m(guess, truth), abs=2)
    visit.until(lambda: all(map(within(visit), visit.map.locator(".l2ltr-truth, .tag").all())))

    page.get_by_role("button", name="Next photo").click()
    expect(page.get_by_text("Photo 2 of 5")).to_be_visible(timeout=30_000)
    wait_for_the_map(visit)
    visit.until(lambda: view_of(visit.map) == pytest.approx(whole, abs=1e-6))
    page.wait_for_timeout(500)  # that nothing comes back cannot be waited for otherwise
    expect(page.get_by_role("button", name=GUESS)).to_be_disabled()  # the last click
    assert visit.map.locator(".tag").count() == 0

    for number in (2, 3, 4, 5):
        expect(page.get_by_text(f"Photo {number} of 5")).to_be_visible(timeout=30_000)
        page.get_by_role("button", name=GIVE_UP).click()
        page.get_by_role("button", name=re.compile("Next photo|See the result")).click(timeout=30_000)
    expect(page.locator(".rounds img")).to_have_count(5, timeout=30_000)
    wait_for_the_map(visit)
    expect(visit.map.locator(".l2ltr-truth")).to_have_count(5, timeout=30_000)
    expect(visit.map.locator(".tag")).to_have_count(6)  # one guess, five answers of the model
    yours = page.locator(".score b").first.inner_text()

    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Challenge a friend").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert f"I have {yours} of 5,000 points" in copied
    assert copied.endswith(page.url)
    assert visit.refused == []
    assert visit.errors == []


def _photo(assets: Path) -> str:
    """The first of game 1."""
    places = {file.name: load_panorama(file).location for file in (assets / "samples").glob("spot-*.jpg")}
    return draw({name: place for name, place in places.items() if place is not None}, 1)[0]


def test_the_link_holds_the_game_and_another_page_in_between_loses_nothing(
    visit: Visit, served_game: str
) -> None:
    page = visit.page
    assert "game=" not in page.url
    page.get_by_role("button", name="Other photos").click()
    page.wait_for_url(re.compile("game=2"), timeout=30_000)
    page.get_by_role("button", name=GIVE_UP).click()
    expect(page.locator(".duel")).to_contain_text("This one goes to the model", timeout=30_000)
    title = page.locator(".duel > div").nth(1).inner_text()
    page.locator("[data-testid=stSidebarNavLink]", has_text="Galleries").click()
    expect(page.get_by_role("heading", name="Which places can")).to_be_visible(timeout=PATIENCE_MS)
    page.locator("[data-testid=stSidebarNavLink]", has_text="Play").click()
    expect(page.locator(".duel")).to_contain_text(title, timeout=30_000)
    page.wait_for_url(re.compile("game=2"), timeout=30_000)
    open_game(visit, served_game, "?game=2")  # somebody else
    page.get_by_role("button", name=GIVE_UP).click()
    expect(page.locator(".duel")).to_contain_text(title, timeout=30_000)
    assert visit.errors == []


@pytest.mark.parametrize("visit", [(420, 900)], indirect=True, ids=["narrow"])
def test_on_a_narrow_screen_score_and_buttons_stay_in_sight(visit: Visit) -> None:
    page = visit.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    photo, shown = page.get_by_role("application"), page.locator(MAP_FRAME)
    above, below = box_of(photo), box_of(shown)
    assert above["y"] + above["height"] <= below["y"]
    for down in (0, 300):
        page.get_by_test_id("stMain").evaluate("(main, down) => main.scrollTo(0, down)", down)
        for each in (page.get_by_text("Photo 1 of 5"), page.get_by_role("button", name=GIVE_UP)):
            expect(each).to_be_in_viewport(ratio=0.99)
    page.get_by_role("button", name=GIVE_UP).click()
    expect(page.locator(".duel")).to_be_in_viewport(timeout=30_000)
    expect(page.get_by_role("button", name="Next photo")).to_be_in_viewport()
    page.get_by_test_id("stMain").evaluate("(main) => main.scrollTo(0, 500)")
    page.get_by_role("button", name="Next photo").click()
    expect(page.get_by_text("Photo 2 of 5")).to_be_visible(timeout=30_000)

    def in_sight() -> bool:
        score, box = box_of(page.locator(".score")), box_of(photo)
        return score["y"] + score["height"] <= box["y"] < 450

    visit.until(in_sight)  # another photo is brought there
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
