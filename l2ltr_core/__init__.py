"""Cross-view geo-localization with L2LTR: find where a street panorama was taken on aerial imagery.

The names below are the whole public interface; each is imported when it is first used, so that reading a
photo does not wait for the model's libraries.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from l2ltr_core.checkpoints import list_checkpoints, load_encoder
    from l2ltr_core.datasets import open_dataset
    from l2ltr_core.errors import L2LTRError
    from l2ltr_core.evaluation.evaluate import evaluate
    from l2ltr_core.gallery import add_index, build_gallery, open_gallery, verify_gallery
    from l2ltr_core.imagery import open_imagery
    from l2ltr_core.localization import localize
    from l2ltr_core.photo import load_panorama
    from l2ltr_core.walks import localize_walk

_HOMES = {
    "L2LTRError": "errors",
    "add_index": "gallery",
    "build_gallery": "gallery",
    "evaluate": "evaluation",
    "list_checkpoints": "checkpoints",
    "load_encoder": "checkpoints",
    "load_panorama": "photo",
    "localize": "localization",
    "localize_walk": "walks",
    "open_dataset": "datasets",
    "open_gallery": "gallery",
    "open_imagery": "imagery",
    "verify_gallery": "gallery",
}
__all__ = [  # noqa: RUF022 - in the order of a first use
    "load_encoder",
    "open_gallery",
    "localize",
    "localize_walk",
    "load_panorama",
    "list_checkpoints",
    "open_imagery",
    "build_gallery",
    "add_index",
    "verify_gallery",
    "open_dataset",
    "evaluate",
    "L2LTRError",
]


def __getattr__(name: str) -> Any:
    """A public name, imported from its room."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
