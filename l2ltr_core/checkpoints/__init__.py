"""Weights in and out: our form (safetensors and a card), the authors' torch file, Google's npz, ImageNet, the hub."""

from l2ltr_core.checkpoints.authors import export_authors, import_authors, infer_authors_config
from l2ltr_core.checkpoints.google import initialize_from_google
from l2ltr_core.checkpoints.store import (
    best_first,
    find_card,
    list_checkpoints,
    load_card,
    load_encoder,
    load_network,
    push_checkpoint,
    save_checkpoint,
    update_card,
)
from l2ltr_core.checkpoints.trunks import initialize_stems, trunk_weights

__all__ = [
    "best_first",
    "export_authors",
    "find_card",
    "import_authors",
    "infer_authors_config",
    "initialize_from_google",
    "initialize_stems",
    "list_checkpoints",
    "load_card",
    "load_encoder",
    "load_network",
    "push_checkpoint",
    "save_checkpoint",
    "trunk_weights",
    "update_card",
]
