import json
import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks.measure import own_peak_mb
from l2ltr_core import assets
from l2ltr_core.checkpoints import (
    best_first,
    export_authors,
    import_authors,
    infer_authors_config,
    initialize_from_google,
    list_checkpoints,
    load_card,
    load_encoder,
    load_network,
    save_checkpoint,
    update_card,
)
from l2ltr_core.checkpoints.google import google_name
from l2ltr_core.checkpoints.positions import resample_positions
from l2ltr_core.errors import CheckpointError
from l2ltr_core.model.config import CheckpointCard, ModelConfig, ViewConfig
from l2ltr_core.model.network import L2LTR

GOLDEN = Path(__file__).parent / "golden"
VIEW = ViewConfig(chip_m=50)
SIZES: dict[str, tuple[int, int]] = {"ground_size_px": (64, 256), "aerial_size_px": (64, 256)}
TINY = ModelConfig(stem="patch", width=64, depth=3, heads=4, mlp_width=128, **SIZES)
HYBRID = replace(TINY, stem="hybrid", stem_stages=(1, 2, 1), stem_width=0.5)
CARD = CheckpointCard("tiny", TINY, VIEW, licence="MIT", training={"seed": 3})


@pytest.fixture(scope="module")
def network() -> L2LTR:
    torch.manual_seed(0)
    return L2LTR(TINY)


@pytest.fixture
def saved(network: L2LTR, tmp_path: Path) -> Path:
    """A folder that holds the checkpoint `tiny`."""
    save_checkpoint(network, CARD, tmp_path / "tiny")
    return tmp_path / "tiny"


def authors_content() -> dict[str, Any]:
    return torch.load(GOLDEN / "plain_vit.pth", weights_only=True)


def refused(sentence: str, action: Callable[[], object]) -> None:
    """The action raises CheckpointError with one sentence that says this."""
    with pytest.raises(CheckpointError, match=sentence) as caught:
        action()
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message


# ---------------------------------------------------------------- our form


def test_what_is_saved_is_loaded_bit_for_bit(network: L2LTR, saved: Path) -> None:
    loaded = load_network(saved).state_dict()
    assert loaded.keys() == network.state_dict().keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in network.state_dict().items())


def test_a_checkpoint_is_two_files_and_leaves_nothing_else(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == ["tiny.json", "tiny.safetensors"]


def test_other_users_may_read_a_checkpoint(saved: Path) -> None:
    assert {path.stat().st_mode & 0o444 for path in saved.iterdir()} == {0o444}


def test_a_checkpoint_opens_by_folder_by_either_file_and_by_name(
    saved: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(assets, "ASSETS", tmp_path)
    saved.rename(tmp_path / "checkpoints")
    folder = tmp_path / "checkpoints"
    forms: list[str | Path] = ["tiny", folder, str(folder), folder / "tiny.json", folder / "tiny.safetensors"]
    cards = {json.dumps(load_encoder(form).card.to_dict()) for form in forms}
    assert len(cards) == 1
    assert [card.name for card in list_checkpoints()] == ["tiny"]


def test_the_fingerprint_belongs_to_the_weights(network: L2LTR, tmp_path: Path) -> None:
    first = save_checkpoint(network, CARD, tmp_path)
    again = save_checkpoint(network, replace(CARD, description="other words"), tmp_path)
    half = save_checkpoint(network, replace(CARD, name="half"), tmp_path, dtype=torch.float16)
    assert len(first.fingerprint) == 16
    assert first.fingerprint == again.fingerprint
    assert half.fingerprint != first.fingerprint
    assert load_encoder(tmp_path / "tiny.json").fingerprint == first.fingerprint


def test_half_precision_halves_the_file_and_computes_in_float32(network: L2LTR, tmp_path: Path) -> None:
    save_checkpoint(network, replace(CARD, name="whole"), tmp_path)
    save_checkpoint(network, replace(CARD, name="half"), tmp_path, dtype=torch.float16)
    whole, half = (tmp_path / f"{name}.safetensors" for name in ("whole", "half"))
    assert half.stat().st_size == pytest.approx(whole.stat().st_size / 2, rel=0.05)
    assert {tensor.dtype for tensor in load_network(half).state_dict().values()} == {torch.float32}
    images = golden("plain_vit")["aerial_image"]
    exact = load_encoder(whole).encode_aerial(images, prepared=True)
    np.testing.assert_allclose(load_encoder(half).encode_aerial(images, prepared=True), exact, atol=2e-3)


def test_a_card_is_rewritten_without_touching_the_weights(saved: Path) -> None:
    before = load_card(saved)
    update_card(saved, results={"helsinki": {"recall_at_1": 0.5}}, calibration={"temperature": 0.04})
    after = load_encoder(saved).card
    assert after == replace(
        before, results={"helsinki": {"recall_at_1": 0.5}}, calibration={"temperature": 0.04}
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"colour": "red"}, "There is no setting '.*colour'"),
        ({"results": 5}, r"'CheckpointCard.results' is 5"),
        ({"fingerprint": "0"}, "fingerprint belongs to the weights"),
    ],
)
def test_a_change_that_a_card_cannot_take_is_refused(
    saved: Path, changes: dict[str, Any], sentence: str
) -> None:
    before = (saved / "tiny.json").read_bytes()
    refused(sentence, lambda: update_card(saved, **changes))
    assert (saved / "tiny.json").read_bytes() == before


