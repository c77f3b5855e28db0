"""What is needed to run: the list for the app, and the library without it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

WITHOUT_THE_APP = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"streamlit", "folium", "branca", "cachetools", "geopandas", "matplotlib"}:
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Refuse())
"""
EVERY_NAME = """
import l2ltr_core
for name in l2ltr_core.__all__:
    getattr(l2ltr_core, name)
"""
A_FIRST_USE = """
import l2ltr_core as l2
from l2ltr_core.assets import ASSETS

encoder = l2.load_encoder("helsinki-l2ltr")
gallery = l2.open_gallery("helsinki")
photo = next((ASSETS / "samples").glob("*.jpg"))
result = l2.localize(photo, encoder=encoder, gallery=gallery, top_k=3)
assert len(result.matches) == 3
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": "", "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_list_for_the_app_is_what_pyproject_asks_for() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    listed = [line for line in lines if line and not line.startswith("#")]
    assert listed == PROJECT["dependencies"] + PROJECT["optional-dependencies"]["app"]


@pytest.mark.parametrize("code", [EVERY_NAME, A_FIRST_USE], ids=["every public name", "a first use"])
def test_the_library_works_without_what_the_app_needs(code: str) -> None:
    done = run(WITHOUT_THE_APP + code)
    assert done.returncode == 0, done.stderr


def test_where_no_checkpoint_is_installed_one_sentence_says_how_to_get_one(tmp_path: Path) -> None:
    done = run("import l2ltr_core; l2ltr_core.load_encoder('world-l2ltr')", L2LTR_ASSETS=str(tmp_path))
    assert (
        "There is no checkpoint 'world-l2ltr'; an installed package holds the code alone: set L2LTR_ASSETS to the "
        "folder `assets` of a checkout of the project, or give a path or hf://owner/name."
    ) in done.stderr
