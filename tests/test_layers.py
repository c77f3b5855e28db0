"""The house's plan, held by reading the imports of every file: each room knows only the rooms to its left."""

from __future__ import annotations

import ast
import graphlib
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]

ORDER = (
    ("errors", "notes", "types"),
    ("assets", "files", "images", "tags", "metadata", "geometry", "reading"),
    ("photo",),
    ("model",),
    ("checkpoints", "inspection"),
    ("figures",),
    ("imagery",),
    ("gallery",),
    ("localization",),
    ("walks",),
    ("datasets", "evaluation", "training"),
    ("__init__", "__main__", "cli"),
)
LAYER = {room: layer for layer, rooms in enumerate(ORDER) for room in rooms}


@dataclass(frozen=True)
class Import:
    """One imported name: `l2ltr_core.types.Location`, `numpy`."""

    name: str
    when_called: bool

    @property
    def package(self) -> str:
        return self.name.partition(".")[0]

    @property
    def room(self) -> str | None:
        """The room of the core that is entered, None for another package."""
        package, _, inside = self.name.partition(".")
        entered = inside.partition(".")[0]
        return None if package != "l2ltr_core" else entered if entered in LAYER else "__init__"


@dataclass(frozen=True)
class Module:
    """One file of the product, parsed."""

    path: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The first name under the package: `geometry` for l2ltr_core/geometry/polar.py."""
        return Path(self.path).parts[1].removesuffix(".py")

    def imports(self) -> Iterator[Import]:
        functions = (node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.Lambda))
        called = {id(inner) for function in functions for inner in ast.walk(function)}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (Import(alias.name, id(node) in called) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                above = Path(self.path).parts[: -node.level] if node.level else ()
                source = ".".join((*above, *filter(None, [node.module])))
                yield from (Import(f"{source}.{alias.name}", id(node) in called) for alias in node.names)

    def calls(self) -> Iterator[tuple[str, ast.Call]]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield ast.unparse(node.func), node


@cache
def modules(package: str) -> tuple[Module, ...]:
    return tuple(
        Module(path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted((ROOT / package).rglob("*.py"))
    )


def rooms_entered() -> dict[str, set[str]]:
    """For each room of the core, the other rooms that its files import from."""
    entered: dict[str, set[str]] = defaultdict(set)
    for module in modules("l2ltr_core"):
        entered[module.room] |= {found.room for found in module.imports() if found.room} - {module.room}
    return entered


@cache
def declared(*extras: str) -> frozenset[str]:
    """The packages of pyproject.toml: the library's and those of the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    return frozenset(canonicalize_name(Requirement(line).name) for lines in wanted for line in lines)


