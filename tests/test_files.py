from __future__ import annotations

from pathlib import Path

import pytest

from l2ltr_core.files import atomic_write


def test_a_file_takes_its_place_when_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    with atomic_write(path) as partial:
        partial.write_text("new")
        assert (partial.parent, partial.suffix) == (path.parent, path.suffix)
        assert not path.exists()
    assert path.read_text() == "new"
    assert [each.name for each in tmp_path.iterdir()] == ["map.tif"]


def test_a_file_stays_as_it_was_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as partial:
        partial.write_text("ne")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["state.pt"]


def test_a_new_file_is_as_open_to_others_as_any(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "card.json") as partial:
        partial.write_text("{}")
    (tmp_path / "other.json").write_text("{}")
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1
