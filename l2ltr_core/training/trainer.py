"""A training run: two stages, one loop, a state on disk from which it goes on exactly."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from l2ltr_core.checkpoints import load_card, load_network, save_checkpoint
from l2ltr_core.errors import ConfigurationError, DatasetError
from l2ltr_core.files import whole
from l2ltr_core.model.config import CheckpointCard, ModelConfig, ViewConfig
from l2ltr_core.model.network import L2LTR
from l2ltr_core.training.batches import Batch, BatchMaker
from l2ltr_core.training.config import StageConfig, TrainConfig
from l2ltr_core.training.growth import grown, take_over
from l2ltr_core.training.journal import Journal
from l2ltr_core.training.losses import Remembered
from l2ltr_core.training.mining import Memory
from l2ltr_core.training.ranks import Ranks
from l2ltr_core.training.schedule import fraction_done, learning_rate
from l2ltr_core.training.stages import Main, Parts, StageName, WarmUp, descend, new_optimizer
from l2ltr_core.training.validation import Validator
from l2ltr_core.training.warmup import ColumnNetwork, column_width, new_network, warmed_up
from l2ltr_core.training.worlds import World, load_world
from l2ltr_core.types import Progress

STATE = "state.pt"
WARM_UP = "warmup.safetensors"
AFTER_STEM = {"attention", "depth", "heads", "mlp_width", "dropout"}
"""Settings of the model that its stems and the heads over them know nothing of."""
BATCH_SEED_OF_MAIN = 1_000_003
"""Added to the seed, so that the main stage does not repeat the batches of the warm-up."""

MAY_CHANGE = {"run", "warmup", "main", "snapshots", "name", "licence", "description"}
"""Settings that may differ when a run is resumed: budgets, names, and how the machine is used."""


@dataclass(frozen=True)
class Report:
    """Where a run is: passed to the caller's callback every `run.log_every` steps."""

    stage: StageName
    step: int
    steps: int
    eta_seconds: float
    """Of this stage."""
    values: dict[str, float]
    """What the tables hold: loss parts, learning rate, or a validation."""


@dataclass(frozen=True)
class TrainResult:
    """What a run has made; `finished` is False when it was told to stop and can be resumed."""

    finished: bool
    cards: tuple[CheckpointCard, ...]
    out_dir: Path


@dataclass
class Run:
    """The parts of a run that stay while stages change."""

    config: TrainConfig
    out_dir: Path
    worlds: Sequence[World]
    validator: Validator | None
    ranks: Ranks
    on_report: Callable[[Report], None] | None
    journal: Journal
    network: L2LTR
    columns: ColumnNetwork
    stop: threading.Event = field(default_factory=threading.Event)
    seconds: float = 0.0
    """Of training, over all sittings."""
    validation: dict[str, float] = field(default_factory=dict)
    """The last one."""
    started_from: dict[str, Any] = field(default_factory=dict)
    """`name`, `fingerprint` and `main_steps` of the checkpoint that the network started from."""


@dataclass
class Position:
    """A stage, its optimizer and the next step."""

    stage: WarmUp | Main
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    """Of this stage."""
    memory: Memory | None = None
    """Where the configuration wants one; each stage has its own."""


