import pickle
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from l2ltr_core.errors import ConfigurationError, ImageError
from l2ltr_core.geometry.polar import to_polar
from l2ltr_core.model import runtime
from l2ltr_core.model.config import CheckpointCard, ModelConfig, ViewConfig
from l2ltr_core.model.encoder import Encoder
from l2ltr_core.model.network import L2LTR
from l2ltr_core.types import Panorama

CONFIG = ModelConfig(
    stem="patch",
    width=48,
    depth=2,
    heads=3,
    mlp_width=96,
    ground_size_px=(32, 128),
    aerial_size_px=(32, 128),
)
RANDOM = np.random.default_rng(0)
PHOTOS = [RANDOM.integers(0, 255, (64, 128, 3), np.uint8) for _ in range(5)]
CHIPS = [RANDOM.integers(0, 255, (60, 60, 3), np.uint8) for _ in range(5)]


def make_encoder(polar: bool = True, vertical_field_deg: float = 180.0) -> Encoder:
    torch.manual_seed(0)
    view = ViewConfig(chip_m=50, polar=polar, ground_vertical_field_deg=vertical_field_deg)
    return Encoder.from_network(L2LTR(CONFIG), CheckpointCard("test", CONFIG, view), device="cpu")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return make_encoder()


def png(pixels: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def test_photos_become_unit_rows(encoder: Encoder) -> None:
    descriptors = encoder.encode_ground(PHOTOS)
    assert descriptors.shape == (5, 48)
    assert descriptors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(descriptors, axis=1), 1, atol=1e-6)


def test_arrays_bytes_files_pictures_and_panoramas_give_the_same(encoder: Encoder, tmp_path: Path) -> None:
    pixels = PHOTOS[0]
    path = tmp_path / "photo.png"
    path.write_bytes(png(pixels))
    forms = [pixels, png(pixels), path, str(path), Image.fromarray(pixels), Panorama(pixels)]
    ground = encoder.encode_ground(forms)
    np.testing.assert_array_equal(ground, np.repeat(ground[:1], len(forms), axis=0))
    chip = CHIPS[0]
    aerial = encoder.encode_aerial([chip, png(chip), Image.fromarray(chip)])
    np.testing.assert_array_equal(aerial, np.repeat(aerial[:1], 3, axis=0))


def test_the_batch_size_does_not_matter(encoder: Encoder) -> None:
    whole = encoder.encode_aerial(CHIPS)
    np.testing.assert_allclose(encoder.encode_aerial(CHIPS, batch_size=2), whole, atol=1e-6)


def test_no_images_give_no_rows(encoder: Encoder) -> None:
    assert encoder.encode_ground([]).shape == (0, 48)


def test_a_generator_is_read_once_and_in_order(encoder: Encoder) -> None:
    np.testing.assert_allclose(
        encoder.encode_aerial(chip for chip in CHIPS), encoder.encode_aerial(CHIPS), atol=1e-6
    )


def test_progress_counts_the_images(encoder: Encoder) -> None:
    told: list[tuple[int, int]] = []
    encoder.encode_ground(PHOTOS, batch_size=2, progress=lambda done, total: told.append((done, total)))
    assert told == [(2, 5), (4, 5), (5, 5)]


def test_an_unreadable_image_in_a_batch_is_an_error_of_the_tree(encoder: Encoder) -> None:
    with pytest.raises(ImageError):
        encoder.encode_ground([PHOTOS[0], b"not a photo"])


def test_the_aerial_view_is_polar_where_the_card_says_so() -> None:
    expected = np.rint(to_polar(CHIPS[0], (32, 128)))
    np.testing.assert_array_equal(make_encoder(polar=True).aerial_view(CHIPS[0]), expected)
    assert make_encoder(polar=False).aerial_view(CHIPS[0]).shape == (32, 128, 3)
    assert np.abs(make_encoder(polar=False).aerial_view(CHIPS[0]) - expected).max() > 50


def test_the_ground_view_keeps_the_cards_vertical_field() -> None:
    pixels = np.zeros((180, 360, 3), np.uint8)
    pixels[45:135] = 255
    panorama = Panorama(pixels)
    assert make_encoder(vertical_field_deg=90).ground_view(panorama, 0).min() > 200
    assert make_encoder(vertical_field_deg=180).ground_view(panorama, 0).min() == 0


