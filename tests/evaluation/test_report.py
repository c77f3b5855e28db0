from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from l2ltr_core.checkpoints import load_card, load_encoder, update_card
from l2ltr_core.datasets import open_dataset
from l2ltr_core.errors import ConfigurationError
from l2ltr_core.evaluation import read_held_out
from l2ltr_core.evaluation.page import report_page, write_page
from l2ltr_core.evaluation.real import open_real_pairs
from l2ltr_core.evaluation.report import SECTIONS, Subject, spread, write_report
from l2ltr_core.evaluation.tables import NOT_MEASURED, report_tables
from l2ltr_core.gallery import open_gallery
from l2ltr_core.photo import write_panorama
from l2ltr_core.types import RGB, Location
from tests.app import toy
from tests.pairs import picture, tile, write_distractors, write_pairs

PHOTOS = 40
CHEAP = ("places", "paired", "calibration", "not_in_gallery", "layers")


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.build(tmp_path_factory.mktemp("toy") / "assets")


def walk(folder: Path, imagery: Path, seed: int) -> Path:
    """Photos in the toy town, from its south to its north."""
    (folder / "panoramas").mkdir(parents=True)
    for number in range(PHOTOS):
        place = Location(toy.CENTRE.latitude + (number - 20) * 5e-5, toy.CENTRE.longitude + number * 1e-5)
        path = folder / "panoramas" / f"{number:02}.jpg"
        write_panorama(path, toy.panorama(seed + number, 32), location=place, heading_deg=15.0 * number)
    (folder / "dataset.json").write_text(json.dumps({"imagery": str(imagery), "gallery": toy.GALLERY}))
    return folder


@dataclass
class Bench:
    """A checkpoint's copy, what to measure it on, and which sections were measured."""

    card: Path
    subject: Subject
    measured: list[str] = field(default_factory=list)

    def write(self, **settings: Any) -> list[str]:
        @contextmanager
        def note(title: str) -> Any:
            yield None
            self.measured.append(title)

        return write_report(self.subject, self.card, progress=note, **settings)


