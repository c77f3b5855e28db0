from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from l2ltr_core.checkpoints import import_authors, load_network
from l2ltr_core.errors import ConfigurationError
from l2ltr_core.model.config import IMAGENET_MEAN, IMAGENET_STD, ModelConfig, ViewConfig
from l2ltr_core.model.network import L2LTR, Branch
from l2ltr_core.model.stem import HybridStem

GOLDEN = Path(__file__).parents[1] / "golden"
SMALL = ModelConfig(
    stem_stages=(1, 1, 1),
    stem_width=0.5,
    width=48,
    depth=3,
    heads=3,
    mlp_width=96,
    ground_size_px=(32, 64),
    aerial_size_px=(48, 48),
)
TINY = {"width": 64, "depth": 3, "heads": 4, "mlp_width": 128}
CONFIGS = {
    name: ModelConfig(**TINY, **stem, ground_size_px=(64, 256), aerial_size_px=(64, 256))
    for name, stem in {
        "hybrid_polar": {"stem": "hybrid", "stem_stages": (1, 2, 1), "stem_width": 0.5},
        "plain_vit": {"stem": "patch"},
    }.items()
}


def golden(name: str) -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN / f"{name}.npz"))


def normalized(images: np.ndarray) -> Tensor:
    pixels = images.astype(np.float64) / 255
    values = (pixels - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    return torch.from_numpy(values.astype(np.float32)).permute(0, 3, 1, 2)


def imported(name: str, folder: Path) -> L2LTR:
    import_authors(GOLDEN / f"{name}.pth", CONFIGS[name], ViewConfig(chip_m=50), folder, name)
    return load_network(folder / f"{name}.safetensors").eval()


@pytest.fixture(params=sorted(CONFIGS), scope="module")
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, L2LTR]:
    return request.param, imported(request.param, tmp_path_factory.mktemp(request.param))


def misses(network: L2LTR, name: str) -> float:
    """The largest absolute difference of any golden descriptor."""
    numbers = golden(name)
    with torch.inference_mode():
        result = network(normalized(numbers["ground_image"]), normalized(numbers["aerial_image"]))
    expected = (numbers["ground_embedding"], numbers["aerial_embedding"])
    return max(np.abs(a.numpy() - b).max() for a, b in zip(result, expected, strict=True))


def test_descriptors_are_the_authors(case: tuple[str, L2LTR]) -> None:
    name, network = case
    assert misses(network, name) < 1e-4


@pytest.mark.parametrize("side", ["ground", "aerial"])
def test_tokens_are_the_authors(case: tuple[str, L2LTR], side: str) -> None:
    name, network = case
    numbers = golden(name)
    with torch.inference_mode():
        tokens = getattr(network, side).tokens(normalized(numbers[f"{side}_image"]))
    np.testing.assert_allclose(tokens.numpy(), numbers[f"{side}_tokens"], atol=1e-4)


@pytest.mark.parametrize("side", ["ground", "aerial"])
def test_attention_is_the_authors(case: tuple[str, L2LTR], side: str) -> None:
    name, network = case
    numbers = golden(name)
    with torch.inference_mode():
        maps = getattr(network, side).attention(normalized(numbers[f"{side}_image"]), range(3))
    np.testing.assert_allclose(torch.stack(maps).numpy(), numbers[f"{side}_attention"], atol=1e-5)


def test_self_attention_in_place_of_self_cross_misses_the_golden_descriptors(
    case: tuple[str, L2LTR],
) -> None:
    name, network = case
    assert network.config.attention == "self-cross"
    plain = L2LTR(replace(network.config, attention="self")).eval()
    plain.load_state_dict(network.state_dict())
    assert misses(plain, name) > 0.01


def test_keys_come_from_the_input_of_the_layer_before() -> None:
    torch.manual_seed(0)
    branch = Branch(SMALL, SMALL.ground_size_px).eval()
    image = torch.randn(1, 3, 32, 64)
    with torch.inference_mode():
        given = branch.layer_tokens(image)
        for index, layer in enumerate(branch.layers):
            previous = given[max(index - 1, 0)]
            torch.testing.assert_close(layer(given[index], previous), given[index + 1])
            if index > 0:
                assert (layer(given[index], given[index]) - given[index + 1]).abs().max() > 1e-3


def test_training_mode_gives_the_same_descriptors_as_inference_without_dropout(
    case: tuple[str, L2LTR],
) -> None:
    name, network = case
    network = L2LTR(replace(network.config, dropout=0.0))
    network.load_state_dict(case[1].state_dict())
    assert misses(network.train(), name) < 1e-4


