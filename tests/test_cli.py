from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

import l2ltr_core
from l2ltr_core import cli
from l2ltr_core.checkpoints import load_card
from l2ltr_core.evaluation import read_held_out
from l2ltr_core.localization import Localization
from l2ltr_core.photo import write_panorama
from l2ltr_core.types import Location, LocationEstimate
from tests.app import toy
from tests.pairs import write_distractors, write_pairs
from tests.photos import encoded, jpeg, pixels, position

GOLDEN = Path(__file__).parent / "golden"
HEADING_DEG = toy.HEADINGS_DEG[0]


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.build(tmp_path_factory.mktemp("toy") / "assets")


@pytest.fixture(autouse=True)
def shipped(assets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("l2ltr_core.assets.ASSETS", assets)


@pytest.fixture
def sample(assets: Path) -> str:
    return str(assets / "samples" / "street-0.jpg")


class Run:
    """One run of the command in this process: exit code and what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: object) -> None:
        capsys.readouterr()
        self.code = cli.main([str(argument) for argument in arguments])
        self.out, self.err = capsys.readouterr()


def refused(run: Run) -> str:
    """The one line that a refusal is."""
    assert run.code == 2
    assert run.out == ""
    lines = run.err.splitlines()
    assert len(lines) == 1, run.err
    assert lines[0].startswith("l2ltr: ")
    return lines[0]


def test_the_json_is_the_localization_itself(capsys: pytest.CaptureFixture[str], sample: str) -> None:
    run = Run(capsys, "localize", sample, "--gallery", toy.GALLERY, "--json")
    encoder, gallery = l2ltr_core.load_encoder("toy-a"), l2ltr_core.open_gallery(toy.GALLERY)
    result = l2ltr_core.localize(sample, encoder=encoder, gallery=gallery)
    assert run.code == 0
    assert json.loads(run.out) == {**result.to_dict(), "photo_name": Path(sample).name}
    assert json.loads(run.out)["heading_deg"] == HEADING_DEG


def test_the_module_prints_the_same_as_the_command(
    capsys: pytest.CaptureFixture[str], sample: str, assets: Path
) -> None:
    arguments = ["localize", sample, "--gallery", toy.GALLERY, "--top-k", "3", "--json"]
    process = subprocess.run(
        [sys.executable, "-m", "l2ltr_core", *arguments],
        env={**os.environ, "L2LTR_ASSETS": str(assets)},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout) == json.loads(Run(capsys, *arguments).out)


def test_a_person_reads_a_position_a_heading_and_a_ranking(
    capsys: pytest.CaptureFixture[str], sample: str
) -> None:
    run = Run(capsys, "localize", sample, "--gallery", toy.GALLERY)
    assert run.code == 0
    first, own, heading, certainty, about, *table = run.out.splitlines()
    assert first.startswith("perhaps here: 60.1") and "confidence" in first
    assert "m from the estimate" in own
    assert heading.startswith(f"heading {HEADING_DEG:.1f} degrees (exif)")
    assert certainty.startswith("certainty: Measured on 900 photos of")
    assert about == (
        "Random weights, for tests. Photo: rendered; imagery of the gallery: rendered (A town that a test drew)."
    )
    assert len(table) == 11


@pytest.mark.parametrize(
    ("estimate", "excess", "said"),
    [
        (
            LocationEstimate(60.17, 24.94, 25.0, 0.91, 7.2, 41.0), 0.1,
            "almost certainly here: 60.170000, 24.940000  68 % within 7 m, 95 % within 41 m, confidence 91% "
            "(within 25 m)",
        ),
        (
            LocationEstimate(60.17, 24.94, 25.0, 0.7), 0.1,
            "probably here: 60.170000, 24.940000  within 25 m, confidence 70% (within 25 m)",
        ),
        (
            LocationEstimate(60.17, 24.94, 25.0, 0.91), 0.0,
            "probably not taken in this gallery; the best guess: 60.170000, 24.940000",
        ),
        (
            LocationEstimate(60.17, 24.94, 25.0, None), 0.1,
            "best guess, how certain was not measured: 60.170000, 24.940000",
        ),
    ],
)  # fmt: skip
def test_the_first_line_is_the_verdict_with_a_percentage_only_where_there_is_one(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    sample: str,
    estimate: LocationEstimate,
    excess: float,
    said: str,
) -> None:
    find = l2ltr_core.localize

    def found(*photo: Any, **settings: Any) -> Localization:
        return replace(find(*photo, **settings), estimate=estimate, excess=excess, least_excess=0.05)

    monkeypatch.setattr("l2ltr_core.localization.localize", found)
    assert Run(capsys, "localize", sample, "--gallery", toy.GALLERY).out.splitlines()[0] == said


@pytest.mark.parametrize(
    ("heading", "source", "degrees"),
    [("200", "given", 200), ("-90", "given", 270), ("exif", "exif", HEADING_DEG)],
)
def test_the_heading_may_be_given(
    capsys: pytest.CaptureFixture[str], sample: str, heading: str, source: str, degrees: float
) -> None:
    run = Run(capsys, "localize", sample, "--gallery", toy.GALLERY, "--heading", heading, "--json")
    values = json.loads(run.out)
    assert (values["heading_source"], values["heading_deg"]) == (source, degrees)


def test_the_heading_may_be_searched(capsys: pytest.CaptureFixture[str], sample: str) -> None:
    values = json.loads(
        Run(capsys, "localize", sample, "--gallery", toy.GALLERY, "--heading", "search", "--json").out
    )
    assert values["heading_source"] == "search"
    assert 0 <= values["heading_deg"] < 360
    by_views = Run(
        capsys,
        "localize",
        sample,
        "--gallery",
        toy.GALLERY,
        "--checkpoint",
        "toy-b",
        "--heading",
        "search",
        "--json",
    )
    assert json.loads(by_views.out)["heading_deg"] % 11.25 == 0


def test_the_checkpoint_may_be_chosen(capsys: pytest.CaptureFixture[str], sample: str) -> None:
    run = Run(capsys, "localize", sample, "--gallery", toy.GALLERY, "--checkpoint", "toy-b", "--json")
    assert json.loads(run.out)["checkpoint"] == "toy-b"


NOTED = {
    "no heading": (jpeg(), "does not say which way"),
    "16 bits": (
        encoded(Image.fromarray(np.full((64, 128), 30000, np.uint16))),
        "16 bits",
    ),
    "cmyk": (encoded(Image.fromarray(pixels()).convert("CMYK"), "JPEG"), "CMYK"),
    "half transparent": (encoded(Image.fromarray(pixels()).convert("RGBA").rotate(30)), "transparent"),
    "gps at (0, 0)": (jpeg(gps=position(0, 0)), "(0, 0)"),
    "gps out of range": (jpeg(gps=position(95, 200)), "not on the Earth"),
    "heading not a number": (jpeg(gpano={"PoseHeadingDegrees": "north"}), "is not a number"),
}


@pytest.mark.parametrize("case", NOTED)
def test_what_can_be_handled_is_handled_with_a_note(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, case: str
) -> None:
    data, words = NOTED[case]
    (tmp_path / "photo").write_bytes(data)
    run = Run(capsys, "localize", tmp_path / "photo", "--gallery", toy.GALLERY, "--json")
    assert run.code == 0, run.err
    assert any(line.startswith("note: ") and words in line for line in run.err.splitlines())
    assert len(json.loads(run.out)["matches"]) == 10


def test_a_photo_of_another_country_is_told_so_in_kilometres(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").write_bytes(jpeg(gps=position(48.2, 16.4)))
    run = Run(capsys, "localize", tmp_path / "photo.jpg", "--gallery", toy.GALLERY)
    assert "1,4" in run.out and " km from the estimate" in run.out
    assert run.out.startswith("probably not taken in this gallery; the best guess: ")
    assert any("so every match is wrong" in line for line in run.err.splitlines())


REFUSED = {
    "animated": (
        encoded(Image.fromarray(pixels()), "GIF", save_all=True, append_images=[Image.new("RGB", (128, 64))]),
        "2 frames",
    ),
    "portrait": (jpeg(pixels(200, 120)), "higher than wide"),
    "not an image": (b"hello " * 100, "not an image"),
    "empty": (b"", "empty"),
    "truncated": (jpeg(pixels(256, 512))[:3000], "cut short"),
    "1x1": (encoded(Image.new("RGB", (1, 1))), "1 x 1 px"),
    "40,000 px wide": (encoded(Image.new("1", (40_000, 100))), "40000 x 100 px"),
    "contradicting crop": (
        jpeg(
            gpano={
                "FullPanoWidthPixels": 10,
                "CroppedAreaImageWidthPixels": 99,
                "CroppedAreaImageHeightPixels": 5,
            }
        ),
        "contradict",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_photo_that_cannot_be_used_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, case: str
) -> None:
    data, words = REFUSED[case]
    (tmp_path / "photo").write_bytes(data)
    assert words in refused(Run(capsys, "localize", tmp_path / "photo", "--gallery", toy.GALLERY))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["localize"], "Missing"),
        (["localize", "nothing.jpg"], "no file nothing.jpg"),
        (["localize", "SAMPLE", "--gallery", "atlantis"], "no gallery atlantis"),
        (
            ["localize", "SAMPLE", "--gallery", toy.GALLERY, "--checkpoint", "unknown"],
            "no checkpoint 'unknown'",
        ),
        (["localize", "SAMPLE", "--gallery", toy.GALLERY, "--heading", "north"], "heading is 'north'"),
        (["localize", "SAMPLE", "--gallery", toy.GALLERY, "--heading", "nan"], "heading is 'nan'"),
        (["localize", "SAMPLE", "--gallery", toy.GALLERY, "--top-k", "0"], "number of matches is 0"),
        (["localize", "SAMPLE", "--gallery", toy.GALLERY, "--top-k", "ten"], "--top-k"),
        (["locate", "SAMPLE"], "No such command"),
        (["localize", "SAMPLE", "--gps"], "No such option"),
        (["gallery", "info", "atlantis"], "no gallery atlantis"),
        (["gallery", "build", "--out", "x", "--imagery", "nothing.tif"], "no imagery at nothing.tif"),
        (["gallery", "build", "--out", "x", "--bbox", "1", "2", "3"], "bbox"),
        (["gallery", "build", "--out", "x", "--index", "tree"], "tree"),
        (["checkpoint", "info", "unknown"], "no checkpoint 'unknown'"),
        (["checkpoint", "import", "no.pth", "--out", "x", "--name", "y"], "no file no.pth"),
        (["evaluate", "--dataset", "nowhere"], "No dataset at 'nowhere'"),
        (["train", "--dataset", "nowhere", "--config", "no.toml", "--out", "x"], "'no.toml' cannot be read"),
        (["twin", "build", "--city", "atlantis", "--out", "x"], "atlantis"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    sample: str,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Run(capsys, *[sample if argument == "SAMPLE" else argument for argument in arguments])
    assert words in refused(run)
    assert list(tmp_path.iterdir()) == []


def test_a_bug_stays_visible(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, sample: str
) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("l2ltr_core.photo.load_panorama", bug)
    with pytest.raises(ZeroDivisionError):
        Run(capsys, "localize", sample)


def test_an_interruption_is_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, sample: str
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("l2ltr_core.photo.load_panorama", interrupted)
    run = Run(capsys, "localize", sample)
    assert run.code == 130
    assert "interrupted" in run.err and "Traceback" not in run.err


def test_a_walk_is_told_photo_by_photo(capsys: pytest.CaptureFixture[str], assets: Path) -> None:
    photos = [assets / "samples" / f"street-{number}.jpg" for number in (0, 1)]
    told = Run(capsys, "walk", *photos, "--gallery", toy.GALLERY)
    assert told.code == 0
    assert "2 photos, each at most 50 m from the next" in told.out
    assert [line.split()[0] for line in told.out.splitlines()[-2:]] == ["street-0.jpg", "street-1.jpg"]
    assert "certainty: Measured on 900 photos of" in told.out
    assert all(line.count("%") == 2 for line in told.out.splitlines()[-2:])
    values = json.loads(Run(capsys, "walk", *photos, "--step-m", 80, "--json", "--gallery", toy.GALLERY).out)
    assert (values["step_m"], len(values["photos"])) == (80, 2)
    alone = json.loads(Run(capsys, "localize", photos[1], "--json", "--gallery", toy.GALLERY).out)
    assert values["photos"][1]["alone"] == alone["estimate"]


def test_a_walk_that_cannot_be_used_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], sample: str, tmp_path: Path
) -> None:
    assert "1 photo was given; give 2 to 50" in refused(Run(capsys, "walk", sample, "--gallery", toy.GALLERY))
    assert "step is -1.0 m" in refused(
        Run(capsys, "walk", sample, sample, "--step-m", -1, "--gallery", toy.GALLERY)
    )
    (tmp_path / "notes.jpg").write_text("no photo")
    assert "notes.jpg: " in refused(Run(capsys, "walk", sample, tmp_path / "notes.jpg"))


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(capsys, "--help")
    assert run.code == 0
    for command in ("localize", "evaluate", "train", "gallery", "checkpoint", "twin"):
        assert command in run.out


def test_a_gallery_is_built_checked_and_described(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, assets: Path
) -> None:
    out = tmp_path / "gallery"
    built = Run(
        capsys, "gallery", "build", "--imagery", assets / "town.tif", "--out", out, "--checkpoint", "toy-a",
        "--spacing-m", "80", "--name", "small", "--licence", "none", "--simulated",
    )  # fmt: skip
    assert built.code == 0, built.err
    assert Run(capsys, "gallery", "verify", out).code == 0
    values = json.loads(Run(capsys, "gallery", "info", out, "--json").out)
    assert (values["name"], values["spacing_m"], values["simulated"]) == ("small", 80, True)
    assert [index["checkpoint"] for index in values["indexes"]] == ["toy-a"]
    added = Run(capsys, "gallery", "build", "--out", out, "--checkpoint", "toy-b")
    assert added.code == 0, added.err
    assert "toy-a" in added.out and "toy-b" in added.out
    assert Run(capsys, "gallery", "verify", out).code == 0
    assert "toy-b" in Run(capsys, "gallery", "info", out).out
    again = Run(
        capsys, "gallery", "build", "--imagery", assets / "town.tif", "--out", out, "--checkpoint", "toy-a"
    )
    assert "already holds a gallery" in refused(again)


def test_a_gallery_may_be_built_of_listed_places(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, assets: Path
) -> None:
    (tmp_path / "places.csv").write_text(
        f"latitude,longitude\n{toy.CENTRE.latitude},{toy.CENTRE.longitude}\n"
    )
    arguments = ["gallery", "build", "--imagery", assets / "town.tif", "--checkpoint", "toy-a"]
    run = Run(capsys, *arguments, "--out", tmp_path / "listed", "--places", tmp_path / "places.csv")
    assert run.code == 0, run.err
    assert "1 places" in run.out
    (tmp_path / "places.csv").write_text("latitude,longitude\n10,20\n")
    run = Run(capsys, *arguments, "--out", tmp_path / "away", "--places", tmp_path / "places.csv")
    assert "outside the imagery" in refused(run)


def test_a_box_may_lie_west_of_greenwich(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, assets: Path
) -> None:
    run = Run(
        capsys, "gallery", "build", "--imagery", assets / "town.tif", "--out", tmp_path / "out", "--checkpoint",
        "toy-a", "--bbox", "-2.5", "-1", "-2", "1",
    )  # fmt: skip
    assert "-2.50000 -1.00000 -2.00000 1.00000 is outside the imagery" in refused(run)


def test_a_damaged_gallery_is_refused_everywhere(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, assets: Path, sample: str
) -> None:
    copy = Path(shutil.copytree(assets / "galleries" / toy.GALLERY, tmp_path / "copy"))
    (copy / "places.parquet").unlink()
    for arguments in (
        ["gallery", "verify", copy],
        ["gallery", "info", copy],
        ["localize", sample, "--gallery", copy, "--checkpoint", "toy-a"],
    ):
        assert "places.parquet is missing" in refused(Run(capsys, *arguments))


def test_a_gallery_without_the_checkpoints_index_says_how_to_build_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, sample: str, assets: Path
) -> None:
    out = tmp_path / "gallery"
    arguments = ["gallery", "build", "--imagery", assets / "town.tif", "--out", out, "--spacing-m", "100"]
    assert Run(capsys, *arguments, "--checkpoint", "toy-a").code == 0
    line = refused(Run(capsys, "localize", sample, "--gallery", out, "--checkpoint", "toy-b"))
    assert f"l2ltr gallery build --out {out} --checkpoint toy-b" in line


def test_the_authors_checkpoint_is_brought_in_and_described(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = Run(
        capsys, "checkpoint", "import", GOLDEN / "hybrid_polar.pth", "--out", tmp_path, "--name", "golden",
        "--ground-size", "64", "256", "--aerial-size", "64", "256", "--heads", "4",
    )  # fmt: skip
    assert run.code == 0, run.err
    values = json.loads(Run(capsys, "checkpoint", "info", tmp_path / "golden.json", "--json").out)
    assert values["name"] == "golden" and values["model"]["depth"] == 3
    assert values["fingerprint"] in run.out
    assert "golden" in Run(capsys, "checkpoint", "info", tmp_path / "golden.json").out


def test_a_checkpoint_of_another_size_is_refused_and_nothing_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = Run(
        capsys, "checkpoint", "import", GOLDEN / "hybrid_polar.pth", "--out", tmp_path, "--name", "golden"
    )
    assert "hybrid_polar.pth" in refused(run)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def dataset(tmp_path: Path, assets: Path) -> Path:
    """Four photos in the toy town, beside its map."""
    folder = tmp_path / "walk"
    (folder / "panoramas").mkdir(parents=True)
    for number in range(4):
        place = Location(toy.CENTRE.latitude + number * 1e-4, toy.CENTRE.longitude)
        write_panorama(
            folder / "panoramas" / f"{number}.jpg",
            toy.panorama(number),
            location=place,
            heading_deg=90.0 * number,
        )
    settings = {"imagery": str(assets / "town.tif"), "gallery": toy.GALLERY, "simulated": True}
    (folder / "dataset.json").write_text(json.dumps(settings))
    return folder


def test_a_checkpoint_is_measured_in_the_documented_entries(
    capsys: pytest.CaptureFixture[str], dataset: Path
) -> None:
    run = Run(capsys, "evaluate", "--dataset", dataset, "--checkpoint", "toy-a", "--json")
    assert run.code == 0, run.err
    values = json.loads(run.out)
    assert (values["protocol"], values["queries"], values["gallery_size"]) == ("places", 4, 64)
    for name in ("recall_at_1", "recall_at_5", "recall_at_10", "recall_at_1_percent"):
        assert 0 <= values[name] <= 1
    for name in (
        "recall_within_5m",
        "recall_within_10m",
        "recall_within_25m",
        "recall_within_50m",
        "median_error_m",
    ):
        assert values[name] >= 0
    paired = json.loads(Run(capsys, "evaluate", "--dataset", dataset, "--protocol", "paired", "--checkpoint",
                            "toy-b", "--json").out)  # fmt: skip
    assert (paired["protocol"], paired["gallery_size"], paired["checkpoint"]) == ("paired", 4, "toy-b")


def test_the_checkpoint_defaults_to_the_gallerys_first(
    capsys: pytest.CaptureFixture[str], dataset: Path
) -> None:
    values = json.loads(Run(capsys, "evaluate", "--dataset", dataset, "--json").out)
    assert values["checkpoint"] == "toy-a"
    assert "recall_at_1" in Run(capsys, "evaluate", "--dataset", dataset).out


def test_the_measurement_is_written_on_the_card_by_the_program(
    capsys: pytest.CaptureFixture[str], dataset: Path, assets: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "checkpoint"
    copy.mkdir()
    for suffix in (".json", ".safetensors"):
        shutil.copy(assets / "checkpoints" / f"toy-a{suffix}", copy)
    run = Run(
        capsys,
        "evaluate",
        "--dataset",
        dataset,
        "--checkpoint",
        copy / "toy-a.json",
        "--write-card",
        "--json",
    )
    assert run.code == 0, run.err
    measured, written = json.loads(run.out), load_card(copy / "toy-a.json").results
    assert list(written) == ["walk places"]
    assert written["walk places"]["recall_at_1"] == measured["recall_at_1"]
    Run(capsys, "evaluate", "--dataset", dataset, "--checkpoint", copy / "toy-a.json", "--write-card", "--heading",
        "search", "--fov-deg", "90")  # fmt: skip
    assert list(load_card(copy / "toy-a.json").results) == ["walk places", "walk places search 90 degrees"]
    record = read_held_out(copy / "toy-a.json")  # of the whole circle, not of the 90 degrees
    assert record is not None and len(record.photos) == measured["queries"]
    assert (record.photos["rank"] <= 10).mean() == measured["recall_at_10"]
    assert record.photos["error_m"].median() == pytest.approx(measured["median_error_m"], abs=0.01)


@pytest.fixture
def own(assets: Path, tmp_path: Path) -> Path:
    """The card of a checkpoint that may be written on."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for suffix in (".json", ".safetensors"):
        shutil.copy(assets / "checkpoints" / f"toy-a{suffix}", folder)
    return folder / "toy-a.json"


def test_a_report_is_measured_into_the_card_and_shown(
    capsys: pytest.CaptureFixture[str], dataset: Path, own: Path, tmp_path: Path
) -> None:
    sections = ["--only", "places", "--only", "layers", "--only", "calibration"]
    run = Run(capsys, "report", own, "--dataset", dataset, *sections, "--page", tmp_path / "page.md")
    assert run.code == 0, run.err
    assert run.err == "note: toy-a: not measured without --validation, --elsewhere or --pairs: calibration.\n"
    assert "Held-out photos" in run.out and "recall@1" in run.out
    results = load_card(own).results
    assert list(results) == ["places", "layers"]
    assert "| recall@1 |" in (tmp_path / "page.md").read_text()
    assert json.loads(Run(capsys, "report", own, "--show", "--json").out) == {"toy-a": results}


def test_a_report_on_real_pairs_says_whose_imagery_it_was(
    capsys: pytest.CaptureFixture[str], dataset: Path, own: Path, tmp_path: Path
) -> None:
    pairs = write_pairs(tmp_path / "pairs", {"town": (1, 2, 3)})
    others = write_distractors(tmp_path / "others", (4, 5))
    options = ["--pairs", pairs, "--distractors", others, "--pairs-imagery", "A test drew it"]
    run = Run(capsys, "report", own, "--dataset", dataset, "--only", "real", *options)
    assert (run.code, run.err) == (0, "")
    assert "Real photos" in run.out
    assert "Whose imagery it was: A test drew it." in " ".join(run.out.split())
    real = load_card(own).results["real"]
    assert (real["pairs"], real["distractors"], real["imagery"]) == (3, 2, "A test drew it")


def test_pairs_that_cannot_be_read_leave_the_card_as_it_was(
    capsys: pytest.CaptureFixture[str], dataset: Path, own: Path, tmp_path: Path
) -> None:
    arguments = ["report", own, "--dataset", dataset, "--only", "layers"]
    assert "There is no" in refused(Run(capsys, *arguments, "--pairs", tmp_path))
    assert "belong to --pairs" in refused(Run(capsys, *arguments, "--distractors", tmp_path))
    assert load_card(own).results == {}


def test_a_report_without_anything_to_search_is_refused(
    capsys: pytest.CaptureFixture[str], dataset: Path, own: Path
) -> None:
    settings = json.loads((dataset / "dataset.json").read_text())
    del settings["gallery"]
    (dataset / "dataset.json").write_text(json.dumps(settings))
    assert "names no gallery; give --gallery" in refused(Run(capsys, "report", own, "--dataset", dataset))
    assert load_card(own).results == {}


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


INSPECTIONS = {
    "rollout of the photo": ["attention", "PHOTO"],
    "one head of the photo": ["attention", "PHOTO", "--layer", "2", "--head", "1"],
    "heading searched": [
        "attention",
        "PHOTO",
        "--layer",
        "1",
        "--heading",
        "search",
        "--gallery",
        "toyville",
    ],
    "best match": ["attention", "PHOTO", "--branch", "aerial", "--rollout", "--gallery", "toyville"],
    "a place": ["attention", "--branch", "aerial", "--place", "5", "--gallery", "toyville"],
    "all positions": ["positions", "--branch", "aerial"],
    "one position": ["positions", "--row", "1", "--column", "8"],
    "one position in the other view": ["positions", "--row", "1", "--column", "8", "--across"],
    "neighbouring layers": ["layers", "PHOTO", "PHOTO", "--checkpoint", "toy-b", "--measure", "cka"],
    "pairs of layers": ["layers", "PHOTO", "--pairs"],
}


@pytest.mark.parametrize("suffix", [".png", ".svg"])
@pytest.mark.parametrize("case", INSPECTIONS)
def test_inspecting_writes_one_whole_figure(
    capsys: pytest.CaptureFixture[str], sample: str, tmp_path: Path, case: str, suffix: str
) -> None:
    arguments = [sample if each == "PHOTO" else each for each in INSPECTIONS[case]]
    out = tmp_path / f"figure{suffix}"
    run = Run(capsys, "inspect", *arguments, "--checkpoint", "toy-a", "--out", out)
    assert run.code == 0, run.err
    assert run.out == f"{out}\n"
    assert list(tmp_path.iterdir()) == [out]
    if suffix == ".svg":
        assert ElementTree.parse(out).getroot().tag.endswith("svg")
    else:
        assert picture(out).std() > 5


def test_the_attention_of_the_best_match_is_that_of_its_place(
    capsys: pytest.CaptureFixture[str], sample: str, tmp_path: Path
) -> None:
    common = ["--checkpoint", "toy-a", "--gallery", toy.GALLERY]
    found = json.loads(Run(capsys, "localize", sample, *common, "--json").out)
    best = str(found["matches"][0]["place_id"])
    aerial = ["inspect", "attention", "--branch", "aerial", *common, "--out"]
    assert Run(capsys, *aerial, tmp_path / "photo.png", sample).code == 0
    assert Run(capsys, *aerial, tmp_path / "place.png", "--place", best).code == 0
    other = "0" if best != "0" else "1"
    assert Run(capsys, *aerial, tmp_path / "other.png", "--place", other).code == 0
    assert (picture(tmp_path / "photo.png") == picture(tmp_path / "place.png")).all()
    assert (picture(tmp_path / "photo.png") != picture(tmp_path / "other.png")).any()


REFUSED_INSPECTIONS = {
    "There is no layer 3; the checkpoint has 1 to 2.": ["attention", "PHOTO", "--layer", "3"],
    "There is no layer 0;": ["attention", "PHOTO", "--layer", "0"],
    "There is no head 9;": ["attention", "PHOTO", "--layer", "1", "--head", "9"],
    "The head is 'all'": ["attention", "PHOTO", "--layer", "1", "--head", "all"],
    "The head '1' belongs to a layer": ["attention", "PHOTO", "--head", "1"],
    "give --layer or --rollout": ["attention", "PHOTO", "--layer", "1", "--rollout"],
    "--place belongs to the aerial": ["attention", "PHOTO", "--place", "1"],
    "Give either a photo or": ["attention"],
    "has no place 999": ["attention", "--branch", "aerial", "--place", "999", "--gallery", "toyville"],
    "There is no column 9;": ["positions", "--row", "1", "--column", "9"],
    "does not tell how its positions began": ["positions", "--before"],
    "--across needs": ["positions", "--across"],
    "give both or neither": ["positions", "--row", "1"],
    "each once": ["layers", "PHOTO", "--checkpoint", "toy-a"],
    "at most 1": ["layers", "PHOTO", "--checkpoint", "toy-b", "--pairs"],
}


@pytest.mark.parametrize("message", REFUSED_INSPECTIONS)
def test_what_cannot_be_inspected_is_refused_and_nothing_written(
    capsys: pytest.CaptureFixture[str], sample: str, tmp_path: Path, message: str
) -> None:
    arguments = [sample if each == "PHOTO" else each for each in REFUSED_INSPECTIONS[message]]
    run = Run(capsys, "inspect", *arguments, "--checkpoint", "toy-a", "--out", tmp_path / "figure.png")
    assert message in refused(run)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("figure.jpg", "ends in .png or .svg"),
        ("figure", "ends in .png or .svg"),
        ("nowhere/figure.png", "cannot be written"),
        ("folder.png", "cannot be written"),
    ],
)
def test_a_figure_that_could_not_be_written_is_refused_before_the_photo_is_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "folder.png").mkdir()
    run = Run(capsys, "inspect", "layers", tmp_path / "no photo", "--out", tmp_path / name)
    assert message in refused(run)


