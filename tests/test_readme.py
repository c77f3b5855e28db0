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
    text = page.read_text(encoding="utf-8")
    assert text == report_page(cards, records)
    pictures = re.findall(r"\]\(([^)#]+\.png)\)", text)
    assert [name for name in pictures if not (page.parent / name).exists()] == []


def test_every_picture_and_link_to_a_file_is_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert "docs/app.png" in links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_make_target_it_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)\b", README, re.MULTILINE))
    assert {"run", "test"} <= named
    assert [target for target in named if f"\n{target}:" not in makefile] == []