def test_a_panorama_is_turned_so_that_north_is_the_centre(encoder: Encoder) -> None:
    pixels = np.zeros((64, 128, 3), np.uint8)
    pixels[:, 32] = 255  # a quarter of the circle left of the centre: north, if the centre looks east
    view = encoder.ground_view(Panorama(pixels), 90.0)
    assert view[16, :, 0].argmax() == 64


def test_headings_come_from_the_photo_unless_given(encoder: Encoder) -> None:
    east = Panorama(PHOTOS[0], heading_deg=90.0)
    assumed_north, from_photo = encoder.encode_ground([PHOTOS[0], east])
    given = encoder.encode_ground([east, east], heading_deg=[0.0, 90.0])
    np.testing.assert_allclose(given[0], assumed_north, atol=1e-6)
    np.testing.assert_allclose(given[1], from_photo, atol=1e-6)
    assert np.abs(assumed_north - from_photo).max() > 1e-3
    np.testing.assert_allclose(encoder.encode_ground([east], heading_deg=0)[0], assumed_north, atol=1e-6)


def test_prepared_views_are_only_normalised(encoder: Encoder) -> None:
    views = np.stack([encoder.aerial_view(chip) for chip in CHIPS])
    np.testing.assert_array_equal(encoder.encode_aerial(views, prepared=True), encoder.encode_aerial(CHIPS))
    panoramas = [encoder.ground_view(Panorama(photo), 0) for photo in PHOTOS]
    np.testing.assert_array_equal(
        encoder.encode_ground(panoramas, prepared=True), encoder.encode_ground(PHOTOS)
    )


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (np.zeros((64, 64, 3), np.uint8), r"The prepared image is 64 x 64 .* looks at 32 x 128."),
        (np.zeros((32, 128, 3), np.float32), r"The image is \(32, 128, 3\) float32"),
        (np.zeros((32, 128), np.uint8), r"The image is \(32, 128\) uint8"),
        (None, "The image is NoneType"),
    ],
)
def test_what_is_not_a_prepared_view_is_refused(encoder: Encoder, image: object, sentence: str) -> None:
    with pytest.raises(ImageError, match=sentence):
        encoder.encode_ground([image], prepared=True)


def test_an_aerial_rectangle_is_refused(encoder: Encoder) -> None:
    with pytest.raises(ImageError, match="80 x 60 pixels; a north-up square"):
        encoder.encode_aerial([np.zeros((60, 80, 3), np.uint8)])


def test_attention_is_one_array_of_rows_that_sum_to_1_a_layer(encoder: Encoder) -> None:
    maps = encoder.attention(CHIPS[0], branch="aerial", layers=(0, 1))
    assert [weights.shape for weights in maps] == [(3, 17, 17)] * 2
    for weights in maps:
        assert weights.dtype == np.float32
        np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)


def test_the_cls_rows_of_attention_come_with_the_descriptor(encoder: Encoder) -> None:
    descriptor, rows = encoder.cls_attention(PHOTOS[0], layers=(1, 0))
    full = encoder.attention(PHOTOS[0], layers=(1, 0))
    np.testing.assert_allclose(rows, np.stack([weights[:, 0] for weights in full]), atol=1e-5)
    np.testing.assert_allclose(descriptor, encoder.encode_ground(PHOTOS[:1])[0], atol=1e-6)


def test_a_layer_that_is_not_there_is_refused(encoder: Encoder) -> None:
    with pytest.raises(ConfigurationError, match=r"There is no layer 2; the model has layers 0 to 1\."):
        encoder.attention(CHIPS[0], branch="aerial", layers=(2,))


def test_layer_tokens_hold_what_each_layer_is_given_and_gives(encoder: Encoder) -> None:
    tokens = encoder.layer_tokens(PHOTOS[0])
    assert tokens.shape == (3, 17, 48)
    cls = encoder.tokens(PHOTOS[0])[0]
    np.testing.assert_allclose(cls / np.linalg.norm(cls), encoder.encode_ground(PHOTOS[:1])[0], atol=1e-5)


def test_positional_embeddings_are_the_branchs_own(encoder: Encoder) -> None:
    ground, aerial = encoder.positional_embedding("ground"), encoder.positional_embedding("aerial")
    assert ground.shape == aerial.shape == (17, 48)
    assert np.abs(ground - aerial).max() > 0