def train(
    config: TrainConfig,
    datasets: Sequence[str | Path],
    out_dir: str | Path,
    resume: bool = False,
    *,
    warm_start: str | Path | None = None,
    warm_up_further: bool = False,
    start_from: str | Path | None = None,
    validation: str | Path | None = None,
    cache_dir: str | Path | None = None,
    on_report: Callable[[Report], None] | None = None,
    on_load: Progress | None = None,
) -> TrainResult:
    """Train on geotagged datasets, each a world of its own; checkpoints, tables, curves go to `out_dir`.

    `validation` is a geotagged dataset that is only measured. `resume` goes on from the state in `out_dir`,
    which is saved at least every `run.checkpoint_seconds` and when the process is told to end (SIGTERM,
    Ctrl-C). `warm_start` names the `warmup.safetensors` of another run, or a checkpoint with columns: its stems
    stand in for this run's own warm-up, so that runs can differ in the main stage alone; with `warm_up_further`
    this run's warm-up goes on from them, for instance over more cities. `start_from` is a checkpoint whose weights
    the network starts from, but for its stems where `warm_start` names others. Prepared views are kept in
    `cache_dir`. Raises ConfigurationError, CheckpointError and DatasetError.
    """
    out_dir = Path(out_dir)
    cache = Path(cache_dir) if cache_dir is not None else out_dir / "views"
    if not datasets:
        raise DatasetError("Training needs at least one geotagged dataset.")
    _check_out_dir(out_dir, resume)
    _check_start(config, resume, warm_start, warm_up_further, start_from)
    worlds = [load_world(spec, config.model, config.view, cache, on_load) for spec in datasets]
    small = [world.name for world in worlds if len(world) < config.batches.pairs]
    if small:
        raise DatasetError(
            f"The dataset '{small[0]}' has fewer photos than a batch of {config.batches.pairs}."
        )
    held = None if validation is None else load_world(validation, config.model, config.view, cache, on_load)
    out_dir.mkdir(parents=True, exist_ok=True)
    ranks = Ranks.join()
    if config.batches.pairs % ranks.count:
        raise ConfigurationError(f"batches.pairs must be a multiple of the {ranks.count} processes.")
    with _machine(config):
        network = new_network(config)
        started_from = {} if start_from is None else take_over(network, start_from, warm_start is None)
        run = Run(
            config,
            out_dir,
            worlds,
            None if held is None else Validator(held, config.model, config.view),
            ranks,
            on_report,
            Journal(out_dir),
            network,
            ColumnNetwork(network),
            started_from=started_from,
        )
        with _stops_on_signal(run.stop):
            position = restore_state(run) if resume else _begin(run, warm_start, warm_up_further)
            cards = _stages(run, position)
    return TrainResult(not run.stop.is_set(), tuple(cards), out_dir)


def _stages(run: Run, position: Position) -> list[CheckpointCard]:
    cards: list[CheckpointCard] = []
    if isinstance(position.stage, WarmUp):
        cards += _Loop(run, position, run.config.warmup).until_done()
        if run.stop.is_set():
            return cards
        if not run.ranks.rank:
            save_warm_up(run)
        if not run.config.main.steps:
            return cards
        position = _at_start(run, _main_stage(run))
    cards += _Loop(run, position, run.config.main).until_done()
    if not run.stop.is_set():
        cards.append(_ship(run, run.config.name, position))
    return cards