def test_training_is_handed_what_was_typed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import l2ltr_core.training as training

    calls = []

    def train(*args: object, **options: object) -> SimpleNamespace:
        calls.append((args, options))
        options["on_report"](
            SimpleNamespace(stage="layers", step=1, steps=9, eta_seconds=60, values={"loss": 0.5}, note="")
        )  # type: ignore[operator]
        options["on_report"](  # type: ignore[operator]
            SimpleNamespace(
                stage="layers", step=2, steps=9, eta_seconds=60, values={}, note="Memory is full."
            )
        )
        card = SimpleNamespace(name="run", fingerprint="abc")
        return SimpleNamespace(finished=True, cards=(card,), out_dir=tmp_path)

    monkeypatch.setattr(training, "train", train)
    monkeypatch.setattr(training, "load_config", lambda path: f"the settings in {path.name}")
    datasets = ["--dataset", "a", "--dataset", "b"]
    more = ["--validation-pairs", "pairs", "--cache", tmp_path / "cache"]
    run = Run(capsys, "train", *datasets, "--config", "run.toml", "--out", tmp_path, "--resume", *more)
    assert run.code == 0, run.err
    assert calls[0][0] == ("the settings in run.toml", ["a", "b"], tmp_path, True)
    assert calls[0][1]["validation_pairs"] == "pairs" and calls[0][1]["cache_dir"] == tmp_path / "cache"
    assert "fingerprint abc" in run.out
    assert "layers 1/9 loss 0.5 1 min left" in run.err and "layers 2/9 Memory is full." in run.err


def test_the_twin_is_handed_what_was_typed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import citysim

    calls = []
    monkeypatch.setattr(citysim, "build_city", lambda *args, **options: calls.append((args, options)))
    run = Run(capsys, "twin", "build", "--city", "helsinki", "--out", tmp_path / "city", "--seed", "7")
    assert run.code == 0, run.err
    assert calls[0][0] == ("helsinki", tmp_path / "city")
    assert calls[0][1]["seed"] == 7 and calls[0][1]["size_px"] == (64, 256)


def test_where_the_simulated_city_is_missing_one_sentence_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "citysim", None)
    run = Run(capsys, "twin", "build", "--city", "helsinki", "--out", tmp_path / "city")
    assert run.code == 2
    assert "pip install -e '.[citysim]'" in run.err and run.err.count("\n") == 1
