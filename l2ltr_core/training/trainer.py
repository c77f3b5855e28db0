"""A training run: its stages one after the other, and the checkpoint that comes out of it."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from l2ltr_core.checkpoints import save_checkpoint
from l2ltr_core.errors import ConfigurationError, DatasetError
from l2ltr_core.model.config import CheckpointCard
from l2ltr_core.training.align import align
from l2ltr_core.training.config import TrainConfig
from l2ltr_core.training.device import Device
from l2ltr_core.training.features import Features, StoppedError, see
from l2ltr_core.training.journal import Journal
from l2ltr_core.training.loop import BEST, Loop
from l2ltr_core.training.pairs import PairsValidator
from l2ltr_core.training.ranks import Ranks
from l2ltr_core.training.run import Position, Report, Run
from l2ltr_core.training.start import new_network, take_over
from l2ltr_core.training.state import STATE, restore_state, save_beginning
from l2ltr_core.training.validation import Validator
from l2ltr_core.training.views import Views
from l2ltr_core.training.worlds import load_world
from l2ltr_core.types import Progress


@dataclass(frozen=True)
class TrainResult:
    """What a run has made; `finished` is False when it was told to stop and can be resumed."""

    finished: bool
    cards: tuple[CheckpointCard, ...]
    out_dir: Path


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
    ranks.meet()  # an earlier run in these processes has written its state
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
                position = (restore_state(run) if resume else None) or _begin(run)
                cards = _stages(run, position)
            except StoppedError:
                cards = []
    return TrainResult(not run.stop.is_set(), tuple(cards), out_dir)


def _begin(run: Run) -> Position:
    """The first stage of a network whose stems are aligned."""
    save_beginning(run)
    if not run.started_from and run.config.model.stem_column_width:
        found = align(run.network, _features(run), run.config, run.device, run.ranks)
        if not run.ranks.rank:
            values = {"mean_correlation": float(found.correlations.mean())}
            row = {"stage": "align", "step": 0, "seconds": round(run.seconds, 1)}
            run.journal.write("train.csv", row | values)
    return Position.at_start(run, "layers" if run.config.layers.steps else "joint")


def _features(run: Run) -> list[Features]:
    """What the stems see of all pairs, looked at once; raises StoppedError when the run is told to stop."""
    if run.features is not None:
        return run.features
    started = time.monotonic()
    calls = itertools.count(1)
    first = 0

    def advance(done: int, views: int) -> bool:
        nonlocal first
        first = first or done  # what was kept by an earlier run took no time
        left = (time.monotonic() - started) * (views - done) / max(done - first, 1)
        if run.on_report and not run.ranks.rank and next(calls) % run.config.run.log_every == 0:
            run.on_report(Report("features", done, views, left, {}))
        return not run.stop.is_set()

    run.features = see(run.network, run.worlds, run.config, run.cache, run.device, run.ranks, advance)
    run.seconds += time.monotonic() - started
    return run.features


def _stages(run: Run, position: Position) -> list[CheckpointCard]:
    if position.stage.name == "layers":
        _features(run)
        Loop(run, position, run.config.layers).until_done()
        if not run.stop.is_set() and run.config.joint.steps:
            run.steps = position.step
            position = Position.at_start(run, "joint")
    if position.stage.name == "joint":
        Loop(run, position, run.config.joint).until_done()
    return [] if run.stop.is_set() else [_export_checkpoint(run, position)]


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
