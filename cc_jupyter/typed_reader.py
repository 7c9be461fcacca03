"""Checks parsed JSON against one type, strictly: a type is asked for to be relied on.

`"yes"` is no bool and `"3"` no int; but JSON has no dates, no tuples and one kind of number, so
what only its poverty brings about is forgiven. pydantic does the work; it is an extra, imported
when the first type is asked for.
"""

from __future__ import annotations

import json
import re
import warnings
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import ConfigError, OptionError
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import describe, excerpt
from cc_jupyter.typed_schema import drop_unset, is_object

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

MOST_DETAILS = 5
_KINDS = (
    "int, float, str, bool, list[…], dict[str, …], Literal[…], Optional[…], dates, dataclasses,"
    " TypedDict, Enum and pydantic models can be asked for"
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_SHOWN = 160


class ValidationProblem(Exception):  # noqa: N818  not yet an error: the model is asked once more
    """An answer that is not of the type; `str(problem)` is one line."""

    def __init__(self, *details: str) -> None:
        shown = "; ".join(details[:MOST_DETAILS])
        more = len(details) - MOST_DETAILS
        super().__init__(f"{shown}; {more} more" if more > 0 else shown)
        self.details = details
        """One line for each thing that is wrong, with its place."""


class Reader:
    """Checks parsed JSON against one type."""

    def __init__(
        self, adapter: TypeAdapter[Any], schema: dict[str, Any], misfit: type[ValidationError]
    ) -> None:
        self._adapter = adapter
        self._misfit = misfit
        self.schema = schema
        self.wrapped = not is_object(schema)

    def read(self, value: Any) -> object:  # noqa: ANN401  any JSON
        """Give the value; a wrapped type may come bare."""
        if not (self.wrapped and is_wrapped(value)):
            return self._fit(value)
        try:
            return self._fit(value["value"])
        except ValidationProblem as problem:
            try:
                return self._fit(value)
            except ValidationProblem:
                raise problem from None

    def _fit(self, value: Any) -> object:  # noqa: ANN401
        try:
            try:
                return self._check(json.dumps(value))
            except ValidationProblem:
                return self._check(json.dumps(drop_unset(value, self.schema)))
        except RecursionError:
            raise ValidationProblem("it is nested too deeply") from None

    def _check(self, text: str) -> object:
        try:
            return self._adapter.validate_json(text, strict=True)
        except self._misfit as misfit:
            errors: list[Any] = misfit.errors(include_url=False, include_context=False)
        if all(map(_is_forgivable, errors)):
            try:
                return self._adapter.validate_json(text)
            except self._misfit as misfit:
                errors = misfit.errors(include_url=False, include_context=False)
        raise ValidationProblem(*map(_detail, errors))


def reader_for(annotation: Any, label: str) -> Reader:  # noqa: ANN401  types have no common type
    """Give the reader of a type; `label` names it in messages.

    Raises
    ------
    ConfigError
        pydantic is not installed.
    OptionError
        No JSON can hold such a value.
    """
    try:
        from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415  an extra
    except ImportError as error:
        raise ConfigError(
            f"`-> x: {label}` needs pydantic 2, which is not installed",
            hint="pip install 'cc-jupyter[typed]', then restart the kernel",
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a default that is no JSON is not sent, that is all
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(annotation)
            return Reader(adapter, adapter.json_schema(), ValidationError)
        except Exception as error:
            raise OptionError(
                f"no JSON can hold `{label}`: {_reason(error)}", hint=_KINDS
            ) from error


def _reason(error: Exception) -> str:
    """Say which part of a type pydantic does not know, or what else it says."""
    found = re.search(r"pydantic-core schema for (.+?)\. Set ", str(error), re.DOTALL)
    if found is not None:
        return f"nothing is known of {excerpt(found[1])}"
    return describe(error).partition(" For further information")[0]


def _is_forgivable(error: dict[str, Any]) -> bool:
    """Tell what only strictness refuses: `3.0` as an int, a day as a time or the other way."""
    given = error["input"]
    if error["type"] in ("int_type", "string_type"):  # both, where the type is `int | str`
        return isinstance(given, float) and given.is_integer()
    if error["type"] in ("date_parsing", "datetime_parsing"):
        return isinstance(given, str) and _DATE.match(given) is not None
    return False


def _detail(error: dict[str, Any]) -> str:
    """Say in one line what is wrong, and where."""
    place = "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in error["loc"])
    said = f"{error['msg'][:1].lower()}{error['msg'][1:]}"
    given = error["input"]
    plain = not isinstance(given, (dict, list))
    if error["type"] != "missing" and (plain or error["type"].endswith("_type")):
        shown = json.dumps(given, ensure_ascii=False, default=str) if plain else kind_of(given)
        said = f"{said}, not {excerpt(redact(shown))}"
    said = excerpt(said, _SHOWN)
    return f"{excerpt(place.removeprefix('.'))}: {said}" if place else said


def kind_of(value: object) -> str:
    """Name the kind of a JSON value."""
    match value:
        case dict():
            return "an object"
        case list():
            return "a list"
        case str():
            return "a text"
        case bool() | None:
            return json.dumps(value)
        case _:
            return "a number"


def is_wrapped(value: object) -> bool:
    """Tell whether a value comes in the member `value` of an object, as it was asked for."""
    return isinstance(value, dict) and value.keys() == {"value"}
