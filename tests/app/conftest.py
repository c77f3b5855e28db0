"""The app on a toy town, in this process."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import offline, photo_store
from app.memory import results
from l2ltr_core import assets

MAIN = str(Path(__file__).parents[2] / "app" / "main.py")


@pytest.fixture(autouse=True, scope="module")
def forgotten() -> Iterator[None]:
    """No file of tests is shown what another has left in the caches; its own tests share what they only read."""
    forget()
    yield
    forget()


@pytest.fixture
def mine(
    toy_assets: Path, tmp_path: Path, open_app: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The toy's assets, copied for one test to change; the app opens on them, its caches empty."""
    copied = shutil.copytree(toy_assets, tmp_path / "assets")
    monkeypatch.setattr(assets, "ASSETS", copied)
    forget()
    yield copied
    forget()


def forget() -> None:
    """Empty everything that visitors share."""
    st.cache_data.clear()
    st.cache_resource.clear()
    results.clear()
    photo_store.decoded.clear()
    photo_store.files.clear()


@pytest.fixture
def open_app(
    toy_assets: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., AppTest]:
    """A function that opens the app as a new visitor, with the query parameters given."""
    monkeypatch.setattr(assets, "ASSETS", toy_assets)
    monkeypatch.setattr(offline, "STATIC", tmp_path_factory.getbasetemp() / "static")

    def visit(page: str | None = None, **link: str) -> AppTest:
        visitor = AppTest.from_file(MAIN, default_timeout=60)
        for name, value in link.items():
            visitor.query_params[name] = value
        if page is not None:
            visitor.switch_page(page)
        return visitor.run()

    return visit
