"""Our form of a checkpoint: `NAME.safetensors` and beside it `NAME.json`, the card."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from l2ltr_core import assets
from l2ltr_core.checkpoints.converted import ConvertedBranches
from l2ltr_core.checkpoints.eight_bit import read_tensor, to_eight_bit, without_scales
from l2ltr_core.checkpoints.positions import card_for_sizes, resample_positions
from l2ltr_core.checkpoints.strict import expected_shapes, require_finite, require_shapes
from l2ltr_core.checkpoints.writing import writing
from l2ltr_core.errors import CheckpointError, ConfigurationError
from l2ltr_core.model.config import CheckpointCard
from l2ltr_core.model.encoder import Encoder, Precision, Side
from l2ltr_core.model.network import L2LTR, Branch, build_branch

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
STORED = {"F16": torch.float16, "F32": torch.float32, "I8": torch.int8}
HUB_PREFIX = "hf://"
NUMBERS = re.compile(r"\[\n[-+.\deE,\s]+\]")
"""Pattern of a list of numbers as JSON indents it; the text of an entry cannot look so, its line ends are escaped."""


def load_encoder(
    name_or_path: str | Path,
    *,
    device: str = "auto",
    precision: Precision | None = None,
    ground_size_px: tuple[int, int] | None = None,
    aerial_size_px: tuple[int, int] | None = None,
    resample: bool = False,
) -> Encoder:
    """Load the encoder of a checkpoint; weights are checked here, and read when a branch is first used.

    Args:
        name_or_path: A name in the assets, a file, a folder or `hf://owner/name[@revision]`.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        precision: `exact` or `fast`; None is what the environment variable L2LTR_PRECISION says, else `exact`.
        ground_size_px: Height and width of the ground view in pixels, if not the checkpoint's own.
        aerial_size_px: Height and width of the aerial view in pixels, if not the checkpoint's own.
        resample: Allow other sizes by resampling the positional embeddings; the encoder then has a fingerprint of
            its own.

    Returns:
        The encoder of ground and aerial images.

    Raises:
        CheckpointError: The checkpoint is missing, incomplete or altered.
        ConfigurationError: A size, the device or the precision cannot be used.
    """
    stored, weights = _open(name_or_path)
    card = card_for_sizes(stored, ground_size_px, aerial_size_px, resample)
    precision = precision or cast(Precision, os.environ.get("L2LTR_PRECISION") or "exact")
    load_branch = partial(_load_branch, weights, stored, card)
    cache = ConvertedBranches(weights.parent)
    return Encoder(card, load_branch, device=device, precision=precision, cache=cache)


def load_network(
    name_or_path: str | Path,
    *,
    ground_size_px: tuple[int, int] | None = None,
    aerial_size_px: tuple[int, int] | None = None,
    resample: bool = False,
) -> L2LTR:
    """Both branches in float32 on the CPU, ready to be trained further; sizes as for `load_encoder`.

    Raises CheckpointError or ConfigurationError.
    """
    stored, weights = _open(name_or_path)
    card = card_for_sizes(stored, ground_size_px, aerial_size_px, resample)
    with torch.device("meta"):
        network = L2LTR(card.model)
    network.ground = _load_branch(weights, stored, card, "ground")
    network.aerial = _load_branch(weights, stored, card, "aerial")
    return network


def load_card(name_or_path: str | Path) -> CheckpointCard:
    """The card alone, without touching the weights. Raises CheckpointError."""
    return _read_card(find_card(name_or_path))


def list_checkpoints() -> list[CheckpointCard]:
    """List the checkpoints in the assets.

    Returns:
        Their cards, the default checkpoint first, then by name.

    Raises:
        CheckpointError: A card cannot be read.
    """
    cards = (_read_card(path) for path in assets.find_checkpoint_dir().glob("*.json"))
    return sorted(cards, key=lambda card: assets.default_first(card.name))


def best_first(cards: Iterable[CheckpointCard], gallery: str) -> list[CheckpointCard]:
    """Cards in the order in which to offer them for a gallery: what finds most of its held-out photos, as measured,
    before what was never measured there; the default before the others."""

    def key(card: CheckpointCard) -> tuple[float, bool, str]:
        places = card.results.get("places", {})
        recall = float(places.get("recall_at_1", 0.0)) if places.get("dataset") == gallery else 0.0
        return -recall, *assets.default_first(card.name)

    return sorted(cards, key=key)


def save_checkpoint(
    network: L2LTR, card: CheckpointCard, directory: str | Path, dtype: torch.dtype = torch.float32
) -> CheckpointCard:
    """Write weights and card as `directory/NAME.*`, both or neither; returns the card with its fingerprint.

    `dtype` is float32, float16 for half the size, or int8 for a quarter. Raises CheckpointError.
    """
    if network.config != card.model:
        raise CheckpointError(f"The card {card.name!r} describes another architecture than the network's.")
    tensors = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    return write_checkpoint(tensors, card, directory, dtype)


def write_checkpoint(
    tensors: dict[str, torch.Tensor],
    card: CheckpointCard,
    directory: str | Path,
    dtype: torch.dtype = torch.float32,
) -> CheckpointCard:
    """`save_checkpoint` for tensors by name; checks names, shapes and values first."""
    if not NAME.fullmatch(card.name):
        raise CheckpointError(
            f"The name {card.name!r} cannot be a file name; use letters, digits, dots and dashes."
        )
    if dtype not in STORED.values():
        raise CheckpointError(f"Weights cannot be stored as {dtype}; use float32, float16 or int8.")
    source = f"The network for {card.name}"
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    require_shapes(shapes, expected_shapes(card.model), source)
    require_finite(tensors, source)
    if dtype == torch.int8:
        stored = to_eight_bit(tensors)
    else:
        stored = {name: tensor.to(dtype).contiguous() for name, tensor in tensors.items()}
        require_finite(stored, source)
    directory = Path(directory)
    with writing(directory) as temporary:
        weights = temporary / "weights"
        save_file(stored, weights)
        weights.chmod(0o644)  # safetensors keeps it to its owner; a server may be another user
        card = replace(card, fingerprint=_fingerprint(weights))
        (temporary / "card").write_text(_as_json(card), encoding="utf-8")
        weights.replace(directory / f"{card.name}.safetensors")
        (temporary / "card").replace(directory / f"{card.name}.json")
    return card


def update_card(path: str | Path, **changes: Any) -> CheckpointCard:
    """Rewrite some entries of a card, whole or not at all. Raises CheckpointError."""
    path = find_card(path)
    if fixed := {"name", "fingerprint", "model"} & set(changes):
        raise CheckpointError(
            f"The card's {', '.join(sorted(fixed))} belongs to the weights; save them anew."
        )
    values = {**_read_card(path).to_dict(), **_plain_changes(changes)}
    card = _parse_card(values, path)
    with writing(path.parent) as temporary:
        (temporary / "card").write_text(_as_json(card), encoding="utf-8")
        (temporary / "card").replace(path)
    return card


def push_checkpoint(name_or_path: str | Path, address: str) -> str:
    """Upload weights and card, checked first, to `hf://owner/name`; returns the page of the commit.

    The hub's token is HF_TOKEN's or that of `hf auth login`; a new repository is private. Raises CheckpointError.
    """
    from l2ltr_core.checkpoints.hub import upload

    card, weights = _open(name_or_path)
    return upload([weights.with_name(f"{card.name}.json"), weights], address)


def _open(name_or_path: str | Path) -> tuple[CheckpointCard, Path]:
    """Card and weights file, after every check that does not need the model."""
    card_path = find_card(name_or_path)
    card = _read_card(card_path)
    weights = card_path.with_suffix(".safetensors")
    if not weights.is_file():
        raise CheckpointError(f"{card_path.name} has no weights beside it; {weights.name} was expected.")
    with _reading(weights) as file:
        found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - not a dict
        types = {file.get_slice(name).get_dtype() for name in found}
    own = without_scales(found)
    require_shapes({name: found[name] for name in own}, expected_shapes(card.model), weights.name)
    if strange := types - set(STORED):
        raise CheckpointError(
            f"{weights.name} stores {', '.join(sorted(strange))}; F32, F16 or I8 was expected."
        )
    if (fingerprint := _fingerprint(weights)) != card.fingerprint:
        raise CheckpointError(
            f"{weights.name} is not the file that {card_path.name} describes (fingerprint "
            f"{fingerprint}, expected {card.fingerprint}); copy both again."
        )
    return card, weights


def _load_branch(weights: Path, stored: CheckpointCard, card: CheckpointCard, side: Side) -> Branch:
    """One branch in float32, its tensors read straight from the file, at the sizes of `card`."""
    with torch.device("meta"):
        branch = build_branch(card.model, side)
    with _reading(weights) as file:
        names = set(file.keys())
        tensors = {
            name: read_tensor(f"{side}.{name}", names, file.get_tensor) for name in branch.state_dict()
        }
    require_finite(tensors, weights.name)
    grid = stored.model.ground_grid if side == "ground" else stored.model.aerial_grid
    if grid != branch.grid:
        positions = tensors["positional_embedding"]
        tensors["positional_embedding"] = resample_positions(positions, grid, branch.grid)
    branch.load_state_dict(tensors, assign=True)
    return branch


def find_card(name_or_path: str | Path) -> Path:
    """Where the card is that a name, a file, a folder or a hub address stands for; raises CheckpointError."""
    text = str(name_or_path)
    if text.startswith(HUB_PREFIX):
        from l2ltr_core.checkpoints.hub import download

        return _card_in(download(text))
    path = Path(name_or_path)
    if path.is_dir():
        return _card_in(path)
    if path.suffix in (".safetensors", ".json"):
        if not path.with_suffix(".json").is_file():
            raise CheckpointError(
                f"There is no card {path.with_suffix('.json')}; a checkpoint is both files."
            )
        return path.with_suffix(".json")
    if path.is_file():
        raise CheckpointError(
            f"{path.name} is not in our form; `l2ltr checkpoint import` brings the authors' file into it."
        )
    card = assets.find_checkpoint_dir() / f"{text}.json"
    if not NAME.fullmatch(text) or not card.is_file():
        known = ", ".join(sorted(file.stem for file in assets.find_checkpoint_dir().glob("*.json")))
        hint = f"there is {known}, or give a path" if known else assets.NONE_INSTALLED
        raise CheckpointError(f"There is no checkpoint {text!r}; {hint}.")
    return card


def _card_in(folder: Path) -> Path:
    cards = sorted(path for path in folder.glob("*.json") if path.with_suffix(".safetensors").is_file())
    if len(cards) != 1:
        found = ", ".join(card.name for card in cards) or "none"
        raise CheckpointError(f"{folder} should hold one checkpoint (.json and .safetensors); found {found}.")
    return cards[0]


def _read_card(path: Path) -> CheckpointCard:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"The card {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise CheckpointError(f"The card {path.name} is not JSON; copy it again.") from error
    return _parse_card(values, path)


def _parse_card(values: Any, path: Path) -> CheckpointCard:
    try:
        card = CheckpointCard.from_dict(values)
    except ConfigurationError as error:
        raise CheckpointError(f"The card {path.name} is not valid: {error}") from error
    if card.name != path.stem:
        raise CheckpointError(f"The card {path.name} names {card.name!r}; file and name must agree.")
    return card


def _plain_changes(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value.to_dict() if hasattr(value, "to_dict") else value for name, value in changes.items()}


def _as_json(card: CheckpointCard) -> str:
    """The card for people and programs: indented, but a list of numbers on one line."""
    text = json.dumps(card.to_dict(), indent=2, ensure_ascii=False)
    return (
        NUMBERS.sub(lambda found: " ".join(found[0].split()).replace("[ ", "[").replace(" ]", "]"), text)
        + "\n"
    )


def _fingerprint(weights: Path) -> str:
    digest = hashlib.sha256()
    with weights.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()[:16]


@contextmanager
def _reading(weights: Path) -> Iterator[Any]:
    try:
        with safe_open(weights, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{weights.name} is cut short or damaged; copy it again.") from error
