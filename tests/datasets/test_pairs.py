from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from l2ltr_core.datasets.pairs import COLUMNS, credit_of, open_distractors, open_pairs
from l2ltr_core.errors import DatasetError
from tests.pairs import photo, picture, tile, write_distractors, write_pairs, write_table

GOOD = ["7", "town", "ground.png", "aerial.png", "64", "90"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One pair, whose row a test may write otherwise."""
    picture(tmp_path / "pairs" / "ground.png", photo(0))
    picture(tmp_path / "pairs" / "aerial.png", tile(0))
    return write_table(tmp_path / "pairs", [GOOD])


def row(**changes: str) -> list[str]:
    return [changes.get(column, value) for column, value in zip(COLUMNS, GOOD, strict=True)]


def test_each_dataset_value_is_a_set_of_its_own_pairs(tmp_path: Path) -> None:
    sets = open_pairs(write_pairs(tmp_path, {"north": (1, 2), "south": (3,)}, heading_deg=0.0))
    assert [(each.name, [query.name for query in each.queries]) for each in sets] == [
        ("north", ["1", "2"]),
        ("south", ["3"]),
    ]
    south = sets[1]
    assert np.array_equal(south.queries[0].load().pixels, photo(3))
    assert np.array_equal(south.aerial(south.queries[0].tile, 32.0), tile(3))
    assert (south.tile_count, south.imagery, south.gallery_name, south.simulated) == (1, None, None, False)


def test_the_table_says_where_a_photo_looks_and_nothing_where_it_is(folder: Path) -> None:
    write_table(folder, [row(centre_heading_deg="-90.5")])
    [query] = open_pairs(folder)[0].queries
    loaded = query.load()
    assert query.heading_deg == loaded.heading_deg == 269.5
    assert query.location is loaded.location is None
    assert loaded.notes == ()


@pytest.mark.parametrize(("height", "top_deg"), [(32, 90.0), (30, 90.0), (28, 180 * 28 / 64), (16, 45.0)])
def test_a_photo_wider_than_a_sphere_is_a_strip_around_the_horizon(
    folder: Path, height: int, top_deg: float
) -> None:
    picture(folder / "ground.png", photo(0, height=height))
    loaded = open_pairs(folder)[0].queries[0].load()
    assert (loaded.horizontal_field_deg, loaded.top_deg, loaded.bottom_deg) == (360.0, top_deg, -top_deg)


@pytest.mark.parametrize(
    ("span", "side_px"),
    [("64", 32), ("128", 16), ("32", 64), ("20", 64), ("", 64), ("unknown (60 to 80)", 64), ("nan", 64)],
)
def test_a_tile_is_cut_to_the_middle_where_it_is_known_to_be_wider(
    folder: Path, span: str, side_px: int
) -> None:
    write_table(folder, [row(aerial_span_m=span)])
    cut, margin = open_pairs(folder)[0].aerial(0, 32.0), (64 - side_px) // 2
    assert np.array_equal(cut, tile(0)[margin : margin + side_px, margin : margin + side_px])


def test_two_photos_may_share_a_tile(folder: Path) -> None:
    write_table(folder, [row(id="a"), row(id="b")])
    [town] = open_pairs(folder)
    assert (town.tile_count, [query.tile for query in town.queries]) == (1, [0, 0])


def test_columns_may_stand_in_any_order_among_others(folder: Path) -> None:
    write_table(folder, [["x", *reversed(GOOD)]], ["latitude", *reversed(COLUMNS)])
    assert open_pairs(folder)[0].queries[0].name == "7"


def test_sets_may_number_their_pairs_alike(folder: Path) -> None:
    write_table(folder, [GOOD, row(dataset="village")])
    assert [each.queries[0].name for each in open_pairs(folder)] == ["7", "7"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ground": "gone.png"}, r"Row 1 \(7\) of '.*pairs\.csv' names gone\.png, which is not in"),
        ({"aerial": "gone.png"}, r"Row 1 \(7\).* names gone\.png, which is not in"),
        ({"ground": "../ground.png"}, r"names \.\./ground\.png, which leaves the folder"),
        ({"aerial": "a/../../aerial.png"}, "which leaves the folder"),
        ({"aerial": "/etc/hostname"}, "which leaves the folder"),
        ({"ground": ""}, r"Row 1 \(7\).* has no ground"),
        ({"id": ""}, "has no id"),
        ({"dataset": " "}, "has no dataset"),
        ({"centre_heading_deg": "north"}, "has the centre_heading_deg 'north'; a number was expected"),
        ({"centre_heading_deg": "inf"}, "has the centre_heading_deg 'inf'"),
        ({"centre_heading_deg": ""}, "has no centre_heading_deg"),
        ({"aerial_span_m": "-5"}, "has the aerial_span_m '-5'; a width is above 0"),
        ({"aerial_span_m": "0"}, "a width is above 0"),
        ({"aerial_span_m": "inf"}, "a width is above 0"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_by_its_number(
    folder: Path, changes: dict[str, str], message: str
) -> None:
    write_table(folder, [row(**changes)])
    with pytest.raises(DatasetError, match=message):
        open_pairs(folder)


def test_two_pairs_of_a_set_with_one_id_are_refused(folder: Path) -> None:
    write_table(folder, [GOOD, GOOD])
    with pytest.raises(DatasetError, match=r"Row 2 \(7\).* has the id of another row of 'town'"):
        open_pairs(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"There is no '.*pairs\.csv'; a table with the columns id, dataset"),
        ("", "lacks the column id, dataset, ground, aerial, aerial_span_m, centre_heading_deg"),
        ("id,dataset,ground,aerial,aerial_span_m\n", "lacks the column centre_heading_deg"),
        (",".join(COLUMNS) + "\n", "has no rows"),
        (b"\xff\xfe\x00", "not readable as CSV"),
    ],
)
def test_a_table_that_is_none_is_refused_in_one_sentence(
    folder: Path, text: str | bytes | None, message: str
) -> None:
    (folder / "pairs.csv").unlink()
    if text is not None:
        (folder / "pairs.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DatasetError, match=message):
        open_pairs(folder)


def test_a_damaged_photo_is_refused_by_its_file(folder: Path) -> None:
    (folder / "ground.png").write_bytes(b"nothing")
    with pytest.raises(DatasetError, match=r"ground\.png' cannot be used: "):
        open_pairs(folder)[0].queries[0].load()


@pytest.mark.parametrize(
    ("files", "credit"),
    [
        ({}, ""),
        ({"README.md": "\n# Tiles of the town\n\nMore.\n"}, "Tiles of the town"),
        ({"README.md": "# Read me", "SOURCES.txt": "The town, CC0\n"}, "The town, CC0"),
        ({"SOURCES.txt": ""}, ""),
    ],
)
def test_the_first_line_of_a_text_says_whose_pictures_they_are(
    folder: Path, files: dict[str, str], credit: str
) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)
    assert credit_of(folder) == open_pairs(folder)[0].attribution == credit


def test_distractors_are_as_wide_as_their_pixels_say(tmp_path: Path) -> None:
    folder = write_distractors(tmp_path / "aerial", (4, 5), pixel_m=0.5)
    assert [(each.path.name, each.span_m) for each in open_distractors(folder)] == [
        ("4.png", 32.0),
        ("5.png", 32.0),
    ]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, r"There is no '.*aerial\.csv'; a table with the columns file, metres_per_pixel"),
        ("file\n4.png\n", "lacks the column metres_per_pixel"),
        ("file,metres_per_pixel\n4.png,wide\n", r"Row 1 \(4\.png\).* 'wide'; a number was expected"),
        ("file,metres_per_pixel\n4.png,0\n", "a number above 0 was expected"),
        ("file,metres_per_pixel\n6.png,1\n", r"names 6\.png, which is not in"),
        ("file,metres_per_pixel\nnotes.txt,1\n", r"notes\.txt' is not a picture"),
    ],
)
def test_distractors_that_cannot_be_used_are_refused(tmp_path: Path, table: str | None, message: str) -> None:
    folder = write_distractors(tmp_path / "aerial", (4,))
    (folder / "notes.txt").write_text("none")
    (tmp_path / "aerial.csv").unlink()
    if table is not None:
        (tmp_path / "aerial.csv").write_text(table)
    with pytest.raises(DatasetError, match=message):
        open_distractors(folder)
