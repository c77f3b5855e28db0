"""Dataclasses from plain values (JSON, TOML), strictly: nothing unknown, nothing missing, nothing of a wrong type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from l2ltr_core.errors import ConfigurationError

T = TypeVar("T")


def build(cls: type[T], values: object, name: str = "") -> T:
    """Fill a dataclass; tables become the dataclasses that its hints name, lists become tuples.

    `name` is what the table is called in messages, nothing for a whole file. Raises ConfigurationError.
    """
    if not isinstance(values, Mapping):
        raise ConfigurationError(f"{f'[{name}]' if name else 'It'} is {values!r}; give a table of settings.")
    prefix = f"{name}." if name else ""
    hints = get_type_hints(cls)
    if unknown := sorted(set(values) - set(hints)):
        raise ConfigurationError(f"There is no setting '{prefix}{unknown[0]}'; known are {', '.join(hints)}.")
    given = {key: _read(hints[key], value, prefix + key) for key, value in values.items()}
    needed = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]  # type: ignore[arg-type]
    if missing := [f"'{prefix}{key}'" for key in needed if key not in values]:
        raise ConfigurationError(f"The setting {missing[0]} is missing.")
    return cls(**given)


def _read(hint: Any, value: object, name: str) -> Any:
    """`value` as the type that `hint` names."""
    if get_origin(hint) is UnionType:  # only `X | None` occurs
        hint = NoneType if value is None else get_args(hint)[0]
    origin, arguments = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        return build(hint, value, name)  # type: ignore[arg-type]
    if origin is dict and isinstance(value, Mapping):
        return {str(key): _read(arguments[1], item, f"{name}.{key}") for key, item in value.items()}
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_read(arguments[0], item, name) for item in value)
    if origin is Literal:
        if value in arguments:
            return value
        raise ConfigurationError(f"'{name}' is {value!r}; give one of {', '.join(map(repr, arguments))}.")
    if hint is float and type(value) in (int, float):
        return float(value)  # type: ignore[arg-type]
    if hint is Any or type(value) is hint:
        return value
    wanted = "a number" if hint is float else getattr(origin or hint, "__name__", hint)
    raise ConfigurationError(f"'{name}' is {value!r}; give {wanted}.")


def require(holds: bool, message: str) -> None:
    """Raises ConfigurationError with `message`, a sentence without its full stop, unless the setting `holds`."""
    if not holds:
        raise ConfigurationError(message + ".")
