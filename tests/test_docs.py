"""The pages for people: links lead somewhere, commands exist with the options that are given, pages stay short."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup

from l2ltr_core.cli import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "assets" / "SOURCES.md"])
GENERATED = {"benchmarks.md", "checkpoints.md"}
LONGEST = 120
"""Lines of a page that a person writes."""


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    """The relative links of a page, code left out."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", text_of(page), flags=re.DOTALL)
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", prose) if "://" not in link]


def commands(page: Path) -> list[list[str]]:
    """The words of every `l2ltr ...` line in a page's code blocks, comments and continued lines resolved."""
    blocks = "\n".join(re.findall(r"```[a-z]*\n(.*?)```", text_of(page), re.DOTALL)).replace("\\\n", " ")
    lines = [line.strip() for line in blocks.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("l2ltr ")]


def wrong_in(words: list[str]) -> list[str]:
    """The words of a command line that name no command or no option of it; `[--option]` is an option, too."""
    command = typer.main.get_command(app)
    while isinstance(command, TyperGroup):
        if not words or words[0] not in command.commands:
            return words[:1] or ["a command is missing"]
        command, words = command.commands[words[0]], words[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    options = [word.strip("[]") for word in words if word.lstrip("[").startswith("--")]
    return [option for option in options if option not in known]


def test_a_wrong_command_or_option_is_noticed() -> None:
    assert wrong_in(["gallery", "build", "--out", "town", "[--views-per-cell", "4]"]) == []
    assert wrong_in(["gallery", "make"]) == ["make"]
    assert wrong_in(["gallery", "build", "--outt", "town"]) == ["--outt"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    missing = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            missing.append(link)
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_exists_with_the_options_given(page: Path) -> None:
    assert [(words, wrong) for words in commands(page) if (wrong := wrong_in(words))] == []


def test_every_make_target_that_is_named_exists() -> None:
    makefile = text_of(ROOT / "Makefile")
    named = {
        name for page in PAGES for name in re.findall(r"(?:^|`)make ([a-z]+)\b", text_of(page), re.MULTILINE)
    }
    assert {"run", "test", "check"} <= named
    assert [name for name in sorted(named) if f"\n{name}:" not in makefile] == []


@pytest.mark.parametrize("page", [p for p in PAGES if p.name not in GENERATED], ids=lambda page: page.name)
def test_a_page_that_a_person_writes_is_short(page: Path) -> None:
    assert len(text_of(page).splitlines()) <= LONGEST


def test_the_glossary_names_symbols_where_they_are() -> None:
    rows = re.findall(
        r"^\| [^|]+ \| ([^|]+) \| \[[^\]]+\]\(\.\./([^)]+)\) \|$",
        text_of(ROOT / "docs" / "concepts.md"),
        re.MULTILINE,
    )
    assert len(rows) > 15
    lost = [
        (symbol, file)
        for symbols, file in rows
        for symbol in re.findall(r"`(\w+)[^`]*`", symbols)
        if not re.search(rf"\b{symbol}\b", text_of(ROOT / file))
    ]
    assert lost == []
