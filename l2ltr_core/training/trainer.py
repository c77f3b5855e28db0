"""A training run: stages one after the other, one loop, a state on disk from which it goes on exactly."""

from __future__ import annotations

import itertools
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from l2ltr_core.checkpoints import save_checkpoint
from l2ltr_core.errors import ConfigurationError, DatasetError
from l2ltr_core.files import whole
from l2ltr_core.model.config import CheckpointCard
from l2ltr_core.model.network import L2LTR
from l2ltr_core.training.align import align
from l2ltr_core.training.batches import Batch, BatchMaker
from l2ltr_core.training.config import StageConfig, TrainConfig
from l2ltr_core.training.device import Device
from l2ltr_core.training.features import Features, StoppedError, see
from l2ltr_core.training.journal import Journal
from l2ltr_core.training.losses import Remembered
from l2ltr_core.training.mining import Memory
from l2ltr_core.training.pairs import CHOSEN_BY, PairsValidator
from l2ltr_core.training.ranks import Ranks
from l2ltr_core.training.schedule import fraction_done, learning_rate
from l2ltr_core.training.stages import Parts, Stage, StageName, new_optimizer, train_step
from l2ltr_core.training.start import new_network, take_over
from l2ltr_core.training.validation import Validator
from l2ltr_core.training.views import Views
from l2ltr_core.training.worlds import World, load_world
from l2ltr_core.types import Progress

STATE = "state.pt"
BEST = "best.safetensors"
BATCH_SEEDS: dict[StageName, int] = {"layers": 0, "joint": 1_000_003}
"""Added to the seed, so that no stage repeats the batches of another."""
MAY_CHANGE = {"run", "layers", "joint", "name", "licence", "description"}
"""Settings that may differ when a run is resumed: budgets, names, and how the machine is used."""
NOT_FINITE_IN_A_ROW = 25
"""So many batches without a finite loss end a run."""


@dataclass(frozen=True)
class Report:
    """Where a run is: passed to the caller's callback every `run.log_every` steps."""

    stage: StageName
    step: int
    """Of `features`, the views of pairs that are done."""
    steps: int
    eta_seconds: float
    """Of this stage."""
    values: dict[str, float]
    """What the tables hold: loss parts, learning rate, or a validation."""
    note: str = ""
    """A sentence for whoever watches."""


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
    cache: Path
    worlds: list[World]
    validator: Validator | None
    pairs: PairsValidator | None
    device: Device
    ranks: Ranks
    on_report: Callable[[Report], None] | None
    journal: Journal
    network: L2LTR
    stop: threading.Event = field(default_factory=threading.Event)
    seconds: float = 0.0
    """Of training, over all sittings."""
    steps: int = 0
    """Of all stages that are over."""
    validation: dict[str, float] = field(default_factory=dict)
    """The last one."""
    best: dict[str, float] = field(default_factory=dict)
    """The validation of the best weights so far; nothing where the last are kept."""
    features: list[Features] | None = None
    """What the stems see of each world, once it is known."""
    started_from: dict[str, Any] = field(default_factory=dict)
    """`name`, `fingerprint` and `main_steps` of the checkpoint that the network started from."""

    @property
    def keeps_best(self) -> bool:
        """Whether the weights that real pairs speak for are shipped."""
        return self.pairs is not None and self.config.run.keep == "best"


