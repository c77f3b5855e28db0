"""Licences of what is needed at run time: read from metadata, GPL refused, and none left unknown."""

from __future__ import annotations

from email.message import Message

import pytest

from scripts.check_licences import FOUND_BY_HAND, main, problem_with, required


def described(**fields: str | list[str]) -> Message:
    """A package's metadata."""
    message = Message()
    for name, values in fields.items():
        for value in [values] if isinstance(values, str) else values:
            message[name.replace("_", "-")] = value
    return message


def test_nothing_that_is_needed_is_under_a_copyleft_licence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0, capsys.readouterr().out


def test_what_a_requirement_needs_is_checked_and_what_is_not_installed_is_named() -> None:
    installed, absent = required(["folium", "no-such-package>=1"])
    assert {"folium", "branca", "jinja2", "markupsafe"} <= set(installed)
    assert absent == ["no-such-package"]


@pytest.mark.parametrize(
    "fields",
    [
        {"License_Expression": "GPL-3.0-or-later"},
        {"License_Expression": "MIT AND AGPL-3.0-only"},
        {"License": "GPLv3"},
        {"Classifier": ["License :: OSI Approved :: GNU General Public License v3 (GPLv3)"]},
        {"Classifier": ["License :: OSI Approved :: GNU Affero General Public License v3"]},
    ],
)
def test_gpl_is_refused_however_it_is_written(fields: dict[str, str | list[str]]) -> None:
    problem = problem_with("something", described(**fields))
    assert problem is not None and "do without it" in problem


@pytest.mark.parametrize(
    "fields",
    [
        {"License_Expression": "BSD-3-Clause AND MIT"},
        {"License_Expression": "MIT OR GPL-2.0-only"},
        {"License_Expression": "BSD-3-Clause AND GPL-3.0-or-later WITH GCC-exception-3.1"},
        {"License_Expression": "LGPL-2.1-or-later"},
        {"Classifier": ["License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)"]},
        {"Classifier": ["License :: OSI Approved :: GNU Library or Lesser General Public License (LGPL)"]},
        {"License": "MPL-2.0"},
        {
            "License": "Terms of many lines\nwith GPL in one",
            "Classifier": ["License :: OSI Approved :: BSD License"],
        },
    ],
)
def test_what_binds_no_importer_is_accepted(fields: dict[str, str | list[str]]) -> None:
    assert problem_with("something", described(**fields)) is None


@pytest.mark.parametrize("text", ["", "UNKNOWN", "(same as Something)", "a text\nof lines"])
def test_a_package_without_a_licence_must_be_looked_up(text: str) -> None:
    problem = problem_with("something", described(License=text))
    assert problem is not None and "names no licence" in problem
    assert problem_with(next(iter(FOUND_BY_HAND)), described(License=text)) is None
