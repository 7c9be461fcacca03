"""The columns of a result: which ones a type gives, and of what kind, for any library."""

from __future__ import annotations

import dataclasses
import types
import typing
from datetime import date, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, Union, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


Kind: TypeAlias = Literal[
    "boolean", "integer", "float", "string", "category", "datetime", "date", "object"
]
ANSWER = "answer"
VALUE = "value"

_KINDS: dict[object, Kind] = {
    bool: "boolean",
    int: "integer",
    float: "float",
    str: "string",
    datetime: "datetime",
    date: "date",
}
_MARKS = (typing.Annotated, typing.Required, typing.NotRequired)


class ColumnType(NamedTuple):
    """What a column holds; every column can have missing values."""

    kind: Kind
    categories: tuple[object, ...] = ()
    """The possible values of a `category`, in the order of the type."""


OBJECT = ColumnType("object")
BOOLEAN = ColumnType("boolean")
STRING = ColumnType("string")


@dataclasses.dataclass(frozen=True, slots=True)
class ResultColumn:
    """One column of a result."""

    name: str
    type: ColumnType
    read: Callable[[Any], object]
    """Returns its cell from the value of a row that has one."""

    def cells(self, values: Sequence[object]) -> list[object]:
        """Return the cells; `None` where a row has no value."""
        read = self.read
        if self.type.kind == "category":
            return [None if each is None else _plain(read(each)) for each in values]
        return [None if each is None else read(each) for each in values]


def result_columns(into: object | None) -> tuple[ResultColumn, ...]:
    """Return the columns that a type gives: one for each field, else one.

    A type without fields gives `value`; no type gives `answer`. The values of an Enum are those of
    its members, so that a result can be written to any file; a field that is an object of its own
    stays one.
    """
    if into is None:
        return (ResultColumn(ANSWER, STRING, _same),)
    fields = _fields(into)
    if not fields:
        return (ResultColumn(VALUE, column_type(into), _same),)
    read = _item_reader if typing.is_typeddict(_class_of(into)) else _attribute_reader
    return tuple(
        ResultColumn(name, column_type(annotation), read(name))
        for name, annotation in fields.items()
    )


def check_columns(columns: Sequence[ResultColumn], checks: Sequence[str]) -> dict[str, str]:
    """Return the column of each check: its expression, unless a field is called so."""
    taken = {column.name for column in columns}
    return {each: f"check {each}" if each in taken else each for each in checks}


def column_type(annotation: Any) -> ColumnType:  # noqa: ANN401  any type
    """Return what a column of a type holds.

    `X | None` is as `X`. Several types in one column are objects, but for `int | float` and for
    literals.
    """
    kind = _bare(annotation)
    origin = typing.get_origin(kind)
    if origin in (Union, types.UnionType):
        return _union_type([column_type(each) for each in _members(kind)])
    if origin is Literal:
        return _category([_plain(each) for each in typing.get_args(kind) if each is not None])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _category([member.value for member in kind])
    return ColumnType(_KINDS[kind]) if _is_hashable(kind) and kind in _KINDS else OBJECT


def _union_type(parts: Sequence[ColumnType]) -> ColumnType:
    kinds = {part.kind for part in parts}
    if len(kinds) == 1:
        return (
            _category([each for part in parts for each in part.categories])
            if kinds == {"category"}
            else parts[0]
        )
    return ColumnType("float") if kinds == {"integer", "float"} else OBJECT


def _category(values: Sequence[object]) -> ColumnType:
    if not values or not all(map(_is_hashable, values)):
        return OBJECT
    if all(isinstance(each, bool) for each in values):
        return BOOLEAN
    return ColumnType("category", tuple(dict.fromkeys(values)))


def _fields(into: object) -> dict[str, object]:
    """Return the annotations of the fields of a type, by name; none if it has no fields."""
    kind = _bare(into)
    if typing.get_origin(kind) in (Union, types.UnionType):
        members = _members(kind)
        return _fields(members[0]) if len(members) == 1 else {}
    kind = _class_of(kind)
    if not isinstance(kind, type) or getattr(kind, "__pydantic_root_model__", False):
        return {}
    models: dict[str, Any] | None = getattr(kind, "model_fields", None)
    if isinstance(models, dict):
        return {name: field.annotation for name, field in models.items()}
    if dataclasses.is_dataclass(kind):
        hints = _hints(kind)
        return {each.name: hints.get(each.name, Any) for each in dataclasses.fields(kind)}
    return _hints(kind) if typing.is_typeddict(kind) else {}


def _hints(kind: type) -> dict[str, object]:
    """Return the resolved annotations; unresolved ones, of a class within a function, are any."""
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except NameError:
        names = {name for each in kind.__mro__ for name in vars(each).get("__annotations__", ())}
        return dict.fromkeys(sorted(names, key=list(kind.__annotations__).index), Any)


def _members(union: object) -> list[object]:
    return [each for each in typing.get_args(union) if each is not type(None)]


def _bare(annotation: Any) -> Any:  # noqa: ANN401  any type
    """Return a type without its marks, its alias and its `None`."""
    while True:
        if typing.get_origin(annotation) in _MARKS:
            annotation = typing.get_args(annotation)[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation


def _class_of(annotation: Any) -> Any:  # noqa: ANN401  as above
    """Return the class of a type; that of `Pair[int]` is `Pair`."""
    kind = _bare(annotation)
    if typing.get_origin(kind) in (Union, types.UnionType):
        (kind, *_) = _members(kind)
        kind = _bare(kind)
    return kind if isinstance(kind, type) else typing.get_origin(kind)


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else value


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _same(value: object) -> object:
    return value


def _attribute_reader(name: str) -> Callable[[Any], object]:
    return lambda value: getattr(value, name)


def _item_reader(name: str) -> Callable[[Any], object]:
    return lambda value: cast("dict[str, object]", value).get(name)