@dataclass
class Position:
    """A stage, its optimizer and the next step."""

    stage: Stage
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
    start_from: str | Path | None = None,
    validation: str | Path | None = None,
    validation_pairs: str | Path | None = None,
    cache_dir: str | Path | None = None,
    on_report: Callable[[Report], None] | None = None,
    on_load: Progress | None = None,
) -> TrainResult:
    """Train on geotagged datasets and benchmarks' train splits; checkpoint, tables and curves go to `out_dir`.

    `validation` is a geotagged dataset, `validation_pairs` a folder of real pairs; both are only measured, and the
    weights that the pairs speak for are kept. `resume` goes on from the state in `out_dir`, which is saved at least
    every `run.checkpoint_seconds` and when the process is told to end (SIGTERM, Ctrl-C). `start_from` is a checkpoint
    whose weights the network starts from: its columns are aligned already. Prepared views and the sums of the
    alignment are kept in `cache_dir`. Raises ConfigurationError, CheckpointError and DatasetError.
    """
    out_dir = Path(out_dir)
    cache = Path(cache_dir) if cache_dir is not None else out_dir / "views"
    if not datasets:
        raise DatasetError("Training needs at least one dataset.")
    _check_out_dir(out_dir, resume)
    if resume and start_from is not None:
        raise ConfigurationError(
            "A resumed run has its weights already: leave out either --resume or --start-from."
        )
    device = Device.choose(config.run.device)
    worlds = [load_world(spec, config.model, config.view, cache, on_load) for spec in datasets]
    small = [world.name for world in worlds if len(world) < config.batches.pairs]
    if small:
        raise DatasetError(
            f"The dataset '{small[0]}' has fewer photos than a batch of {config.batches.pairs}."
        )
    held = None if validation is None else load_world(validation, config.model, config.view, cache, on_load)
    pairs = (
        None if validation_pairs is None else PairsValidator.open(validation_pairs, config.model, config.view)
    )
    out_dir.mkdir(parents=True, exist_ok=True)
    ranks = Ranks.join(device.kind.type)
    if config.batches.pairs % ranks.count:
        raise ConfigurationError(f"batches.pairs must be a multiple of the {ranks.count} processes.")
    with _machine(config):
        network = new_network(config)
        started_from = {} if start_from is None else take_over(network, start_from)
        run = Run(
            config,
            out_dir,
            cache,
            worlds,
            None if held is None else Validator(held, Views(config.model, config.view)),
            pairs,
            device,
            ranks,
            on_report,
            Journal(out_dir),
            network.to(device.kind),
            started_from=started_from,
        )
        with _stops_on_signal(run.stop):
            try:
                position = restore_state(run) if resume else _begin(run)
                cards = _stages(run, position)
            except StoppedError:
                cards = []
    return TrainResult(not run.stop.is_set(), tuple(cards), out_dir)


def _begin(run: Run) -> Position:
    _write_state(run, {"stage": "features"})
    if not run.started_from and run.config.model.stem_column_width:
        found = align(run.network, _features(run), run.config, run.device, run.ranks)
        if not run.ranks.rank:
            values = {"mean_correlation": float(found.correlations.mean())}
            row = {"stage": "align", "step": 0, "seconds": round(run.seconds, 1)}
            run.journal.write("train.csv", row | values)
    return _at_start(run, "layers" if run.config.layers.steps else "joint")


def _features(run: Run) -> list[Features]:
    """What the stems see of all pairs; raises StoppedError when the run is told to stop."""
    if run.features is not None:
        return run.features
    started = time.monotonic()
    calls = itertools.count(1)

    def advance(done: int, views: int) -> bool:
        left = (time.monotonic() - started) * (views - done) / max(done, 1)
        if run.on_report and not run.ranks.rank and next(calls) % run.config.run.log_every == 0:
            run.on_report(Report("features", done, views, left, {}))
        return not run.stop.is_set()

    run.features = see(run.network, run.worlds, run.config, run.cache, run.device, run.ranks, advance)
    run.seconds += time.monotonic() - started
    return run.features


def _stages(run: Run, position: Position) -> list[CheckpointCard]:
    if position.stage.name == "layers":
        _Loop(run, position, run.config.layers).until_done()
        if not run.stop.is_set() and run.config.joint.steps:
            run.steps = position.step
            position = _at_start(run, "joint")
    if position.stage.name == "joint":
        _Loop(run, position, run.config.joint).until_done()
    return [] if run.stop.is_set() else [_export_checkpoint(run, position)]


