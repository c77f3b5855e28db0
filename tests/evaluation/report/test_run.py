from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from l2ltr_core.checkpoints import load_card, load_encoder, update_card
from l2ltr_core.errors import ConfigurationError
from l2ltr_core.evaluation import read_held_out
from l2ltr_core.evaluation.real import open_real_pairs
from l2ltr_core.evaluation.report import SECTIONS, spread
from tests.evaluation.report.bench import CHEAP, PHOTOS, Bench
from tests.pairs import picture, tile, write_distractors


def test_every_section_goes_into_the_card_with_what_it_belongs_to(bench: Bench) -> None:
    assert bench.write() == []
    card = load_card(bench.card)
    weighed = {"layers_weight", "real_layers_weight"}  # of columns in two parts alone
    assert list(card.results) == [name for name in SECTIONS if name not in weighed]
    for found in card.results.values():
        assert found["measured"]["checkpoint"] == card.fingerprint
        assert found["measured"]["seconds"] >= 0
    places = card.results["places"]
    assert places["queries"] == PHOTOS
    low, high = places["intervals"]["recall_within_50m"]
    assert low <= places["recall_within_50m"] <= high
    assert set(card.results["field_of_view"]) == {"photos", "360", "180", "90", "70", "measured"}
    heading = card.results["unknown_heading"]
    assert [name for name in heading if "recall_at_1" in str(heading[name])] == [
        "known",
        "searched",
        "random",
    ]
    assert 0 <= heading["searched"]["heading_right"] <= 1
    away = card.results["not_in_gallery"]
    for share in ("false_rejections_held_out", "rejected", "rejected_at_the_aim"):
        assert away[share]["photos"] == PHOTOS and 0 <= away[share]["share"] <= 1
    measured = card.results["calibration"]
    for found in (measured, measured["searched"]):
        assert {
            "validation",
            "held_out",
            "radii_held_out",
            "false_rejections",
            "surroundings_left_out",
        } <= set(found)
        assert set(found["radii_held_out"]) == {"68%", "95%"}
    assert set(card.calibration) == {"rendered", "real"}
    for heading in ("known", "searched"):
        rendered, real = (card.calibration[kind][heading] for kind in ("rendered", "real"))
        assert rendered["measured_on"] == "validation, in the gallery toyville"
        assert {"radius_temperature", "position_std_m"} <= set(rendered)
        assert real["measured_on"] == "other places (north, south)"
        assert (rendered["photos"], real["photos"]) == (PHOTOS, 10)
        assert card.results["real_calibration"][heading] == real
    assert card.calibration["rendered"]["known"]["least_excess"] == away["least_excess"]
    record = read_held_out(bench.card)
    assert record is not None and len(record.photos) == PHOTOS


def test_what_was_measured_is_not_measured_again_unless_asked_for(bench: Bench) -> None:
    bench.write(only=["layers", "places"])
    assert bench.measured == [SECTIONS["places"].title, SECTIONS["layers"].title]
    bench.write(only=["layers", "places"])
    assert len(bench.measured) == 2
    bench.write(only=["layers"], again=True)
    assert len(bench.measured) == 3


def test_an_interrupted_report_keeps_what_is_whole_and_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(SECTIONS, "paired", replace(SECTIONS["paired"], measure=_interrupted))
        with pytest.raises(KeyboardInterrupt):
            bench.write(only=CHEAP)
    assert list(load_card(bench.card).results) == ["calibration", "places"]
    bench.write(only=CHEAP)
    assert bench.measured.count(SECTIONS["places"].title) == 1
    assert set(load_card(bench.card).results) == set(CHEAP)


def _interrupted(*_: object) -> Any:
    raise KeyboardInterrupt


@pytest.mark.parametrize("changed", ["photos", "weights", "photos under each corruption"])
def test_what_belongs_to_other_data_is_measured_anew(bench: Bench, changed: str, tmp_path: Path) -> None:
    section = "corruptions" if "each" in changed else "layers"
    bench.write(only=[section])
    context = bench.context
    if changed == "photos":
        moved = replace(context.held_out, photos=context.held_out.photos[1:])  # type: ignore[type-var]
        bench.context = replace(context, held_out=moved)
    elif changed == "weights":
        stale = load_card(bench.card).results
        stale["layers"]["measured"]["checkpoint"] = "another"
        update_card(bench.card, results=stale)
    else:
        bench.context = replace(context, corrupted_photos=3)
    bench.write(only=[section])
    assert len(bench.measured) == 2


