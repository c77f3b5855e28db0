from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from l2ltr_core.errors import ImageError
from l2ltr_core.images import decode, decode_rgb
from l2ltr_core.notes import Note
from tests.photos import encoded, jpeg, pixels

RGB_64 = pixels()


def test_a_png_comes_back_pixel_for_pixel() -> None:
    assert np.array_equal(decode_rgb(encoded(Image.fromarray(RGB_64))), RGB_64)


def test_a_path_and_its_bytes_give_the_same_pixels(tmp_path: Path) -> None:
    data = jpeg()
    (tmp_path / "photo.jpg").write_bytes(data)
    assert np.array_equal(decode_rgb(tmp_path / "photo.jpg"), decode_rgb(data))


def test_a_photo_held_upright_is_turned_upright() -> None:
    assert decode_rgb(jpeg(pixels(64, 128), orientation=6)).shape == (128, 64, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_as_pillow_turns_it(orientation: int) -> None:
    data = jpeg(orientation=orientation)
    turned = ImageOps.exif_transpose(Image.open(BytesIO(data)))
    assert np.array_equal(decode_rgb(data), np.asarray(turned))


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(8, 10**4), st.integers(0, 255)), max_size=20))
def test_a_photo_with_broken_exif_is_still_decoded(changes: list[tuple[int, int]]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 1
    exif[0x8825] = {17: 90.0}
    broken = bytearray(exif.tobytes())
    for place, value in changes:
        broken[6 + place % (len(broken) - 6)] = value
    assert decode_rgb(encoded(Image.fromarray(RGB_64), "JPEG", exif=bytes(broken))).size == RGB_64.size


def test_the_pixels_may_be_written_to() -> None:
    assert decode_rgb(jpeg()).flags.writeable


REFUSED = {
    "text": (b"not an image at all" * 50, "not an image"),
    "pdf": (b"%PDF-1.4" + bytes(500), "not an image"),
    "empty": (b"", "empty"),
    "truncated jpeg": (jpeg(pixels(256, 512))[:4000], "cut short"),
    "truncated png": (encoded(Image.fromarray(RGB_64))[:300], "cut short"),
    "only a header": (jpeg()[:20], "not an image"),
    "1x1": (encoded(Image.new("RGB", (1, 1))), "1 x 1 px"),
    "40,000 px wide": (encoded(Image.new("1", (40_000, 64))), "40000 x 64 px"),
    "a decompression bomb": (encoded(Image.new("1", (40_000, 20_000))), "megapixels"),
    "floating point": (encoded(Image.new("F", (64, 32)), "TIFF"), "floating-point"),
    "wholly transparent": (encoded(Image.new("RGBA", (64, 32), (9, 9, 9, 0))), "completely transparent"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_usable_photo_is_refused_in_one_sentence(case: str) -> None:
    data, words = REFUSED[case]
    with pytest.raises(ImageError) as refusal:
        decode_rgb(data)
    message = str(refusal.value)
    assert words in message
    assert "\n" not in message and message.endswith(".")


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"no file .*nothing\.jpg"):
        decode_rgb(tmp_path / "nothing.jpg")
    with pytest.raises(ImageError, match="is a folder"):
        decode_rgb(tmp_path)


def test_a_damaged_file_never_raises_anything_but_an_image_error() -> None:
    whole = bytearray(jpeg(pixels(64, 128)))
    random = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole), 8):
            damaged[place] = random.integers(0, 256)
        try:
            assert decode_rgb(bytes(damaged)).dtype == np.uint8
        except ImageError:
            continue


def test_a_16_bit_photo_is_scaled_to_8_bits_and_says_so() -> None:
    deep = np.linspace(0, 65535, 64 * 32).reshape(32, 64).astype(np.uint16)
    image = decode(encoded(Image.fromarray(deep)))
    assert image.pixels.shape == (32, 64, 3)
    assert (image.pixels[0, 0, 0], image.pixels[-1, -1, 0]) == (0, 255)
    assert image.notes == (Note("16_bits"),)


def test_a_cmyk_photo_is_converted_and_says_so() -> None:
    image = decode(encoded(Image.fromarray(RGB_64).convert("CMYK"), "JPEG", quality=95))
    assert np.abs(image.pixels.astype(int) - RGB_64).mean() < 8
    assert image.notes == (Note("printing_colours"),)


def test_transparent_parts_get_the_mean_colour_of_the_rest_and_say_so() -> None:
    rgba = np.zeros((32, 64, 4), np.uint8)
    rgba[:, :32] = (200, 100, 50, 255)
    image = decode(encoded(Image.fromarray(rgba)))
    assert (image.pixels == (200, 100, 50)).all()
    assert image.notes == (Note("transparent_parts"),)


def test_an_alpha_channel_that_hides_nothing_is_not_worth_a_note() -> None:
    opaque = np.dstack([RGB_64, np.full(RGB_64.shape[:2], 255, np.uint8)])
    image = decode(encoded(Image.fromarray(opaque)))
    assert np.array_equal(image.pixels, RGB_64)
    assert image.notes == ()


def test_an_animation_is_refused_with_the_number_of_its_frames() -> None:
    frames = [Image.new("RGB", (64, 32), colour) for colour in ("red", "blue")]
    with pytest.raises(ImageError, match="holds 2 frames"):
        decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))


def test_a_grey_photo_becomes_rgb() -> None:
    assert decode_rgb(encoded(Image.new("L", (64, 32), 77), "JPEG")).tolist()[0][0] == [77, 77, 77]


def test_a_large_jpeg_is_decoded_smaller_where_less_is_enough() -> None:
    data = jpeg(pixels(800, 1600))
    assert decode(data, enough_px=400).pixels.shape == (200, 400, 3)
    assert decode(data, enough_px=500).pixels.shape == (400, 800, 3)
    assert decode(data).pixels.shape == (800, 1600, 3)
