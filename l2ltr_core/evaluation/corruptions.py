"""The common corruptions of photos, by the package imagecorruptions-imaug (an extra)."""

from __future__ import annotations

import zlib

import numpy as np

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.types import RGB

CORRUPTIONS = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness", "spatter"),
    "digital": ("contrast", "pixelate", "jpeg_compression"),
}
"""Names of the sixteen corruptions of CVUSA-C and CVACT-C (Zhang and Zhu, "Benchmarking the Robustness of Cross-view
Geo-localization Models", ECCV 2024), as the package has them."""
LEVELS = (1, 2, 3, 4, 5)
TAKES_SEED = ("impulse_noise", "glass_blur")
"""Corruptions that take a seed, for they do not draw from numpy's own generator."""


def require_corruptions() -> None:
    """Raises ConfigurationError where the package that corrupts photos is not installed."""
    try:
        import imagecorruptions  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            "Corrupted photos need the package imagecorruptions-imaug: install it with "
            "`pip install imagecorruptions-imaug`, or leave the corruptions out."
        ) from error


def corrupted(pixels: RGB, name: str, level: int, seed: int) -> RGB:
    """A copy of a photo (H, W, 3), at least 32 px a side, damaged at `level` 1 to 5; the same for the same seed."""
    from imagecorruptions import corrupt

    drawn = zlib.crc32(f"{name} {level} {seed}".encode())
    own = {"seed": drawn % 2**31} if name in TAKES_SEED else {}
    before = np.random.get_state()  # noqa: NPY002 - the package draws from the global generator
    np.random.seed(drawn)  # noqa: NPY002
    try:
        return np.asarray(corrupt(pixels, corruption_name=name, severity=level, **own), np.uint8)
    finally:
        np.random.set_state(before)  # noqa: NPY002
