from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from l2ltr_core.training.augment import vary_photo, vary_picture
from l2ltr_core.training.config import AugmentConfig
from tests.training.tiny_world import STILL, blobs

FIELD_DEG = 90.0
PHOTO = blobs(5, 128)
CERTAIN = {
    "gamma_std": 0.5,
    "saturation_std": 0.5,
    "contrast_std": 0.5,
    "gain_std": 0.5,
    "colour_std": 0.5,
    "offset_std": 30.0,
    "hue_std_deg": 30.0,
    "blur_share": 1.0,
    "sharpen_share": 1.0,
    "coarse_share": 1.0,
    "grain_share": 1.0,
    "jpeg_share": 1.0,
}
OF_PHOTOS = {
    "heading_deg": 30.0,
    "horizon_std_deg": 5.0,
    "stretch_above": 0.5,
    "stretch_below": 0.5,
    "strip_share": 1.0,
    "seam_share": 1.0,
    "nadir_share": 1.0,
    "vignette_share": 1.0,
    "narrow_share": 1.0,
}


def vary(amount: AugmentConfig, seed: int = 0) -> np.ndarray:
    return vary_photo(PHOTO, FIELD_DEG, amount, np.random.default_rng(seed))


def test_without_variation_nothing_changes() -> None:
    assert np.array_equal(vary(STILL), PHOTO)
    assert np.array_equal(vary_picture(PHOTO, STILL, np.random.default_rng(0)), PHOTO)


@pytest.mark.parametrize("name", CERTAIN)
def test_every_variation_changes_a_picture(name: str) -> None:
    varied = vary_picture(PHOTO, replace(STILL, **{name: CERTAIN[name]}), np.random.default_rng(0))
    assert varied.shape == PHOTO.shape and varied.dtype == np.uint8
    assert 0.2 < np.abs(varied.astype(int) - PHOTO).mean() < 80


@pytest.mark.parametrize("name", OF_PHOTOS)
def test_every_variation_of_the_camera_changes_a_photo(name: str) -> None:
    assert np.abs(vary(replace(STILL, **{name: OF_PHOTOS[name]})).astype(int) - PHOTO).mean() > 0.2


def test_the_same_numbers_vary_a_photo_in_the_same_way() -> None:
    assert np.array_equal(vary(AugmentConfig()), vary(AugmentConfig()))
    assert not np.array_equal(vary(AugmentConfig()), vary(AugmentConfig(), seed=1))


def test_a_leaning_camera_moves_the_horizon_up_on_one_side_and_down_on_the_other() -> None:
    horizon = np.zeros((128, 256, 3), np.uint8)
    horizon[64:] = 255
    leaning = replace(STILL, tilt_share=1.0, tilt_deg=20.0)
    rng = np.random.default_rng(4)
    row = (vary_photo(horizon, FIELD_DEG, leaning, rng)[..., 0] < 128).sum(axis=0)
    assert row.max() - row.min() > 5
    assert row + np.roll(row, 128) == pytest.approx(128, abs=2)


def test_a_narrow_photo_shows_one_part_of_the_circle_and_its_mean_colour_elsewhere() -> None:
    for seed in range(10):
        narrow = vary(replace(STILL, narrow_share=1.0), seed)
        shown = (narrow == PHOTO).all(axis=(0, 2))
        assert 70 / 360 - 0.05 < shown.mean() < 300 / 360 + 0.05
        assert (shown != np.roll(shown, 1)).sum() == 2  # one beginning, one end
        assert np.abs(narrow[:, ~shown] - PHOTO[:, shown].mean(axis=(0, 1))).max() <= 1


def test_a_strip_shows_what_is_near_the_horizon_alone() -> None:
    strip = vary(replace(STILL, strip_share=1.0, strip_deg=(30.0, 30.0)))
    shown = (strip == PHOTO).all(axis=(1, 2))
    assert shown.sum() == pytest.approx(60 / FIELD_DEG * 128, abs=2) and shown[64]
    assert len(np.unique(strip[~shown].reshape(-1, 3), axis=0)) == 1
