"""The app as a visitor meets it: its own process, a real browser, and no internet."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Request, sync_playwright

from benchmarks.serving import served
from tests.app import toy
from tests.app.test_compare_page import keep, walk
from tests.e2e.visit import Visit

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--enable-unsafe-swiftshader",  # WebGL without a graphics card
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder drives a browser, and is skipped only where there is none."""
    for item in items:
        if Path(__file__).parent in Path(item.fspath).parents:
            item.add_marker(pytest.mark.e2e)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="no Chromium is installed"))


@pytest.fixture(scope="session")
def address(toy_assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the toy product is served, its checkpoints measured on a few held-out photos."""
    measured = shutil.copytree(toy_assets, tmp_path_factory.mktemp("measured") / "assets")
    walk(measured)
    for name in toy.CHECKPOINTS:
        keep(measured, name)
    with served(tmp_path_factory.mktemp("log") / "app.log", L2LTR_ASSETS=str(measured)) as (address, _):
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=[(1400, 1000)], ids=["wide"])
def visit(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Visit]:
    with visiting(browser, address, request.param) as visit:
        yield visit


@contextmanager
def visiting(browser: Browser, address: str, size_px: tuple[int, int] = (1400, 1000)) -> Iterator[Visit]:
    """A visitor without internet, whose every request elsewhere and every script error is noted."""
    page = browser.new_page(viewport={"width": size_px[0], "height": size_px[1]})
    visit = Visit(page)

    def note(request: Request) -> None:
        if not request.url.startswith((address, "data:", "blob:")):
            visit.refused.append(request.url)

    page.on("request", note)
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.goto(address)
    yield visit
    page.close()
