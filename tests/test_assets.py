"""What ships with the product is whole, small enough, and measures as its cards say."""

from __future__ import annotations

import json

import numpy as np
import pytest

import l2ltr_core as l2
from citysim.cities import load_city
from l2ltr_core.assets import ASSETS, DEFAULT_CHECKPOINT
from l2ltr_core.photo import load_panorama

CARDS = l2.list_checkpoints()
MOST_BYTES = 60e6
"""The held-out photos are 17 MB of it, indexes and columns 17 MB, two checkpoints 14 MB, samples and walks 8 MB."""
MOST_BYTES_OF_A_FILE = 10e6
"""Larger ones are refused by Hugging Face as plain files."""


def test_all_assets_together_are_small_enough_to_clone() -> None:
    shipped = [path for path in ASSETS.rglob("*") if path.is_file() and ".converted" not in path.parts]
    assert sum(path.stat().st_size for path in shipped) < MOST_BYTES
    assert len([path for path in shipped if path.suffix == ".safetensors"]) == len(CARDS)
    assert max(path.stat().st_size for path in shipped) < MOST_BYTES_OF_A_FILE


def test_the_gallery_is_whole_and_every_shipped_checkpoint_can_search_it() -> None:
    assert l2.verify_gallery(ASSETS / "galleries" / "helsinki") == []
    gallery = l2.open_gallery("helsinki")
    assert gallery.simulated
    assert len(gallery.places) > 8000
    assert CARDS[0].name == DEFAULT_CHECKPOINT
    for card in CARDS:
        assert gallery.has_index(l2.load_encoder(card.name))


def test_every_sample_is_a_whole_panorama_that_says_where_and_which_way() -> None:
    listed = json.loads((ASSETS / "samples" / "samples.json").read_text())
    assert 12 <= len(listed) <= 24
    for sample in listed:
        panorama = load_panorama(ASSETS / "samples" / sample["file"])
        assert panorama.pixels.shape == (1024, 2048, 3)
        assert panorama.location is not None and panorama.heading_deg is not None
        assert panorama.notes == ()


def test_held_out_photos_lie_at_least_a_chip_east_of_everything_that_was_learned_from() -> None:
    city, _ = load_city("helsinki")
    learned, _ = load_city("helsinki", "train")
    queries = l2.open_dataset("helsinki").queries
    places = np.array([(q.location.longitude, q.location.latitude) for q in queries if q.location])
    east_m = city.frame.to_xy(places)[:, 0]
    assert len(places) == len(queries) == 900
    position_error_m = 3.0
    assert east_m.min() - (learned.width_m - 40) > 80 - position_error_m  # cameras stand 40 m inside


@pytest.mark.parametrize("protocol", ["places", "paired"])
def test_the_card_says_what_the_program_measures(protocol: str) -> None:
    encoder = l2.load_encoder(DEFAULT_CHECKPOINT)
    said = encoder.card.results[protocol]
    measured = l2.evaluate(l2.open_dataset("helsinki"), encoder, protocol=protocol)
    for name in ("queries", "gallery_size"):
        assert measured[name] == said[name]
    for name in ("recall_at_1", "recall_at_5", "recall_at_10", "recall_within_25m"):
        assert measured[name] == pytest.approx(said[name], abs=0.005)  # another processor rounds otherwise


def test_what_is_told_of_real_photos_was_measured_and_whose_they_are_is_said() -> None:
    for card in CARDS:
        real = card.results["real"]
        assert real["imagery"] and real["pairs"] == real["own_set"]["pooled"]["photos"]
        assert set(card.calibration["real"]) == set(card.calibration["rendered"]) == {"known", "searched"}


def test_checkpoints_on_stems_of_others_carry_their_licence_and_notice() -> None:
    sources = (ASSETS / "SOURCES.md").read_text(encoding="utf-8")
    for card in CARDS:
        if card.model.stem == "timm":
            assert card.licence == "Apache-2.0"
            assert "EfficientNet-Lite2" in card.description and "ImageNet" in card.description
            assert f"checkpoints/{card.name}" in sources
