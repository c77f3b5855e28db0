"""The state of a run on disk, from which it goes on exactly."""

from __future__ import annotations

import os
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.files import atomic_write
from l2ltr_core.training.config import TrainConfig
from l2ltr_core.training.run import Position, Run

STATE = "state.pt"
MAY_CHANGE = {"run", "layers", "joint", "name", "licence", "description"}
"""Settings that may differ when a run is resumed: budgets, names, and how the machine is used."""
NOTHING_LEARNED = "features"
"""Stage of a run whose layers have not begun."""


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


def save_beginning(run: Run) -> None:
    """Say that there is a run whose layers have not begun."""
    _write_state(run, {"stage": NOTHING_LEARNED})


def _write_state(run: Run, state: dict[str, Any]) -> None:
    if run.ranks.rank:
        return
    with atomic_write(run.out_dir / STATE) as path, path.open("wb") as file:
        torch.save({"config": run.config.to_dict(), **state}, file)
        file.flush()
        os.fsync(file.fileno())


def restore_state(run: Run) -> Position | None:
    """The stage, optimizer and step that `save_state` wrote, None where nothing is learned yet.

    Raises ConfigurationError for another run's.
    """
    path = run.out_dir / STATE
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        _check_same_run(run.config, state["config"], path)
        if state["stage"] == NOTHING_LEARNED:
            return None
        position = Position.at_start(run, state["stage"])
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
