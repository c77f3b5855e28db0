from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from l2ltr_core.training.losses import MemoryNegatives, info_nce, soft_margin_triplet

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "retrieval.npz")


def unit_rows(seed: int, count: int = 6) -> torch.Tensor:
    return F.normalize(torch.randn(count, 8, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_the_triplet_loss_gives_the_authors_number() -> None:
    ground, aerial = (torch.from_numpy(GOLDEN[name][:32]) for name in ("ground", "aerial"))
    loss = soft_margin_triplet(ground, aerial, alpha=10.0)
    assert float(loss) == pytest.approx(float(GOLDEN["triplet_loss_first_32_alpha_10"]), abs=1e-6)


def test_info_nce_of_a_batch_without_any_signal_is_the_logarithm_of_its_size() -> None:
    same = F.normalize(torch.ones(6, 8), dim=1)
    assert float(info_nce(same, same, 0.07)) == pytest.approx(np.log(6), abs=1e-5)


def test_info_nce_picks_among_the_kept_negatives_only() -> None:
    ground, aerial = unit_rows(0), unit_rows(1)
    negative_mask = torch.rand(6, 6, generator=torch.Generator().manual_seed(2)) < 0.5
    scores = ground @ aerial.t() / 0.07
    losses = []
    for i in range(6):
        for table, keep in ((scores, negative_mask), (scores.t(), negative_mask.t())):
            rivals = [float(table[i, j]) for j in range(6) if j == i or keep[i, j]]
            losses.append(np.logaddexp.reduce(rivals) - float(table[i, i]))
    assert float(info_nce(ground, aerial, 0.07, negative_mask)) == pytest.approx(np.mean(losses), abs=1e-5)


def test_the_triplet_loss_averages_over_the_kept_negatives_only() -> None:
    ground, aerial = unit_rows(0), unit_rows(1)
    negative_mask = torch.rand(6, 6, generator=torch.Generator().manual_seed(2)) < 0.5
    distance = 2 - 2 * (ground @ aerial.t()).numpy()
    pairs = [(i, j) for i in range(6) for j in range(6) if i != j and negative_mask[i, j]]
    by_ground = np.mean([np.log1p(np.exp(10 * (distance[i, i] - distance[i, j]))) for i, j in pairs])
    by_aerial = np.mean([np.log1p(np.exp(10 * (distance[j, j] - distance[i, j]))) for i, j in pairs])
    expected = (by_ground + by_aerial) / 2 + 6 * np.log(2) / len(pairs)
    assert float(soft_margin_triplet(ground, aerial, 10.0, negative_mask)) == pytest.approx(
        expected, abs=1e-5
    )


def test_a_batch_without_negatives_teaches_nothing() -> None:
    none = torch.zeros(6, 6, dtype=torch.bool)
    ground = unit_rows(0).requires_grad_()
    for loss in (
        info_nce(ground, unit_rows(1), 0.07, none),
        soft_margin_triplet(ground, unit_rows(1), 10.0, none),
    ):
        assert torch.autograd.grad(loss, ground)[0].abs().max() == 0


def test_the_diagonal_is_a_pair_even_where_it_is_not_kept() -> None:
    ground, aerial = unit_rows(0), unit_rows(1)
    off = ~torch.eye(6, dtype=torch.bool)
    assert torch.equal(info_nce(ground, aerial, 0.07, off), info_nce(ground, aerial, 0.07))


def test_what_earlier_batches_left_is_more_of_the_same_negatives() -> None:
    ground, aerial = unit_rows(0, 10), unit_rows(1, 10)
    whole_kept = torch.rand(10, 10, generator=torch.Generator().manual_seed(2)) < 0.7
    left = MemoryNegatives(ground[6:], aerial[6:], whole_kept[:6, 6:])
    whole_kept[6:, :6] = whole_kept[:6, 6:].t()  # the memory is masked alike in both directions
    scores = ground @ aerial.t() / 0.07
    allowed = whole_kept | torch.eye(10, dtype=torch.bool)
    expected = []
    for table in (scores.masked_fill(~allowed, -torch.inf), scores.masked_fill(~allowed, -torch.inf).t()):
        expected.append(F.cross_entropy(table[:6], torch.arange(6)))
    loss = info_nce(ground[:6], aerial[:6], 0.07, whole_kept[:6, :6], left)
    assert float(loss) == pytest.approx(float(sum(expected) / 2), abs=1e-5)
