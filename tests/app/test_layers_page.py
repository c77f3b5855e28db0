"""Several checkpoints at once: their layers, and their answers to one photo."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import state, words
from l2ltr_core.localization import FOUND, verdict_on
from tests.app import toy


def test_the_layers_page_opens_with_both_kinds_of_attention(open_app: Callable[..., AppTest]) -> None:
    app = open_app("views/layers.py")
    assert not app.exception
    assert app.multiselect[0].value == list(toy.CHECKPOINTS)
    app.segmented_control(key="tokens").set_value("all samples").run()
    app.segmented_control(key="measure").set_value("CKA").run()
    assert not app.exception
    assert not app.error
    means = app.dataframe[0].value
    assert list(means["checkpoint"]) == ["toy-a (self-cross)", "toy-b (self)"]
    assert means["mean CKA"].between(0, 1).all()


def test_a_link_restores_what_the_layers_page_compares(open_app: Callable[..., AppTest]) -> None:
    app = open_app("views/layers.py", checkpoints="toy-b", tokens="all samples", measure="CKA")
    assert not app.exception
    assert app.multiselect[0].value == ["toy-b"]
    assert app.segmented_control(key="tokens").value == "all samples"
    assert app.segmented_control(key="measure").value == "CKA"


def test_the_layers_need_no_places_of_a_gallery(open_app: Callable[..., AppTest], mine: Path) -> None:
    toy.write_checkpoint(mine / "checkpoints", "toy-new", 5, "self-cross")
    app = open_app("views/layers.py", checkpoint="toy-new")
    assert not app.exception
    assert not app.error
    assert app.multiselect[0].value[0] == "toy-new"


@pytest.mark.parametrize("page", ["views/layers.py", "views/compare.py"])
def test_a_photo_that_has_left_the_memory_is_a_sentence_and_a_way_on(
    open_app: Callable[..., AppTest], page: str
) -> None:
    app = open_app(page)
    app.session_state["photo"] = state.Photo("gone", "mine.jpg")
    app.run()
    assert not app.exception
    assert app.warning[0].value == "The photo 'mine.jpg' is no longer in memory; upload it again."
    assert any(
        each.proto.page.endswith("localize") or "Localize" in each.proto.label
        for each in app.get("page_link")
    )


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


@pytest.mark.parametrize(("distance", "said"), [(7.4, "7 m"), (999, "999 m"), (1234, "1.2 km")])
def test_distances_are_said_in_metres_or_kilometres(distance: float, said: str) -> None:
    assert words.metres(distance) == said


def test_more_confidence_never_sounds_like_less() -> None:
    said = [words.HEADLINES[verdict_on(float(value))][0] for value in np.linspace(0, 1, 101)]
    assert [key for key, _ in itertools.groupby(said)] == list(dict.fromkeys(said))
    assert said[0].startswith("Not sure")
    assert said[-1].startswith("Found")


def test_only_the_cores_word_for_it_is_told_as_found() -> None:
    found = [verdict for verdict, (words_, _) in words.HEADLINES.items() if words_.startswith("Found")]
    assert tuple(found) == FOUND


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (words.Answer("almost certain", 0.98, 6.0), "6 m off · 98% sure"),
        (words.Answer("possible", 0.4), "40% sure"),
        (words.Answer("almost certain", 0.9999), ">99% sure"),
        (words.Answer("not measured", None), "certainty not measured"),
        (words.Answer("not here", 0.9, 600.0), "600 m off · probably not here"),
    ],
)
def test_an_answer_is_told_with_a_percentage_only_where_one_was_measured(
    answer: words.Answer, told: str
) -> None:
    assert answer.summary == told
