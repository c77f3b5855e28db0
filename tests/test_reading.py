from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from l2ltr_core.errors import ConfigurationError
from l2ltr_core.reading import build, require


@dataclass(frozen=True)
class Wheel:
    radius_m: float
    spokes: int = 8


@dataclass(frozen=True)
class Cart:
    wheels: tuple[Wheel, ...]
    kind: Literal["hand", "ox"] = "hand"
    load_kg: dict[str, float] = field(default_factory=dict)
    note: Any = None
    width_m: float | None = None


def test_tables_lists_and_whole_numbers_become_what_the_hints_say() -> None:
    values = {
        "wheels": [{"radius_m": 1}, {"radius_m": 0.5, "spokes": 6}],
        "load_kg": {"hay": 40},
        "note": ["x"],
    }
    cart = build(Cart, values)
    assert cart == Cart((Wheel(1.0), Wheel(0.5, 6)), "hand", {"hay": 40.0}, ["x"])
    assert isinstance(cart.wheels[0].radius_m, float)


def test_what_may_be_missing_may_be_given_as_nothing_or_as_itself() -> None:
    for given, read in ((None, None), (1, 1.0), (0.5, 0.5)):
        assert build(Cart, {"wheels": [], "width_m": given}).width_m == read


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"wheels": [], "sail": 1},
            "There is no setting 'sail'; known are wheels, kind, load_kg, note, width_m.",
        ),
        ({"wheels": [{}]}, "The setting 'wheels.radius_m' is missing."),
        ({}, "The setting 'wheels' is missing."),
        ({"wheels": [{"radius_m": "1"}]}, "'wheels.radius_m' is '1'; give a number."),
        ({"wheels": [{"radius_m": True}]}, "'wheels.radius_m' is True; give a number."),
        ({"wheels": [{"radius_m": 1, "spokes": 8.0}]}, "'wheels.spokes' is 8.0; give int."),
        ({"wheels": [3]}, "[wheels] is 3; give a table of settings."),
        ({"wheels": "two"}, "'wheels' is 'two'; give tuple."),
        ({"wheels": [], "kind": "dog"}, "'kind' is 'dog'; give one of 'hand', 'ox'."),
        ({"wheels": [], "load_kg": {"hay": None}}, "'load_kg.hay' is None; give a number."),
        ({"wheels": [], "width_m": "1"}, "'width_m' is '1'; give a number."),
        ([], "It is []; give a table of settings."),
    ],
)
def test_anything_else_is_refused_in_one_sentence(values: object, message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        build(Cart, values)
    assert str(refused.value) == message


def test_what_is_required_is_said_with_a_full_stop() -> None:
    require(True, "never said")
    with pytest.raises(ConfigurationError, match=r"^give more\.$"):
        require(False, "give more")


def test_a_setting_that_may_be_none_is_a_value_of_its_kind_or_none() -> None:
    @dataclass(frozen=True)
    class Trailer:
        load_kg: float | None = None

    assert build(Trailer, {"load_kg": 3}) == Trailer(3.0)
    assert build(Trailer, {"load_kg": None}) == Trailer(None)
    with pytest.raises(ConfigurationError, match="give a number"):
        build(Trailer, {"load_kg": "3"})
