from __future__ import annotations

from typing import Any

import pytest

from l2ltr_core.evaluation.recording import is_default, result_name

PLAIN = {"dataset": "helsinki", "protocol": "places", "heading": "exif", "reranked": True}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "helsinki places"),
        ({"protocol": "paired"}, "helsinki paired"),
        ({"heading": "search"}, "helsinki places search"),
        ({"fov_deg": 90.0}, "helsinki places 90 degrees"),
        ({"reranked": False}, "helsinki places by CLS"),
        (
            {"heading": "search", "fov_deg": 70.5, "reranked": False},
            "helsinki places search 70.5 degrees by CLS",
        ),
    ],
)
def test_a_result_is_called_by_its_data_and_what_differs_from_the_default(
    changes: dict[str, Any], name: str
) -> None:
    report = PLAIN | changes
    assert result_name(report) == name
    assert is_default(report) == (not changes)


def test_a_checkpoint_without_columns_is_measured_by_default_too() -> None:
    report = {key: value for key, value in PLAIN.items() if key != "reranked"}
    assert result_name(report) == "helsinki places" and is_default(report)