@pytest.mark.parametrize("changed", ["a tile", "whose imagery", "the calibration", "distractors", "nothing"])
def test_real_photos_are_located_anew_where_something_changed(
    bench: Bench, pairs: Path, tmp_path: Path, changed: str
) -> None:
    bench.write(only=["real"])
    settings: dict[str, Any] = {}
    if changed == "a tile":
        picture(pairs / "north" / "1_aerial.png", tile(7))
    elif changed == "whose imagery":
        settings["imagery"] = "Somebody's"
    elif changed == "distractors":
        settings["distractors"] = write_distractors(tmp_path / "others", (8, 9))
    elif changed == "the calibration":
        bench.context.encoder.card = update_card(bench.card, calibration={"real": {"known": {"offset": 0.5}}})
    bench.context = replace(bench.context, pairs=open_real_pairs(pairs, **settings))
    bench.write(only=["real"])
    assert len(bench.measured) == (1 if changed == "nothing" else 2)


def test_another_calibration_has_the_different_answers_chosen_anew(bench: Bench) -> None:
    bench.write(only=["calibration", "places", "paired"])
    chosen = load_card(bench.card).calibration["rendered"]
    other = {"rendered": {**chosen, "known": {**chosen["known"], "temperature": 0.4444}}}
    bench.context.encoder.card = update_card(bench.card, calibration=other)
    bench.write(only=["places", "paired"])
    assert bench.measured[3:] == [SECTIONS["places"].title]


def test_another_threshold_has_rejection_measured_anew(bench: Bench) -> None:
    bench.write(only=["calibration", "not_in_gallery"])
    chosen = load_card(bench.card).calibration["rendered"]
    other = {"rendered": {**chosen, "known": {**chosen["known"], "least_excess": 0.5}}}
    bench.context.encoder.card = update_card(bench.card, calibration=other)
    bench.write(only=["not_in_gallery"])
    assert bench.measured[2:] == [SECTIONS["not_in_gallery"].title]
    found = load_card(bench.card).results["not_in_gallery"]
    assert (found["least_excess"], found["rejected"]["share"]) == (0.5, 1.0)


def test_rejection_is_measured_after_the_calibration(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match="needs a calibration; measure that section first"):
        bench.write(only=["not_in_gallery"])


def test_a_checkpoint_without_columns_has_no_calibration(bench: Bench, assets: Path) -> None:
    plain = load_encoder(assets / "checkpoints" / "toy-b.json")
    bench.context = replace(bench.context, encoder=plain)
    with pytest.raises(ConfigurationError, match="toy-b has no columns; confidences are measured"):
        bench.write(only=["calibration"])


def test_a_searched_heading_is_calibrated_on_photos_that_do_not_tell_it(bench: Bench) -> None:
    context = bench.context
    told = context.calibration_samples("held_out", "searched", None)
    silent = tuple(replace(photo, heading_deg=0.0) for photo in context.held_out.queries)
    unturned: Any = SimpleNamespace(name="silent", queries=silent)
    untold = replace(context, held_out=unturned).calibration_samples("held_out", "searched", None)
    assert np.array_equal(told.excess, untold.excess)


def test_sections_without_their_data_are_named_and_left_out(bench: Bench) -> None:
    bench.context = replace(bench.context, validation=None, elsewhere=None, pairs=None)
    lacking = bench.write(only=["layers", "calibration", "elsewhere", "real"])
    assert lacking == ["calibration", "elsewhere", "real"]
    assert list(load_card(bench.card).results) == ["layers"]


def test_an_unknown_section_is_refused_with_the_known_ones(bench: Bench) -> None:
    with pytest.raises(
        ConfigurationError, match=r"no section weather; it has layers_weight, .*calibration, places, paired"
    ):
        bench.write(only=["weather"])


def test_corruptions_are_of_the_view_that_the_model_sees(bench: Bench) -> None:
    bench.write(only=["corruptions"])
    found = load_card(bench.card).results["corruptions"]
    assert len(found["recall_at_1"]) == 16
    for levels in found["recall_at_1"].values():
        assert levels[:2] == [found["clean"]["recall_at_1"]] * 2
        assert len(set(levels[2:])) == 1


def test_photos_are_spread_over_the_whole_walk() -> None:
    assert spread(range(10), 4) == [0, 3, 6, 9]
    assert spread(range(3), 5) == [0, 1, 2]
