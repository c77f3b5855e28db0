"""The authors' form: one torch file, a dict of `model_grd`, `model_sat` and `optimizer`."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from l2ltr_core.checkpoints.store import load_network, write_checkpoint
from l2ltr_core.checkpoints.strict import expected_shapes, require_finite, require_shapes
from l2ltr_core.checkpoints.writing import writing
from l2ltr_core.errors import CheckpointError, ConfigurationError
from l2ltr_core.model.config import PATCH_PX, STEM_CHANNELS, CheckpointCard, ModelConfig, ViewConfig
from l2ltr_core.model.encoder import Side

SIDES: dict[Side, str] = {"ground": "model_grd", "aerial": "model_sat"}
HEAD_WIDTH = 64
"""Width of an attention head of every published ViT; the number of heads leaves no trace in the weights."""

_UNIT = re.compile(r"stem\.stages\.(\d+)\.blocks\.(\d+)\.(.+)\.(\w+)")
_PARTS = {  # ours: the authors', for each bottleneck
    **{f"conv{i}": f"conv{i}" for i in (1, 2, 3)},
    **{f"norm{i}": f"gn{i}" for i in (1, 2, 3)},
    "downsample.conv": "downsample",
    "downsample.norm": "gn_proj",
}
_RENAMED = (  # ours, the authors'
    ("cls_token", "embeddings.cls_token"),
    ("positional_embedding", "embeddings.position_embeddings"),
    ("stem.root.conv.", "embeddings.hybrid_model.root.conv."),
    ("stem.root.norm.", "embeddings.hybrid_model.root.gn."),
    ("stem.patches.", "embeddings.patch_embeddings."),
    ("projection.", "embeddings.patch_embeddings."),
    ("norm.", "encoder.encoder_norm."),
)
_IN_LAYER = (  # ours, the authors'
    ("attention_norm.", "attention_norm_1."),
    ("key_norm.", "attention_norm_2."),
    ("mlp_norm.", "ffn_norm."),
    ("mlp.expand.", "ffn.fc1."),
    ("mlp.contract.", "ffn.fc2."),
    ("attention.", "attn."),
)


def authors_name(name: str) -> str:
    """The authors' name for one of a `Branch`'s tensors."""
    if unit := _UNIT.fullmatch(name):
        stage, block, part, kind = unit.groups()
        place = f"block{int(stage) + 1}.unit{int(block) + 1}"
        return f"transformer.embeddings.hybrid_model.body.{place}.{_PARTS[part]}.{kind}"
    if name.startswith("layers."):
        _, index, rest = name.split(".", 2)
        ours, theirs = next(pair for pair in _IN_LAYER if rest.startswith(pair[0]))
        return f"transformer.encoder.layer.{index}.{theirs}{rest.removeprefix(ours)}"
    ours, theirs = next(pair for pair in _RENAMED if name.startswith(pair[0]))
    return f"transformer.{theirs}{name.removeprefix(ours)}"


def import_authors(
    file: str | Path,
    config: ModelConfig | None,
    view: ViewConfig,
    out_dir: str | Path,
    name: str,
    *,
    licence: str = "",
    description: str = "",
) -> CheckpointCard:
    """Bring the authors' torch file into our form as `out_dir/name.*`, bit for bit; returns the card.

    Without `config` the architecture is read off the shapes (`infer_authors_config`). Strict and safe: a
    missing, unexpected or misshapen tensor, or anything but tensors in the file, raises CheckpointError and
    nothing is written. The optimizer's state is left unread, except in files of a torch before 1.6, which
    have no other way than to be read whole.
    """
    file = Path(file)
    states = _read(file)
    config = config or _infer(states, file, {}, None)
    _require_paper_stem(config)
    card = CheckpointCard(name=name, model=config, view=view, licence=licence, description=description)
    return write_checkpoint(_to_ours(states, config, file), card, out_dir)


def export_authors(name_or_path: str | Path, file: str | Path) -> None:
    """Write a checkpoint in the authors' form, bit for bit what `import_authors` reads; whole or not at all.

    Weights stored as float16 are written as the float32 numbers they are computed with; the optimizer's
    table is empty. Raises CheckpointError.
    """
    file, network = Path(file), load_network(name_or_path)
    _require_paper_stem(network.config)
    content: dict[str, Any] = {
        key: {authors_name(name): tensor for name, tensor in getattr(network, side).state_dict().items()}
        for side, key in SIDES.items()
    }
    with writing(file.parent) as temporary:
        try:
            torch.save({**content, "optimizer": {}}, temporary / "authors")
        except RuntimeError as error:  # torch's own word for a full disk
            raise CheckpointError(f"The file {file} cannot be written; is the disk full?") from error
        (temporary / "authors").replace(file)


def infer_authors_config(
    file: str | Path,
    *,
    ground_size_px: tuple[int, int] = (128, 512),
    aerial_size_px: tuple[int, int] = (128, 512),
    heads: int | None = None,
) -> ModelConfig:
    """The architecture of an authors' file, from its tensors' shapes; sizes are (height, width).

    `heads` cannot be seen there: by default one for every 64 of width. Raises CheckpointError when the
    sizes do not make the number of tokens that the file's positional embeddings have.
    """
    file = Path(file)
    sizes: dict[Side, tuple[int, int]] = {"ground": ground_size_px, "aerial": aerial_size_px}
    return _infer(_read(file), file, sizes, heads)


def _require_paper_stem(config: ModelConfig) -> None:
    if config.stem == "timm":
        raise CheckpointError(
            "The authors' form has no place for a stem from timm; theirs is hybrid or patch."
        )


def _read(file: Path) -> dict[Side, dict[str, Tensor]]:
    """Tensors by the authors' names, mapped into memory and not yet read. Raises CheckpointError."""
    if not file.is_file():
        raise CheckpointError(f"There is no file {file}.")
    try:
        with warnings.catch_warnings():  # about old pickle protocols, to people who made none
            warnings.simplefilter("ignore")
            content = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except pickle.UnpicklingError as error:
        if "GLOBAL" in str(error) or "nsupported global" in str(error):
            raise CheckpointError(
                f"{file.name} holds Python objects besides tensors, which could run code; it was not loaded."
            ) from error
        raise CheckpointError(f"{file.name} is not a torch file of tensors, or is damaged.") from error
    except (RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{file.name} is not a torch file of tensors, or is cut short.") from error
    states: dict[Side, dict[str, Tensor]] = {}
    for side, key in SIDES.items():
        state = content.get(key) if isinstance(content, Mapping) else None
        if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
            raise CheckpointError(f"{file.name} has no {key!r} table of tensors; the authors' form has.")
        states[side] = dict(state)
    return states


def _to_ours(states: dict[Side, dict[str, Tensor]], config: ModelConfig, file: Path) -> dict[str, Tensor]:
    """A pure renaming, after the names and shapes were found to be exactly the expected ones."""
    shapes = expected_shapes(config)
    ours: dict[str, Tensor] = {}
    for side, state in states.items():
        names = {
            name: authors_name(name.removeprefix(f"{side}.")) for name in shapes if name.startswith(side)
        }
        require_shapes(
            {name: tuple(tensor.shape) for name, tensor in state.items()},
            {theirs: shapes[name] for name, theirs in names.items()},
            f"{file.name} ({SIDES[side]})",
        )
        ours.update({name: state[theirs] for name, theirs in names.items()})
    require_finite(ours, file.name)
    return ours


def _infer(
    states: dict[Side, dict[str, Tensor]],
    file: Path,
    sizes_px: Mapping[Side, tuple[int, int]],
    heads: int | None,
) -> ModelConfig:
    state = states["ground"]

    def size(name: str, axis: int) -> int:
        if name not in state or state[name].dim() <= axis:
            raise CheckpointError(
                f"{file.name} (model_grd) lacks {name}, so its architecture cannot be told."
            )
        return state[name].shape[axis]

    def counted(pattern: str) -> int:
        return len({match.group(1) for match in map(re.compile(pattern).match, state) if match})

    width = size(authors_name("cls_token"), 2)
    values: dict[str, Any] = {
        "stem": "patch",
        "width": width,
        "depth": counted(r"transformer\.encoder\.layer\.(\d+)\."),
        "heads": heads or max(1, width // HEAD_WIDTH),
        "mlp_width": size(authors_name("layers.0.mlp.expand.weight"), 0),
    }
    body = r"transformer\.embeddings\.hybrid_model\.body\."
    if counted(rf"{body}(block\d+)\."):
        root = size(authors_name("stem.root.conv.weight"), 0)
        stages = tuple(counted(rf"{body}block{stage}\.unit(\d+)\.") for stage in (1, 2, 3))
        values |= {"stem": "hybrid", "stem_stages": stages, "stem_width": root / STEM_CHANNELS[0]}
    for side in SIDES:
        size_px = sizes_px.get(side, (128, 512))
        _require_grid(states[side], side, size_px, file)
        values[f"{side}_size_px"] = size_px
    try:
        return ModelConfig(**values)
    except ConfigurationError as error:
        raise CheckpointError(f"{file.name} has an architecture that cannot be built: {error}") from error


def _require_grid(state: dict[str, Tensor], side: Side, size_px: tuple[int, int], file: Path) -> None:
    name = authors_name("positional_embedding")
    if name not in state or state[name].dim() != 3:
        raise CheckpointError(f"{file.name} ({SIDES[side]}) lacks {name}, so its sizes cannot be checked.")
    found = state[name].shape[1] - 1
    height, width = size_px
    if found != (height // PATCH_PX) * (width // PATCH_PX):
        raise CheckpointError(
            f"{file.name} has {found} {side} tokens, but {height} x {width} pixels make "
            f"{(height // PATCH_PX) * (width // PATCH_PX)}; give the size it was trained with "
            f"(--{side}-size H W)."
        )
