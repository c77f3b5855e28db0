from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from l2ltr_core.training.aerial import GroundMap
from l2ltr_core.training.batches import Batch, BatchMaker
from l2ltr_core.training.config import AugmentConfig
from l2ltr_core.training.features import Features
from l2ltr_core.training.mining import FAR_M, Memory
from l2ltr_core.training.views import Views
from l2ltr_core.training.worlds import World
from tests.training.tiny_world import MODEL, PIXEL_M, STILL, VIEW_PX, blobs, tiny_config


def make_world(seed: int, count: int = 120) -> World:
    rng = np.random.default_rng(seed)
    views = rng.integers(0, 256, (count, *VIEW_PX, 3)).astype(np.uint8)
    return World(
        f"w{seed}", views, rng.uniform(25, 215, (count, 2)), (GroundMap(blobs(seed), 0, 240, PIXEL_M),)
    )


WORLDS = [make_world(0), make_world(1)]
NOTHING_SEEN = [Features(*np.zeros((2, 4, len(world), 1, 1, 1), np.float16)) for world in WORLDS]
"""For tests of which places a batch holds: no picture is prepared for them."""


def maker(
    augment: AugmentConfig = AugmentConfig(),
    hard_negatives: list | None = None,
    features: list[Features] | None = None,
    **batches: float,
) -> BatchMaker:
    config = tiny_config()
    chosen = replace(config.batches, **batches)
    return BatchMaker(WORLDS, Views(MODEL, config.view), chosen, augment, 0, 20.0, hard_negatives, features)


def spread(batch: Batch) -> np.ndarray:
    """Sorted distances in metres from the batch's median place."""
    places = WORLDS[batch.world].positions_m[batch.places]
    return np.sort(np.hypot(*(places - np.median(places, axis=0)).T))


def test_a_batch_depends_on_the_seed_and_the_step_alone() -> None:
    one, again, other = maker().make(5), maker().make(5), maker().make(6)
    assert torch.equal(one.ground, again.ground) and torch.equal(one.aerial, again.aerial)
    assert not torch.equal(one.aerial, other.aerial)


def test_the_background_prepares_the_same_batches_in_order() -> None:
    streamed = list(maker().stream(3, 8))
    assert len(streamed) == 5
    assert all(torch.equal(b.aerial, maker().make(3 + i).aerial) for i, b in enumerate(streamed))


def test_a_batch_holds_different_places_of_one_world() -> None:
    batches = [maker(features=NOTHING_SEEN).make(step) for step in range(20)]
    assert {batch.world for batch in batches} == {0, 1}
    assert all(len(set(batch.places.tolist())) == len(batch.places) == 16 for batch in batches)


def test_a_part_of_the_batch_are_neighbours() -> None:
    def near(fraction: float) -> float:
        drawn = maker(features=NOTHING_SEEN, near_fraction=fraction)
        return float(np.mean([spread(drawn.make(step))[8] for step in range(30)]))

    assert near(1.0) < 0.6 * near(0.0)


def test_places_too_near_to_tell_apart_are_no_negatives() -> None:
    batch = maker(STILL).make(0)
    places = WORLDS[batch.world].positions_m[batch.places]
    apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1)) > 20.0
    assert np.array_equal(batch.negative_mask.numpy(), apart)


def test_without_augmentation_a_view_is_only_normalised() -> None:
    batch = maker(STILL).make(0)
    view = tiny_config().view
    shown = batch.ground[3] * torch.tensor(view.std).view(3, 1, 1) + torch.tensor(view.mean).view(3, 1, 1)
    expected = WORLDS[batch.world].views[batch.places[3]]
    assert np.array_equal((shown * 255).round().permute(1, 2, 0).numpy().astype(np.uint8), expected)


def test_both_views_of_a_batch_are_mirrored_together() -> None:
    plain, mirrored = maker(STILL).make(0), maker(replace(STILL, mirror_share=1.0)).make(0)
    assert torch.allclose(mirrored.ground, plain.ground.flip(3))
    # the polar view mirrors about its column W/2 up to the half pixel that the transform adds to both axes
    about_north = plain.aerial.flip(3).roll(1, 3)
    assert (mirrored.aerial - about_north).abs().mean() < 0.25 * (mirrored.aerial - plain.aerial).abs().mean()


def test_a_batch_is_varied_on_both_sides() -> None:
    plain, varied = maker(STILL).make(0), maker().make(0)
    assert not torch.allclose(plain.ground, varied.ground, atol=0.1)
    assert not torch.allclose(plain.aerial, varied.aerial, atol=0.1)
    assert torch.isfinite(varied.ground).all() and torch.isfinite(varied.aerial).all()


