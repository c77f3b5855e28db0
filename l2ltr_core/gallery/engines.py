"""Where the blocks of a build are encoded: in this process, or as a map step of Ray Data on many machines."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.imagery import Imagery, open_imagery
from l2ltr_core.model.protocol import EncoderLike
from l2ltr_core.types import Encoded, Location

Blocks = Mapping[int, Sequence[Location]]
"""Places of each block, by the number of its first place."""
EncodedBlocks = Iterator[tuple[int, Encoded]]
"""Each block's number and descriptors, in any order."""


@dataclass
class BlockEncoder:
    """Places -> descriptors; it travels to another process without its open imagery, which is opened there."""

    source: str
    encoder: EncoderLike
    chip_m: float
    imagery: Imagery | None = None

    def __call__(self, places: Sequence[Location]) -> Encoded:
        """The descriptors of the squares around N places."""
        if self.imagery is None:
            self.imagery = open_imagery(self.source)
        imagery = self.imagery
        chips = (imagery.chip(place, self.chip_m, None) for place in places)
        return self.encoder.describe_aerial(chips)

    def __getstate__(self) -> dict[str, Any]:
        """Without the imagery; a path that another process can follow from wherever it works."""
        local = Path(self.source)
        return {
            **self.__dict__,
            "imagery": None,
            "source": str(local.resolve() if local.exists() else self.source),
        }


def _here(encode: BlockEncoder, blocks: Blocks) -> EncodedBlocks:
    for first, places in blocks.items():
        yield first, encode(places)


def _on_ray(encode: BlockEncoder, blocks: Blocks) -> EncodedBlocks:
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
        return {
            "first": row["first"],
            **{name: each for name, each in part._asdict().items() if each is not None},
        }

    logging.getLogger("ray.data").setLevel(logging.WARNING)  # progress is ours to tell
    data = ray.data.from_items(rows, override_num_blocks=len(rows)).map(step)
    for row in data.iter_rows():
        columns = None if "columns" not in row else np.asarray(row["columns"], np.float32)
        yield int(row["first"]), Encoded(np.asarray(row["cls"], np.float32), columns)


ENGINES: dict[str, Callable[[BlockEncoder, Blocks], EncodedBlocks]] = {"local": _here, "ray": _on_ray}
