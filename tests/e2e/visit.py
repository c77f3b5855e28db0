"""A visit to the app in a browser."""

from __future__ import annotations

from dataclasses import dataclass, field

from playwright.sync_api import FrameLocator, Page

MAP_FRAME = "iframe[title*='streamlit_folium']"
PATIENCE_MS = 120_000
"""For the first page, which imports the model's libraries on a busy machine."""


@dataclass
class Visit:
    """A page opened by a visitor, every address outside this machine that it asked for, and its errors."""

    page: Page
    refused: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def map(self) -> FrameLocator:
        return self.page.frame_locator(MAP_FRAME)

    def wait_for_pins(self, count: int = 10) -> None:
        self.map.locator(".l2ltr-pin").nth(count - 1).wait_for(timeout=PATIENCE_MS)