def tracked_texts() -> Iterator[tuple[str, str]]:
    """Path and text of every file under version control that is text."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    for name in filter(None, names.split("\0")):
        try:
            yield name, (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue


def test_every_room_of_the_core_has_its_place_in_the_order() -> None:
    assert {module.room for module in modules("l2ltr_core")} <= LAYER.keys()


def test_each_room_imports_only_from_its_left() -> None:
    wrong = [
        f"{room} imports {other}"
        for room, others in rooms_entered().items()
        for other in others
        if LAYER[other] > LAYER[room]
    ]
    assert wrong == []


def test_rooms_side_by_side_never_import_in_a_circle() -> None:
    graphlib.TopologicalSorter(rooms_entered()).prepare()


def test_the_core_knows_no_screen() -> None:
    screen = {"streamlit", "streamlit_folium", "folium", "branca", "app"}
    assert [
        m.path
        for m in modules("l2ltr_core") + modules("citysim")
        if screen & {i.package for i in m.imports()}
    ] == []


def test_the_app_holds_no_model_code() -> None:
    engine = {"torch", "torchvision", "timm", "faiss", "rasterio", "safetensors"}
    assert [m.path for m in modules("app") if engine & {i.package for i in m.imports()}] == []


def test_the_simulated_city_uses_only_what_is_common_to_the_library() -> None:
    common = {"errors", "types", "files", "geometry", "photo"}
    entered = {found.room for module in modules("citysim") for found in module.imports() if found.room}
    assert entered <= common


def test_no_file_of_the_simulated_city_imports_itself_by_way_of_others() -> None:
    files = {
        m.path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): m for m in modules("citysim")
    }
    imported = {
        name: {f for found in module.imports() for f in (found.name, found.name.rpartition(".")[0])}
        for name, module in files.items()
    }
    known = files.keys() - {"citysim"}  # each file is imported with its package
    graphlib.TopologicalSorter({name: imported[name] & known for name in known}).prepare()


def test_the_simulated_city_is_known_to_the_command_alone_and_when_it_is_called() -> None:
    knowing = {
        (module.room, found.when_called)
        for module in modules("l2ltr_core") + modules("app")
        for found in module.imports()
        if found.package == "citysim"
    }
    assert knowing == {("cli", True)}


CACHES = ("loading", "samples", "photo_store", "compute", "pictures")
"""The rooms of the app that keep things for all visitors."""


def test_the_app_keeps_its_caches_in_their_rooms() -> None:
    kept = re.compile(r"\bcache_(data|resource)\b|\.keeps\b|\bStore\(")
    cached = {m.path for m in modules("app") if kept.search(ast.unparse(m.tree))}
    assert cached == {f"app/{room}.py" for room in CACHES} | {"app/memory.py"}


def app_imports(room: str) -> set[str]:
    """The parts of the app that a file of it imports, directly or through others."""
    direct = {
        module.path.removeprefix("app/").removesuffix(".py"): {
            name
            for found in module.imports()
            if found.package == "app"
            for name in found.name.split(".")[1:2]
        }
        for module in modules("app")
    }
    seen: set[str] = set()
    waiting = {room}
    while waiting:
        waiting |= direct.get(waiting.pop(), set()) - seen
        seen |= waiting
    return seen


def test_what_a_visitor_has_chosen_needs_no_map_to_be_drawn() -> None:
    assert app_imports("state") == {"viewport"}
    assert app_imports("viewport") == set()


def test_the_pages_need_no_trainer() -> None:
    assert [m.path for m in modules("app") if any(i.room == "training" for i in m.imports())] == []


def test_figures_are_drawn_without_pyplot() -> None:
    everywhere = modules("l2ltr_core") + modules("citysim") + modules("app")
    assert [
        m.path for m in everywhere if any(i.name.startswith("matplotlib.pyplot") for i in m.imports())
    ] == []


def test_the_core_prints_only_from_the_command_line() -> None:
    core = [m for m in modules("l2ltr_core") if m.room not in {"cli", "__main__"}]
    assert [
        m.path for m in (*core, *modules("citysim")) if any(name == "print" for name, _ in m.calls())
    ] == []


def test_every_torch_load_reads_weights_only() -> None:
    everywhere = modules("l2ltr_core") + modules("app") + modules("benchmarks")
    loads = [(m.path, call) for m in everywhere for name, call in m.calls() if name == "torch.load"]
    wrong = [
        path
        for path, call in loads
        if not any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in call.keywords)
    ]
    assert wrong == []


def test_nothing_unpickles_or_evaluates_text() -> None:
    everywhere = modules("l2ltr_core") + modules("citysim") + modules("app")
    running = {"eval", "exec", "pickle.load", "pickle.loads", "pickle.Unpickler"}
    called = [m.path for m in everywhere if running & {name for name, _ in m.calls()}]
    imported = [m.path for m in everywhere if running & {i.name for i in m.imports()}]
    allowing = [m.path for m in everywhere if "allow_pickle=True" in ast.unparse(m.tree)]
    assert called + imported + allowing == []


EXTRAS = {
    "citysim": ("citysim",),
    "gallery": ("ray",),
    "evaluation": ("report",),
    "model": ("fast",),
    "pages": ("dev",),  # the benchmark that opens a browser
}
"""Rooms and packages that need more than the library does -> the extras that bring it."""


def test_every_package_that_is_imported_is_declared() -> None:
    installed = {
        "imagecorruptions": ["imagecorruptions-imaug"],
        **importlib.metadata.packages_distributions(),
    }
    undeclared = set()
    for module in modules("l2ltr_core") + modules("app") + modules("benchmarks") + modules("citysim"):
        library = module.path.startswith(("l2ltr_core/", "citysim/"))
        extras = EXTRAS.get(module.room, EXTRAS.get(module.path.partition("/")[0], ()))
        allowed = declared(*extras, *(() if library else ("app",)))
        for package in {found.package for found in module.imports()}:
            if package in sys.stdlib_module_names or package in {
                "l2ltr_core",
                "citysim",
                "app",
                "benchmarks",
            }:
                continue
            if not allowed & {canonicalize_name(name) for name in installed.get(package, [package])}:
                undeclared.add(f"{module.path} imports {package}")
    assert undeclared == set()


@pytest.mark.skipif(
    not (shutil.which("git") and (ROOT / ".git").exists()), reason="not a checkout: no list of tracked files"
)
def test_no_tracked_file_names_a_path_of_one_machine_or_a_package_registry() -> None:
    # Each pattern is written so that it does not match this file.
    path_of_a_machine = r"(?<![\w./:-])/(?:work|farm|root|Users)/|(?<![\w./:-])/(?:home)/(?!user\b)"
    registry = r"\bpypi\.org|\bpythonhosted\.org|\bregistry\.npmjs|\bdeb\.debian"
    forbidden = re.compile(f"{path_of_a_machine}|{registry}")
    assert [name for name, text in tracked_texts() if forbidden.search(text)] == []
