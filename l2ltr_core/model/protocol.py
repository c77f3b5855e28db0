"""What the rooms beyond the model know of an encoder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from l2ltr_core.model.config import CheckpointCard
from l2ltr_core.types import RGB, Encoded, Panorama


class Weights(Protocol):
    """What tells one checkpoint from another; encoders and cards have it."""

    @property
    def name(self) -> str:
        """As people know it."""

    @property
    def fingerprint(self) -> str:
        """Which weights exactly."""


class EncoderLike(Weights, Protocol):
    """A checkpoint at work, as galleries, localization and evaluation use it: `model.encoder.Encoder` is one."""

    @property
    def card(self) -> CheckpointCard:
        """What is known about the checkpoint."""

    @property
    def columns(self) -> tuple[int, int] | None:
        """Azimuths of a column descriptor and the numbers of each, None without."""

    def ground_view(self, panorama: Panorama, heading_deg: float) -> RGB:
        """The north-centred view that the ground branch sees."""

    def describe_ground(self, images: Iterable[RGB], *, prepared: bool) -> Encoded:
        """Photos, or with `prepared` their views, to CLS descriptors and columns."""

    def describe_aerial(self, images: Iterable[RGB]) -> Encoded:
        """North-up squares to CLS descriptors and columns."""
