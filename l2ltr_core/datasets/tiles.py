"""The form shared by the research benchmarks: ground photos, and aerial tiles that come ready cut."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from l2ltr_core.datasets.paired import Query, Split
from l2ltr_core.images import decode_rgb
from l2ltr_core.types import RGB


def split_name(benchmark: str, split: Split) -> str:
    """What a split is called on cards: the benchmark's own name for what is measured, `NAME-train` for the rest."""
    return benchmark if split == "test" else f"{benchmark}-{split}"


@dataclass(frozen=True)
class TileDataset:
    """Ground photos and ready aerial tiles; there is no map around them, so no `places` protocol."""

    name: str
    queries: tuple[Query, ...]
    tiles: tuple[Path, ...]
    attribution: str
    simulated: bool = False
    imagery: None = None
    gallery_name: None = None

    @property
    def tile_count(self) -> int:
        """Every tile that the protocol ranks, also those without a photo."""
        return len(self.tiles)

    def aerial(self, tile: int, chip_m: float) -> RGB:  # noqa: ARG002 - the benchmark fixes the extent
        """The tile as shipped: its extent is the benchmark's, whatever `chip_m` says."""
        return decode_rgb(self.tiles[tile])