class _Loop:
    """One stage from where it stands until its budget is used up or the run is told to stop."""

    def __init__(self, run: Run, position: Position, budget: StageConfig) -> None:
        self.run, self.position, self.budget = run, position, budget
        self.first_step, self.seconds_before = position.step, position.seconds
        self.run_seconds_before = run.seconds
        self.started, self.waited = time.monotonic(), 0.0
        self.gradient_norm = torch.zeros(())
        self.stopping = False

    @property
    def done(self) -> float:
        """The part of the budget that is used, in [0, 1]."""
        return fraction_done(
            self.position.step, self.budget.steps, self.position.seconds, self.budget.minutes
        )

    def until_done(self) -> list[CheckpointCard]:
        """Train; the state is on disk when this returns. Returns the cards of the snapshots made."""
        run, position, settings = self.run, self.position, self.run.config.run
        pending = {name: at for name, at in self._snapshots() if at > self.done}
        cards = []
        self.started = saved_at = time.monotonic()
        stream = self._batches()
        position.stage.train()
        while self.done < 1 and not self.stopping:
            parts = self._step(self._next(stream))
            if position.step % settings.log_every == 0 or self.done >= 1:
                self._log(parts)
            if position.step % settings.validate_every == 0 or self.done >= 1:
                self._validate()
            for name in [name for name, at in pending.items() if at <= self.done]:
                cards.append(_ship(run, name, position))
                del pending[name]
            if time.monotonic() - saved_at >= settings.checkpoint_seconds:
                save_state(run, position)
                saved_at = time.monotonic()
        stream.close()
        if self.stopping:
            run.stop.set()
        save_state(run, position)
        if run.ranks.rank == 0:
            run.journal.draw()
        return cards

    def _batches(self) -> Generator[Batch]:
        """Prepared in the background; a new stretch begins whenever look-alikes are found anew."""
        run, position = self.run, self.position
        while position.step < self.budget.steps:
            every, tables = run.config.batches.mine_every, None
            if position.memory:
                if position.step and position.step % every == 0:
                    position.memory.refresh()
                tables = position.memory.tables
            end = self.budget.steps if not position.memory else (position.step // every + 1) * every
            stretch = _batch_maker(run, position.stage.name, tables)
            yield from stretch.stream(position.step, min(end, self.budget.steps))

    def _snapshots(self) -> Iterable[tuple[str, float]]:
        return self.run.config.snapshots.items() if isinstance(self.position.stage, Main) else ()

    def _next(self, stream: Iterator[Batch]) -> Batch:
        waiting = time.monotonic()
        batch = next(stream)
        self.waited += time.monotonic() - waiting
        return batch

    def _step(self, batch: Batch) -> Parts:
        position, config = self.position, self.run.config
        rate = learning_rate(self.budget.learning_rate, position.step, self.budget.rise_steps, self.done)
        for group in position.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        outcome, self.gradient_norm = descend(
            position.stage,
            position.optimizer,
            batch,
            self.run.ranks,
            config.optimizer.clip_norm,
            self._remembered(batch),
        )
        position.step += 1
        elapsed, told_to_stop = self.run.ranks.leader_says(
            time.monotonic() - self.started, float(self.run.stop.is_set())
        )
        position.seconds = self.seconds_before + elapsed
        self.run.seconds = self.run_seconds_before + elapsed
        self.stopping = told_to_stop > 0
        if position.memory:
            position.memory.remember(batch, outcome.ground, outcome.aerial, position.step)
        return outcome.parts

    def _remembered(self, batch: Batch) -> Remembered | None:
        """Further negatives, once the stage is old enough for them."""
        position, settings = self.position, self.run.config.batches
        if position.memory is None or not settings.memory_steps or position.step < settings.memory_from:
            return None
        apart_m = self.run.config.objective.ignore_within_m
        known = position.memory.others(batch, position.step, settings.memory_steps, apart_m)
        if not settings.memory_abroad:
            return known
        abroad = position.memory.abroad(batch, position.step, settings.memory_steps, settings.memory_abroad)
        return known.joined(abroad)

    def _log(self, parts: Parts) -> None:
        elapsed = time.monotonic() - self.started
        values = {name: float(value.detach()) for name, value in parts.items()} | {
            "gradient_norm": float(self.gradient_norm),
            "learning_rate": self.position.optimizer.param_groups[0]["lr"],
            "step_seconds": elapsed / (self.position.step - self.first_step),
            "waiting_share": self.waited / elapsed,
        }
        self._tell("train.csv", values)

    def _validate(self) -> None:
        if self.run.validator is None or self.run.ranks.rank:
            return
        self.position.stage.eval()
        self.run.validation = self.run.validator.measure(self.position.stage).to_dict()
        self.position.stage.train()
        self._tell("validation.csv", self.run.validation)

    def _tell(self, table: str, values: dict[str, float]) -> None:
        if self.run.ranks.rank:
            return
        stage, step = self.position.stage.name, self.position.step
        self.run.journal.write(
            table, {"stage": stage, "step": step, "seconds": round(self.run.seconds, 1), **values}
        )
        left = self.position.seconds * (1 - self.done) / max(self.done, 1e-9)
        if self.run.on_report:
            self.run.on_report(Report(stage, step, self.budget.steps, left, values))


def _begin(run: Run, warm_start: str | Path | None, warm_up_further: bool) -> Position:
    if warm_start is not None:
        load_warm_up(run, Path(warm_start))
        if not warm_up_further:
            return _at_start(run, _main_stage(run))
    if run.config.warmup.steps:
        return _at_start(run, WarmUp(run.columns, run.config))
    return _at_start(run, Main(run.network, None, run.config))


def _main_stage(run: Run) -> Main:
    """With the warmed-up stems as the teacher; what the columns say of the stems begins with what it says."""
    if not run.config.warmup.steps:
        return Main(run.network, None, run.config)
    heads = (run.columns.ground_head, run.columns.aerial_head)
    for branch, head in zip((run.network.ground, run.network.aerial), heads, strict=True):
        if branch.columns is not None:
            branch.columns.of_stem.begin_with(head)
    return Main(run.network, run.columns, run.config)


def _at_start(run: Run, stage: WarmUp | Main) -> Position:
    optimizer = new_optimizer(stage, run.config.optimizer)
    batches = run.config.batches
    remembers = batches.hard_fraction > 0 or batches.memory_steps > 0
    return Position(stage, optimizer, memory=Memory(run.worlds, stage.width) if remembers else None)


def _batch_maker(run: Run, stage: StageName, look_alikes: Sequence[NDArray[np.int64]] | None) -> BatchMaker:
    config = run.config
    seed = config.seed + (BATCH_SEED_OF_MAIN if stage == "main" else 0)
    return BatchMaker(
        run.worlds,
        config.model,
        config.view,
        config.batches,
        config.augment,
        seed,
        config.objective.ignore_within_m,
        look_alikes,
    )


def save_state(run: Run, position: Position) -> None:
    """Write all that `restore_state` needs, whole or not at all."""
    if run.ranks.rank:
        return
    state = {
        "config": run.config.to_dict(),
        "stage": position.stage.name,
        "step": position.step,
        "stage_seconds": position.seconds,
        "run_seconds": run.seconds,
        "weights": position.stage.state_dict(),
        "optimizer": position.optimizer.state_dict(),
        "random": torch.get_rng_state(),
        "validation": run.validation,
        "memory": position.memory.state_dict() if position.memory else None,
        "started_from": run.started_from,
    }
    with whole(run.out_dir / STATE) as path, path.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())