def without(name: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: tensor for key, tensor in tensors.items() if key != name}


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda t: without("ground.cls_token", t), "lacks ground.cls_token; it is another architecture"),
        (lambda t: {**t, "extra": torch.zeros(1)}, "holds extra, which the model does not have"),
        (
            lambda t: {**t, "ground.cls_token": torch.zeros(1, 1, 32)},
            r"holds ground.cls_token of shape \(1, 1, 32\), but the model needs \(1, 1, 64\)",
        ),
        (
            lambda t: {name: tensor.to(torch.bfloat16) for name, tensor in t.items()},
            "stores BF16; F32, F16 or I8 was expected",
        ),
        (
            lambda t: {**t, "ground.cls_token": torch.ones(1, 1, 64)},
            "is not the file that tiny.json describes",
        ),
    ],
    ids=["missing", "unexpected", "misshapen", "other type", "altered"],
)
def test_weights_that_disagree_with_their_card_are_refused(
    saved: Path, spoil: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]], sentence: str
) -> None:
    weights = saved / "tiny.safetensors"
    save_file(spoil(load_file(weights)), weights)
    refused(sentence, lambda: load_encoder(saved))


def test_truncated_weights_are_refused(saved: Path) -> None:
    weights = saved / "tiny.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    refused("tiny.safetensors is cut short or damaged", lambda: load_encoder(saved))


def test_a_card_for_another_size_is_refused(saved: Path) -> None:
    card = json.loads((saved / "tiny.json").read_text())
    card["model"]["ground_size_px"] = [128, 512]
    (saved / "tiny.json").write_text(json.dumps(card))
    refused(
        r"ground.positional_embedding of shape \(1, 65, 64\), but the model needs \(1, 257, 64\)",
        lambda: load_encoder(saved),
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "The card tiny.json is not JSON"),
        ("[]", "The card tiny.json is not valid"),
        ('{"name": "tiny", "wings": 2}', "There is no setting 'CheckpointCard.wings'"),
        (json.dumps({**CARD.to_dict(), "name": "other"}), "names 'other'; file and name must agree"),
    ],
)
def test_a_spoilt_card_is_refused(saved: Path, text: str, sentence: str) -> None:
    (saved / "tiny.json").write_text(text)
    refused(sentence, lambda: load_encoder(saved))


def test_half_a_checkpoint_is_refused(saved: Path) -> None:
    (saved / "tiny.safetensors").unlink()
    refused("tiny.json has no weights beside it", lambda: load_encoder(saved / "tiny.json"))
    refused("should hold one checkpoint .* found none", lambda: load_encoder(saved))
    refused("There is no card", lambda: load_encoder(saved / "nothing.safetensors"))


