"""What a run begins with: ImageNet stems, structured positions and equal branches, or a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from l2ltr_core.checkpoints import initialize_stems, load_card, load_network
from l2ltr_core.errors import ConfigurationError
from l2ltr_core.model.network import L2LTR
from l2ltr_core.model.position_init import structured_positions
from l2ltr_core.training.config import TrainConfig


def new_network(config: TrainConfig) -> L2LTR:
    """A network at its start: structured positions, and branches equal but for random stems.

    Raises CheckpointError where the package of the stems' weights is missing.
    """
    network = L2LTR(config.model)
    if config.position_std:
        for branch in (network.ground, network.aerial):
            positions = structured_positions(branch.grid, config.model.width, config.position_std)
            branch.positional_embedding.data[0, 1:] = positions
    own = ("stem.", "columns.of_stem.")
    start = {k: v for k, v in network.ground.state_dict().items() if not k.startswith(own)}
    if network.ground.grid != network.aerial.grid:
        rows = ("positional_embedding", "columns.of_tokens.mlp.0.weight")
        start = {k: v for k, v in start.items() if k not in rows}
    network.aerial.load_state_dict(start, strict=False)
    if config.stem_weights:
        initialize_stems(network, config.stem_weights)
    return network


def take_over(network: L2LTR, checkpoint: str | Path) -> dict[str, Any]:
    """Give the network the checkpoint's weights; says which checkpoint that was.

    Raises CheckpointError, and ConfigurationError for one of another architecture.
    """
    card = load_card(checkpoint)
    if card.model != network.config:
        mine, theirs = network.config.to_dict(), card.model.to_dict()
        differs = next(name for name in mine if mine[name] != theirs[name])
        raise ConfigurationError(
            f"'{card.name}' is of another architecture than the configuration asks for: its model.{differs} is "
            f"{theirs[differs]}, not {mine[differs]}."
        )
    network.load_state_dict(load_network(checkpoint).state_dict())
    return {
        "name": card.name,
        "fingerprint": card.fingerprint,
        "main_steps": card.training.get("main_steps", 0),
    }