@pytest.fixture(scope="module")
def datasets(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("walks")
    roles = ("held_out", "validation", "elsewhere")
    return {
        role: open_dataset(walk(folder / role, assets / "town.tif", 100 * i)) for i, role in enumerate(roles)
    }


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A folder of real pairs, of two sets."""
    folder = write_pairs(tmp_path / "pairs", {"north": (1, 2, 3), "south": (4, 5, 6, 7, 8, 9, 10)})
    (folder / "SOURCES.txt").write_text("Pictures of the toy town.\n")
    return folder


@pytest.fixture
def bench(
    assets: Path, datasets: dict[str, Any], pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Bench:
    def inverted(pixels: RGB, name: str, level: int, seed: int) -> RGB:
        return pixels if level < 3 else 255 - pixels

    monkeypatch.setattr("l2ltr_core.evaluation.report.retrieval.corrupted", inverted)
    monkeypatch.setattr("l2ltr_core.evaluation.report.run.require_corruptions", lambda: None)
    for suffix in (".json", ".safetensors"):
        shutil.copy(assets / "checkpoints" / f"toy-a{suffix}", tmp_path)
    card = tmp_path / "toy-a.json"
    gallery, real = open_gallery(assets / "galleries" / toy.GALLERY), open_real_pairs(pairs)
    return Bench(card, Subject(load_encoder(card), gallery, **datasets, corrupted_photos=2, pairs=real))


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
    subject = bench.subject
    if changed == "photos":
        moved = replace(subject.held_out, photos=subject.held_out.photos[1:])  # type: ignore[type-var]
        bench.subject = replace(subject, held_out=moved)
    elif changed == "weights":
        stale = load_card(bench.card).results
        stale["layers"]["measured"]["checkpoint"] = "another"
        update_card(bench.card, results=stale)
    else:
        bench.subject = replace(subject, corrupted_photos=3)
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
        bench.subject.encoder.card = update_card(bench.card, calibration={"real": {"known": {"offset": 0.5}}})
    bench.subject = replace(bench.subject, pairs=open_real_pairs(pairs, **settings))
    bench.write(only=["real"])
    assert len(bench.measured) == (1 if changed == "nothing" else 2)


def test_the_table_of_real_photos_says_how_many_and_whose_they_are(bench: Bench, assets: Path) -> None:
    bench.write(only=["real"])
    card, other = load_card(bench.card), load_card(assets / "checkpoints" / "toy-b.json")
    table = {table.title: table for table in report_tables([card, other], {})}["Real photos"]
    assert table.about.startswith("10 real photos (3 of north, 7 of south), each taken in the middle")
    assert "one gallery: among 10 tiles, 0 of them without a photo." in table.about
    assert table.about.endswith("Whose imagery it was: Pictures of the toy town.")
    rows = {row[0]: row[1:] for row in table.rows}
    known = card.results["real"]["own_set"]["pooled"]["known"]
    low, high = known["intervals"]["recall_at_1"]
    told = f"{100 * known['recall_at_1']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
    assert rows["own set, heading known, recall@1"] == [told, NOT_MEASURED]
    assert rows["own set, own tile removed, rejected"] == ["cannot be told", NOT_MEASURED]
    assert rows["own set, right heading found"][0].endswith(" of 10")
    assert {"one gallery, heading searched, mean percentile", "north, heading known, recall@5"} <= set(rows)


def test_another_calibration_has_the_different_answers_chosen_anew(bench: Bench) -> None:
    bench.write(only=["calibration", "places", "paired"])
    chosen = load_card(bench.card).calibration["rendered"]
    other = {"rendered": {**chosen, "known": {**chosen["known"], "temperature": 0.4444}}}
    bench.subject.encoder.card = update_card(bench.card, calibration=other)
    bench.write(only=["places", "paired"])
    assert bench.measured[3:] == [SECTIONS["places"].title]


def test_another_threshold_has_rejection_measured_anew(bench: Bench) -> None:
    bench.write(only=["calibration", "not_in_gallery"])
    chosen = load_card(bench.card).calibration["rendered"]
    other = {"rendered": {**chosen, "known": {**chosen["known"], "least_excess": 0.5}}}
    bench.subject.encoder.card = update_card(bench.card, calibration=other)
    bench.write(only=["not_in_gallery"])
    assert bench.measured[2:] == [SECTIONS["not_in_gallery"].title]
    found = load_card(bench.card).results["not_in_gallery"]
    assert (found["least_excess"], found["rejected"]["share"]) == (0.5, 1.0)


def test_rejection_is_measured_after_the_calibration(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match="needs a calibration; measure that section first"):
        bench.write(only=["not_in_gallery"])


def test_a_checkpoint_without_columns_has_no_calibration(bench: Bench, assets: Path) -> None:
    plain = load_encoder(assets / "checkpoints" / "toy-b.json")
    bench.subject = replace(bench.subject, encoder=plain)
    with pytest.raises(ConfigurationError, match="toy-b has no columns; confidences are measured"):
        bench.write(only=["calibration"])


def test_a_searched_heading_is_judged_on_photos_that_do_not_tell_it(bench: Bench) -> None:
    subject = bench.subject
    told = subject.judged("held_out", "searched", None)
    silent = tuple(replace(photo, heading_deg=0.0) for photo in subject.held_out.queries)
    unturned: Any = SimpleNamespace(name="silent", queries=silent)
    untold = replace(subject, held_out=unturned).judged("held_out", "searched", None)
    assert np.array_equal(told.excess, untold.excess)


def test_sections_without_their_data_are_named_and_left_out(bench: Bench) -> None:
    bench.subject = replace(bench.subject, validation=None, elsewhere=None, pairs=None)
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


def test_tables_say_what_the_card_says(bench: Bench, assets: Path) -> None:
    bench.write(only=["places", "layers", "calibration"])
    card, other = load_card(bench.card), load_card(assets / "checkpoints" / "toy-b.json")
    tables = {table.title: table for table in report_tables([card, other], {})}
    assert set(tables) == {"The checkpoints", "Held-out photos", "Confidence", "Layers"}
    first = {row[0]: row[1:] for row in tables["Held-out photos"].rows}["recall@1"]
    places = card.results["places"]
    low, high = places["intervals"]["recall_at_1"]
    confidence = {row[0]: row[1] for row in tables["Confidence"].rows}
    assert len(confidence) == len(tables["Confidence"].rows) == 2 * (8 + 2 + 3)
    for heading, found in (
        ("known", card.results["calibration"]),
        ("searched", card.results["calibration"]["searched"]),
    ):
        error = found["held_out"]["error"]
        assert confidence[f"heading {heading}, held-out photos, error"].startswith(f"{100 * error:.1f} % (")
        within = found["radii_held_out"]["95%"]["share"]
        assert confidence[f"heading {heading}, held-out photos within the 95% radius"].startswith(
            f"{100 * within:.1f} % ("
        )
        assert f"heading {heading}, surroundings left out, told 90% or more" in confidence
    assert "within 25 m of the estimate" in tables["Confidence"].about
    percent: Callable[[float], str] = lambda share: f"{100 * share:.1f}"  # noqa: E731
    assert first == [f"{percent(places['recall_at_1'])} % ({percent(low)} to {percent(high)})", NOT_MEASURED]


def test_the_table_of_rejection_says_what_a_decoy_is_and_how_many_are_rejected(bench: Bench) -> None:
    bench.write(only=["calibration", "not_in_gallery", "unknown_heading"])
    card = load_card(bench.card)
    tables = {table.title: table for table in report_tables([card], {})}
    rejection = tables["Probably not in this gallery"]
    assert "A decoy is the photo with east and west exchanged" in rejection.about
    assert "all but 3% of the validation photos reach (10% of real ones)" in rejection.about
    rows, found = {row[0]: row[1] for row in rejection.rows}, card.results["not_in_gallery"]
    assert rows["threshold of the excess"] == f"{found['least_excess']:.3f}"
    share = 100 * found["rejected"]["share"]
    assert rows["photos from elsewhere rejected"].startswith(f"{share:.1f} % (")
    assert rows["photos from elsewhere rejected"].endswith(f"of {PHOTOS} of elsewhere")
    assert NOT_MEASURED not in rows.values()
    heading = tables["Unknown heading"]
    assert "each photo is encoded once" in heading.about and "at most a column (11.25°) off" in heading.about
    assert NOT_MEASURED not in {row[1] for row in heading.rows}


def test_two_kinds_of_attention_are_compared_photo_by_photo(bench: Bench, assets: Path) -> None:
    bench.write(only=["places", "layers"])
    card, other = load_card(bench.card), load_card(assets / "checkpoints" / "toy-b.json")
    other = replace(other, results={"places": {"recall_at_1": 0.5}, "layers": {"cosine": 0.9, "cka": 0.8}})
    record = read_held_out(bench.card)
    assert record is not None
    ranks = record.photos.assign(rank=np.arange(PHOTOS) % 2 + 1)
    records = {
        "toy-a": replace(record, photos=ranks.assign(rank=1)),
        "toy-b": replace(record, photos=ranks, checkpoint=other.fingerprint),
    }
    table = report_tables([card, other], records)[-1]
    assert table.head == ["", "self-cross", "self"]
    assert {row[0]: row[2] for row in table.rows}["cosine of layers, all pairs"] == "0.900"
    assert "`toy-a` finds 50.0 points more at the first guess than `toy-b`" in table.about
    turned = {"toy-a": records["toy-b"], "toy-b": records["toy-a"]}
    turned = {name: replace(each, checkpoint=records[name].checkpoint) for name, each in turned.items()}
    about = report_tables([card, other], turned)[-1].about
    assert "`toy-a` finds 50.0 points fewer at the first guess than `toy-b`" in about
    records["toy-b"] = replace(records["toy-b"], checkpoint="another")
    assert "points more" not in report_tables([card, other], records)[-1].about


def test_results_of_other_weights_are_not_shown(bench: Bench) -> None:
    bench.write(only=["layers"])
    copied = replace(load_card(bench.card), fingerprint="0123456789abcdef")
    assert [table.title for table in report_tables([copied], {})] == ["The checkpoints"]


def test_the_page_is_written_with_its_diagrams(bench: Bench, tmp_path: Path) -> None:
    bench.write(only=["calibration"])
    cards = [load_card(bench.card)]
    folder = tmp_path / "docs"
    folder.mkdir()
    write_page(folder / "checkpoints.md", cards, {})
    text = (folder / "checkpoints.md").read_text()
    assert text == report_page(cards, {})
    assert "(reliability-toy-a.png)" in text
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoints.md", "reliability-toy-a.png"]