def restore_state(run: Run) -> Position:
    """The stage, optimizer and step that `save_state` wrote. Raises ConfigurationError for another run's."""
    path = run.out_dir / STATE
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        _check_same_run(run.config, state["config"], path)
        stage = _main_stage(run) if state["stage"] == "main" else WarmUp(run.columns, run.config)
        stage.load_state_dict(state["weights"])
        position = _at_start(run, stage)
        position.optimizer.load_state_dict(state["optimizer"])
        if position.memory and state["memory"]:
            position.memory.load_state_dict(state["memory"])
    except (OSError, EOFError, KeyError, RuntimeError, ValueError, UnpicklingError) as error:
        raise ConfigurationError(f"'{path}' cannot be resumed from; start anew without --resume.") from error
    position.step, position.seconds = state["step"], state["stage_seconds"]
    run.seconds, run.validation = state["run_seconds"], state["validation"]
    run.started_from = state.get("started_from", {})
    torch.set_rng_state(state["random"])
    run.journal.forget_after(stage.name, position.step)
    return position


def save_warm_up(run: Run) -> None:
    """Write the warmed-up stems and their heads, whole or not at all, for runs that start from them."""
    about = {
        "seconds": str(run.seconds),
        "made_for": json.dumps(_warmed_for(run.config.model, run.config.view)),
    }
    with whole(run.out_dir / WARM_UP) as path:
        save_file(run.columns.state_dict(), path, about)


def load_warm_up(run: Run, path: Path) -> None:
    """Take over stems and heads, and their training time: what `save_warm_up` wrote, or a checkpoint with columns.

    Raises ConfigurationError for one of another make.
    """
    of_checkpoint = path.with_suffix(".json").is_file()
    weights, made_for, seconds = _of_checkpoint(path) if of_checkpoint else _of_warm_up(run, path)
    wanted = (run.config.model, run.config.view)
    weights, now = grown(weights, made_for, wanted)
    mine, theirs = (_warmed_for(*each) for each in (wanted, now))
    changed = [name for name in mine if mine[name] != theirs[name]]
    if changed:
        raise ConfigurationError(
            f"'{path}' was warmed up with another '{changed[0]}': use that configuration, or do without it."
        )
    run.columns.load_state_dict(weights)
    run.seconds = seconds


WarmedUp = tuple[dict[str, torch.Tensor], tuple[ModelConfig, ViewConfig], float]
"""Weights of a `ColumnNetwork`, what they were made for, and seconds of training."""


