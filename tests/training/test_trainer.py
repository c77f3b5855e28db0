from __future__ import annotations

import csv
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from l2ltr_core.checkpoints import load_card, load_encoder, load_network
from l2ltr_core.errors import ConfigurationError, DatasetError
from l2ltr_core.training import Report, stages, train
from l2ltr_core.training.config import OptimizerConfig, RunConfig, StageConfig
from l2ltr_core.training.warmup import initial_positions, warmed_up
from tests.training.tiny_world import tiny_config, write_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("worlds") / "training", 200, seed=0)


@pytest.fixture(scope="module")
def other_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("worlds") / "validation", 60, seed=7)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_eighty_steps_learn_a_small_world_and_leave_everything_a_run_should(
    world: Path, other_world: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    config = tiny_config(20, 60, snapshots={"tiny-early": 0.5})
    result = train(config, [world], out, validation=other_world)
    assert result.finished and [card.name for card in result.cards] == ["tiny-early", "tiny"]
    warm, trained = rows(out / "validation.csv")
    assert float(warm["paired_recall_at_1"]) > 0.5  # by chance 0.017
    assert float(trained["paired_recall_at_1"]) > 0.08
    assert float(rows(out / "train.csv")[-1]["teacher"]) < 0.95
    assert (out / "curves.png").stat().st_size > 10_000
    card = load_card(out / "tiny.safetensors")
    assert card.results["validation"]["paired_recall_at_1"] == pytest.approx(
        float(trained["paired_recall_at_1"]), abs=1e-4
    )
    assert card.training["configuration"]["seed"] == config.seed
    view = np.zeros((*config.model.ground_size_px, 3), np.uint8)
    assert load_encoder(out / "tiny.safetensors").encode_ground([view], prepared=True).shape == (1, 64)


def test_a_run_with_columns_ships_them_and_goes_on_with_them_after_a_stop(
    world: Path, tmp_path: Path
) -> None:
    config = tiny_config(4, 3, optimizer=OptimizerConfig(stem_factor=0.0))
    config = replace(config, model=replace(config.model, column_width=8))
    out = tmp_path / "run"
    assert train(config, [world], out).finished
    encoder = load_encoder(out / "tiny.safetensors")
    view = np.zeros((*config.model.ground_size_px, 3), np.uint8)
    columns, width = encoder.columns or (0, 0)
    rows_with_columns = encoder.encode_ground([view], prepared=True, columns=True)
    assert rows_with_columns.shape == (1, config.model.width + columns * width)
    assert np.array_equal(
        rows_with_columns[:, : config.model.width], encoder.encode_ground([view], prepared=True)
    )
    assert {row["columns"] for row in rows(out / "train.csv") if row["stage"] == "main"} != {""}
    longer = replace(config, main=replace(config.main, steps=5))
    assert train(longer, [world], out, resume=True).finished


def test_a_run_that_learns_nothing_ships_the_positions_that_its_card_says_it_began_with(
    world: Path, tmp_path: Path
) -> None:
    still = StageConfig(steps=1, rise_steps=1, learning_rate=0.0)
    train(tiny_config(warmup_steps=0, main=still), [world], tmp_path / "run")
    encoder = load_encoder(tmp_path / "run" / "tiny.json")
    for side in ("ground", "aerial"):
        began = initial_positions(encoder.card, side)
        assert began is not None
        np.testing.assert_allclose(encoder.positional_embedding(side)[1:], began[1:], rtol=2e-3, atol=1e-4)


def test_a_run_that_was_told_to_end_goes_on_exactly(world: Path, tmp_path: Path) -> None:
    config = tiny_config(4, 6)
    config = replace(config, run=replace(config.run, log_every=1, threads=1))
    train(config, [world], tmp_path / "whole", cache_dir=tmp_path / "cache")

    def interrupted(at: tuple[str, int]):
        def report(report: Report) -> None:
            if (report.stage, report.step) == at:
                os.kill(os.getpid(), signal.SIGTERM)

        return report

    parts = tmp_path / "parts"
    first = train(config, [world], parts, on_report=interrupted(("warmup", 2)), cache_dir=tmp_path / "cache")
    second = train(
        config, [world], parts, True, on_report=interrupted(("main", 3)), cache_dir=tmp_path / "cache"
    )
    third = train(config, [world], parts, True, cache_dir=tmp_path / "cache")
    assert (first.finished, second.finished, third.finished) == (False, False, True)
    whole, pieced = (load_file(folder / "tiny.safetensors") for folder in (tmp_path / "whole", parts))
    assert all(torch.equal(whole[name], pieced[name]) for name in whole)
    steps = [(r["stage"], int(r["step"])) for r in rows(parts / "train.csv")]
    assert steps == [("warmup", i) for i in range(1, 5)] + [("main", i) for i in range(1, 7)]


def test_a_run_can_start_from_the_stems_that_another_has_warmed_up(world: Path, tmp_path: Path) -> None:
    config = tiny_config(3, 1, optimizer=OptimizerConfig(stem_factor=0.0))
    first = train(config, [world], tmp_path / "first")
    warm_up = tmp_path / "first" / "warmup.safetensors"
    plain = replace(config, name="plain", model=replace(config.model, attention="self"))
    second = train(plain, [world], tmp_path / "second", warm_start=warm_up)
    stems = [
        {name: value for name, value in load_file(path).items() if ".stem." in name}
        for path in (tmp_path / "first" / "tiny.safetensors", tmp_path / "second" / "plain.safetensors")
    ]
    assert stems[0] and all(torch.equal(stems[0][name], stems[1][name]) for name in stems[0])
    assert [row["stage"] for row in rows(tmp_path / "second" / "train.csv")] == ["main"]
    assert second.cards[0].training["minutes"] >= 0 and first.finished

    narrower = replace(config, view=replace(config.view, chip_m=33.0))
    with pytest.raises(ConfigurationError, match="warmed up with another 'view'"):
        train(narrower, [world], tmp_path / "third", warm_start=warm_up)
    with pytest.raises(ConfigurationError, match=r"give the warmup\.safetensors of another run"):
        train(plain, [world], tmp_path / "fourth", warm_start=tmp_path / "nothing")
    with pytest.raises(ConfigurationError, match="has its stems already"):
        train(plain, [world], tmp_path / "second", resume=True, warm_start=warm_up)


def test_a_warm_up_can_go_on_from_the_columns_of_a_checkpoint(world: Path, tmp_path: Path) -> None:
    config = tiny_config(2, 1, optimizer=OptimizerConfig(stem_factor=0.0))
    config = replace(config, model=replace(config.model, column_width=8))
    train(config, [world], tmp_path / "first")
    checkpoint = tmp_path / "first" / "tiny.safetensors"
    alone = replace(config, name="alone", main=StageConfig(steps=0))
    train(alone, [world], tmp_path / "on", warm_start=checkpoint, warm_up_further=True)
    before = warmed_up(load_network(checkpoint)).state_dict()
    after = load_file(tmp_path / "on" / "warmup.safetensors")
    moved = [float((after[name] - before[name]).abs().max()) for name in before]
    assert 0 < max(moved) < 3 * config.warmup.learning_rate  # two steps of Adam from there, not from chance

    plain = replace(config, model=replace(config.model, column_width=0))
    train(plain, [world], tmp_path / "plain")
    with pytest.raises(ConfigurationError, match="has no columns, so no heads over its stems"):
        train(config, [world], tmp_path / "no", warm_start=tmp_path / "plain" / "tiny.safetensors")


def test_a_warm_up_can_go_on_from_the_stems_of_another_run(world: Path, tmp_path: Path) -> None:
    config = tiny_config(2, 1, optimizer=OptimizerConfig(stem_factor=0.0))
    train(config, [world], tmp_path / "first")
    warm_up = tmp_path / "first" / "warmup.safetensors"
    train(config, [world], tmp_path / "on", warm_start=warm_up, warm_up_further=True)
    assert [row["stage"] for row in rows(tmp_path / "on" / "train.csv")] == ["warmup", "main"]
    before, after = (load_file(path) for path in (warm_up, tmp_path / "on" / "warmup.safetensors"))
    moved = [float((after[name] - before[name]).abs().max()) for name in before]
    assert 0 < max(moved) < 3 * config.warmup.learning_rate  # two steps of Adam from there, not from chance
    stems_alone = replace(config, main=StageConfig(steps=0))
    assert train(stems_alone, [world], tmp_path / "alone", cache_dir=tmp_path / "cache").cards == ()
    with pytest.raises(ConfigurationError, match="there is nothing to train"):
        train(stems_alone, [world], tmp_path / "nothing", warm_start=warm_up)
    with pytest.raises(ConfigurationError, match="needs the stems to go on from"):
        train(config, [world], tmp_path / "cold", warm_up_further=True)


def test_stems_of_coarser_photos_go_on_with_finer_ones(world: Path, tmp_path: Path) -> None:
    config = tiny_config(2, 0)
    train(config, [world], tmp_path / "coarse")
    finer_px = tuple(2 * side for side in config.model.ground_size_px)
    sharp = replace(config, model=replace(config.model, ground_size_px=finer_px, ground_patch_px=32))
    warm_up = tmp_path / "coarse" / "warmup.safetensors"
    train(sharp, [world], tmp_path / "sharp", warm_start=warm_up, warm_up_further=True)
    before, after = (load_file(tmp_path / run / "warmup.safetensors") for run in ("coarse", "sharp"))
    name = "ground_stem.root.conv.weight"
    assert before[name].shape[2:] == (7, 7) and after[name].shape[2:] == (14, 14)
    assert (
        float((after[name][:, :, ::2, ::2] - before[name] / 4).abs().max()) < 3 * config.warmup.learning_rate
    )
    narrow = replace(sharp, view=replace(sharp.view, chip_m=33.0))
    with pytest.raises(ConfigurationError, match="warmed up with another 'view'"):
        train(narrow, [world], tmp_path / "narrow", warm_start=warm_up, warm_up_further=True)


def test_training_goes_on_with_tiles_that_reach_farther(world: Path, tmp_path: Path) -> None:
    config = tiny_config(2, 1, optimizer=OptimizerConfig(stem_factor=0.0))
    train(config, [world], tmp_path / "near")
    rows, columns = config.model.aerial_size_px
    model = replace(config.model, aerial_size_px=(rows + 16, columns))
    far = replace(config, model=model, view=replace(config.view, chip_m=60.0))
    warm_up, start = (tmp_path / "near" / name for name in ("warmup.safetensors", "tiny.safetensors"))
    train(far, [world], tmp_path / "far", warm_start=warm_up, warm_up_further=True, start_from=start)
    before, after = (load_file(tmp_path / run / "warmup.safetensors") for run in ("near", "far"))
    name, channels = "aerial_head.mlp.0.weight", 512
    heads = after[name].unflatten(1, (channels, 3)) - F.pad(before[name].unflatten(1, (channels, 2)), (1, 0))
    assert 0 < float(heads.abs().max()) < 3 * config.warmup.learning_rate
    narrower = replace(far, view=replace(far.view, chip_m=33.0))
    with pytest.raises(ConfigurationError, match="warmed up with another"):
        train(narrower, [world], tmp_path / "narrower", warm_start=warm_up, warm_up_further=True)


def test_a_checkpoint_is_trained_further(world: Path, tmp_path: Path) -> None:
    config = tiny_config(2, 3)
    first = train(config, [world], tmp_path / "first").cards[0]
    still = replace(config, main=replace(config.main, steps=2, learning_rate=1e-9), name="further")
    warm_up = tmp_path / "first" / "warmup.safetensors"
    start = tmp_path / "first" / "tiny.safetensors"
    card = train(still, [world], tmp_path / "on", warm_start=warm_up, start_from=start).cards[0]
    assert card.training["started_from"] == {
        "name": "tiny",
        "fingerprint": first.fingerprint,
        "main_steps": 3,
    }
    assert card.training["main_steps"] == 5
    before, after = (load_file(path) for path in (start, tmp_path / "on" / "further.safetensors"))
    layers = [name for name in before if ".stem." not in name]
    assert all(torch.allclose(before[name].float(), after[name].float(), atol=1e-3) for name in layers)
    longer = replace(still, main=replace(still.main, steps=3))
    assert train(longer, [world], tmp_path / "on", True).cards[0].training["main_steps"] == 6

    plain = replace(still, model=replace(still.model, attention="self"))
    with pytest.raises(ConfigurationError, match="its attention is self-cross"):
        train(plain, [world], tmp_path / "plain", warm_start=warm_up, start_from=start)
    deep = replace(still, model=replace(still.model, mlp_width=48))
    with pytest.raises(ConfigurationError, match="has another shape"):
        train(deep, [world], tmp_path / "deep", warm_start=warm_up, start_from=start)
    with pytest.raises(ConfigurationError, match="leave out either --resume or --start-from"):
        train(still, [world], tmp_path / "on", True, start_from=start)


def test_a_file_of_other_stems_is_refused_in_one_sentence(world: Path, tmp_path: Path) -> None:
    config = tiny_config(1, 1)
    train(config, [world], tmp_path / "first")
    path = tmp_path / "first" / "warmup.safetensors"
    with safe_open(path, framework="pt") as file:
        about = file.metadata()
    save_file({"other": torch.zeros(1)}, tmp_path / "other.safetensors", about)
    with pytest.raises(ConfigurationError, match="cannot be read: give the warmup"):
        train(config, [world], tmp_path / "second", warm_start=tmp_path / "other.safetensors")


def test_mined_look_alikes_are_resumed_too(world: Path, tmp_path: Path) -> None:
    config = tiny_config(3, 5)
    config = replace(
        config,
        run=replace(config.run, log_every=1, threads=1),
        batches=replace(
            config.batches, hard_fraction=0.5, mine_every=2, memory_steps=2, memory_abroad=5, memory_from=1
        ),
    )

    def interrupt(report: Report) -> None:
        if report.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    cache = tmp_path / "cache"
    train(config, [world], tmp_path / "whole", cache_dir=cache)
    train(config, [world], tmp_path / "parts", on_report=interrupt, cache_dir=cache)
    train(config, [world], tmp_path / "parts", True, cache_dir=cache)
    whole, pieced = (load_file(tmp_path / part / "tiny.safetensors") for part in ("whole", "parts"))
    assert all(torch.equal(whole[name], pieced[name]) for name in whole)


def test_what_earlier_batches_left_is_part_of_the_loss_from_the_step_that_is_asked_for(
    world: Path, tmp_path: Path
) -> None:
    def losses(name: str, memory_steps: int) -> list[float]:
        config = tiny_config(3, 4)
        config = replace(
            config,
            run=replace(config.run, log_every=1, threads=1),
            batches=replace(config.batches, memory_steps=memory_steps, memory_from=2),
        )
        train(config, [world], tmp_path / name, cache_dir=tmp_path / "cache")
        return [float(row["loss"]) for row in rows(tmp_path / name / "train.csv")]

    without, with_memory = losses("without", 0), losses("with", 100)
    assert with_memory[:2] == without[:2]  # the warm-up's first two steps
    assert with_memory[2] > without[2]  # more negatives for the same weights


def test_rows_written_after_the_saved_state_are_forgotten(world: Path, tmp_path: Path) -> None:
    config = tiny_config(0, 2)
    config = replace(config, run=replace(config.run, log_every=1))
    train(config, [world], tmp_path)
    with (tmp_path / "train.csv").open("a") as file:
        file.write("main,99" + ",1" * 8 + "\n")
    train(replace(config, main=replace(config.main, steps=3)), [world], tmp_path, True)
    assert [r["step"] for r in rows(tmp_path / "train.csv")] == ["1", "2", "3"]


def test_a_longer_budget_continues_a_finished_run(world: Path, tmp_path: Path) -> None:
    config = tiny_config(0, 2)
    train(config, [world], tmp_path)
    before = load_card(tmp_path / "tiny.safetensors")
    result = train(replace(config, main=StageConfig(steps=4)), [world], tmp_path, True)
    assert result.cards[-1].training["main_steps"] == 4
    assert result.cards[-1].fingerprint != before.fingerprint


def test_another_recipe_cannot_resume(world: Path, tmp_path: Path) -> None:
    train(tiny_config(0, 1), [world], tmp_path)
    with pytest.raises(ConfigurationError, match="another 'seed'"):
        train(tiny_config(0, 2, seed=5), [world], tmp_path, True)


def test_a_run_is_not_overwritten(world: Path, tmp_path: Path) -> None:
    train(tiny_config(0, 1), [world], tmp_path)
    with pytest.raises(ConfigurationError, match="holds a run already"):
        train(tiny_config(0, 1), [world], tmp_path)


def test_there_must_be_something_to_resume(world: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nothing to resume"):
        train(tiny_config(0, 1), [world], tmp_path, True)


@pytest.mark.parametrize("content", [b"", b"no state", b"PK\x03\x04 cut"])
def test_a_damaged_state_is_refused(world: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.pt").write_bytes(content)
    with pytest.raises(ConfigurationError, match="cannot be resumed from"):
        train(tiny_config(0, 1), [world], tmp_path, True)


def test_a_world_smaller_than_a_batch_is_refused(tmp_path: Path) -> None:
    small = write_world(tmp_path / "small", 5)
    with pytest.raises(DatasetError, match="fewer photos than a batch"):
        train(tiny_config(0, 1), [small], tmp_path / "run")


def test_mixed_precision_and_the_triplet_loss_run_too(world: Path, tmp_path: Path) -> None:
    config = tiny_config(1, 1)
    config = replace(
        config,
        run=RunConfig(precision="bfloat16"),
        objective=replace(config.objective, loss="triplet"),
        model=replace(config.model, attention="self"),
    )
    assert train(config, [world], tmp_path).cards[-1].model.attention == "self"


@pytest.mark.parametrize("able", [True, False])
def test_half_precision_is_used_where_the_processor_gains_by_it(
    able: bool, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def described(*arguments: object, **settings: object) -> torch.Tensor:
        seen.append(torch.is_autocast_enabled("cpu"))
        return stages_describe(*arguments, **settings)

    stages_describe = stages.describe
    monkeypatch.setattr(stages, "gains_by_bfloat16", lambda device: able)
    monkeypatch.setattr(stages, "describe", described)
    config = tiny_config(0, 1)
    assert RunConfig().precision == "auto"
    train(replace(config, run=replace(config.run, precision="auto")), [world], tmp_path)
    assert seen and set(seen) == {able}
