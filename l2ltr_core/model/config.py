"""What a checkpoint is: the architecture, the views it looks at, and the card beside the weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from l2ltr_core.reading import build, require

PATCH_PX = 16
"""Side of the image square behind one token in the paper, for every stem; larger ones are multiples of it."""
STEM_CHANNELS = (64, 256, 512, 1024)
"""Channels of the stem's root and of its three stages at `stem_width` 1."""
NORM_GROUPS = 32
"""Groups of the stem's GroupNorm layers (Big Transfer, Kolesnikov et al. 2020, section 3)."""
STEM_BANDS = 4
"""Number of bands that the rows of the stem's features are averaged to, for the stem's columns."""
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ModelConfig:
    """The architecture of both branches. Sizes are (height, width) in pixels, multiples of the side's patch."""

    stem: Literal["hybrid", "patch", "timm"] = "hybrid"
    """`hybrid` is the paper's ResNet, `patch` the plain ViT's map, `timm` a trunk that timm knows by name."""
    stem_stages: tuple[int, ...] = (3, 4, 9)
    """Bottlenecks in each of the three stages of the hybrid stem."""
    stem_width: float = 1.0
    """Factor on `STEM_CHANNELS` of the hybrid stem."""
    stem_model: str = ""
    """timm's name for the model that the timm stem is the first stages of, such as `tf_efficientnet_lite2`."""
    stem_stage: int = 0
    """Which of that model's `feature_info` the timm stem ends with: the last one of stride 16."""
    stem_out_channels: int = 0
    """Channels that the timm stem ends with, as timm says, too."""
    width: int = 768
    depth: int = 12
    heads: int = 12
    mlp_width: int = 3072
    attention: Literal["self-cross", "self"] = "self-cross"
    dropout: float = 0.1
    ground_size_px: tuple[int, int] = (128, 512)
    aerial_size_px: tuple[int, int] = (128, 512)
    ground_patch_px: int = PATCH_PX
    """Side of the square behind a ground token. Above 16 the stem's first layer strides further: a finer picture
    costs hardly more than a coarse one."""
    aerial_patch_px: int = PATCH_PX
    """Side of the square behind an aerial token."""
    column_width: int = 0
    """Width of each column descriptor's part from the layers, beside CLS; 0 = no columns."""
    stem_column_width: int = 0
    """Width of each column descriptor's part from the stem alone, before that of the layers; 0 = one sum of both."""
    column_mean_weight: float = 0.6
    """Weight, in the stem's columns, of their mean over a view: what all directions have in common transfers less
    well from simulation to reality than their differences."""

    def __post_init__(self) -> None:
        """Refuse impossible values. Raises ConfigurationError."""
        require(
            self.stem in ("hybrid", "patch", "timm"),
            f"stem is {self.stem!r}; give 'hybrid', 'patch' or 'timm'",
        )
        require(
            self.attention in ("self-cross", "self"),
            f"attention is {self.attention!r}; give 'self-cross' or 'self'",
        )
        for name in ("width", "depth", "heads", "mlp_width"):
            require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}; give a whole number above 0")
        require(
            self.width % self.heads == 0, f"width {self.width} cannot be shared by {self.heads} heads evenly"
        )
        require(0 <= self.dropout < 1, f"dropout is {self.dropout}; give a number from 0 up to below 1")
        if self.stem == "hybrid":
            require(
                len(self.stem_stages) == len(STEM_CHANNELS) - 1 and min(self.stem_stages) >= 1,
                f"stem_stages is {self.stem_stages}; give three whole numbers above 0",
            )
            root = self.stem_width * STEM_CHANNELS[0]
            require(
                root >= NORM_GROUPS and root % NORM_GROUPS == 0,
                f"stem_width is {self.stem_width}; give a multiple of {NORM_GROUPS / STEM_CHANNELS[0]}",
            )
        if self.stem == "timm":
            self._require_timm_stem()
        for side in ("ground", "aerial"):
            patch = getattr(self, f"{side}_patch_px")
            require(
                patch >= PATCH_PX and patch % PATCH_PX == 0,
                f"{side}_patch_px is {patch}; give a multiple of {PATCH_PX}",
            )
            size = getattr(self, f"{side}_size_px")
            require(
                len(size) == 2 and all(length >= patch and length % patch == 0 for length in size),
                f"{side}_size_px is {size}; give a height and a width that are multiples of {patch}",
            )

        require(self.column_width >= 0, f"column_width is {self.column_width}; give 0 or more")
        require(
            self.column_width == 0 or self.ground_grid[1] == self.aerial_grid[1],
            f"column_width is {self.column_width}, and the ground grid has {self.ground_grid[1]} columns, the aerial "
            f"one {self.aerial_grid[1]}; give 0, or as many columns in both",
        )
        require(
            self.stem_column_width == 0 or self.column_width > 0,
            f"stem_column_width is {self.stem_column_width}; give 0, or column_width too",
        )
        require(self.stem_column_width >= 0, f"stem_column_width is {self.stem_column_width}; give 0 or more")
        if self.stem_column_width:
            for side in ("ground", "aerial"):
                rows = getattr(self, f"{side}_grid")[0]
                require(
                    rows % STEM_BANDS == 0,
                    f"stem_column_width is {self.stem_column_width}, and the {side} grid has {rows} rows; give 0, "
                    f"or a multiple of {STEM_BANDS} rows",
                )
        require(
            0 <= self.column_mean_weight <= 1,
            f"column_mean_weight is {self.column_mean_weight}; give a number from 0 to 1",
        )

    def _require_timm_stem(self) -> None:
        from l2ltr_core.model.trunk import require_trunk  # timm takes seconds to import

        for side in ("ground", "aerial"):
            patch = getattr(self, f"{side}_patch_px")
            require(patch == PATCH_PX, f"{side}_patch_px is {patch}; a timm stem allows {PATCH_PX} alone")
        require_trunk(self.stem_model, self.stem_stage, self.stem_out_channels)

    @property
    def columns(self) -> tuple[int, int] | None:
        """Columns of tokens and the numbers that each says, None without."""
        if not self.column_width:
            return None
        return self.ground_grid[1], self.stem_column_width + self.column_width

    @property
    def ground_grid(self) -> tuple[int, int]:
        """Rows and columns of ground tokens."""
        return _grid(self.ground_size_px, self.ground_patch_px)

    @property
    def aerial_grid(self) -> tuple[int, int]:
        """Rows and columns of aerial tokens."""
        return _grid(self.aerial_size_px, self.aerial_patch_px)

    @property
    def stem_channels(self) -> tuple[int, ...]:
        """Channels of the hybrid stem's root and stages, as built."""
        return tuple(round(channels * self.stem_width) for channels in STEM_CHANNELS)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON or TOML."""
        return _plain(asdict(self))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """Read what `to_dict` wrote. Raises ConfigurationError on an unknown key or a wrong type."""
        return build(cls, values, cls.__name__)


@dataclass(frozen=True)
class ViewConfig:
    """How photos and chips become the model's input."""

    chip_m: float
    """Side of the aerial square in metres."""
    polar: bool = True
    ground_vertical_field_deg: float = 90.0
    """Elevations kept of the panorama, centred on the horizon."""
    mean: tuple[float, float, float] = IMAGENET_MEAN
    """Mean of RGB in [0, 1], subtracted."""
    std: tuple[float, float, float] = IMAGENET_STD
    """Standard deviation of RGB in [0, 1], divided by."""

    def __post_init__(self) -> None:
        """Refuse impossible values. Raises ConfigurationError."""
        require(
            math.isfinite(self.chip_m) and self.chip_m > 0,
            f"chip_m is {self.chip_m}; give a positive number of metres",
        )
        require(
            0 < self.ground_vertical_field_deg <= 180,
            f"ground_vertical_field_deg is {self.ground_vertical_field_deg}; give degrees above 0, up to 180",
        )
        require(len(self.mean) == 3, f"mean is {self.mean}; give one number for each of R, G, B")
        require(
            len(self.std) == 3 and min(self.std) > 0,
            f"std is {self.std}; give a positive number for each",
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return _plain(asdict(self))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ViewConfig:
        """Read what `to_dict` wrote. Raises ConfigurationError on an unknown key or a wrong type."""
        return build(cls, values, cls.__name__)


@dataclass(frozen=True)
class CheckpointCard:
    """What a person and a program need to know about a set of weights: the JSON beside the safetensors."""

    name: str
    model: ModelConfig
    view: ViewConfig
    fingerprint: str = ""
    """First 16 hexadecimal digits of the weights' SHA-256; set when the weights are saved."""
    simulated: bool = False
    """Whether the training images were rendered."""
    training: dict[str, Any] = field(default_factory=dict)
    """Data, seed, steps, and whatever else repeats the run."""
    results: dict[str, Any] = field(default_factory=dict)
    """Measured recalls as fractions, by data set."""
    calibration: dict[str, Any] = field(default_factory=dict)
    """Calibration of scores, by kind of imagery and way of knowing the heading: see `localization.calibration`."""
    layers_weight: dict[str, dict[str, float]] = field(default_factory=dict)
    """Weight of the layers' part of a column against the stem's, in [0, 1], on `rendered` and `real` imagery with the
    heading `known` and `searched`, chosen on validation photos; without meaning where columns have no parts."""
    licence: str = ""
    description: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return _plain(asdict(self))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CheckpointCard:
        """Read what `to_dict` wrote. Raises ConfigurationError on an unknown key or a wrong type."""
        return build(cls, values, cls.__name__)


def _grid(size_px: tuple[int, int], patch_px: int) -> tuple[int, int]:
    return size_px[0] // patch_px, size_px[1] // patch_px


def _plain(value: Any) -> Any:
    """Tuples as lists all the way down, as JSON gives them back."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value
