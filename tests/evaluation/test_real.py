from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from l2ltr_core.errors import DatasetError
from l2ltr_core.evaluation.real import calibrate_real, measure_real, open_real_pairs, turned
from l2ltr_core.geometry.panorama import align
from l2ltr_core.localization.ranking import SEARCHED_HEADINGS
from l2ltr_core.types import Panorama
from tests.pairs import photo, picture, tile, write_distractors, write_pairs
from tests.town import CHIP_M, ColourEncoder, DirectionEncoder

SEEDS = (1, 2, 3, 4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pairs of tiles as wide as the encoder's squares; every photo is its tile, turned by 90 degrees."""
    return write_pairs(tmp_path / "pairs", {"town": SEEDS})


def measured(folder: Path, encoder: ColourEncoder | None = None, **settings: Any) -> dict[str, Any]:
    return measure_real(open_real_pairs(folder, **settings), encoder or ColourEncoder())


def told(**known: Any) -> DirectionEncoder:
    """An encoder that was measured on real imagery with the heading known."""
    return DirectionEncoder(calibration={"real": {"known": known}})


@pytest.mark.parametrize("encoder", [ColourEncoder(), DirectionEncoder()])
def test_photos_that_are_their_tiles_are_all_found(folder: Path, encoder: ColourEncoder) -> None:
    found = measured(folder, encoder)
    assert (found["pairs"], found["sets"], found["distractors"]) == (4, {"town": 4}, 0)
    pooled = found["own_set"]["pooled"]
    for heading in ("known", "searched"):
        assert pooled[heading]["recall_at_1"] == pooled[heading]["mean_percentile"] == 1.0
    assert pooled["searched"]["heading_right"]["share"] == 1.0
    assert found["own_set"]["by_set"] == {"town": pooled}


def test_photos_of_other_places_are_not_found(folder: Path) -> None:
    for mine, shown in ((1, 2), (2, 1), (3, 3), (4, 4)):
        picture(folder / "town" / f"{mine}_ground.png", photo(shown, 90.0))
    known = measured(folder)["own_set"]["pooled"]["known"]
    assert (known["recall_at_1"], known["recall_at_5"]) == (0.5, 1.0)
    assert known["intervals"]["recall_at_1"] == pytest.approx((0.15, 0.85), abs=0.005)
    low, high = known["intervals"]["mean_percentile"]
    assert low < known["mean_percentile"] < high


def test_tiles_that_cannot_be_told_apart_count_against_the_checkpoint(folder: Path) -> None:
    for seed in SEEDS:
        picture(folder / "town" / f"{seed}_aerial.png", tile(0))
    known = measured(folder)["own_set"]["pooled"]["known"]
    assert (known["recall_at_1"], known["recall_at_5"], known["mean_percentile"]) == (0.0, 1.0, 0.0)


def test_a_photo_that_is_said_to_look_elsewhere_has_its_heading_found(folder: Path) -> None:
    for seed in SEEDS:
        picture(folder / "town" / f"{seed}_ground.png", photo(seed, 0.0))
    searched = measured(folder)["own_set"]["pooled"]["searched"]
    assert searched["recall_at_1"] == 1.0
    assert searched["heading_right"]["share"] == 0.0


def test_a_wide_tile_is_compared_by_its_middle(folder: Path) -> None:
    for seed in SEEDS:
        framed = np.zeros((128, 128, 3), np.uint8)
        framed[32:96, 32:96] = tile(seed)
        picture(folder / "town" / f"{seed}_aerial.png", framed)
    table = folder / "pairs.csv"
    table.write_text(table.read_text().replace(",32,", f",{2 * CHIP_M:g},"))
    [town] = open_real_pairs(folder).sets
    assert np.array_equal(town.aerial(0, CHIP_M), tile(1))
    pooled = measured(folder, told(temperature=0.1))["own_set"]["pooled"]
    plain = write_pairs(folder.with_name("plain"), {"town": SEEDS})
    as_plain = measured(plain, told(temperature=0.1))["own_set"]["pooled"]
    assert pooled["known"]["recall_at_1"] == 1.0
    assert pooled["confidence"]["mean_told"] == as_plain["confidence"]["mean_told"]


def test_all_sets_and_distractors_make_one_gallery(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / "pairs", {"town": (1, 2), "village": (3, 4, 5)})
    others = write_distractors(tmp_path / "others", (1, 8, 9))
    found = measured(folder, distractors=others)
    assert (found["distractors"], found["together"]["tiles"]) == (3, 8)
    assert found["own_set"]["pooled"]["known"]["recall_at_1"] == 1.0
    in_all = found["together"]
    assert in_all["pooled"]["known"]["recall_at_1"] == 0.8  # one distractor is the first photo's tile
    assert {name: each["known"]["recall_at_1"] for name, each in in_all["by_set"].items()} == {
        "town": 0.5,
        "village": 1.0,
    }


def test_one_set_alone_has_no_larger_gallery(folder: Path) -> None:
    assert measured(folder)["together"] is None


def test_each_picture_is_encoded_once(folder: Path) -> None:
    others = write_distractors(folder.with_name("others"), (8, 9))
    for encoder, views in ((ColourEncoder(), SEARCHED_HEADINGS), (DirectionEncoder(), 2)):  # of each photo
        measured(folder, encoder, distractors=others)
        fewest = len(SEEDS) + 2 + len(SEEDS) * views
        assert fewest <= encoder.encoded <= fewest + len(SEEDS)  # turned photos may miss the known view


def test_wrong_answers_with_a_high_confidence_are_counted(folder: Path) -> None:
    for mine, shown in ((1, 2), (2, 1)):
        picture(folder / "town" / f"{mine}_ground.png", photo(shown, 90.0))
    found = measured(folder, told(temperature=1e-3))["own_set"]["pooled"]["confidence"]
    assert (found["photos"], found["came_true"]) == (4, 0.5)
    assert found["mean_told"] > 0.99
    assert (found["wrong_yet_sure"]["photos"], found["wrong_yet_sure"]["share"]) == (2, 1.0)
    found = measured(folder, told(temperature=10.0))["own_set"]["pooled"]["confidence"]
    assert found["wrong_yet_sure"]["share"] == 0.0


def test_photos_without_their_tile_are_rejected_where_that_can_be_told(folder: Path) -> None:
    pooled = measured(folder, told(temperature=0.1, least_excess=0.2))["own_set"]["pooled"]
    assert (pooled["false_rejections"]["share"], pooled["rejected_without_tile"]["share"]) == (0.0, 1.0)
    low, high = pooled["rejected_without_tile"]["interval"]
    assert (low, high) == pytest.approx((0.51, 1.0), abs=0.005)
    pooled = measured(folder)["own_set"]["pooled"]
    assert pooled["false_rejections"] == pooled["rejected_without_tile"] == {"photos": 0}


def test_a_checkpoint_that_was_never_measured_tells_no_confidence(folder: Path) -> None:
    pooled = measured(folder, DirectionEncoder())["own_set"]["pooled"]
    assert pooled["confidence"] == {"photos": 0}
    assert pooled["known"]["recall_at_1"] == 1.0


def test_real_photos_choose_a_calibration_for_each_way_of_knowing_the_heading(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / "pairs", {"town": range(1, 7), "village": range(11, 16)})
    done: list[tuple[int, int]] = []
    pairs = open_real_pairs(folder)
    chosen = calibrate_real(pairs, DirectionEncoder(), lambda *step: done.append(step))
    assert set(chosen) == {"known", "searched"}
    for calibration in chosen.values():
        assert calibration.photos == 11  # each located twice: in its own set and among all
        assert calibration.measured_on == "other places (town, village)"
        assert calibration.ceiling < 0.8  # 11 photos support no more
        assert calibration.least_excess is not None and calibration.least_excess > 0
        assert calibration.radius_temperature is None
    assert done == [(1, 2), (2, 2)]


def test_a_searched_heading_is_calibrated_without_being_told(tmp_path: Path) -> None:
    seeds = range(1, 11)
    chosen = []
    for name, said_deg in (("south", "180.0"), ("east", "90.0")):
        folder = write_pairs(tmp_path / name, {"town": seeds}, 0.0)
        table = folder / "pairs.csv"
        table.write_text(table.read_text().replace(",0.0", f",{said_deg}"))
        chosen.append(calibrate_real(open_real_pairs(folder), DirectionEncoder()))
    assert chosen[0]["searched"] == chosen[1]["searched"]
    assert chosen[0]["known"] != chosen[1]["known"]


def test_fewer_than_10_real_photos_choose_nothing(folder: Path) -> None:
    with pytest.raises(DatasetError, match="give at least 20"):
        calibrate_real(open_real_pairs(folder), DirectionEncoder())


@pytest.mark.parametrize(
    ("given", "imagery"),
    [(None, "The town's own"), ("Somebody's,\n for research", "Somebody's, for research")],
)
def test_whose_imagery_it_was_goes_with_the_numbers(folder: Path, given: str | None, imagery: str) -> None:
    (folder / "SOURCES.txt").write_text("The town's own\n")
    assert measured(folder, imagery=given)["imagery"] == imagery


def test_a_set_of_a_single_tile_is_refused(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path, {"town": (1, 2), "lonely": (3,)})
    with pytest.raises(DatasetError, match=r"The set lonely in .* has a single tile"):
        open_real_pairs(folder)


def test_progress_counts_photos(folder: Path) -> None:
    done: list[tuple[int, int]] = []
    measure_real(open_real_pairs(folder), ColourEncoder(), lambda *step: done.append(step))
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_importing_it_does_not_wait_for_the_model() -> None:
    code = "import sys, l2ltr_core.evaluation.real; print(sorted({'torch', 'timm', 'geopandas'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_a_photo_that_is_turned_for_the_search_shows_the_same_under_its_new_heading() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (64, 128, 3), dtype=np.uint8)
    before = Panorama(pixels, heading_deg=90.0)
    after = turned(before)
    assert after.heading_deg is not None and not np.array_equal(after.pixels, before.pixels)
    np.testing.assert_array_equal(align(after, after.heading_deg).pixels, align(before, 90.0).pixels)