def _of_checkpoint(path: Path) -> WarmedUp:
    card, network = load_card(path), load_network(path)
    if network.ground.columns is None:
        raise ConfigurationError(
            f"'{path}' has no columns, so no heads over its stems: give a checkpoint that has, or a {WARM_UP}."
        )
    return warmed_up(network).state_dict(), (card.model, card.view), 60.0 * card.training.get("minutes", 0.0)


def _of_warm_up(run: Run, path: Path) -> WarmedUp:
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        seconds, made_for = float(about["seconds"]), json.loads(about["made_for"])
        view = ViewConfig.from_dict(made_for.pop("view"))
        model = ModelConfig.from_dict(made_for | {"heads": 1})  # not told, no matter here, and fits any width
        if weights.keys() != run.columns.state_dict().keys():
            raise KeyError("stems and heads")
    except (OSError, SafetensorError, KeyError, ValueError, ConfigurationError) as error:
        raise ConfigurationError(f"'{path}' cannot be read: give the {WARM_UP} of another run.") from error
    return weights, (model, view), seconds


def _warmed_for(model: ModelConfig, view: ViewConfig) -> dict[str, Any]:
    """What the stems and their heads depend on: the views and the sizes, not how the layers after them attend."""
    settings = {name: value for name, value in model.to_dict().items() if name not in AFTER_STEM}
    return {"view": view.to_dict(), **settings, "column_width": column_width(model)}


def _check_same_run(config: TrainConfig, saved: dict[str, Any], path: Path) -> None:
    """A run may go on with another budget or on another machine, but not with another recipe."""
    mine = config.to_dict()
    changed = [key for key in mine if key not in MAY_CHANGE and mine[key] != saved.get(key)]
    if changed:
        raise ConfigurationError(
            f"'{path}' is of a run with another '{changed[0]}': use that configuration, or another folder."
        )


def _ship(run: Run, name: str, position: Position) -> CheckpointCard:
    """Save the network as it stands, float16, with its card."""
    config = run.config
    card = CheckpointCard(
        name=name,
        model=config.model,
        view=config.view,
        simulated=all(world.simulated for world in run.worlds),
        training={
            "data": {world.name: len(world) for world in run.worlds},
            "pairs_a_step": config.batches.pairs,
            "main_steps": position.step + run.started_from.get("main_steps", 0),
            "minutes": round(run.seconds / 60, 1),
            "configuration": config.to_dict(),
            **({"started_from": run.started_from} if run.started_from else {}),
        },
        results={"validation": run.validation} if run.validation else {},
        licence=config.licence,
        description=config.description,
    )
    if run.ranks.rank:
        return card
    return save_checkpoint(run.network, card, run.out_dir, torch.float16)


def _check_out_dir(out_dir: Path, resume: bool) -> None:
    state = out_dir / STATE
    if resume and not state.exists():
        raise ConfigurationError(f"There is nothing to resume in '{out_dir}': it has no {STATE}.")
    if not resume and state.exists():
        raise ConfigurationError(f"'{out_dir}' holds a run already: resume it, or give another folder.")


def _check_start(
    config: TrainConfig,
    resume: bool,
    warm_start: str | Path | None,
    warm_up_further: bool,
    start_from: str | Path | None,
) -> None:
    if resume and start_from is not None:
        raise ConfigurationError(
            "A resumed run has its weights already: leave out either --resume or --start-from."
        )
    if resume and warm_start is not None:
        raise ConfigurationError(
            "A resumed run has its stems already: leave out either --resume or --warm-start."
        )
    if warm_start is not None and not warm_up_further and not config.main.steps:
        raise ConfigurationError(
            "With --warm-start and no main.steps there is nothing to train: add --warm-up-further, or main.steps."
        )
    if warm_up_further and (warm_start is None or not config.warmup.steps):
        raise ConfigurationError(
            "--warm-up-further needs the stems to go on from (--warm-start) and a configuration with warmup.steps."
        )


@contextmanager
def _machine(config: TrainConfig) -> Iterator[None]:
    """Threads and seed of the run; the thread count is put back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(config.run.threads)
    torch.manual_seed(config.seed)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _stops_on_signal(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and Ctrl-C ask the run to save and end; only the main thread can listen."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
