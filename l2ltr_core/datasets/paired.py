"""What every paired dataset offers: ground photos, and for each the aerial square of its own place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from l2ltr_core.types import RGB, Location, Panorama

if TYPE_CHECKING:
    from l2ltr_core.imagery import Imagery

Split = Literal["train", "test"]
"""Part of a benchmark: for training, or for evaluation."""


@dataclass(frozen=True)
class Query:
    """One ground photo and what is known about it.

    `heading_deg` is where the centre column looks (degrees clockwise from north), None when unknown;
    `tile` is the index of the photo's own aerial square, for `PairedDataset.aerial`.
    """

    name: str
    location: Location | None
    heading_deg: float | None
    tile: int
    load: Callable[[], Panorama]
    """Reads the photo; its `location` and `heading_deg` are those of the query."""


class PairedDataset(Protocol):
    """Ground photos with their true aerial squares; `open_dataset` makes one."""

    @property
    def name(self) -> str:
        """As reports and cards print it."""

    @property
    def queries(self) -> Sequence[Query]:
        """Every ground photo, in a fixed order."""

    @property
    def tile_count(self) -> int:
        """How many aerial squares the paired protocol ranks; may exceed the number of queries."""

    @property
    def imagery(self) -> Imagery | None:
        """The map the aerial squares are cut from; None when the dataset ships ready tiles."""

    @property
    def gallery_name(self) -> str | None:
        """The gallery of the `places` protocol; None when only the paired protocol applies."""

    @property
    def simulated(self) -> bool:
        """Whether the pictures are rendered."""

    @property
    def attribution(self) -> str:
        """Whom to credit for the pictures; may be empty."""

    def aerial(self, tile: int, chip_m: float) -> RGB:
        """The north-up square of one place, (S, S, 3) uint8.

        Cut `chip_m` metres wide where there is a map; as shipped where the dataset has ready tiles.
        """
