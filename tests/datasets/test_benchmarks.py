"""CVUSA, CVACT and VIGOR in their public layouts, as generated toy folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from l2ltr_core.datasets import open_dataset
from l2ltr_core.errors import ConfigurationError, DatasetError


def paint(path: Path, level: int, size: tuple[int, int]) -> None:
    """A grey photo of `size` (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level, level, level)).save(path)


def level(pixels: np.ndarray) -> int:
    return round(float(pixels.mean()))


@pytest.fixture
def cvusa(tmp_path: Path) -> Path:
    lines = []
    for i in range(5):
        aerial, ground = f"bingmap/19/{i:07d}.jpg", f"streetview/panos/{i:07d}.jpg"
        paint(tmp_path / aerial, 10 + i, (75, 75))
        paint(tmp_path / ground, 110 + i, (1232, 224))
        lines.append(f"{aerial},{ground},streetview/annotations/{i:07d}.png")
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "val-19zl.csv").write_text("\n".join(lines[:3]) + "\n")
    (tmp_path / "splits" / "train-19zl.csv").write_text("\n".join(lines[3:]) + "\n")
    return tmp_path


@pytest.fixture
def cvact(tmp_path: Path) -> Path:
    names = ["aaa", "bbb", "ccc", "ddd"]  # the fourth has no files
    for i, name in enumerate(names[:3]):
        paint(tmp_path / "streetview" / f"{name}_grdView.jpg", 110 + i, (128, 64))
        paint(tmp_path / "satview_polish" / f"{name}_satView_polish.jpg", 10 + i, (75, 75))
    splits = {
        "panoIds": np.array(names),
        "utm": np.zeros((4, 2)),
        "valSet": {"valInd": np.array([[3], [1], [4]])},
        "trainSet": {"trainInd": np.array([[4], [2]])},
    }
    savemat(tmp_path / "ACT_data.mat", splits)
    return tmp_path


@pytest.fixture
def vigor(tmp_path: Path) -> Path:
    for base, city in ((0, "Chicago"), (3, "Seattle")):  # one to test on in cross-area, one to learn from
        tiles = [f"satellite_41.{base}{i}_-87.5.png" for i in range(3)]
        for i, tile in enumerate(tiles):
            paint(tmp_path / city / "satellite" / tile, 10 + base + i, (64, 64))
        splits = tmp_path / "splits" / city
        splits.mkdir(parents=True)
        (splits / "satellite_list.txt").write_text("\n".join(tiles) + "\n")
        lines = []
        for i in (2, 1):
            photo = f"id{base},41.{base}{i},-87.5,.jpg"
            paint(tmp_path / city / "panorama" / photo, 110 + base + i, (128, 64))
            order = [tiles[i], tiles[0], tiles[0], tiles[0]]
            lines.append(" ".join([photo, *(f"{tile} 3.5 -2.0" for tile in order)]) + "\n")
        (splits / "same_area_balanced_test.txt").write_text(lines[0])
        (splits / "same_area_balanced_train.txt").write_text(lines[1])
        (splits / "pano_label_balanced.txt").write_text("".join(lines))
    return tmp_path


def test_cvusa_pairs_the_files_of_each_line(cvusa: Path) -> None:
    dataset = open_dataset(f"cvusa:{cvusa}")
    assert [level(q.load().pixels) for q in dataset.queries] == [110, 111, 112]
    assert [level(dataset.aerial(q.tile, 50.0)) for q in dataset.queries] == [10, 11, 12]


def test_cvusa_photos_are_north_centred_strips(cvusa: Path) -> None:
    photo = open_dataset(f"cvusa:{cvusa}").queries[0].load()
    assert (photo.heading_deg, photo.horizontal_field_deg) == (0.0, 360.0)
    assert (photo.top_deg, photo.bottom_deg) == (32.5, -32.5)


def test_cvact_reads_the_one_based_validation_indices(cvact: Path) -> None:
    dataset = open_dataset(f"cvact:{cvact}")
    assert [q.name for q in dataset.queries] == ["ccc", "aaa"]
    assert [level(dataset.aerial(q.tile, 50.0)) for q in dataset.queries] == [12, 10]


def test_cvact_photos_are_full_panoramas_centred_on_north(cvact: Path) -> None:
    photo = open_dataset(f"cvact:{cvact}").queries[0].load()
    assert (photo.heading_deg, photo.top_deg, photo.bottom_deg) == (0.0, 90.0, -90.0)


def test_vigor_ranks_every_tile_of_every_city(vigor: Path) -> None:
    dataset = open_dataset(f"vigor:{vigor}")
    assert (len(dataset.queries), dataset.tile_count) == (2, 6)


