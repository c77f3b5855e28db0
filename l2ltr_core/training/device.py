"""Where a run computes: one CPU, one GPU, or one GPU for each process that torchrun starts."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import Tensor

from l2ltr_core.model.encoder import choose_device
from l2ltr_core.model.runtime import gains_by_bfloat16


@dataclass(frozen=True)
class Device:
    """A device by torch's name."""

    kind: torch.device

    @classmethod
    def choose(cls, name: str) -> Device:
        """`cpu`, `cuda`, `mps` or `auto`; of several GPUs that of this process. Raises ConfigurationError."""
        device = choose_device(name)
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
            torch.cuda.set_device(device)
        return cls(device)

    def put(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) on this device, channels last; a GPU fetches them while it computes."""
        if self.kind.type == "cuda":
            images = images.pin_memory()
        images = images.to(self.kind, non_blocking=True)
        return images.contiguous(memory_format=torch.channels_last)

    def autocast(self, precision: str) -> torch.autocast:
        """Mixed precision where it is asked for or gains; descriptors and losses stay float32."""
        return torch.autocast(self.kind.type, torch.bfloat16, enabled=self.mixes(precision))

    def dtype(self, precision: str) -> torch.dtype:
        """What a network that does not learn computes in under that precision."""
        return torch.bfloat16 if self.mixes(precision) else torch.float32

    def mixes(self, precision: str) -> bool:
        """Whether the device computes in bfloat16 under a configuration's `precision`."""
        return precision == "bfloat16" or (precision == "auto" and gains_by_bfloat16(self.kind))
