from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from l2ltr_core.checkpoints import load_card
from l2ltr_core.evaluation import read_held_out
from l2ltr_core.evaluation.tables import NOT_MEASURED, report_tables
from tests.evaluation.report.bench import PHOTOS, Bench


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
