import json
from dataclasses import replace

import pytest

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.model.config import CheckpointCard, ModelConfig, ViewConfig

CARD = CheckpointCard(
    name="example",
    model=ModelConfig(stem="patch", aerial_size_px=(256, 256)),
    view=ViewConfig(chip_m=50, polar=False, ground_vertical_field_deg=65),
    fingerprint="0123456789abcdef",
    simulated=True,
    training={"seed": 1, "data": ["monaco"]},
    results={"helsinki": {"recall_at_1": 0.5}},
)


def test_a_card_survives_json() -> None:
    assert CheckpointCard.from_dict(json.loads(json.dumps(CARD.to_dict()))) == CARD


def test_grids_are_sixteenths_of_the_sizes() -> None:
    config = ModelConfig(aerial_size_px=(256, 256))
    assert config.ground_grid == (8, 32)
    assert config.aerial_grid == (16, 16)


def test_the_default_is_the_papers_model() -> None:
    assert ModelConfig.from_dict({}) == ModelConfig(
        stem="hybrid", stem_stages=(3, 4, 9), width=768, depth=12, heads=12, mlp_width=3072
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"stem": "swin"}, "stem is 'swin'; give 'hybrid', 'patch' or 'timm'."),
        ({"attention": "cross"}, "attention is 'cross'; give 'self-cross' or 'self'."),
        ({"depth": 0}, "depth is 0; give a whole number above 0."),
        ({"heads": 7}, "width 768 cannot be shared by 7 heads evenly."),
        ({"dropout": 1.0}, "dropout is 1.0; give a number from 0 up to below 1."),
        ({"stem_stages": (3, 4)}, r"stem_stages is \(3, 4\); give three whole numbers above 0."),
        ({"stem_width": 0.4}, "stem_width is 0.4; give a multiple of 0.5."),
        ({"ground_size_px": (100, 512)}, r"ground_size_px is \(100, 512\); .* multiples of 16."),
    ],
)
def test_an_impossible_architecture_is_refused(changes: dict, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        replace(ModelConfig(), **changes)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"chip_m": 0}, "chip_m is 0; give a positive number of metres."),
        ({"chip_m": float("nan")}, "chip_m is nan"),
        ({"ground_vertical_field_deg": 200}, "ground_vertical_field_deg is 200"),
        ({"std": (1.0, 0.0, 1.0)}, "std is"),
    ],
)
def test_an_impossible_view_is_refused(changes: dict, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        replace(CARD.view, **changes)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"widht": 64}, "There is no setting 'ModelConfig.widht'"),
        ({"width": "64"}, "'ModelConfig.width' is '64'; give int."),
        ({"width": True}, "'ModelConfig.width' is True; give int."),
        ({"stem_stages": 3}, "'ModelConfig.stem_stages' is 3; give tuple."),
        ([], r"\[ModelConfig\] is \[\]; give a table of settings."),
    ],
)
def test_reading_is_strict(values: object, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        ModelConfig.from_dict(values)


def test_a_card_without_a_view_is_refused() -> None:
    values = CARD.to_dict()
    del values["view"]
    with pytest.raises(ConfigurationError, match=r"setting 'CheckpointCard\.view' is missing"):
        CheckpointCard.from_dict(values)


def test_whole_numbers_are_read_where_real_ones_are_meant() -> None:
    assert ViewConfig.from_dict({"chip_m": 50}).chip_m == 50.0
