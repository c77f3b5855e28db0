"""Everything that makes a training run repeatable, read from one TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.model.config import ModelConfig, ViewConfig
from l2ltr_core.reading import build, require


@dataclass(frozen=True)
class StageConfig:
    """One stage; it ends with the first of `steps` and `minutes` (0 = no limit) that is used up."""

    steps: int
    minutes: float = 0.0
    learning_rate: float = 7e-4
    rise_steps: int = 100
    """Steps over which the learning rate rises from zero."""


@dataclass(frozen=True)
class ObjectiveConfig:
    """What is minimised."""

    loss: Literal["infonce", "triplet"] = "infonce"
    temperature: float = 0.07
    """Of InfoNCE; the warm-up always uses InfoNCE."""
    alpha: float = 10.0
    """Of the soft-margin triplet loss."""
    teacher_weight: float = 5.0
    """Of the cosine between the descriptor, through one linear map, and the column descriptor; 0 = none."""
    ignore_within_m: float = 20.0
    """Pairs of other places closer than this are no negatives."""


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW and what goes with it."""

    weight_decay: float = 0.03
    eps: float = 1e-6
    stem_factor: float = 0.2
    """Factor on the learning rate of the warmed-up stems in the main stage; 0 freezes them, which makes a
    step about 1.7 times faster."""
    clip_norm: float = 1.0


@dataclass(frozen=True)
class BatchConfig:
    """Which pairs stand together in a batch; all are of one world."""

    pairs: int = 32
    near_fraction: float = 0.5
    """Part of the batch that comes from one neighbourhood."""
    near_radius_m: float = 150.0
    hard_fraction: float = 0.0
    """Part of the batch that is look-alikes of its other places, found anew every `mine_every` steps."""
    mine_every: int = 1000
    memory_steps: int = 0
    """The descriptors of so many last steps are further negatives of InfoNCE; 0 = none."""
    memory_abroad: int = 0
    """So many of what those steps saw of other worlds are negatives, too: a photo should not be found there."""
    memory_from: int = 1000
    """The step of each stage from which they are: at first descriptors change too fast."""


@dataclass(frozen=True)
class AugmentConfig:
    """How views are varied; each number is the largest change or a probability."""

    position_m: float = 5.0
    heading_deg: float = 3.0
    radial_scale: float = 0.07
    mirror: float = 0.5
    gain: float = 0.25
    colour: float = 0.08
    grey: float = 0.0
    offset: float = 12.0
    """In levels of 255."""
    noise: float = 6.0
    """Standard deviation in levels of 255."""
    blur: float = 0.15
    cutout: float = 0.15
    narrow: float = 0.0
    """Of photos: shown in part of the circle only, as an ordinary camera would."""


@dataclass(frozen=True)
class RunConfig:
    """How the machine is used; nothing here changes what is learned, but for rounding."""

    threads: int = 2
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto` is bfloat16 where the processor gains by it (measured at the start), else float32."""
    log_every: int = 20
    validate_every: int = 500
    checkpoint_seconds: float = 60.0


@dataclass(frozen=True)
class TrainConfig:
    """A whole run: what is built, on which views, in which stages."""

    name: str
    model: ModelConfig
    view: ViewConfig
    warmup: StageConfig
    main: StageConfig
    """Without steps the run ends with the stems: others start from them."""
    seed: int = 0
    snapshots: dict[str, float] = field(default_factory=dict)
    """Further checkpoints: name -> fraction of the main stage at which each is saved."""
    position_std: float = 0.6
    """Of the structured positional embeddings at the start; 0 leaves the network's own start."""
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    batches: BatchConfig = field(default_factory=BatchConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    run: RunConfig = field(default_factory=RunConfig)
    licence: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        """Refuse impossible values. Raises ConfigurationError."""
        require(self.batches.pairs >= 2, f"batches.pairs is {self.batches.pairs}; give at least 2")
        for name, stage in (("main", self.main), ("warmup", self.warmup)):
            require(stage.steps >= 0, f"{name}.steps is {stage.steps}; give 0 or more")
        require(
            self.main.steps + self.warmup.steps > 0,
            "main.steps and warmup.steps are 0; give one of them more",
        )
        require(
            self.objective.temperature > 0,
            f"objective.temperature is {self.objective.temperature}; give more than 0",
        )
        for name in ("near_fraction", "hard_fraction"):
            share = getattr(self.batches, name)
            require(0 <= share <= 1, f"batches.{name} is {share}; give a number from 0 to 1")
        require(
            self.batches.memory_abroad == 0 or self.batches.memory_steps > 0,
            f"batches.memory_abroad is {self.batches.memory_abroad}; give batches.memory_steps, too",
        )
        for name, share in self.snapshots.items():
            require(0 < share < 1, f"snapshots.{name} is {share}; give a number between 0 and 1")
        require(
            self.batches.memory_steps == 0 or self.objective.loss == "infonce",
            f"batches.memory_steps is {self.batches.memory_steps}; give 0, for objective.loss is not 'infonce'",
        )
        require(
            self.warmup.steps > 0 or self.objective.teacher_weight == 0,
            "objective.teacher_weight needs a teacher; give warmup.steps above 0, or weight 0",
        )
        require(
            self.model.ground_grid[1] == self.model.aerial_grid[1],
            f"the ground grid of tokens is {self.model.ground_grid}, the aerial one {self.model.aerial_grid}; "
            "training needs as many columns in both",
        )
        require(self.view.polar, "view.polar is false; training prepares polar aerial views only")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as the TOML file has them."""
        return asdict(self) | {"model": self.model.to_dict(), "view": self.view.to_dict()}


def load_config(path: str | Path) -> TrainConfig:
    """Read a TOML file. Raises ConfigurationError for an unreadable file, an unknown or a wrong setting.

    A file may say what it is `based_on`, another one beside it, and then gives only the settings that differ.
    """
    return config_from_dict(_settings(Path(path), ()))


def _settings(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """A file's settings and those of the files that it is based on; `above` are the files based on this one."""
    if path.resolve() in above:
        raise ConfigurationError(f"'{path}' is based on itself; let `based_on` name another file.")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        named_by = f", which '{above[-1]}' is based on," if above else ""
        raise ConfigurationError(
            f"'{path}'{named_by} cannot be read: give a TOML file such as configs/helsinki-l2ltr.toml."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"'{path}' is not valid TOML: {error}.") from error
    base = values.pop("based_on", None)
    if base is None:
        return values
    require(isinstance(base, str), f"'based_on' is {base!r}; give the name of a file beside '{path}'")
    return _overlaid(_settings(path.parent / base, (*above, path.resolve())), values)


def _overlaid(below: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """The settings of both; where both have one, that of `over`, and of tables each setting by itself."""
    both = {key: _overlaid(below[key], over[key]) for key in over if _are_tables(below.get(key), over[key])}
    return {**below, **over, **both}


def _are_tables(*values: object) -> bool:
    return all(isinstance(value, dict) for value in values)


def config_from_dict(values: Mapping[str, Any]) -> TrainConfig:
    """What `TrainConfig.to_dict` gives, read back strictly. Raises ConfigurationError."""
    return build(TrainConfig, values)