def mined() -> Memory:
    """Every place of world 0 is remembered as looking like place (i + 60) % 120, and world 1 not at all."""
    hard_negatives = Memory(WORLDS, 120)
    ground = torch.eye(120)
    batch = replace(maker().make(0), world=0, places=np.arange(120), mirrored=False)
    hard_negatives.remember(batch, ground, ground.roll(60, 1), 0)
    hard_negatives.refresh()
    return hard_negatives


def test_hard_negatives_are_the_best_scored_places_that_are_far() -> None:
    tables = mined().tables
    assert tables is not None
    far = np.hypot(*(WORLDS[0].positions_m[:60] - WORLDS[0].positions_m[60:]).T) > FAR_M
    assert 0 < far.sum() < 60
    assert np.array_equal(tables[0][:60, 0] == np.arange(60) + 60, far)
    assert (tables[1] == -1).all()


def test_hard_negatives_come_into_the_batch_in_couples() -> None:
    tables = mined().tables
    assert tables is not None
    hard = maker(STILL, tables, NOTHING_SEEN, near_fraction=0.0, hard_fraction=1.0)
    couples = [
        sum(b in tables[0][a] for a, b in itertools.pairwise(batch.places.tolist()))
        for batch in (hard.make(step) for step in range(8))
        if batch.world == 0
    ]
    assert np.mean(couples) >= 4  # by chance 1


def test_a_mirrored_batch_has_a_memory_of_its_own_and_gives_no_hard_negatives() -> None:
    memory = Memory(WORLDS, 120)
    batch = replace(maker().make(0), world=0, places=np.arange(120), mirrored=True)
    memory.remember(batch, torch.eye(120), torch.eye(120), 0)
    memory.refresh()
    assert memory.tables is not None
    assert (memory.tables[0] == -1).all()
    assert len(memory.in_city_negatives(replace(batch, places=np.arange(4)), 1, 10, 20.0).ground) == 116
    assert len(memory.in_city_negatives(replace(batch, mirrored=False), 1, 10, 20.0).ground) == 0


def test_memory_negatives_are_recent_and_without_the_batch_itself_and_its_neighbours() -> None:
    memory = Memory(WORLDS, 120)
    batch = replace(maker().make(0), world=0, mirrored=False)
    rows = torch.eye(120)
    memory.remember(replace(batch, places=np.arange(60)), rows[:60], rows[:60], 1)
    memory.remember(replace(batch, places=np.arange(60, 120)), rows[60:], rows[60:], 5)
    now = replace(batch, places=np.array([60, 61]))
    recent = memory.in_city_negatives(now, 6, 3, 20.0)
    assert torch.equal(recent.aerial, rows[62:])
    apart = np.hypot(
        *(WORLDS[0].positions_m[60:62, None] - WORLDS[0].positions_m[None, 62:]).transpose(2, 0, 1)
    )
    assert np.array_equal(recent.negative_mask.numpy(), apart > 20.0)


def test_cross_city_negatives_are_recent_and_drawn_anew_at_each_step() -> None:
    memory = Memory(WORLDS, 120)
    batch = replace(maker().make(0), world=0, mirrored=False)
    rows = torch.eye(120)
    memory.remember(replace(batch, places=np.arange(120)), rows, rows, 5)
    abroad = replace(batch, world=1)
    memory.remember(replace(abroad, places=np.arange(40)), rows[:40], rows[:40], 1)
    memory.remember(replace(abroad, places=np.arange(40, 60)), rows[40:60], rows[60:80], 5)
    everything = memory.cross_city_negatives(batch, 6, 3, 1000)
    assert torch.equal(everything.ground, rows[40:60]) and torch.equal(everything.aerial, rows[60:80])
    assert everything.negative_mask.shape == (len(batch.places), 20) and everything.negative_mask.all()
    some, later = memory.cross_city_negatives(batch, 6, 3, 8), memory.cross_city_negatives(batch, 7, 3, 8)
    assert len(some.ground) == 8 and torch.equal(
        some.ground, memory.cross_city_negatives(batch, 6, 3, 8).ground
    )
    assert not torch.equal(some.ground, later.ground)
    assert len(memory.cross_city_negatives(batch, 90, 3, 8).ground) == 0


def test_the_cross_batch_memory_survives_a_restart() -> None:
    first, second = mined(), Memory(WORLDS, 120)
    second.load_state_dict(first.state_dict())
    assert first.tables is not None and second.tables is not None
    assert all(np.array_equal(a, b) for a, b in zip(first.tables, second.tables, strict=True))
    with pytest.raises(ValueError, match="other worlds"):
        Memory(WORLDS[:1], 120).load_state_dict(first.state_dict())
