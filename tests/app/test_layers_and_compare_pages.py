"""Several checkpoints at once: their layers, and their answers to one photo."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import explain, figures, words
from tests.app import toy


def test_the_layers_page_opens_with_both_kinds_of_attention(open_app: Callable[..., AppTest]) -> None:
    app = open_app("views/layers.py")
    assert not app.exception
    assert app.multiselect[0].value == list(toy.CHECKPOINTS)
    app.segmented_control(key="layers_set").set_value("samples").run()
    assert not app.exception
    assert not app.error


def test_the_compare_page_opens_with_two_checkpoints_on_the_visitors_photo(
    open_app: Callable[..., AppTest],
) -> None:
    app = open_app("views/compare.py")
    assert not app.exception
    assert not app.error
    agreement = app.dataframe[0].value
    assert list(agreement["checkpoints"]) == ["toy-a and toy-b"]


def test_no_checkpoint_chosen_is_a_sentence(open_app: Callable[..., AppTest]) -> None:
    for page in ("views/compare.py", "views/layers.py"):
        app = open_app(page)
        app.multiselect[0].set_value([]).run()
        assert not app.exception
        assert app.info[0].value == "Choose at least one checkpoint."


def test_the_photo_stays_when_moving_between_pages(open_app: Callable[..., AppTest]) -> None:
    app = open_app()
    app.button(key="sample_1").click().run()
    for page in ("attention", "layers", "compare", "positional_embeddings", "galleries", "localize"):
        app.switch_page(f"views/{page}.py").run()
        assert not app.exception
        assert app.query_params["sample"] == "street-1.jpg"


def test_the_same_ranking_overlaps_fully_and_another_not_at_all() -> None:
    assert explain.rank_biased_overlap([1, 2, 3], [1, 2, 3]) == pytest.approx(1)
    assert explain.rank_biased_overlap([1, 2, 3], [4, 5, 6]) == 0


def test_agreement_on_the_first_rank_counts_most() -> None:
    top = explain.rank_biased_overlap([1, 2, 3], [1, 8, 9])
    bottom = explain.rank_biased_overlap([1, 2, 3], [8, 9, 3])
    assert top > bottom > 0


def test_a_line_joins_only_places_that_both_lists_hold() -> None:
    figure = figures.rank_moves({"a": [5, 6, 7], "b": [7, 8, 9]})
    joins = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
    assert [list(line.get_ydata()) for line in joins] == [[2, 0]]


def test_layer_lines_carry_the_numbers_and_the_names() -> None:
    figure = figures.layer_lines({"x": np.array([0.5, 0.7])}, "cosine")
    (line,) = figure.axes[0].lines
    assert list(line.get_xdata()) == [1, 2]
    assert list(line.get_ydata()) == [0.5, 0.7]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["x"]


@pytest.mark.parametrize(("distance", "said"), [(7.4, "7 m"), (999, "999 m"), (1234, "1.2 km")])
def test_distances_are_said_in_metres_or_kilometres(distance: float, said: str) -> None:
    assert words.metres(distance) == said


def test_more_confidence_never_sounds_like_less() -> None:
    said = [words.confidence(value)[0] for value in np.linspace(0, 1, 101)]
    assert [key for key, _ in itertools.groupby(said)] == list(dict.fromkeys(said))
    assert said[0].startswith("Not sure")
    assert said[-1].startswith("Found")
