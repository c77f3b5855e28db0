from __future__ import annotations

import pytest

from l2ltr_core.figures.curves import LOSSES, training_curves

LAYERS = [
    {"stage": "layers", "seconds": str(60 * minute), "loss": "2", "in_batch_recall": "0.5"}
    for minute in range(3)
]
JOINT = [
    {"stage": "joint", "seconds": str(60 * minute), "loss": "1", "contrastive": "0.5", "columns": "0.25",
     "teacher": "0.05", "in_batch_recall": "0.9"}
    for minute in range(3, 30)
]  # fmt: skip
JUDGED = [
    {"stage": "joint", "seconds": "300", "places_recall_within_25m": "0.8", "heading_blindness": "-0.1"}
]


def test_every_part_of_the_loss_is_named_and_drawn() -> None:
    losses, batch, judged = training_curves(LAYERS + JOINT, JUDGED).axes
    assert [text.get_text() for text in losses.get_legend().get_texts()] == list(LOSSES.values())
    assert batch.get_ylim()[1] >= 1
    assert len(judged.get_legend().get_texts()) == 2
    assert judged.get_ylim()[0] < -0.1  # a cosine may lie below 0


def test_what_does_not_change_is_drawn_level_to_both_ends() -> None:
    losses = training_curves(JOINT, []).axes[0]
    means = [line.get_ydata() for line in losses.lines if line.get_alpha() is None]
    assert len(means) == len(LOSSES)
    assert means[0] == pytest.approx([1] * len(JOINT))


def test_a_line_stands_where_another_stage_begins() -> None:
    with_two, with_one = (training_curves(rows, []).axes[0].lines for rows in (LAYERS + JOINT, JOINT))
    assert len(with_two) == len(with_one) + 1
    assert with_two[-1].get_xdata()[0] == 3


def test_a_run_that_has_just_begun_has_a_picture() -> None:
    assert len(training_curves([], []).axes) == 3
