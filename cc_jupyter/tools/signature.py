"""From a function's signature to the JSON schema of its arguments, and a validator for them.

pydantic reads the annotations, with the same rules as typed answers: nothing is converted but what
JSON makes necessary. The parameters become a `TypedDict`, so a parameter that is left out gets the
function's own default, and no name of a parameter is reserved. Fields with other names are refused.
"""

from __future__ import annotations

import inspect
import json
import typing
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from cc_jupyter.core.errors import CcError, ConfigError, OptionError
from cc_jupyter.core.text import describe, excerpt
from cc_jupyter.prompt.json_schema import inlined
from cc_jupyter.prompt.output_types import Validator, validator_for
from cc_jupyter.tools.docstrings import read_docstring

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_DEF = "write a function with def, with an annotation for each parameter"
_KINDS: tuple[tuple[Callable[[Any], bool], str, str], ...] = (
    (inspect.isclass, "a class", "write a function that creates the object and returns it"),
    (inspect.ismodule, "a module", "name a function in it, as in --tools module.function"),
    (inspect.ismethod, "a method", "write a function that calls it, with def"),
    (inspect.isbuiltin, "a builtin function, which has no annotations", _DEF),
    (lambda value: isinstance(value, partial), "a functools.partial", _DEF),
    (inspect.isroutine, "a function written in C, which has no annotations", _DEF),
)
_STARS = {
    int(inspect.Parameter.VAR_POSITIONAL): "*",
    int(inspect.Parameter.VAR_KEYWORD): "**",
}
_LAMBDA = "<lambda>"
_SCHEMA_NAMES = ("properties", "$defs", "patternProperties", "dependentSchemas")
"""Keywords of a schema whose value has schemas by the names of a user's."""


class Parameter(NamedTuple):
    """One parameter of a tool."""

    name: str
    default: object
    """`inspect.Parameter.empty`: it must be given."""
    is_positional: bool
    """Whether it can only be passed by its position."""


class Signature(NamedTuple):
    """What a model must know to call a function, and what reads its arguments."""

    description: str
    schema: Mapping[str, Any]
    parameters: tuple[Parameter, ...]
    validator: Validator


def signature_of(function: object, expression: str) -> Signature:
    """Read the signature of a function.

    Parameters
    ----------
    function
        The value that the user named.
    expression
        How the user wrote it, for messages.

    Raises
    ------
    OptionError
        The value is not a function that can be a tool; the message says which part is missing.
    ConfigError
        pydantic is not installed.
    """
    checked = _checked(function, expression)
    try:
        parameters = tuple(inspect.signature(checked).parameters.values())
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"the parameters of `{excerpt(expression)}` cannot be read: {describe(error)}",
            hint=_DEF,
        ) from error
    name = checked.__name__
    _refuse_variadic(name, parameters)
    hints = _annotations(checked, name)
    _refuse_unannotated(name, parameters, hints)
    docstring = read_docstring(checked.__doc__)
    validator = _validator(name, parameters, hints, docstring.parameters)
    return Signature(
        docstring.description,
        _without_titles(inlined(validator.schema)),
        tuple(
            Parameter(each.name, each.default, each.kind is inspect.Parameter.POSITIONAL_ONLY)
            for each in parameters
        ),
        validator,
    )


def _checked(function: object, expression: str) -> Any:  # noqa: ANN401  any function
    """Return a function that was written with `def`."""
    quoted = f"`{excerpt(expression)}`"
    if inspect.isfunction(function):
        if function.__name__ == _LAMBDA:
            raise OptionError(
                f"the tool {quoted} is a lambda, which has neither a name nor annotations",
                hint=_DEF,
            )
        return function
    for is_kind, kind, hint in _KINDS:
        if is_kind(function):
            raise OptionError(f"the tool {quoted} is {kind}, not a function of yours", hint=hint)
    hint = "write a function that calls it, with def" if callable(function) else _DEF
    raise OptionError(
        f"the tool {quoted} is of type {type(function).__name__}, not a function", hint=hint
    )


def _refuse_variadic(name: str, parameters: tuple[inspect.Parameter, ...]) -> None:
    for each in parameters:
        if (stars := _STARS.get(int(each.kind))) is not None:
            raise OptionError(
                f"the tool {name} takes {stars}{each.name}, which no schema can describe",
                hint="name each parameter, or take one list or dict",
            )


def _annotations(function: Any, name: str) -> dict[str, Any]:  # noqa: ANN401
    """Return the types of the parameters; what is returned may have any."""
    try:
        given = {each: hint for each, hint in function.__annotations__.items() if each != "return"}
        names = inspect.unwrap(function).__globals__
        return typing.get_type_hints(
            SimpleNamespace(__annotations__=given), globalns=names, include_extras=True
        )
    except Exception as error:  # an annotation is evaluated, which may raise anything
        raise OptionError(
            f"the annotations of the tool {name} cannot be read: {describe(error)}",
            hint="import or define their names where the function is defined",
        ) from error


