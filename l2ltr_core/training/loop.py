"""One stage, step by step, until its budget is used up or the run is told to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.files import atomic_write
from l2ltr_core.training.batches import Batch, BatchMaker
from l2ltr_core.training.config import StageConfig
from l2ltr_core.training.losses import MemoryNegatives
from l2ltr_core.training.pairs import CHOSEN_BY
from l2ltr_core.training.run import Position, Report, Run
from l2ltr_core.training.schedule import fraction_done, learning_rate
from l2ltr_core.training.stages import Parts, StageName, train_step
from l2ltr_core.training.state import save_state
from l2ltr_core.training.views import Views

BEST = "best.safetensors"
"""File of the best weights so far, in the run's folder."""
BATCH_SEEDS: dict[StageName, int] = {"layers": 0, "joint": 1_000_003}
"""Offsets of the seed, so that no stage repeats the batches of another."""
NOT_FINITE_IN_A_ROW = 25
"""Number of successive batches without a finite loss that ends a run."""


class Loop:
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
        """Prepared in the background; a new stretch begins whenever hard negatives are mined again."""
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
        rate = learning_rate(self.budget.learning_rate, position.step, self.budget.lr_warmup_steps, self.done)
        for group in position.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        outcome, self.gradient_norm = train_step(
            position.stage,
            position.optimizer,
            batch,
            self.run.ranks,
            config.optimizer.clip_norm,
            self._memory_negatives(batch),
        )
        position.step += 1
        elapsed, told_to_stop = self.run.ranks.broadcast(
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

    def _memory_negatives(self, batch: Batch) -> MemoryNegatives | None:
        """Further negatives, once the stage is old enough for them."""
        position, settings = self.position, self.run.config.batches
        if position.memory is None or not settings.memory_steps or position.step < settings.memory_from:
            return None
        nearest_m = self.run.config.objective.ignore_within_m
        in_city = position.memory.in_city_negatives(batch, position.step, settings.memory_steps, nearest_m)
        if not settings.memory_cross_city:
            return in_city
        cross_city = position.memory.cross_city_negatives(
            batch, position.step, settings.memory_steps, settings.memory_cross_city
        )
        return in_city.joined(cross_city)

    def _log(self, parts: Parts) -> None:
        elapsed = time.monotonic() - self.started
        values = {name: float(value.detach()) for name, value in parts.items()} | {
            "gradient_norm": float(self.gradient_norm),
            "learning_rate": self.position.optimizer.param_groups[0]["lr"],
            "step_seconds": elapsed / (self.position.step - self.first_step),
            "waiting_share": self.waited / elapsed,
            "skipped": self.skipped,
        }
        self._write_row("train.csv", values)

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
        self._write_row("validation.csv", values)

    def _write_row(self, table: str, values: dict[str, float]) -> None:
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
    with atomic_write(run.out_dir / BEST) as path:
        save_file(weights, path)
    run.best = run.validation


def _batch_maker(
    run: Run, stage: StageName, pairs: int, hard_negatives: Sequence[NDArray[np.int64]] | None
) -> BatchMaker:
    config = run.config
    return BatchMaker(
        run.worlds,
        Views(config.model, config.view),
        replace(config.batches, pairs=pairs),
        config.augment,
        config.seed + BATCH_SEEDS[stage],
        config.objective.ignore_within_m,
        hard_negatives,
        run.features if stage == "layers" else None,
    )
