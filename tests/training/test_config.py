from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from l2ltr_core.checkpoints.trunks import TRUNK_MEAN, TRUNK_STD
from l2ltr_core.errors import ConfigurationError
from l2ltr_core.training.config import config_from_dict, load_config
from tests.training.tiny_world import tiny_config

CONFIGS = Path(__file__).parents[2] / "configs"
MODEL = (CONFIGS / "world-l2ltr.toml").read_text().split("[model]")[1].split("[align]")[0]
MODEL = f"[model]{MODEL}"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_configuration_is_valid_and_named_after_its_file(path: Path) -> None:
    assert load_config(path).name == path.stem


def test_the_two_configurations_of_the_paper_s_ablation_differ_in_the_attention_only() -> None:
    l2ltr, vit = (load_config(CONFIGS / f"world-{kind}.toml") for kind in ("l2ltr", "vit"))
    assert (l2ltr.model.attention, vit.model.attention) == ("self-cross", "self")
    model = replace(vit.model, attention="self-cross")
    assert replace(vit, model=model, name=l2ltr.name, description=l2ltr.description) == l2ltr


def test_views_of_the_shipped_configuration_are_normalised_as_its_stem_s_weights_expect() -> None:
    view = load_config(CONFIGS / "world-l2ltr.toml").view
    assert view.mean == pytest.approx(TRUNK_MEAN) and view.std == pytest.approx(TRUNK_STD)


def test_a_configuration_survives_the_way_to_plain_values_and_back() -> None:
    assert config_from_dict(tiny_config().to_dict()) == tiny_config()


def test_a_setting_may_be_left_out() -> None:
    values = tiny_config().to_dict()
    del values["optimizer"]
    assert config_from_dict(values) == tiny_config()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("speed", 3, "There is no setting 'speed'"),
        ("batches.pears", 3, "There is no setting 'batches.pears'"),
        ("batches.pairs", "many", "'batches.pairs' is 'many'; give int"),
        ("batches.pairs", True, "'batches.pairs' is True; give int"),
        ("batches.pairs", 1, "give at least 2"),
        ("batches.near_fraction", 1.5, "give a number from 0 to 1"),
        ("layers.learning_rate", "fast", "'layers.learning_rate' is 'fast'; give a number"),
        ("layers.steps", -1, "layers.steps is -1"),
        ("joint.stem_factor", -0.1, "joint.stem_factor is -0.1"),
        ("layers.steps", 0, "layers.steps and joint.steps are 0"),
        ("align.ridge", 0.0, "align.ridge is 0.0"),
        ("align.variants", 0, "give 1 to batches.views, 4"),
        ("align.variants", 6, "give 1 to batches.views, 4"),
        ("layers.stem_factor", 0.1, "stems move in [joint] alone"),
        ("align.principal", 7, "at least model.stem_column_width, 8"),
        ("objective.loss", "hinge", "'objective.loss' is 'hinge'; give one of 'infonce', 'triplet'"),
        ("model.depht", 2, "There is no setting 'model.depht'"),
        ("model.stem_column_width", 0, "training makes columns of the newer form"),
        ("view.polar", False, "polar aerial views only"),
        ("model.aerial_size_px", [64, 64], "as many columns in both"),
        ("batches", 3, "give a table"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_sentence(path: str, value: object, message: str) -> None:
    values = tiny_config().to_dict()
    *tables, key = path.split(".")
    table = values
    for name in tables:
        table = table[name]
    table[key] = value
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        config_from_dict(values)


def test_a_missing_setting_is_named() -> None:
    values = tiny_config().to_dict()
    del values["layers"]["steps"]
    with pytest.raises(ConfigurationError, match=r"layers\.steps"):
        config_from_dict(values)


@pytest.mark.parametrize("text", ["name = ", "\xff"])
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"run\.toml"):
        load_config(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="give a TOML file"):
        load_config(tmp_path / "none.toml")


def test_a_file_gives_only_what_differs_from_the_one_it_is_based_on(tmp_path: Path) -> None:
    below = "name = 'below'\nseed = 3\nlayers = { steps = 9, minutes = 2 }\n"
    (tmp_path / "below.toml").write_text(f"{below}{MODEL}")
    (tmp_path / "middle.toml").write_text("based_on = 'below.toml'\nname = 'middle'\n[layers]\nminutes = 5\n")
    (tmp_path / "top.toml").write_text("based_on = 'middle.toml'\nname = 'top'\n[batches]\npairs = 8\n")
    below_it, top = load_config(tmp_path / "below.toml"), load_config(tmp_path / "top.toml")
    assert top == replace(
        below_it,
        name="top",
        layers=replace(below_it.layers, minutes=5.0),
        batches=replace(below_it.batches, pairs=8),
    )


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("'run.toml'", r"run\.toml' is based on itself"),
        ("'sub/../run.toml'", r"run\.toml' is based on itself"),
        ("'none.toml'", r"none\.toml', which '.*run\.toml' is based on, cannot be read"),
        ("3", "'based_on' is 3; give the name of a file beside"),
    ],
)
def test_a_wrong_base_is_refused_in_one_sentence(tmp_path: Path, base: str, message: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "run.toml").write_text(f"based_on = {base}\nname = 'run'\n")
    with pytest.raises(ConfigurationError, match=message):
        load_config(tmp_path / "run.toml")