def test_descriptors_are_unit_rows() -> None:
    network = L2LTR(SMALL).eval()
    ground, aerial = network(torch.randn(5, 3, 32, 64), torch.randn(4, 3, 48, 48))
    assert ground.shape == (5, 48)
    assert aerial.shape == (4, 48)
    torch.testing.assert_close(ground.norm(dim=1), torch.ones(5))
    torch.testing.assert_close(aerial.norm(dim=1), torch.ones(4))


def test_the_branches_share_no_weights() -> None:
    network = L2LTR(SMALL)
    ground = {parameter.data_ptr() for parameter in network.ground.parameters()}
    assert ground.isdisjoint(parameter.data_ptr() for parameter in network.aerial.parameters())


def test_the_full_size_model_has_97_95_million_parameters_a_branch() -> None:
    with torch.device("meta"):
        network = L2LTR(ModelConfig())
        features = network.ground.stem(torch.empty(1, 3, 128, 512))
        descriptors, _ = network(torch.empty(2, 3, 128, 512), torch.empty(2, 3, 128, 512))
    for branch in (network.ground, network.aerial):
        assert sum(parameter.numel() for parameter in branch.parameters()) == 97_954_624
    assert features.shape == (1, 1024, 8, 32)
    assert descriptors.shape == (2, 768)


@pytest.mark.parametrize(
    "changes",
    [
        {"aerial_size_px": (256, 256)},
        {"stem": "patch"},
        {"width": 1024, "depth": 24, "heads": 16, "mlp_width": 4096},
    ],
    ids=["non-polar", "plain ViT", "ViT-L"],
)
def test_the_published_variants_construct(changes: dict[str, object]) -> None:
    config = replace(ModelConfig(), **changes)
    with torch.device("meta"):
        network = L2LTR(config)
        ground, aerial = network(
            torch.empty(1, 3, *config.ground_size_px), torch.empty(1, 3, *config.aerial_size_px)
        )
    assert ground.shape == aerial.shape == (1, config.width)


def test_the_stem_pads_by_fixed_numbers_and_norms_its_shortcuts_by_channel() -> None:
    stem = HybridStem(SMALL)
    assert stem.root.conv.padding == (3, 3)
    assert stem.root.pool.padding == 1
    for stage in stem.stages:
        block = stage.blocks[0]
        assert block.conv1.stride == (1, 1)
        assert block.conv2.padding == (1, 1)
        assert (block.downsample.norm.num_groups, block.downsample.norm.eps) == (
            block.downsample.norm.num_channels,
            1e-5,
        )
        assert (block.norm2.num_groups, block.norm2.eps) == (32, 1e-6)
        assert block.conv2.eps == 1e-5


def test_a_larger_patch_makes_as_many_tokens_of_a_finer_picture() -> None:
    config = replace(SMALL, ground_size_px=(64, 128), ground_patch_px=32)
    assert config.ground_grid == SMALL.ground_grid
    fine = L2LTR(config).ground
    assert fine.grid == config.ground_grid
    assert fine.features(torch.randn(1, 3, 64, 128)).shape[2:] == config.ground_grid
    root = fine.stem.root.conv
    assert (root.kernel_size, root.stride, root.padding) == ((14, 14), (4, 4), (6, 6))
    for wrong, message in ((24, "give a multiple of 16"), (48, "multiples of 48")):
        with pytest.raises(ConfigurationError, match=message):
            replace(config, ground_patch_px=wrong)


def test_every_parameter_learns() -> None:
    torch.manual_seed(0)
    network = L2LTR(SMALL).train()
    ground, aerial = network(torch.randn(4, 3, 32, 64), torch.randn(4, 3, 48, 48))
    torch.nn.functional.cross_entropy(ground @ aerial.T / 0.1, torch.arange(4)).backward()
    without_effect = [
        name
        for name, parameter in network.named_parameters()
        # softmax does not feel a constant added to every key's score
        if not name.endswith("key.bias") and (parameter.grad is None or not parameter.grad.abs().max() > 0)
    ]
    assert without_effect == []


def test_embeddings_start_as_truncated_normal_of_002() -> None:
    torch.manual_seed(0)
    branch = L2LTR(SMALL).ground
    assert branch.positional_embedding.std().item() == pytest.approx(0.02, rel=0.1)
    assert branch.layers[0].attention.query.bias.abs().max() == 0
