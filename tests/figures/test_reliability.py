"""What the reliability diagram draws."""

from __future__ import annotations

import pytest

from l2ltr_core import figures


def test_accuracy_stands_against_confidence_in_percent_and_dots_are_as_large_as_their_bins() -> None:
    bins = {"validation": [[0.1, 0.2, 30], [0.9, 0.8, 60]], "held out": [[0.5, 0.5, 7]]}
    axes = figures.reliability_diagram(bins, "toy").axes[0]
    diagonal, first, second = axes.lines
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == [0, 100]
    assert list(first.get_xdata()) == [10, 90] and list(first.get_ydata()) == [20, 80]
    assert list(second.get_xdata()) == [50]
    small, large = axes.collections[0].get_sizes()
    assert large == pytest.approx(2 * small)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["validation, 90 photos", "held out, 7 photos"]
