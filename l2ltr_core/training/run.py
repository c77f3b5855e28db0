"""A run and where it stands: what stays while stages change, and what a stage has of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from l2ltr_core.model.network import L2LTR
from l2ltr_core.training.config import TrainConfig
from l2ltr_core.training.device import Device
from l2ltr_core.training.features import Features
from l2ltr_core.training.journal import Journal
from l2ltr_core.training.mining import Memory
from l2ltr_core.training.pairs import PairsValidator
from l2ltr_core.training.ranks import Ranks
from l2ltr_core.training.stages import Stage, StageName, new_optimizer
from l2ltr_core.training.validation import Validator
from l2ltr_core.training.worlds import World


@dataclass(frozen=True)
class Report:
    """Where a run is: passed to the caller's callback every `run.log_every` steps."""

    stage: StageName
    step: int
    """Steps done, or in `features` the views of pairs done."""
    steps: int
    eta_seconds: float
    """Seconds left in this stage."""
    values: dict[str, float]
    """Loss parts and learning rate, or a validation, as the tables hold them."""
    note: str = ""
    """Sentence for whoever watches."""


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
    """Seconds of training, over all starts of the run."""
    steps: int = 0
    """Steps of all stages that are over."""
    validation: dict[str, float] = field(default_factory=dict)
    """Latest validation."""
    best: dict[str, float] = field(default_factory=dict)
    """The validation of the best weights so far; nothing where the last are kept."""
    features: list[Features] | None = None
    """Features of the stems for each world, once they are known."""
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
    """Seconds of training in this stage."""
    memory: Memory | None = None
    """Cross-batch memory of the stage, where the configuration wants one."""

    @classmethod
    def at_start(cls, run: Run, name: StageName) -> Position:
        """A stage of which no step is done."""
        stage = Stage(name, run.network, run.config, run.device)
        batches = run.config.batches
        remembers = batches.hard_fraction > 0 or batches.memory_steps > 0
        memory = Memory(run.worlds, stage.width, run.device.kind) if remembers else None
        return cls(stage, new_optimizer(stage, run.config.optimizer), memory=memory)
