from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2ltr_core.geometry.polar import from_polar, to_polar

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "polar_transform.npz")


@pytest.mark.parametrize(("aerial", "polar"), [("aerial", "polar_32x128"), ("aerial_odd", "polar_odd_16x88")])
def test_the_transform_gives_the_published_scripts_numbers(aerial: str, polar: str) -> None:
    expected = GOLDEN[polar]
    result = to_polar(GOLDEN[aerial], expected.shape[:2])
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-2)


@pytest.mark.parametrize(("direction", "column"), [("south", 0), ("west", 16), ("north", 32), ("east", 48)])
def test_each_compass_direction_has_its_column(direction: str, column: int) -> None:
    aerial = np.zeros((80, 80, 1), np.uint8)
    ahead, behind = slice(2, 30), slice(50, 78)
    middle = slice(38, 43)
    rows, columns = {
        "north": (ahead, middle),
        "south": (behind, middle),
        "west": (middle, ahead),
        "east": (middle, behind),
    }[direction]
    aerial[rows, columns] = 255
    seen = to_polar(aerial, (16, 64))[:10, :, 0].sum(axis=0)
    assert seen.argmax() == column


def test_the_bottom_row_is_the_cameras_own_place() -> None:
    aerial = np.zeros((40, 40, 1), np.uint8)
    aerial[20, 20] = 200
    polar = to_polar(aerial, (16, 64))
    np.testing.assert_allclose(polar[-1], 200)


def test_beyond_the_square_the_view_is_dark() -> None:
    aerial = np.full((31, 31, 3), 255, np.uint8)
    polar = to_polar(aerial, (16, 64))
    assert polar[0, 0].max() < 255  # due south, the last step reaches past the last row
    assert polar.min() >= 0


@given(turns=st.integers(0, 3))
def test_turning_the_square_shifts_the_columns(turns: int) -> None:
    rows, columns = np.mgrid[-32:32, -32:32]
    smooth = (100 + columns + 0.5 * rows).astype(np.float32)
    # the transform's centre is pixel 32, so the square has to turn about that pixel
    turned = np.pad(smooth, ((0, 1), (0, 1)), mode="edge")
    turned = np.rot90(turned, turns)[:64, :64]
    far_enough_inside = slice(3, None)
    expected = np.roll(to_polar(smooth[..., None], (16, 64)), -16 * turns, axis=1)
    result = to_polar(turned[..., None], (16, 64))
    np.testing.assert_allclose(result[far_enough_inside], expected[far_enough_inside], atol=1e-3)


def test_there_and_back_keeps_the_layout() -> None:
    rows, columns = np.mgrid[0:64, 0:64]
    smooth = (128 + 60 * np.sin(rows / 10) + 40 * np.cos(columns / 12)).astype(np.float32)[..., None]
    back = from_polar(to_polar(smooth, (64, 256)), 64)
    inside = np.hypot(rows - 32, columns - 32) < 30
    np.testing.assert_allclose(back[inside], smooth[inside], atol=1.0)


def test_outside_the_circle_the_inverse_is_zero() -> None:
    back = from_polar(np.ones((16, 64, 1), np.float32), 64)
    assert back[0, 0] == back[-1, -1] == 0
    np.testing.assert_allclose(back[32, 20], 1)


def test_the_inverse_has_no_seam_in_the_south() -> None:
    back = from_polar(np.ones((16, 64, 1), np.float32), 64)
    np.testing.assert_allclose(back[40:56, 31:34], 1, atol=1e-6)


def test_a_rectangle_is_refused() -> None:
    with pytest.raises(ValueError, match="aerial square"):
        to_polar(np.zeros((10, 12, 3), np.uint8), (16, 64))
