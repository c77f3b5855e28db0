from __future__ import annotations

import csv
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from l2ltr_core.checkpoints import load_card, load_encoder
from l2ltr_core.errors import CheckpointError, ConfigurationError, DatasetError
from l2ltr_core.model.position_init import initial_positions
from l2ltr_core.training import Report, device, loop, stages, train
from l2ltr_core.training.config import RunConfig, StageConfig, TrainConfig
from l2ltr_core.training.pairs import CHOSEN_BY, PairsValidator
from tests.pairs import write_pairs
from tests.training.tiny_world import tiny_config, write_world

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("worlds") / "training", 48, seed=0)


@pytest.fixture(scope="module")
def other_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("worlds") / "validation", 60, seed=7)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Views and features that runs share: what is seen of a world is seen once."""
    return tmp_path_factory.mktemp("cache")


SHORT = tiny_config(2)
SHORT = replace(SHORT, run=replace(SHORT.run, log_every=1))


@pytest.fixture(scope="module")
def finished(world: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run by the recipe `SHORT`; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    train(SHORT, [world], folder, cache_dir=cache)
    return folder


@pytest.fixture
def mine(finished: Path, tmp_path: Path) -> Path:
    """A copy of `finished` for one test to go on with."""
    return shutil.copytree(finished, tmp_path / "run")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("pairs"), {"one": range(4), "two": range(4, 8)})


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def interrupted_at(stage: str, step: int):
    """A callback that ends the process's run, as a shell does, once the stage has come to the step."""

    def report(report: Report) -> None:
        if report.stage == stage and report.step >= step:
            os.kill(os.getpid(), signal.SIGTERM)

    return report


def test_a_run_learns_a_small_world_and_leaves_everything_it_should(
    other_world: Path, tmp_path: Path
) -> None:
    world = write_world(tmp_path / "training", 200, seed=0)
    out = tmp_path / "run"
    config = tiny_config(60)
    result = train(config, [world], out, validation=other_world)
    assert result.finished and [card.name for card in result.cards] == ["tiny"]
    (validated,) = rows(out / "validation.csv")
    assert float(validated["paired_recall_at_1"]) > 0.5  # by chance 0.017
    aligned, *learned = rows(out / "train.csv")
    assert aligned["stage"] == "align" and 0.3 < float(aligned["mean_correlation"]) < 1
    assert float(learned[-1]["columns"]) < 0.5 * float(learned[0]["columns"])
    assert float(learned[-1]["teacher"]) < 0.95
    assert (out / "curves.png").stat().st_size > 10_000
    card = load_card(out / "tiny.safetensors")
    assert card.results["validation"]["paired_recall_at_1"] == pytest.approx(
        float(validated["paired_recall_at_1"]), abs=1e-4
    )
    assert card.training["configuration"]["seed"] == config.seed and card.training["main_steps"] == 60
    encoder = load_encoder(out / "tiny.safetensors", device="cpu")
    view = np.zeros((*config.model.ground_size_px, 3), np.uint8)
    columns, width = encoder.columns or (0, 0)
    assert (columns, width) == (8, 16)
    cls, of_columns = encoder.describe_ground([view], prepared=True)
    assert of_columns is not None
    assert (cls.shape, of_columns.shape) == ((1, config.model.width), (1, columns, width))


def test_a_run_of_layers_leaves_stems_and_their_columns_as_they_were_aligned(
    world: Path, finished: Path, cache: Path, tmp_path: Path
) -> None:
    train(tiny_config(4), [world], tmp_path, cache_dir=cache)
    short, long = (load_file(folder / "tiny.safetensors") for folder in (finished, tmp_path))
    still = {name for name in short if torch.equal(short[name], long[name])}
    assert {name for name in short if ".stem." in name or ".of_stem." in name} <= still
    assert "ground.cls_token" not in still