def test_an_unknown_name_lists_the_known_ones(
    saved: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(assets, "ASSETS", tmp_path)
    saved.rename(tmp_path / "checkpoints")
    refused("There is no checkpoint 'huge'; there is tiny, or give a path", lambda: load_encoder("huge"))
    refused("There is no checkpoint '../tiny'", lambda: load_encoder("../tiny"))


def test_the_authors_file_has_to_be_imported_first() -> None:
    refused("l2ltr checkpoint import", lambda: load_encoder(GOLDEN / "plain_vit.pth"))


def test_a_name_that_is_not_a_file_name_is_refused(network: L2LTR, tmp_path: Path) -> None:
    refused("cannot be a file name", lambda: save_checkpoint(network, replace(CARD, name="a/b"), tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_card_of_another_architecture_is_not_saved(network: L2LTR, tmp_path: Path) -> None:
    card = replace(CARD, model=replace(TINY, attention="self"))
    refused("describes another architecture", lambda: save_checkpoint(network, card, tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_weights_that_overflow_half_precision_are_not_saved(tmp_path: Path) -> None:
    network = L2LTR(TINY)
    torch.nn.init.constant_(network.aerial.cls_token, 1e6)
    refused(
        "aerial.cls_token with values that are not finite",
        lambda: save_checkpoint(network, CARD, tmp_path, dtype=torch.float16),
    )
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_checkpoint_as_it_was(
    network: L2LTR, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    monkeypatch.setattr("l2ltr_core.checkpoints.store.save_file", full)
    refused("cannot be written .* No space left", lambda: save_checkpoint(L2LTR(TINY), CARD, saved))
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before


# ---------------------------------------------------------------- the authors' form


def golden(name: str) -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN / f"{name}.npz"))


@pytest.mark.parametrize(("name", "config"), [("plain_vit", TINY), ("hybrid_polar", HYBRID)])
def test_an_imported_checkpoint_gives_the_golden_numbers_through_the_public_encoder(
    name: str, config: ModelConfig, tmp_path: Path
) -> None:
    inferred = infer_authors_config(GOLDEN / f"{name}.pth", heads=4, **SIZES)
    assert replace(inferred, stem_stages=config.stem_stages, stem_width=config.stem_width) == config
    import_authors(GOLDEN / f"{name}.pth", inferred, VIEW, tmp_path, name)
    encoder, numbers = load_encoder(tmp_path, device="cpu"), golden(name)
    ground = encoder.encode_ground(numbers["ground_image"], prepared=True)
    aerial = encoder.encode_aerial(numbers["aerial_image"], prepared=True)
    np.testing.assert_allclose(ground, numbers["ground_embedding"], atol=1e-4)
    np.testing.assert_allclose(aerial, numbers["aerial_embedding"], atol=1e-4)
    for side in ("ground", "aerial"):
        for index, image in enumerate(numbers[f"{side}_image"]):
            maps = encoder.attention(image, branch=side, layers=(0, 1, 2), prepared=True)
            np.testing.assert_allclose(np.stack(maps), numbers[f"{side}_attention"][:, index], atol=1e-5)
            tokens = encoder.tokens(image, branch=side, prepared=True)
            np.testing.assert_allclose(tokens, numbers[f"{side}_tokens"][index], atol=1e-4)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from /proc")
def test_importing_takes_no_memory_for_the_optimizers_state(tmp_path: Path) -> None:
    state_mb = 96
    state = {0: {"step": torch.tensor(1.0), "exp_avg": torch.ones(state_mb, 2**18)}}
    file = tmp_path / "authors.pth"
    torch.save({**authors_content(), "optimizer": {"state": state, "param_groups": [{"lr": 1e-5}]}}, file)
    assert file.stat().st_size > state_mb * 2**20
    import_authors(file, TINY, VIEW, tmp_path, "first")  # whatever is imported on the way
    del state
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = own_peak_mb()
    import_authors(file, TINY, VIEW, tmp_path, "second")
    assert own_peak_mb() - before < state_mb / 3


def test_the_hybrid_stem_is_inferred() -> None:
    config = infer_authors_config(GOLDEN / "hybrid_polar.pth", heads=4, **SIZES)
    assert (config.stem_stages, config.stem_width) == ((1, 2, 1), 0.5)


def test_sizes_that_make_another_number_of_tokens_are_refused() -> None:
    refused(
        r"has 64 ground tokens, but 128 x 512 pixels make 256; .* \(--ground-size H W\)",
        lambda: infer_authors_config(GOLDEN / "plain_vit.pth"),
    )


def edited(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """Writes the authors' file with one thing changed."""

    def write(path: Path) -> None:
        content = authors_content()
        changed = change(content)
        torch.save(content if changed is None else changed, path)

    return write


def set_tensor(name: str, tensor: torch.Tensor) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["model_sat"].__setitem__(f"transformer.{name}", tensor)


class Bomb:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (os.environ["BOMB"],)


def cut(path: Path) -> None:
    path.write_bytes((GOLDEN / "plain_vit.pth").read_bytes()[:100_000])


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (
            edited(lambda c: c["model_sat"].__delitem__("transformer.embeddings.cls_token")),
            r"\(model_sat\) lacks transformer.embeddings.cls_token",
        ),
        (edited(set_tensor("head.weight", torch.zeros(1))), r"\(model_sat\) holds transformer.head.weight"),
        (
            edited(set_tensor("embeddings.cls_token", torch.zeros(1, 1, 32))),
            r"holds transformer.embeddings.cls_token of shape \(1, 1, 32\), but the model needs \(1, 1, 64\)",
        ),
        (
            edited(set_tensor("embeddings.cls_token", torch.full((1, 1, 64), torch.nan))),
            "aerial.cls_token with values that are not finite",
        ),
        (
            edited(set_tensor("embeddings.cls_token", torch.zeros(1, 1, 64, dtype=torch.int64))),
            "aerial.cls_token as torch.int64",
        ),
        (edited(lambda c: c.__delitem__("model_sat")), "has no 'model_sat' table of tensors"),
        (edited(lambda c: OrderedDict(c["model_grd"])), "has no 'model_grd' table of tensors"),
        (edited(lambda c: {**c, "optimizer": Bomb()}), "holds Python objects besides tensors"),
        (
            lambda path: path.write_bytes(pickle.dumps({"model_grd": Bomb()}, protocol=2)),
            "holds Python objects besides tensors",
        ),
        (
            lambda path: path.write_bytes(pickle.dumps({"model_grd": Bomb()})),
            "is not a torch file of tensors",
        ),
        (cut, "is not a torch file of tensors, or is"),
        (lambda path: path.write_bytes(b""), "is not a torch file of tensors, or is"),
        (lambda path: path.write_text("not weights"), "is not a torch file of tensors, or is"),
        (lambda path: None, "There is no file"),
    ],
    ids=[
        "missing name",
        "unexpected name",
        "wrong shape",
        "not a number",
        "whole numbers",
        "one branch",
        "bare weights",
        "pickle with code",
        "plain pickle with code",
        "newer pickle with code",
        "truncated",
        "empty",
        "text",
        "no file",
    ],
)
def test_a_bad_authors_file_is_refused_with_one_sentence_and_nothing_is_written_or_run(
    write: Callable[[Path], None], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOMB", str(tmp_path / "exploded"))
    path, out = tmp_path / "authors.pth", tmp_path / "out"
    write(path)
    refused(sentence, lambda: import_authors(path, TINY, VIEW, out, "imported"))
    assert not out.exists()
    assert not (tmp_path / "exploded").exists()


def test_a_checkpoint_of_another_architecture_is_refused(tmp_path: Path) -> None:
    config = replace(TINY, depth=4)
    refused(
        r"lacks transformer.encoder.layer.3",
        lambda: import_authors(GOLDEN / "plain_vit.pth", config, VIEW, tmp_path / "out", "x"),
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "config"), [("plain_vit", TINY), ("hybrid_polar", HYBRID)])
def test_import_and_export_go_round_bit_for_bit(name: str, config: ModelConfig, tmp_path: Path) -> None:
    import_authors(GOLDEN / f"{name}.pth", config, VIEW, tmp_path, name)
    export_authors(tmp_path / f"{name}.json", tmp_path / "out" / "again.pth")
    original = torch.load(GOLDEN / f"{name}.pth", weights_only=True)
    again = torch.load(tmp_path / "out" / "again.pth", weights_only=True)
    assert original.keys() == again.keys()
    for branch in ("model_grd", "model_sat"):
        assert original[branch].keys() == again[branch].keys()
        for key, tensor in original[branch].items():
            assert again[branch][key].dtype == tensor.dtype
            assert again[branch][key].numpy().tobytes() == tensor.numpy().tobytes(), key
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["again.pth"]


def test_an_export_to_where_nothing_can_be_written_is_refused(saved: Path) -> None:
    refused("cannot be written", lambda: export_authors(saved, saved / "tiny.json" / "authors.pth"))


# ---------------------------------------------------------------- other sizes

WIDE: dict[str, tuple[int, int]] = {"ground_size_px": (64, 256), "aerial_size_px": (128, 128)}


def test_a_grid_of_the_same_number_of_tokens_is_refused_unless_resampling_is_asked_for(saved: Path) -> None:
    refused(
        r"trained on grids of 4 x 16 \(ground\) and 4 x 16 \(aerial\) tokens, not on .* 8 x 8 \(aerial\)",
        lambda: load_encoder(saved, **WIDE),
    )
    refused("resample=True", lambda: load_network(saved, **WIDE))


def test_resampling_interpolates_the_grid_and_keeps_everything_else(network: L2LTR, saved: Path) -> None:
    wide = load_network(saved, **WIDE, resample=True)
    assert wide.config == replace(TINY, **WIDE)
    expected = resample_positions(network.aerial.positional_embedding, (4, 16), (8, 8))
    for name, tensor in network.state_dict().items():
        after = expected if name == "aerial.positional_embedding" else tensor
        assert torch.equal(wide.state_dict()[name], after), name
    assert not torch.equal(expected, network.aerial.positional_embedding)


def test_an_encoder_at_another_size_has_a_fingerprint_of_its_own_and_no_results(saved: Path) -> None:
    update_card(saved, results={"helsinki": {"recall_at_1": 0.5}}, calibration={"temperature": 0.04})
    own, wide = load_encoder(saved), load_encoder(saved, **WIDE, resample=True)
    assert wide.fingerprint == f"{own.fingerprint}_64x256_128x128"
    assert wide.card.results == wide.card.calibration == {}
    assert wide.encode_aerial(np.zeros((1, 128, 128, 3), np.uint8), prepared=True).shape == (1, 64)


def test_asking_for_the_checkpoints_own_sizes_changes_nothing(saved: Path) -> None:
    assert load_encoder(saved, **SIZES).card == load_encoder(saved, **SIZES, resample=True).card
    assert load_encoder(saved, **SIZES).card == load_card(saved)


# ---------------------------------------------------------------- Google's form


def google_arrays(network: L2LTR, side: int = 3) -> dict[str, np.ndarray]:
    """Weights in the form of Google's npz, as if the ground branch had been trained on a square grid."""
    config, arrays = network.config, {}
    for name, tensor in network.ground.state_dict().items():
        array = tensor.numpy()
        if name == "positional_embedding":
            array = np.random.default_rng(0).normal(size=(1, 1 + side * side, config.width))
        elif array.ndim == 4:
            array = array.transpose(2, 3, 1, 0)
        elif "attention.out" in name and array.ndim == 2:
            array = array.T.reshape(config.heads, -1, config.width)
        elif "attention." in name and array.ndim == 2:
            array = array.T.reshape(config.width, config.heads, -1)
        elif "attention." in name and "out" not in name:
            array = array.reshape(config.heads, -1)
        elif array.ndim == 2:
            array = array.T
        elif name.startswith("stem") and "norm" in name:
            array = array.reshape(1, 1, 1, -1)
        arrays.setdefault(google_name(name), array)
    return {**arrays, "head/kernel": np.zeros((4, 4)), "pre_logits/bias": np.zeros(4)}


@pytest.fixture(scope="module", params=[TINY, HYBRID], ids=["patch", "hybrid"])
def pretrained(request: pytest.FixtureRequest) -> L2LTR:
    torch.manual_seed(5)
    network = L2LTR(request.param)
    for parameter in network.parameters():  # so that biases and norms differ from a fresh start too
        torch.nn.init.normal_(parameter)
    for layer in network.ground.layers:
        layer.key_norm.load_state_dict(layer.attention_norm.state_dict())
    return network


def test_both_branches_start_from_googles_weights(pretrained: L2LTR, tmp_path: Path) -> None:
    np.savez(tmp_path / "google.npz", **google_arrays(pretrained))
    network = L2LTR(pretrained.config)
    initialize_from_google(network, tmp_path / "google.npz")
    for branch in (network.ground, network.aerial):
        for name, tensor in pretrained.ground.state_dict().items():
            if name != "positional_embedding":
                assert torch.equal(branch.state_dict()[name], tensor), name


def test_both_norms_of_a_layer_start_from_the_files_one(pretrained: L2LTR, tmp_path: Path) -> None:
    np.savez(tmp_path / "google.npz", **google_arrays(pretrained))
    network = L2LTR(pretrained.config)
    initialize_from_google(network, tmp_path / "google.npz")
    for layer in network.aerial.layers:
        assert torch.equal(layer.key_norm.weight, layer.attention_norm.weight)
        assert layer.key_norm.weight.abs().max() > 1


def test_googles_names_are_those_of_its_file() -> None:
    assert google_name("layers.11.attention.query.weight") == (
        "Transformer/encoderblock_11/MultiHeadDotProductAttention_1/query/kernel"
    )
    assert google_name("layers.0.mlp.contract.bias") == "Transformer/encoderblock_0/MlpBlock_3/Dense_1/bias"
    assert google_name("stem.stages.2.blocks.8.norm3.weight") == "block3/unit9/gn3/scale"
    assert google_name("stem.stages.0.blocks.0.downsample.conv.weight") == "block1/unit1/conv_proj/kernel"
    assert google_name("stem.stages.0.blocks.0.downsample.norm.bias") == "block1/unit1/gn_proj/bias"
    assert google_name("stem.root.conv.weight") == "conv_root/kernel"


def test_the_square_grid_is_resampled_bilinearly_with_its_corners_kept() -> None:
    rows, columns = torch.meshgrid(torch.arange(3.0), torch.arange(3.0), indexing="ij")
    cls = torch.full((1, 1, 2), 9.0)
    embedding = torch.cat([cls, torch.stack([rows, columns], dim=-1).reshape(1, 9, 2)], dim=1)
    resampled = resample_positions(embedding, (3, 3), (5, 2))
    assert torch.equal(resampled[:, :1], cls)
    expected_rows, expected_columns = torch.meshgrid(
        torch.linspace(0, 2, 5), torch.linspace(0, 2, 2), indexing="ij"
    )
    torch.testing.assert_close(
        resampled[0, 1:].reshape(5, 2, 2), torch.stack([expected_rows, expected_columns], dim=-1)
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda a: a.pop("cls"), "google.npz lacks cls"),
        (lambda a: a.update(extra=np.zeros(1)), "holds extra, which the network does not have"),
        (lambda a: a.update(cls=np.zeros((1, 1, 32))), r"holds cls_token of shape \(1, 1, 32\)"),
        (
            lambda a: a.update({"Transformer/posembed_input/pos_embedding": np.zeros((1, 9, 64))}),
            "a square was expected",
        ),
        (lambda a: a.update(cls=np.full((1, 1, 64), np.inf)), "values that are not finite"),
    ],
)
def test_a_bad_npz_is_refused_and_the_network_is_left_alone(
    change: Callable[[dict[str, np.ndarray]], object], sentence: str, tmp_path: Path
) -> None:
    network = L2LTR(TINY)
    arrays = google_arrays(network)
    change(arrays)
    np.savez(tmp_path / "google.npz", **arrays)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    refused(sentence, lambda: initialize_from_google(network, tmp_path / "google.npz"))
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut"])
def test_what_is_not_an_npz_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "google.npz").write_bytes(content)
    refused("is not an npz file", lambda: initialize_from_google(L2LTR(TINY), tmp_path / "google.npz"))


# ---------------------------------------------------------------- which to offer first


def test_what_was_measured_best_in_a_gallery_is_offered_first_there_and_the_default_elsewhere() -> None:
    def card(name: str, **places: object) -> CheckpointCard:
        return CheckpointCard(name, TINY, VIEW, results={"places": places} if places else {})

    default = card("world-l2ltr", dataset="helsinki", recall_at_1=0.6)
    specialist = card("helsinki-l2ltr", dataset="helsinki", recall_at_1=0.8)
    other = card("a-model")
    cards = [other, specialist, default]
    assert [each.name for each in best_first(cards, "helsinki")] == [
        "helsinki-l2ltr",
        "world-l2ltr",
        "a-model",
    ]
    assert [each.name for each in best_first(cards, "lyon")] == ["world-l2ltr", "a-model", "helsinki-l2ltr"]