def test_vigor_takes_the_first_tile_of_a_line_for_the_true_one(vigor: Path) -> None:
    dataset = open_dataset(f"vigor:{vigor}")
    assert [level(dataset.aerial(q.tile, 50.0)) for q in dataset.queries] == [12, 15]


def test_vigor_reads_the_position_from_the_name(vigor: Path) -> None:
    location = open_dataset(f"vigor:{vigor}").queries[1].location
    assert location is not None and (location.latitude, location.longitude) == (41.32, -87.5)


@pytest.mark.parametrize("form", ["cvusa", "cvact", "vigor"])
def test_a_benchmark_has_no_gallery_and_no_map(form: str, request: pytest.FixtureRequest) -> None:
    dataset = open_dataset(f"{form}:{request.getfixturevalue(form)}")
    assert (dataset.name, dataset.gallery_name, dataset.imagery, dataset.simulated) == (
        form,
        None,
        None,
        False,
    )


@pytest.mark.parametrize(
    ("form", "levels"),
    [
        ("cvusa", [(113, 13), (114, 14)]),
        ("cvact", [(111, 11)]),
        ("vigor", [(111, 11), (114, 14)]),
        ("vigor-cross", [(115, 15), (114, 14)]),
    ],
)
def test_the_training_split_pairs_other_photos_with_their_tiles(
    form: str, levels: list[tuple[int, int]], request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(form.removesuffix("-cross"))
    dataset = open_dataset(f"{form}:{folder}", split="train")
    found = [(level(q.load().pixels), level(dataset.aerial(q.tile, 50.0))) for q in dataset.queries]
    assert found == levels
    assert dataset.name == f"{form}-train"
    tested = {q.name for q in open_dataset(f"{form}:{folder}", split="test").queries}
    assert not tested & {q.name for q in dataset.queries}


def test_cross_area_tests_on_every_photo_of_the_other_cities(vigor: Path) -> None:
    dataset = open_dataset(f"vigor-cross:{vigor}")
    assert [q.location.latitude for q in dataset.queries if q.location] == [41.02, 41.01]
    assert (dataset.name, dataset.tile_count) == ("vigor-cross", 3)


def test_cross_area_without_its_cities_is_refused_with_their_names(vigor: Path) -> None:
    (vigor / "splits" / "Seattle").rename(vigor / "splits" / "Boston")
    with pytest.raises(DatasetError, match=r"pano_label_balanced\.txt' of NewYork or Seattle"):
        open_dataset(f"vigor-cross:{vigor}", split="train")


@pytest.mark.parametrize(
    ("form", "path"),
    [
        ("cvusa", "splits/train-19zl.csv"),
        ("vigor", "splits/*/same_area_balanced_train.txt"),
    ],
)
def test_a_benchmark_without_its_training_list_is_refused(
    form: str, path: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(form)
    for listing in folder.glob(path):
        listing.unlink()
    assert open_dataset(f"{form}:{folder}").queries
    with pytest.raises(DatasetError, match=f"is not {form.upper()}"):
        open_dataset(f"{form}:{folder}", split="train")


def test_cvact_without_a_training_set_is_refused(cvact: Path) -> None:
    savemat(cvact / "ACT_data.mat", {"panoIds": np.array(["aaa"]), "valSet": {"valInd": np.array([[1]])}})
    assert open_dataset(f"cvact:{cvact}").queries
    with pytest.raises(DatasetError, match=r"lacks panoIds and trainSet\.trainInd"):
        open_dataset(f"cvact:{cvact}", split="train")


def test_an_unknown_split_is_refused_with_the_known_ones(cvusa: Path) -> None:
    with pytest.raises(ConfigurationError, match="'val'; give one of train, test"):
        open_dataset(f"cvusa:{cvusa}", split="val")  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["cvusa", "cvact", "vigor"])
def test_a_folder_of_another_form_is_refused(form: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=f"is not {form.upper()}"):
        open_dataset(f"{form}:{tmp_path}")


@pytest.mark.parametrize(
    ("form", "path", "content", "message"),
    [
        ("cvusa", "splits/val-19zl.csv", "one\n", "an aerial and a ground file"),
        ("cvusa", "splits/val-19zl.csv", "", "an aerial and a ground file"),
        ("cvact", "ACT_data.mat", "text", "panoIds and valSet"),
        (
            "vigor",
            "splits/Seattle/same_area_balanced_test.txt",
            "id,1,2,.jpg none.png 0 0\n",
            "names no tile",
        ),
        (
            "vigor",
            "splits/Seattle/same_area_balanced_test.txt",
            "id.jpg satellite_41.30_-87.5.png 0 0\n",
            "position",
        ),
    ],
)
def test_a_damaged_list_is_refused_in_one_sentence(
    form: str, path: str, content: str, message: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(form)
    (folder / path).write_text(content)
    with pytest.raises(DatasetError, match=message):
        open_dataset(f"{form}:{folder}")