class _Loop:
    """One stage from where it stands until its budget is used up or the run is told to stop."""

    def __init__(self, run: Run, position: Position, budget: StageConfig) -> None:
        self.run, self.position, self.budget = run, position, budget
        self.first_step, self.seconds_before = position.step, position.seconds
        self.run_seconds_before = run.seconds
        self.started, self.waited = time.monotonic(), 0.0
        self.pairs = run.config.batches.pairs
        self.gradient_norm = torch.zeros(())
        self.skipped, self.skipped_in_a_row = 0, 0
        self.stopping = False

    @property
    def done(self) -> float:
        """The part of the budget that is used, in [0, 1]."""
        return fraction_done(
            self.position.step, self.budget.steps, self.position.seconds, self.budget.minutes
        )

    def until_done(self) -> None:
        """Train; the state is on disk when this returns."""
        run, position, settings = self.run, self.position, self.run.config.run
        if position.step == 0 and self.done < 1:
            self._validate(pairs_alone=True)
        self.started = saved_at = time.monotonic()
        stream = self._batches()
        position.stage.train()
        while self.done < 1 and not self.stopping:
            try:
                parts = self._step(self._next(stream))
            except torch.cuda.OutOfMemoryError as error:
                stream.close()
                self._halve(error)
                stream = self._batches()
                continue
            if position.step % settings.log_every == 0 or self.done >= 1:
                self._log(parts)
            if position.step % settings.validate_every == 0 or self.done >= 1:
                self._validate()
            if time.monotonic() - saved_at >= settings.checkpoint_seconds:
                save_state(run, position)
                saved_at = time.monotonic()
        stream.close()
        if self.stopping:
            run.stop.set()
        save_state(run, position)
        if run.ranks.rank == 0:
            run.journal.draw()

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
            stretch = _batch_maker(run, position.stage.name, self.pairs, tables)
            yield from stretch.stream(position.step, min(end, self.budget.steps))

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
        outcome, self.gradient_norm = train_step(
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
        finite = math.isfinite(float(self.gradient_norm))
        self._count_skipped(finite)
        if position.memory and finite:
            position.memory.remember(batch, outcome.ground, outcome.aerial, position.step)
        return outcome.parts

    def _count_skipped(self, finite: bool) -> None:
        self.skipped += not finite
        self.skipped_in_a_row = 0 if finite else self.skipped_in_a_row + 1
        if self.skipped_in_a_row >= NOT_FINITE_IN_A_ROW:
            raise ConfigurationError(
                f"The losses of {NOT_FINITE_IN_A_ROW} batches in a row were not finite: lower "
                f"{self.position.stage.name}.learning_rate, or give run.precision 'float32'."
            )

    def _halve(self, error: torch.cuda.OutOfMemoryError) -> None:
        """Go on with half the pairs a batch. Raises ConfigurationError where that cannot help."""
        if self.pairs < 4 or self.run.ranks.count > 1:
            raise ConfigurationError(
                f"The GPU's memory does not hold a batch of {self.pairs} pairs; give fewer batches.pairs."
            ) from error
        self.pairs //= 2
        self.position.optimizer.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        self._report({}, f"The GPU's memory is full: batches have {self.pairs} pairs from here on.")

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
            "skipped": self.skipped,
        }
        self._tell("train.csv", values)

    def _validate(self, pairs_alone: bool = False) -> None:
        run, stage = self.run, self.position.stage
        if run.ranks.rank or (run.pairs is None and (run.validator is None or pairs_alone)):
            return
        stage.eval()
        values = {} if run.pairs is None else run.pairs.measure(stage)
        if run.validator is not None and not pairs_alone:
            values |= run.validator.measure(stage).to_dict()
        stage.train()
        run.validation = values
        if run.keeps_best and values[CHOSEN_BY] < run.best.get(CHOSEN_BY, math.inf):
            _keep(run)
        self._tell("validation.csv", values)

    def _tell(self, table: str, values: dict[str, float]) -> None:
        if self.run.ranks.rank:
            return
        row = {"stage": self.position.stage.name, "step": self.position.step}
        self.run.journal.write(table, {**row, "seconds": round(self.run.seconds, 1), **values})
        self._report(values)

    def _report(self, values: dict[str, float], note: str = "") -> None:
        stage, step = self.position.stage.name, self.position.step
        left = self.position.seconds * (1 - self.done) / max(self.done, 1e-9)
        if self.run.on_report:
            self.run.on_report(Report(stage, step, self.budget.steps, left, values, note))


