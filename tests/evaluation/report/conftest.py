from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from l2ltr_core.checkpoints import load_encoder
from l2ltr_core.datasets import open_dataset
from l2ltr_core.evaluation.real import open_real_pairs
from l2ltr_core.evaluation.report import EvaluationContext
from l2ltr_core.gallery import open_gallery
from l2ltr_core.types import RGB
from tests.app import toy
from tests.evaluation.report.bench import Bench, walk
from tests.pairs import write_pairs


@pytest.fixture(scope="session")
def assets(toy_assets: Path) -> Path:
    return toy_assets


@pytest.fixture(scope="session")
def datasets(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("walks")
    roles = ("held_out", "validation", "elsewhere")
    return {
        role: open_dataset(walk(folder / role, assets / "town.tif", 100 * i)) for i, role in enumerate(roles)
    }


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A folder of real pairs, of two sets."""
    folder = write_pairs(tmp_path / "pairs", {"north": (1, 2, 3), "south": (4, 5, 6, 7, 8, 9, 10)})
    (folder / "SOURCES.txt").write_text("Pictures of the toy town.\n")
    return folder


@pytest.fixture
def bench(
    assets: Path, datasets: dict[str, Any], pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Bench:
    def inverted(pixels: RGB, name: str, level: int, seed: int) -> RGB:
        return pixels if level < 3 else 255 - pixels

    monkeypatch.setattr("l2ltr_core.evaluation.report.retrieval.corrupted", inverted)
    monkeypatch.setattr("l2ltr_core.evaluation.report.run.require_corruptions", lambda: None)
    for suffix in (".json", ".safetensors"):
        shutil.copy(assets / "checkpoints" / f"toy-a{suffix}", tmp_path)
    card = tmp_path / "toy-a.json"
    gallery, real = open_gallery(assets / "galleries" / toy.GALLERY), open_real_pairs(pairs)
    return Bench(
        card, EvaluationContext(load_encoder(card), gallery, **datasets, corrupted_photos=2, pairs=real)
    )
