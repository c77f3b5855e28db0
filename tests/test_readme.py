"""What the README says of the product is what the product says of itself."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import l2ltr_core as l2
from l2ltr_core.checkpoints import find_card
from l2ltr_core.evaluation import read_held_out
from l2ltr_core.evaluation.page import report_page

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_results_is_what_the_cards_say() -> None:
    spec = importlib.util.spec_from_file_location("build_assets", ROOT / "scripts" / "build_assets.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = script  # dataclasses look their module up
    spec.loader.exec_module(script)
    cards = [card for card in l2.list_checkpoints() if "places" in card.results]
    shown = README.split(script.OPEN)[1].split(script.CLOSE)[0]
    assert cards
    assert shown.strip() == script.results_block(cards)


def test_the_page_of_checkpoints_is_what_the_cards_say() -> None:
    cards = [card for card in l2.list_checkpoints() if "places" in card.results]
    records = {card.name: read_held_out(find_card(card.name)) for card in cards}
    page = ROOT / "docs" / "checkpoints.md"
    assert page.read_text(encoding="utf-8") == report_page(cards, records)


def test_it_is_short_and_shows_the_app() -> None:
    assert len(README.splitlines()) <= 120
    assert "](docs/app.png)" in README


def test_every_python_name_of_its_example_is_public() -> None:
    [example] = re.findall(r"```python\n(.+?)```", README, re.DOTALL)
    used = set(re.findall(r"\bl2\.(\w+)", example))
    assert {"load_encoder", "open_gallery", "localize"} <= used <= set(l2.__all__)


def test_every_place_it_sends_a_reader_to_exists() -> None:
    [table] = re.findall(r"## Where things are\n(.+?)\n\n[^|\n]", README, re.DOTALL)
    places = [path for path in re.findall(r"`(\w+/[\w./-]+)`", table) if "NAME" not in path]
    assert "l2ltr_core/model/transformer.py" in places
    assert [path for path in places if not (ROOT / path).exists()] == []