def _keep(run: Run) -> None:
    """The weights as they stand are the best so far."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in run.network.state_dict().items()}
    with whole(run.out_dir / BEST) as path:
        save_file(weights, path)
    run.best = run.validation


def _at_start(run: Run, name: StageName) -> Position:
    stage = Stage(name, run.network, run.config, run.device)
    optimizer = new_optimizer(stage, run.config.optimizer)
    batches = run.config.batches
    remembers = batches.hard_fraction > 0 or batches.memory_steps > 0
    memory = Memory(run.worlds, stage.width, run.device.kind) if remembers else None
    return Position(stage, optimizer, memory=memory)


def _batch_maker(
    run: Run, stage: StageName, pairs: int, look_alikes: Sequence[NDArray[np.int64]] | None
) -> BatchMaker:
    config = run.config
    return BatchMaker(
        run.worlds,
        Views(config.model, config.view),
        replace(config.batches, pairs=pairs),
        config.augment,
        config.seed + BATCH_SEEDS[stage],
        config.objective.ignore_within_m,
        look_alikes,
        _features(run) if stage == "layers" else None,
    )


def save_state(run: Run, position: Position) -> None:
    """Write all that `restore_state` needs, whole or not at all."""
    state = {
        "stage": position.stage.name,
        "step": position.step,
        "stage_seconds": position.seconds,
        "run_seconds": run.seconds,
        "run_steps": run.steps,
        "weights": position.stage.state_dict(),
        "optimizer": position.optimizer.state_dict(),
        "random": torch.get_rng_state(),
        "validation": run.validation,
        "best": run.best,
        "memory": position.memory.state_dict() if position.memory else None,
        "started_from": run.started_from,
    }
    _write_state(run, state)


def _write_state(run: Run, state: dict[str, Any]) -> None:
    if run.ranks.rank:
        return
    with whole(run.out_dir / STATE) as path, path.open("wb") as file:
        torch.save({"config": run.config.to_dict(), **state}, file)
        file.flush()
        os.fsync(file.fileno())


def restore_state(run: Run) -> Position:
    """The stage, optimizer and step that `save_state` wrote. Raises ConfigurationError for another run's."""
    path = run.out_dir / STATE
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        _check_same_run(run.config, state["config"], path)
        if state["stage"] == "features":
            return _begin(run)
        position = _at_start(run, state["stage"])
        position.stage.load_state_dict(state["weights"])
        position.optimizer.load_state_dict(state["optimizer"])
        if position.memory and state["memory"]:
            position.memory.load_state_dict(state["memory"])
        run.seconds, run.validation = state["run_seconds"], state["validation"]
        run.best = state["best"] if run.keeps_best else {}
        run.steps, run.started_from = state["run_steps"], state["started_from"]
    except (OSError, EOFError, KeyError, RuntimeError, ValueError, UnpicklingError) as error:
        raise ConfigurationError(f"'{path}' cannot be resumed from; start anew without --resume.") from error
    position.step, position.seconds = state["step"], state["stage_seconds"]
    torch.set_rng_state(state["random"])
    run.journal.forget_after(position.stage.name, position.step)
    return position


def _check_same_run(config: TrainConfig, saved: dict[str, Any], path: Path) -> None:
    """A run may go on with another budget or on another machine, but not with another recipe."""
    mine = config.to_dict()
    changed = [key for key in mine if key not in MAY_CHANGE and mine[key] != saved.get(key)]
    if changed:
        raise ConfigurationError(
            f"'{path}' is of a run with another '{changed[0]}': use that configuration, or another folder."
        )


def _export_checkpoint(run: Run, position: Position) -> CheckpointCard:
    """Save the network as it stands, or the best that was, float16, with its card."""
    config = run.config
    validation = run.validation
    if run.best and not run.ranks.rank:
        run.network.load_state_dict(load_file(run.out_dir / BEST))
        validation = run.best
    card = CheckpointCard(
        name=config.name,
        model=config.model,
        view=config.view,
        simulated=all(world.simulated for world in run.worlds),
        training={
            "data": {world.name: len(world) for world in run.worlds},
            "pairs_a_step": config.batches.pairs,
            "main_steps": run.steps + position.step + run.started_from.get("main_steps", 0),
            "minutes": round(run.seconds / 60, 1),
            "configuration": config.to_dict(),
            **({"started_from": run.started_from} if run.started_from else {}),
        },
        results={"validation": validation} if validation else {},
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
