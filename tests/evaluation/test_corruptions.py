from __future__ import annotations

import sys

import numpy as np
import pytest

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.evaluation.corruptions import CORRUPTIONS, LEVELS, corrupted, require_corruptions

SKIPPED = "corruptions are an extra, and its OpenCV needs libGL: pip install imagecorruptions-imaug"
VIEW = np.random.default_rng(0).integers(0, 255, (8, 16, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)


def test_there_are_sixteen_corruptions_at_five_levels() -> None:
    names = [name for group in CORRUPTIONS.values() for name in group]
    assert len(set(names)) == len(names) == 16
    assert len(LEVELS) == 5


def test_the_package_knows_every_corruption_by_its_name() -> None:
    package = pytest.importorskip("imagecorruptions", reason=SKIPPED, exc_type=ImportError)
    known = set(package.get_corruption_names("all"))
    assert {name for group in CORRUPTIONS.values() for name in group} <= known


@pytest.mark.parametrize("name", ["gaussian_noise", "impulse_noise", "fog", "pixelate"])
def test_a_corruption_is_the_same_each_time_and_leaves_other_draws_alone(name: str) -> None:
    pytest.importorskip("imagecorruptions", reason=SKIPPED, exc_type=ImportError)
    np.random.seed(7)  # noqa: NPY002 - the package draws from the global generator
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    first = corrupted(VIEW, name, 3, seed=1)
    assert np.random.random() == expected  # noqa: NPY002
    assert first.shape == VIEW.shape and first.dtype == np.uint8
    assert not np.array_equal(first, VIEW)
    assert np.array_equal(first, corrupted(VIEW, name, 3, seed=1))


def test_a_higher_level_damages_more() -> None:
    pytest.importorskip("imagecorruptions", reason=SKIPPED, exc_type=ImportError)
    damage = [np.abs(corrupted(VIEW, "shot_noise", level, 0).astype(float) - VIEW).mean() for level in LEVELS]
    assert damage == sorted(damage)


def test_without_the_package_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    with pytest.raises(ConfigurationError, match="pip install imagecorruptions-imaug"):
        require_corruptions()