def _refuse_unannotated(
    name: str, parameters: tuple[inspect.Parameter, ...], hints: Mapping[str, Any]
) -> None:
    missing = [each.name for each in parameters if each.name not in hints]
    if missing:
        raise OptionError(
            f"the tool {name} has no annotation for {', '.join(missing)}",
            hint=f"write {missing[0]}: str, or the type that it needs",
        )


def _validator(
    name: str,
    parameters: tuple[inspect.Parameter, ...],
    hints: Mapping[str, Any],
    descriptions: Mapping[str, str],
) -> Validator:
    try:
        from typing import NotRequired  # noqa: PLC0415  pydantic needs it

        from pydantic import ConfigDict, Field  # noqa: PLC0415  an extra
        from typing_extensions import TypedDict  # noqa: PLC0415  pydantic needs it
    except ImportError as error:
        raise ConfigError(
            "--tools needs pydantic 2, which is not installed",
            hint="pip install 'cc-jupyter[typed]', then restart the kernel",
        ) from error

    make: Any = TypedDict  # as variables: mypy reads literal names only
    form: Any = Annotated

    def field_of(each: inspect.Parameter) -> Any:  # noqa: ANN401  a type
        hint, extras = _parts(hints[each.name])
        words = [extra for extra in extras if isinstance(extra, str)]
        extras = tuple(extra for extra in extras if not isinstance(extra, str))
        description = words[0] if words else descriptions.get(each.name)
        has_default = each.default is not inspect.Parameter.empty
        shown = {"default": _json_default(name, each)} if has_default else None
        field = Field(description=description, json_schema_extra=shown)
        described = form[(hint, field, *extras)]
        return NotRequired[described] if has_default else described

    def validator_of(chosen: tuple[inspect.Parameter, ...], label: str) -> Validator:
        fields = {each.name: field_of(each) for each in chosen}
        kind: Any = make(name, fields)
        kind.__pydantic_config__ = ConfigDict(extra="forbid")
        return validator_for(kind, label)

    try:
        return validator_of(parameters, name)
    except OptionError:
        for each in parameters:  # one of them is the reason, which pydantic does not name
            try:
                validator_of((each,), f"{each.name}: {_type_text(hints[each.name])}")
            except OptionError as error:
                raise OptionError(f"the tool {name}: {error}", hint=error.hint) from error
        raise


def _parts(hint: Any) -> tuple[Any, tuple[Any, ...]]:  # noqa: ANN401  a type
    """Return a type and what `Annotated` adds to it."""
    if typing.get_origin(hint) is Annotated:
        inner, *extras = typing.get_args(hint)
        return inner, tuple(extras)
    return hint, ()


def _type_text(hint: Any) -> str:  # noqa: ANN401  a type
    return hint.__qualname__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _json_default(name: str, parameter: inspect.Parameter) -> Any:  # noqa: ANN401  any JSON
    """Return a default as the schema shows it."""
    from pydantic_core import PydanticSerializationError, to_jsonable_python  # noqa: PLC0415  an extra

    try:
        default = to_jsonable_python(parameter.default)
        json.dumps(default, allow_nan=False)
    except (PydanticSerializationError, TypeError, ValueError, RecursionError) as error:
        shown = excerpt(_text_of(parameter.default))
        raise OptionError(
            f"the tool {name}: JSON cannot represent the default of {parameter.name}, {shown}",
            hint="use None as the default, and replace it in the function",
        ) from error
    return default


def _text_of(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001  the user's class may raise anything
        return f"a {type(value).__name__}"


def _without_titles(schema: Any) -> Any:  # noqa: ANN401  any JSON
    """Remove the titles that pydantic makes of names: they cost tokens and say nothing new."""
    if isinstance(schema, list):
        return [_without_titles(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: {each: _without_titles(inner) for each, inner in rule.items()}
        if name in _SCHEMA_NAMES and isinstance(rule, dict)
        else (rule if name in ("default", "const", "enum", "examples") else _without_titles(rule))
        for name, rule in schema.items()
        if not (name == "title" and isinstance(rule, str))
    }


def call_arguments(
    parameters: tuple[Parameter, ...], values: Mapping[str, object]
) -> tuple[list[object], dict[str, object]]:
    """Return the arguments by position and by name that pass the values.

    A parameter that is passed by its position gets its default if a later one is given.
    """
    positional = [each for each in parameters if each.is_positional]
    given = [at for at, each in enumerate(positional) if each.name in values]
    shown = positional[: max(given, default=-1) + 1]
    names = {each.name for each in positional}
    by_position = [values.get(each.name, each.default) for each in shown]
    return by_position, {name: value for name, value in values.items() if name not in names}


def check_is_json(values: Mapping[str, object]) -> str:
    """Return values as JSON.

    Raises
    ------
    CcError
        JSON cannot represent them.
    """
    try:
        return json.dumps(dict(values), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise CcError(f"JSON cannot represent the arguments: {describe(error)}") from error
