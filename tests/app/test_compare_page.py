"""Several checkpoints' answers to one photo, and what became of held-out photos."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from l2ltr_core.checkpoints import load_encoder
from l2ltr_core.evaluation import Evaluation, write_held_out
from l2ltr_core.gallery import open_gallery
from l2ltr_core.photo import write_panorama
from tests.app import toy

PAGE = "views/compare.py"
OUTCOMES = {
    "toy-a": {"a": (1, 2.0), "b": (3, 40.0), "c": (30, 900.0), "d": (1, 12.0)},
    "toy-b": {"a": (9, 60.0), "b": (1, 4.0), "c": (20, 700.0), "d": (2, 300.0)},
}


def keep(folder: Path, name: str, dataset: str = "walk") -> Path:
    """Write a record of `OUTCOMES` beside a checkpoint's card."""
    rows = [(photo, rank, error_m) for photo, (rank, error_m) in OUTCOMES[name].items()]
    photos = pd.DataFrame(rows, columns=["photo", "rank", "error_m"])
    card = folder / "checkpoints" / f"{name}.json"
    gallery = open_gallery(folder / "galleries" / toy.GALLERY)
    return write_held_out(Evaluation({"dataset": dataset}, photos), load_encoder(card), gallery, card)


def walk(folder: Path) -> None:
    """The photos that the records are of."""
    (panoramas := folder / "datasets" / "walk" / "panoramas").mkdir(parents=True)
    for number, name in enumerate("abcd"):
        pixels = toy.panorama(10 + number, 64)
        write_panorama(panoramas / f"{name}.jpg", pixels, location=toy.CENTRE, heading_deg=90.0 * number)
    (panoramas.parent / "dataset.json").write_text(json.dumps({"imagery": "../../town.tif"}))


def table_with(app: AppTest, column: str) -> pd.DataFrame:
    (found,) = [each.value for each in app.dataframe if column in each.value]
    return found


def test_the_page_opens_with_two_checkpoints_on_the_visitors_photo(open_app: Callable[..., AppTest]) -> None:
    app = open_app(PAGE)
    assert not app.exception
    assert not app.error
    agreement = table_with(app, "rank-biased overlap")
    assert list(agreement["checkpoints"]) == ["toy-a and toy-b"]
    assert agreement["overlap@10"][0].endswith("%")
    apart = table_with(app, "tile")
    assert {"toy-a", "toy-b", "from the true position"} <= set(apart.columns)
    assert apart["tile"].str.startswith("data:image/jpeg").all()
    distance, unit = agreement["estimates apart"][0].split()
    share_the_answer = unit == "m" and float(distance) <= 25
    assert any("runners-up" in caption.value for caption in app.caption) == share_the_answer


def test_without_a_photo_the_held_out_part_is_still_shown(
    open_app: Callable[..., AppTest], mine: Path
) -> None:
    (mine / "samples" / "samples.json").unlink()
    keep(mine, "toy-a")
    app = open_app(PAGE)
    assert not app.exception
    assert app.info[0].value == "There is no photo yet."
    assert list(table_with(app, "median error")["checkpoint"]) == ["toy-a"]


def test_held_out_photos_are_shown_only_for_the_weights_and_places_they_were_measured_with(
    open_app: Callable[..., AppTest], mine: Path
) -> None:
    record = keep(mine, "toy-a")
    app = open_app(PAGE)
    assert not app.exception
    assert not app.error
    shown = table_with(app, "median error")
    assert list(shown["checkpoint"]) == ["toy-a"]
    assert shown["recall@5"][0].startswith("75.0% (")
    assert shown["median error"][0] == "26 m"
    assert any("weights in this gallery: toy-b" in each.value for each in app.caption)
    record.rename(record.with_name("toy-b.heldout.parquet"))  # another checkpoint's
    app = open_app(PAGE)
    assert not any("recall@1" in each.value for each in app.dataframe)


