"""Where the blocks of a build are encoded: in this process, or as a map step of Ray Data on many machines."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.gallery.gallery import Checkpoint
from l2ltr_core.imagery import Imagery, open_imagery
from l2ltr_core.types import RGB, Descriptors, Location

Blocks = Mapping[int, Sequence[Location]]
"""The number of a block's first place -> its places."""
Encoded = Iterator[tuple[int, Descriptors]]
"""Each block's number and descriptors (N, D), in any order."""


class AerialEncoder(Checkpoint, Protocol):
    """What building needs of an encoder."""

    @property
    def card(self) -> Any:
        """With `view.chip_m`, the width in metres of the squares it was trained on."""

    def encode_aerial(self, images: Iterable[RGB], *, columns: bool) -> Descriptors:
        """North-up squares to (N, D) float32 unit rows; with `columns`, where it has any, (N, D + C), as `split` takes
        them apart."""


@dataclass
class BlockEncoder:
    """Places -> descriptors; it travels to another process without its open imagery, which is opened there."""

    source: str
    encoder: AerialEncoder
    chip_m: float
    imagery: Imagery | None = None

    def __call__(self, places: Sequence[Location]) -> Descriptors:
        """(N, D) descriptors of the squares around N places; (N, D + C) for a checkpoint with columns."""
        if self.imagery is None:
            self.imagery = open_imagery(self.source)
        imagery = self.imagery
        chips = (imagery.chip(place, self.chip_m, None) for place in places)
        return self.encoder.encode_aerial(chips, columns=True)

    def __getstate__(self) -> dict[str, Any]:
        """Without the imagery; a path that another process can follow from wherever it works."""
        local = Path(self.source)
        return {
            **self.__dict__,
            "imagery": None,
            "source": str(local.resolve() if local.exists() else self.source),
        }


def _here(encode: BlockEncoder, blocks: Blocks) -> Encoded:
    for first, places in blocks.items():
        yield first, encode(places)


def _on_ray(encode: BlockEncoder, blocks: Blocks) -> Encoded:
    try:
        import ray
    except ImportError as error:
        raise ConfigurationError(
            "The engine ray needs the package ray: install it with `pip install 'ray[data]'`, or use the engine "
            "local."
        ) from error
    if not blocks:
        return
    rows = [
        {"first": first, "places": [(place.latitude, place.longitude) for place in places]}
        for first, places in blocks.items()
    ]

    def step(row: dict[str, Any]) -> dict[str, Any]:
        part = encode([Location(float(latitude), float(longitude)) for latitude, longitude in row["places"]])
        return {"first": row["first"], "descriptors": part}

    logging.getLogger("ray.data").setLevel(logging.WARNING)  # progress is ours to tell
    data = ray.data.from_items(rows, override_num_blocks=len(rows)).map(step)
    for row in data.iter_rows():
        yield int(row["first"]), np.asarray(row["descriptors"], np.float32)


ENGINES: dict[str, Callable[[BlockEncoder, Blocks], Encoded]] = {"local": _here, "ray": _on_ray}