def test_the_weights_that_real_pairs_speak_for_are_kept(
    world: Path, pairs: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shipped(name: str, keep: str, entropies: list[float]) -> dict[str, torch.Tensor]:
        left = iter(entropies)
        measure = PairsValidator.measure
        monkeypatch.setattr(
            PairsValidator,
            "measure",
            lambda self, stage: {**measure(self, stage), CHOSEN_BY: next(left)},
        )
        config = tiny_config(4)
        config = replace(config, run=replace(config.run, validate_every=2, keep=keep, threads=1))
        card = train(config, [world], tmp_path / name, validation_pairs=pairs, cache_dir=cache).cards[0]
        monkeypatch.undo()
        expected = min(entropies) if keep == "best" else entropies[-1]
        assert card.results["validation"][CHOSEN_BY] == expected
        return load_file(tmp_path / name / "tiny.safetensors")

    rising, falling = [3.0, 1.0, 2.0], [3.0, 2.0, 1.0]  # at steps 0, 2 and 4
    best_early, best_late = shipped("early", "best", rising), shipped("late", "best", falling)
    last = shipped("last", "last", rising)
    assert all(torch.equal(best_late[name], last[name]) for name in last)
    assert not torch.equal(best_early["ground.cls_token"], last["ground.cls_token"])
    table = rows(tmp_path / "early" / "validation.csv")
    assert [row["step"] for row in table] == ["0", "2", "4"]
    assert {"pairs_stem_recall_at_1", "pairs_layers_mean_percentile", "pairs_both_recall_at_5"} < set(
        table[0]
    )


def test_a_run_that_learns_nothing_ships_the_positions_that_its_card_says_it_began_with(
    world: Path, cache: Path, tmp_path: Path
) -> None:
    still = StageConfig(steps=1, lr_warmup_steps=1, learning_rate=0.0)
    train(tiny_config(layers=still), [world], tmp_path / "run", cache_dir=cache)
    encoder = load_encoder(tmp_path / "run" / "tiny.json", device="cpu")
    for side in ("ground", "aerial"):
        began = initial_positions(encoder.card, side)
        assert began is not None
        np.testing.assert_allclose(encoder.positional_embedding(side)[1:], began[1:], rtol=2e-3, atol=1e-4)


def with_hard_negatives(config: TrainConfig) -> TrainConfig:
    """The recipe with look-alikes mined and descriptors of earlier batches remembered."""
    mined = {
        "hard_fraction": 0.5,
        "mine_every": 2,
        "memory_steps": 2,
        "memory_cross_city": 5,
        "memory_from": 1,
    }
    return replace(config, batches=replace(config.batches, **mined))


def test_a_run_that_was_told_to_end_goes_on_exactly_wherever_it_stood(
    world: Path, other_world: Path, cache: Path, tmp_path: Path
) -> None:
    config = with_hard_negatives(tiny_config(4, 4))
    config = replace(config, run=replace(config.run, log_every=1, threads=1))
    worlds = [other_world, world]
    train(config, worlds, tmp_path / "whole", cache_dir=cache)
    parts = tmp_path / "parts"
    looking = train(config, worlds, parts, on_report=interrupted_at("features", 200))
    assert not looking.finished and looking.cards == ()
    first = train(config, worlds, parts, True, on_report=interrupted_at("layers", 3))
    second = train(config, worlds, parts, True, on_report=interrupted_at("joint", 3))
    third = train(config, worlds, parts, True)
    assert (first.finished, second.finished, third.finished) == (False, False, True)
    whole, pieced = (load_file(folder / "tiny.safetensors") for folder in (tmp_path / "whole", parts))
    assert all(torch.equal(whole[name], pieced[name]) for name in whole)
    steps = [(r["stage"], int(r["step"])) for r in rows(parts / "train.csv")]
    assert steps == [
        ("align", 0),
        *(("layers", i) for i in range(1, 5)),
        *(("joint", i) for i in range(1, 5)),
    ]


def test_a_checkpoint_is_trained_further_without_being_aligned_anew(
    world: Path, finished: Path, cache: Path, tmp_path: Path
) -> None:
    start = finished / "tiny.safetensors"
    first = load_card(start)
    still = replace(SHORT, layers=replace(SHORT.layers, steps=2, learning_rate=1e-9), name="further")
    card = train(still, [world], tmp_path / "on", start_from=start, cache_dir=cache).cards[0]
    assert card.training["started_from"] == {
        "name": "tiny",
        "fingerprint": first.fingerprint,
        "main_steps": 2,
    }
    assert card.training["main_steps"] == 4
    assert {row["stage"] for row in rows(tmp_path / "on" / "train.csv")} == {"layers"}
    before, after = (load_file(path) for path in (start, tmp_path / "on" / "further.safetensors"))
    assert all(torch.allclose(before[name].float(), after[name].float(), atol=1e-3) for name in before)
    longer = replace(still, layers=replace(still.layers, steps=3))
    assert train(longer, [world], tmp_path / "on", True, cache_dir=cache).cards[0].training["main_steps"] == 5

    plain = replace(still, model=replace(still.model, attention="self"))
    with pytest.raises(ConfigurationError, match=r"its model\.attention is self-cross, not self"):
        train(plain, [world], tmp_path / "plain", start_from=start, cache_dir=cache)
    with pytest.raises(ConfigurationError, match="leave out either --resume or --start-from"):
        train(still, [world], tmp_path / "on", True, start_from=start, cache_dir=cache)


def test_a_package_of_stem_weights_that_is_not_installed_is_named(
    world: Path, cache: Path, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="No weights are known in 'nothing'"):
        train(tiny_config(1, stem_weights="nothing"), [world], tmp_path, cache_dir=cache)


def test_what_earlier_batches_left_is_part_of_the_loss_from_the_step_that_is_asked_for(
    world: Path, cache: Path, tmp_path: Path
) -> None:
    def losses(name: str, memory_steps: int) -> list[float]:
        config = tiny_config(4)
        config = replace(
            config,
            run=replace(config.run, log_every=1, threads=1),
            batches=replace(config.batches, memory_steps=memory_steps, memory_from=2),
        )
        train(config, [world], tmp_path / name, cache_dir=cache)
        return [float(row["loss"]) for row in rows(tmp_path / name / "train.csv") if row["loss"]]

    without, with_memory = losses("without", 0), losses("with", 100)
    assert with_memory[:2] == without[:2]
    assert with_memory[2] > without[2]  # more negatives for the same weights


def test_rows_written_after_the_saved_state_are_forgotten(world: Path, mine: Path, cache: Path) -> None:
    with (mine / "train.csv").open("a") as file:
        file.write("layers,99" + ",1" * 10 + "\n")
    longer = replace(SHORT, layers=replace(SHORT.layers, steps=3))
    train(longer, [world], mine, True, cache_dir=cache)
    assert [r["step"] for r in rows(mine / "train.csv")] == ["0", "1", "2", "3"]


def test_a_longer_budget_continues_a_finished_run(world: Path, mine: Path, cache: Path) -> None:
    before = load_card(mine / "tiny.safetensors")
    result = train(replace(SHORT, layers=StageConfig(steps=4)), [world], mine, True, cache_dir=cache)
    assert result.cards[-1].training["main_steps"] == 4
    assert result.cards[-1].fingerprint != before.fingerprint


def test_another_recipe_cannot_resume(world: Path, mine: Path, cache: Path) -> None:
    with pytest.raises(ConfigurationError, match="another 'seed'"):
        train(tiny_config(2, seed=5), [world], mine, True, cache_dir=cache)


def test_a_run_is_not_overwritten(world: Path, finished: Path, cache: Path) -> None:
    before = (finished / "state.pt").read_bytes()
    with pytest.raises(ConfigurationError, match="holds a run already"):
        train(tiny_config(1), [world], finished, cache_dir=cache)
    assert (finished / "state.pt").read_bytes() == before


def test_there_must_be_something_to_resume(world: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nothing to resume"):
        train(tiny_config(1), [world], tmp_path, True)


@pytest.mark.parametrize("content", [b"", b"no state", b"PK\x03\x04 cut"])
def test_a_damaged_state_is_refused(world: Path, cache: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.pt").write_bytes(content)
    with pytest.raises(ConfigurationError, match="cannot be resumed from"):
        train(tiny_config(1), [world], tmp_path, True, cache_dir=cache)


def test_a_world_smaller_than_a_batch_is_refused(tmp_path: Path) -> None:
    small = write_world(tmp_path / "small", 5)
    with pytest.raises(DatasetError, match="fewer photos than a batch"):
        train(tiny_config(1), [small], tmp_path / "run")


def test_mixed_precision_and_the_triplet_loss_run_too(world: Path, tmp_path: Path) -> None:
    config = tiny_config(1, 1)
    config = replace(
        config,
        run=RunConfig(device="cpu", precision="bfloat16"),
        objective=replace(config.objective, loss="triplet"),
        model=replace(config.model, attention="self"),
    )
    assert train(config, [world], tmp_path).cards[-1].model.attention == "self"


@pytest.mark.parametrize("able", [True, False])
def test_half_precision_is_used_where_the_processor_gains_by_it(
    able: bool, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def described(*arguments: object, **settings: object) -> object:
        seen.append(torch.is_autocast_enabled("cpu"))
        return stages_describe(*arguments, **settings)

    stages_describe = stages.describe
    monkeypatch.setattr(device, "gains_by_bfloat16", lambda device: able)
    monkeypatch.setattr(stages, "describe", described)
    config = tiny_config(1)
    assert RunConfig().precision == "auto"
    train(replace(config, run=replace(config.run, precision="auto")), [world], tmp_path)
    assert seen and set(seen) == {able}


def break_losses(monkeypatch: pytest.MonkeyPatch, broken: set[int]) -> None:
    """The losses of those batches, counted from 0, are not finite."""
    calls = iter(range(1000))
    contrast = stages.contrast

    def contrasted(*arguments: object) -> torch.Tensor:
        value = contrast(*arguments)  # type: ignore[arg-type]
        return value * float("nan") if next(calls) // 2 in broken else value  # twice a batch: CLS and columns

    monkeypatch.setattr(stages, "contrast", contrasted)


def test_a_batch_without_a_finite_loss_is_counted_and_the_run_goes_on(
    world: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_losses(monkeypatch, {1})
    config = tiny_config(4)
    config = replace(
        config,
        run=replace(config.run, log_every=1),
        batches=replace(config.batches, memory_steps=5, memory_from=1),
    )
    assert train(config, [world], tmp_path, cache_dir=cache).finished
    assert [row["skipped"] for row in rows(tmp_path / "train.csv")] == ["", "0", "1", "1", "1"]
    assert np.isfinite(float(rows(tmp_path / "train.csv")[-1]["loss"]))


def test_losses_that_stay_not_finite_end_the_run_in_one_sentence(
    world: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "NOT_FINITE_IN_A_ROW", 3)
    break_losses(monkeypatch, {1, 2, 3})
    with pytest.raises(
        ConfigurationError, match=r"3 batches in a row were not finite: lower layers\.learning"
    ):
        train(tiny_config(9), [world], tmp_path, cache_dir=cache)


def test_a_gpu_whose_memory_is_full_goes_on_with_half_a_batch(
    world: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = loop.train_step
    sizes: list[int] = []

    def limited(stage, optimizer, batch, *arguments):
        sizes.append(len(batch.ground))
        if len(batch.ground) > 4:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return step(stage, optimizer, batch, *arguments)

    monkeypatch.setattr(loop, "train_step", limited)
    notes: list[str] = []
    config = tiny_config(3)
    result = train(
        config, [world], tmp_path, on_report=lambda report: notes.append(report.note), cache_dir=cache
    )
    assert result.finished and sizes == [16, 8, 4, 4, 4]
    assert [note for note in notes if note] == [
        f"The GPU's memory is full: batches have {pairs} pairs from here on." for pairs in (8, 4)
    ]


def test_a_gpu_that_holds_no_batch_ends_the_run_in_one_sentence(
    world: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(loop, "train_step", full)
    with pytest.raises(ConfigurationError, match="does not hold a batch of 2 pairs"):
        train(tiny_config(3), [world], tmp_path, cache_dir=cache)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_said_so(world: Path, cache: Path, tmp_path: Path) -> None:
    config = tiny_config(1)
    with pytest.raises(ConfigurationError, match="has no device 'cuda'"):
        train(replace(config, run=replace(config.run, device="cuda")), [world], tmp_path, cache_dir=cache)