def test_the_difference_of_two_checkpoints_has_an_interval_and_counts_what_only_one_finds(
    open_app: Callable[..., AppTest], mine: Path
) -> None:
    for name in toy.CHECKPOINTS:
        keep(mine, name)
    app = open_app(PAGE)
    row = table_with(app, "found by the first only").iloc[0]
    assert row["checkpoints"] == "toy-a less toy-b"
    assert row["recall@1"].startswith("+25.0 (-50.0 to +")
    assert row["recall@10"] == "+0.0 (+0.0 to +0.0)"
    assert (row["found by the first only"], row["by the second only"]) == ("2", "1")
    assert any("photos of walk are not on this machine" in each.value for each in app.caption)


def test_a_case_opens_on_its_full_view_with_its_photo_and_its_checkpoint(
    open_app: Callable[..., AppTest], mine: Path
) -> None:
    walk(mine)
    for name in toy.CHECKPOINTS:
        keep(mine, name)
    app = open_app(PAGE)
    assert not app.exception
    assert app.selectbox(key="cases").value == "toy-a right, toy-b wrong"
    assert app.button(key="Localize_d_toy-a")  # d went astray farther than a, so it comes first
    app.button(key="Attention_a_toy-b").click().run()
    assert not app.exception
    assert not app.error
    assert app.title[0].value == "What does the model look at?"
    assert app.selectbox(key="checkpoint").value == "toy-b"
    assert app.query_params["sample"] in ("walk/a", ["walk/a"])


def test_a_link_opens_a_held_out_photo_and_the_cases_asked_for(
    open_app: Callable[..., AppTest], mine: Path
) -> None:
    walk(mine)
    for name in toy.CHECKPOINTS:
        keep(mine, name)
    app = open_app(PAGE, sample="walk/b", cases="toy-b right, toy-a wrong", part="7")
    assert not app.exception
    assert app.session_state["photo"].sample == "walk/b"
    assert app.button(key="Localize_b_toy-b")
    assert app.number_input(key="part").value == 1


@pytest.mark.parametrize("asked", ["walk/zebra", "nowhere/a", "../walk/a", "/etc/passwd", "walk/../../town"])
def test_a_held_out_photo_that_is_not_there_is_a_sentence(
    open_app: Callable[..., AppTest], mine: Path, asked: str
) -> None:
    walk(mine)
    app = open_app(PAGE, sample=asked)
    assert not app.exception
    assert "There is no held-out photo" in app.warning[0].value
    assert app.session_state["photo"].sample == "street-0.jpg"


def test_records_of_different_photos_are_a_sentence_and_the_rest_stays(
    open_app: Callable[..., AppTest], mine: Path
) -> None:
    keep(mine, "toy-a")
    keep(mine, "toy-b", dataset="ride")
    app = open_app(PAGE)
    assert not app.exception
    assert "measured on different photos (toy-a on walk, toy-b on ride)" in app.error[0].value
    assert len(table_with(app, "median error")) == 2


def test_a_damaged_record_is_a_sentence(open_app: Callable[..., AppTest], mine: Path) -> None:
    record = keep(mine, "toy-a")
    record.write_bytes(record.read_bytes()[:100])
    app = open_app(PAGE)
    assert not app.exception
    assert "is damaged" in app.error[0].value


def test_a_checkpoint_without_descriptors_of_these_places_is_offered_to_be_built_here(
    open_app: Callable[..., AppTest], mine: Path
) -> None:
    toy.write_checkpoint(mine / "checkpoints", "toy-new", 5, "self-cross")
    app = open_app(PAGE)
    assert "toy-new" not in app.multiselect[0].options
    assert any("--checkpoint toy-new" in each.value for each in app.code)
    (button,) = [each for each in app.button if each.label == "Build them here for toy-new"]
    button.click().run()
    assert not app.exception
    assert "toy-new" in app.multiselect[0].options


def test_up_to_four_checkpoints_stand_side_by_side(open_app: Callable[..., AppTest], mine: Path) -> None:
    gallery = mine / "galleries" / toy.GALLERY
    for seed, name in enumerate(("toy-c", "toy-d")):
        toy.write_checkpoint(mine / "checkpoints", name, 7 + seed, "self")
        toy.add_index(gallery, load_encoder(mine / "checkpoints" / f"{name}.json"))
    app = open_app(PAGE)
    app.multiselect[0].set_value(["toy-a", "toy-b", "toy-c", "toy-d"]).run()
    assert not app.exception
    assert not app.error
    assert len(table_with(app, "rank-biased overlap")) == 6
