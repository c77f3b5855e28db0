from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from l2ltr_core.errors import ConfigurationError, DatasetError
from l2ltr_core.training.pairs import PairsValidator, best_turn_scores
from tests.pairs import write_pairs
from tests.training.test_stages import make_stage
from tests.training.tiny_world import MODEL, tiny_config

COLUMNS = 8
"""Of 4 photos and 6 tiles in two sets, each with an own tile."""
OWN = torch.tensor([0, 1, 3, 4])
OF_SAME_SET = torch.tensor([[True] * 3 + [False] * 3] * 2 + [[False] * 3 + [True] * 3] * 2)


def judge(scores: torch.Tensor) -> dict[str, float]:
    empty = torch.empty(0)
    return PairsValidator(MODEL, empty, empty, OWN, OF_SAME_SET)._judge(scores)


def test_a_turned_photo_scores_as_if_it_were_not() -> None:
    draw = torch.Generator().manual_seed(0)
    tiles = torch.randn(5, COLUMNS, 3, generator=draw)
    tiles = tiles / tiles.flatten(1).norm(dim=1)[:, None, None]
    scores = best_turn_scores(tiles.roll(3, 1), tiles)
    assert scores.diagonal().numpy() == pytest.approx(1, abs=1e-5)
    assert (scores.argmax(dim=1) == torch.arange(5)).all()


def test_ranks_count_within_a_photos_own_set_and_entropy_over_all() -> None:
    scores = torch.zeros(4, 6)
    scores[torch.arange(4), OWN] = 1.0
    scores[0, 5] = 2.0  # better, and of another set
    scores[1, 2] = 2.0  # better, and of the same set
    found = judge(scores)
    assert found["recall_at_1"] == 0.75 and found["recall_at_5"] == 1.0
    assert found["mean_percentile"] == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    assert found["cross_entropy"] > math.log(2) / 4


def test_a_tie_is_a_miss() -> None:
    assert judge(torch.zeros(4, 6))["recall_at_1"] == 0.0


def test_real_pairs_are_measured_by_the_stem_the_layers_and_both(tmp_path: Path) -> None:
    config = tiny_config()
    folder = write_pairs(tmp_path, {"one": range(4), "two": range(10, 13)})
    validator = PairsValidator.open(folder, config.model, config.view)
    found = validator.measure(make_stage().eval())
    assert set(found) == {
        f"pairs_{part}_{name}"
        for part in ("stem", "layers", "both")
        for name in ("recall_at_1", "recall_at_5", "mean_percentile", "cross_entropy")
    }
    assert all(math.isfinite(value) for value in found.values())


def test_a_folder_without_pairs_and_a_network_without_columns_are_refused(tmp_path: Path) -> None:
    config = tiny_config()
    with pytest.raises(DatasetError, match=r"pairs\.csv"):
        PairsValidator.open(tmp_path, config.model, config.view)
    plain = replace(config.model, column_width=0, stem_column_width=0)
    with pytest.raises(ConfigurationError, match="compared by columns"):
        PairsValidator.open(tmp_path, plain, config.view)
