"""Column descriptors: what the stem says alone, and beside it what the layers say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.model.columns import (
    StemAndTokenColumns,
    StemColumns,
    TokenColumns,
    build_columns,
    split_columns,
)
from l2ltr_core.model.config import CheckpointCard, ModelConfig, ViewConfig
from l2ltr_core.model.encoder import Encoder
from l2ltr_core.model.inference import InferenceBranch, InferenceStem
from l2ltr_core.model.network import L2LTR, Branch

CONFIG = ModelConfig(
    stem="patch",
    width=32,
    depth=3,
    heads=2,
    mlp_width=48,
    dropout=0.0,
    ground_size_px=(64, 128),
    aerial_size_px=(64, 128),
    column_width=3,
    stem_column_width=5,
)
COLUMNS = 8


def branch(config: ModelConfig = CONFIG) -> Branch:
    torch.manual_seed(0)
    return Branch(config, config.ground_size_px).eval()


def images(count: int = 2) -> Tensor:
    return torch.randn(count, 3, *CONFIG.ground_size_px, generator=torch.Generator().manual_seed(1))


def test_a_column_says_the_stem_s_numbers_and_then_the_layers() -> None:
    assert CONFIG.columns == (COLUMNS, 8)
    columns = branch().columns
    assert isinstance(columns, StemAndTokenColumns)
    seen, tokens = torch.randn(2, 32, 4, COLUMNS), torch.randn(2, 1 + 4 * COLUMNS, 32)
    rows = columns(seen, tokens)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(2))
    stem, layers = split_columns(rows, CONFIG)
    assert stem.shape == (2, COLUMNS, 5) and layers.shape == (2, COLUMNS, 3)
    torch.testing.assert_close(stem.flatten(1), F.normalize(columns.of_stem(seen).flatten(1), dim=1))
    grid = tokens[:, 1:].transpose(1, 2).unflatten(2, (4, COLUMNS))
    torch.testing.assert_close(layers.flatten(1), columns.of_tokens(grid))


def test_the_stem_s_columns_turn_with_the_view() -> None:
    columns = StemColumns(6, 4, mean_weight=0.6)
    seen = torch.randn(2, 6, 8, COLUMNS)
    torch.testing.assert_close(columns(seen).roll(3, 1), columns(seen.roll(3, 3)))


def test_the_stem_s_columns_are_a_circular_convolution_over_four_bands() -> None:
    columns = StemColumns(6, 4, mean_weight=1.0)
    seen = torch.randn(2, 6, 8, COLUMNS)
    bands = F.avg_pool2d(seen, (2, 1)).flatten(1, 2)
    beside = columns.context.weight / 2
    kernel = torch.stack([beside, columns.own.weight, beside], dim=2)
    expected = F.conv1d(F.pad(bands, (1, 1), mode="circular"), kernel, columns.own.bias)
    torch.testing.assert_close(columns(seen), expected.transpose(1, 2), rtol=1e-4, atol=1e-5)


def test_what_a_view_has_in_common_counts_by_its_weight() -> None:
    seen = torch.randn(2, 6, 8, COLUMNS)
    whole, reduced = StemColumns(6, 4, mean_weight=1.0), StemColumns(6, 4, mean_weight=0.25)
    reduced.load_state_dict(whole.state_dict())
    mean = whole(seen).mean(dim=1, keepdim=True)
    torch.testing.assert_close(reduced(seen).mean(dim=1, keepdim=True), 0.25 * mean)
    torch.testing.assert_close(reduced(seen) - 0.25 * mean, whole(seen) - mean)


@pytest.mark.parametrize("attention", ["self-cross", "self"])
def test_inference_gives_the_columns_of_the_branch_as_written(attention: str) -> None:
    written = branch(replace(CONFIG, attention=attention))  # type: ignore[arg-type]
    with torch.inference_mode():
        fast = InferenceBranch(written, torch.device("cpu"))(images())
        torch.testing.assert_close(fast, written(images()), rtol=1e-4, atol=1e-5)


def test_the_stem_alone_sees_what_it_sees_in_its_branch() -> None:
    written = branch()
    with torch.no_grad():
        expected = written.features(images(9))
    seen = InferenceStem(written, torch.device("cpu"), torch.float32)(images(9))
    torch.testing.assert_close(seen, expected, rtol=1e-4, atol=1e-5)


def encoder_of(config: ModelConfig) -> Encoder:
    torch.manual_seed(0)
    card = CheckpointCard("tiny", config, ViewConfig(chip_m=40.0))
    return Encoder.from_network(L2LTR(config).eval(), card, device="cpu")


def views(count: int) -> list[np.ndarray]:
    size = (count, *CONFIG.ground_size_px, 3)
    return list(np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8))


def test_an_encoder_takes_cls_and_columns_of_a_branch_s_rows_apart() -> None:
    encoder = encoder_of(CONFIG)
    cls, columns = encoder.describe_ground(views(3), prepared=True, batch_size=2)
    assert columns is not None and encoder.columns == (COLUMNS, 8)
    assert (cls.shape, columns.shape) == ((3, 32), (3, COLUMNS, 8))
    with torch.inference_mode():
        rows = encoder.branch("ground")(encoder._normalize(views(3))).numpy()
    np.testing.assert_allclose(cls, rows[:, :32], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(columns[1, 2], rows[1, 32 + 2 * 8 : 32 + 3 * 8], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(encoder.encode_ground(views(3), prepared=True, batch_size=2), cls)


def test_the_columns_of_no_photo_have_the_shape_of_some() -> None:
    cls, columns = encoder_of(CONFIG).describe_aerial([])
    assert columns is not None and (cls.shape, columns.shape) == ((0, 32), (0, COLUMNS, 8))


def test_a_checkpoint_without_columns_gives_none() -> None:
    plain = encoder_of(replace(CONFIG, column_width=0, stem_column_width=0))
    cls, columns = plain.describe_ground(views(2), prepared=True)
    assert cls.shape == (2, 32) and columns is None


def test_columns_of_one_sum_stay_as_they_were() -> None:
    older = replace(CONFIG, stem_column_width=0)
    assert older.columns == (COLUMNS, 3)
    assert isinstance(build_columns(32, older, (4, COLUMNS)), TokenColumns)
    assert build_columns(32, replace(older, column_width=0), (4, COLUMNS)) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"column_width": 0}, "stem_column_width is 5; give 0, or column_width too"),
        ({"stem_column_width": -1}, "stem_column_width is -1; give 0 or more"),
        ({"ground_size_px": (32, 128)}, "the ground grid has 2 rows; give 0, or a multiple of 4 rows"),
        ({"column_mean_weight": 1.5}, "column_mean_weight is 1.5; give a number from 0 to 1"),
    ],
)
def test_impossible_columns_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        replace(CONFIG, **changes)
