"""Immutable values whose classes are cheap to create.

A frozen dataclass compiles six functions when its class is created: 0.2 to 0.9 ms each (CPython
3.11, measured 2026-11-30), and the first prompt of a session would create twenty of them before
its request is sent. A record behaves as one and compiles nothing.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, cast, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIELD = dataclasses.Field
set_field = object.__setattr__
"""Sets a field within the `__init__` of a record."""


class _Fields:
    """The fields as `dataclasses.replace`, `fields` and `asdict` read them, made on first use."""

    def __get__(self, record: Record | None, kind: Any) -> dict[str, Any]:  # noqa: ANN401  a class
        defaults = kind.field_defaults
        given: list[Any] = [
            (name, type_, defaults[name]) if name in defaults else (name, type_)
            for name, type_ in kind.__annotations__.items()
        ]
        made: Any = dataclasses.make_dataclass(kind.__name__, given)
        fields: dict[str, Any] = made.__dataclass_fields__
        kind.__dataclass_fields__ = fields
        return fields


class _RecordType(type):
    """Makes a slot of each annotated name and sets its default aside."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> _RecordType:
        names = tuple(namespace.get("__annotations__", ())) if bases else ()
        given = {each: namespace.pop(each) for each in names if each in namespace}
        special = [(each, value) for each, value in given.items() if type(value) is _FIELD]
        hidden = {each for each, value in special if not value.repr}
        ignored = {each for each, value in special if not value.compare}
        unhashed = {each for each, value in special if value.hash is False}
        compared = tuple(each for each in names if each not in ignored)
        own = {
            "__slots__": names,
            "__match_args__": names,
            "field_defaults": given,
            "shown_fields": tuple(each for each in names if each not in hidden),
            "compared_fields": compared,
            "hashed_fields": tuple(each for each in compared if each not in unhashed),
        }
        return super().__new__(cls, name, bases, {**namespace, **own})


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
class Record(metaclass=_RecordType):
    """The base of immutable values: annotate the fields as in a frozen dataclass with slots.

    `dataclasses.field` takes `default`, `default_factory`, `repr`, `compare` and `hash`; `replace`,
    `fields` and `asdict` of `dataclasses` accept a record.
    """

    __match_args__: ClassVar[tuple[str, ...]]
    __dataclass_fields__: ClassVar[dict[str, Any]] = cast("dict[str, Any]", _Fields())
    field_defaults: ClassVar[Mapping[str, Any]]
    """The default, or the `dataclasses.field`, of each field that has one."""
    shown_fields: ClassVar[tuple[str, ...]]
    """The fields that `repr` shows."""
    compared_fields: ClassVar[tuple[str, ...]]
    """The fields that are equal in equal records."""
    hashed_fields: ClassVar[tuple[str, ...]]
    """Those of them that can be hashed."""

    def __init__(self, *values: Any, **named: Any) -> None:  # noqa: ANN401  of any field
        names, given = self.__match_args__, self.field_defaults
        for name, value in zip(names, values, strict=False):
            set_field(self, name, value)
        for name in names[len(values) :]:
            if name in named:
                value = named.pop(name)
            elif name in given:
                value = given[name]
                if type(value) is _FIELD:
                    value = _default(name, value)
            else:
                raise TypeError(f"{type(self).__name__} needs {name}")
            set_field(self, name, value)
        if named or len(values) > len(names):
            raise TypeError(f"{type(self).__name__} takes {', '.join(names)}")

    def __setattr__(self, name: str, value: object) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.shown_fields)
        return f"{type(self).__qualname__}({shown})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return _values(self, self.compared_fields) == _values(other, self.compared_fields)

    def __hash__(self) -> int:
        return hash(_values(self, self.hashed_fields))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), _values(self, self.__match_args__)


def _values(record: object, names: tuple[str, ...]) -> tuple[object, ...]:
    return tuple([getattr(record, name) for name in names])


def _default(name: str, given: dataclasses.Field[Any]) -> object:
    if given.default_factory is not dataclasses.MISSING:
        return given.default_factory()
    if given.default is dataclasses.MISSING:
        raise TypeError(f"a value of {name} is missing")
    return given.default
