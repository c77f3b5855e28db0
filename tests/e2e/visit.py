"""A visit to the app in a browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from playwright.sync_api import FloatRect, FrameLocator, Locator, Page

MAP_FRAME = "iframe[title*='streamlit_folium']"
PATIENCE_MS = 120_000
"""For the first page, which imports the model's libraries on a busy machine."""
ASKED_EVERY_MS = 50


@dataclass
class Visit:
    """A page opened by a visitor, every address outside this machine that it asked for, and its errors."""

    page: Page
    refused: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def map(self) -> FrameLocator:
        return self.page.frame_locator(MAP_FRAME)

    def until(self, holds: Callable[[], bool], patience_s: float = 30) -> None:
        """Ask again and again, as `expect` does, for what it has no word for."""
        end = time.monotonic() + patience_s
        while not holds():
            assert time.monotonic() < end, "what was waited for did not come about"
            self.page.wait_for_timeout(ASKED_EVERY_MS)

    def until_the_page_is_done(self) -> None:
        """The script that makes the page has run to its end."""
        self.page.locator("[data-test-script-state=notRunning]").wait_for(timeout=PATIENCE_MS)

    def until_in_the_middle(self, pin: Locator, within_px: tuple[float, float], tip: float = 0.5) -> None:
        """The map has glided to the pin, whose tip is that part of its height below its top."""

        def there() -> bool:
            frame, box = box_of(self.page.locator(MAP_FRAME)), box_of(pin)
            aside = box["x"] + box["width"] / 2 - frame["x"] - frame["width"] / 2
            below = box["y"] + tip * box["height"] - frame["y"] - frame["height"] / 2
            return abs(aside) < within_px[0] and abs(below) < within_px[1]

        self.until(there)

    def wait_for_pins(self, count: int = 10) -> None:
        self.map.locator(".l2ltr-pin").nth(count - 1).wait_for(timeout=PATIENCE_MS)


def box_of(element: Locator) -> FloatRect:
    """Where an element is on the screen, once it is seen."""
    element.wait_for(timeout=PATIENCE_MS)
    box = element.bounding_box()
    assert box is not None
    return box
