"""The image's recipe, read where no Docker engine is at hand: what it copies exists, and who runs it how."""

from __future__ import annotations

import json
import shlex
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]


def instructions() -> list[tuple[str, str]]:
    """(KEYWORD, arguments) of each instruction, comments dropped and continued lines joined."""
    lines = [
        line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")
    ]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [
        (keyword, rest.strip()) for keyword, _, rest in (line.partition(" ") for line in joined) if keyword
    ]


def arguments(keyword: str) -> list[str]:
    return [rest for name, rest in instructions() if name == keyword]


def copied() -> list[str]:
    """Every source of every COPY, options and destination left out."""
    words = [[w for w in shlex.split(rest) if not w.startswith("--")] for rest in arguments("COPY")]
    return [source for each in words for source in each[:-1]]


def environment() -> dict[str, str]:
    return dict(word.partition("=")[::2] for rest in arguments("ENV") for word in shlex.split(rest))


def is_ignored(path: str) -> bool:
    """Whether .dockerignore keeps `path` out: as Docker reads it, the last matching line decides."""
    parts = PurePosixPath(path).parts
    above = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
    ignored = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.strip().removeprefix("!")
        if not pattern or pattern.startswith("#"):
            continue
        # `**/x` is x at any depth; else `*` is one name, though to fnmatch it crosses folders.
        anywhere = pattern.startswith("**/")
        tried = parts if anywhere else [p for p in above if p.count("/") == pattern.count("/")]
        if any(fnmatch(name, pattern.removeprefix("**/")) for name in tried):
            ignored = not line.strip().startswith("!")
    return ignored


@pytest.mark.parametrize("source", copied())
def test_what_the_image_copies_exists_and_is_not_ignored(source: str) -> None:
    assert (ROOT / source).exists()
    assert not is_ignored(source)


@pytest.mark.parametrize(
    "path",
    [
        ".git",
        ".venv/bin/python",
        "tests/test_dockerfile.py",
        "runs/1/last.pt",
        "app/views/__pycache__/x.pyc",
        "README.md",
    ],
)
def test_what_the_app_does_not_run_on_stays_out_of_the_image(path: str) -> None:
    assert is_ignored(path)


def test_every_folder_that_the_app_imports_is_copied() -> None:
    assert {"app", "l2ltr_core", "assets", ".streamlit", "requirements.txt"} <= set(copied())


def test_the_app_runs_as_user_1000_who_owns_what_it_writes_to() -> None:
    assert arguments("USER") == ["1000"]
    assert any("useradd" in step and "--uid 1000" in step for step in arguments("RUN"))
    home = environment()["HOME"]
    assert arguments("WORKDIR") == [f"{home}/app"]
    assert all(environment()[name].startswith(f"{home}/") for name in ("MPLCONFIGDIR", "HF_HOME"))


def test_the_app_listens_on_every_address_of_port_7860() -> None:
    (command,) = map(json.loads, arguments("CMD"))
    assert command[:5] == ["python", "-m", "streamlit", "run", "app/main.py"]
    assert {"--server.port=7860", "--server.address=0.0.0.0", "--server.headless=true"} <= set(command)
    assert arguments("EXPOSE") == ["7860"]


def test_the_health_check_asks_streamlit_with_python_alone() -> None:
    (check,) = arguments("HEALTHCHECK")
    command = json.loads(check.partition("CMD")[2])
    assert command[:2] == ["python", "-c"]
    assert "http://127.0.0.1:7860/_stcore/health" in command[2]
    compile(command[2], "HEALTHCHECK", "exec")


def test_torch_comes_from_the_cpu_index_before_anything_that_needs_it() -> None:
    (step,) = [step for step in arguments("RUN") if "pip install" in step]
    cpu, rest = step.split("&&")
    assert {"torch", "torchvision", "--no-deps"} <= set(cpu.split())
    assert cpu.split()[cpu.split().index("--index-url") + 1].endswith("/whl/cpu")
    assert rest.split() == ["pip", "install", "--no-cache-dir", "--requirement", "requirements.txt"]