def test_an_encoder_of_a_network_does_not_follow_its_training() -> None:
    network = L2LTR(CONFIG).train()
    encoder = Encoder.from_network(network, CheckpointCard("test", CONFIG, ViewConfig(chip_m=50)))
    before = encoder.encode_aerial(CHIPS)
    torch.nn.init.zeros_(network.aerial.positional_embedding)
    np.testing.assert_array_equal(encoder.encode_aerial(CHIPS), before)
    assert network.training


def test_both_branches_can_be_read_as_one_network() -> None:
    torch.manual_seed(0)
    network = L2LTR(CONFIG)
    encoder = Encoder.from_network(network, CheckpointCard("test", CONFIG, ViewConfig(chip_m=50)))
    assert all(
        torch.equal(tensor, network.state_dict()[name])
        for name, tensor in encoder.network.state_dict().items()
    )
    assert not encoder.network.training


def test_a_branch_is_read_when_it_is_first_needed() -> None:
    torch.manual_seed(0)
    network, read = L2LTR(CONFIG), []
    card = CheckpointCard("test", CONFIG, ViewConfig(chip_m=50))
    encoder = Encoder(card, lambda side: read.append(side) or getattr(network, side))
    assert read == []
    encoder.encode_ground(PHOTOS[:1])
    encoder.encode_ground(PHOTOS[:1])
    assert read == ["ground"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"device": "tpu"}, "The device is 'tpu'; give auto, cpu, cuda or mps."),
        ({"device": "cpu:first"}, "The device is 'cpu:first'; give auto, cpu, cuda or mps."),
        ({"device": "cpu:1"}, "This machine has no device 'cpu:1'; give auto or cpu."),
        ({"precision": "half"}, "The precision is 'half'; give 'exact' or 'fast'."),
    ],
)
def test_an_unknown_device_or_precision_is_refused(options: dict, sentence: str) -> None:
    card = CheckpointCard("test", CONFIG, ViewConfig(chip_m=50))
    with pytest.raises(ConfigurationError, match=sentence):
        Encoder(card, lambda side: getattr(L2LTR(CONFIG), side), **options)


def test_the_precision_fast_without_openvino_is_bfloat16_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("l2ltr_core.model.encoder.describe_openvino", lambda: None)
    torch.manual_seed(0)
    network = L2LTR(CONFIG)
    card = CheckpointCard("test", CONFIG, ViewConfig(chip_m=50))
    exact = Encoder.from_network(network, card, device="cpu")
    assert exact.runtime == f"torch {torch.__version__}, float32"
    monkeypatch.setattr(runtime, "_multiplies_faster", lambda: False)
    with pytest.raises(ConfigurationError, match="has no fast bfloat16"):
        Encoder.from_network(network, card, device="cpu", precision="fast")
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return
    monkeypatch.setattr(runtime, "_multiplies_faster", lambda: True)
    fast = Encoder.from_network(network, card, device="cpu", precision="fast")
    assert fast.runtime == f"torch {torch.__version__}, bfloat16"
    agreement = (fast.encode_ground(PHOTOS) * exact.encode_ground(PHOTOS)).sum(axis=1)
    assert agreement.min() > 0.999
    assert agreement.min() < 1 - 1e-7  # it really computed in another precision


def test_to_measure_what_bfloat16_gains_draws_nothing_by_chance() -> None:
    before = torch.random.get_rng_state()
    runtime._multiplies_faster.cache_clear()
    assert runtime.gains_by_bfloat16(runtime.CPU) == runtime.gains_by_bfloat16(runtime.CPU)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_fast_is_refused_where_neither_openvino_nor_bfloat16_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("l2ltr_core.model.encoder.describe_openvino", lambda: None)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    with pytest.raises(ConfigurationError, match="This cpu device has no fast bfloat16; give the precision"):
        Encoder.from_network(
            L2LTR(CONFIG),
            CheckpointCard("test", CONFIG, ViewConfig(chip_m=50)),
            device="cpu",
            precision="fast",
        )


def test_a_device_that_this_machine_lacks_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ConfigurationError, match="This machine has no device 'cuda'"):
        Encoder(
            CheckpointCard("t", CONFIG, ViewConfig(chip_m=50)),
            lambda side: L2LTR(CONFIG).ground,
            device="cuda",
        )


def test_an_encoder_travels_to_another_process_and_gives_the_same(encoder: Encoder) -> None:
    arrived = pickle.loads(pickle.dumps(encoder))
    assert arrived.fingerprint == encoder.fingerprint
    np.testing.assert_array_equal(arrived.encode_aerial(CHIPS), encoder.encode_aerial(CHIPS))
