"""Change the validation of a pydantic type to what an answer in JSON needs.

- An `Iterable` is validated at once, into a list; pydantic would check each item when it is used.
- The key of a dictionary is read from its text, since JSON has no other keys: `"1"` is the key of a
  `dict[Literal[1, 2], …]`.
- A type that no JSON can hold is refused before a request is paid for.

Everything happens in pydantic's core schema, so it applies to fields of classes too.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic import TypeAdapter
    from pydantic_core import SchemaValidator
    from pydantic_core.core_schema import ValidatorFunctionWrapHandler


_OPAQUE = {"metadata", "serialization", "config", "default", "expected", "members", "cls"}
"""Entries of a core schema that hold values of the user, not schemas."""
_UNREADABLE_KEYS = {
    **dict.fromkeys(("list", "tuple", "named-tuple", "call"), "a list"),  # `call`: old pydantic
    **dict.fromkeys(("set", "frozenset", "generator"), "a list"),
    **dict.fromkeys(("dict", "model", "dataclass", "typed-dict"), "an object"),
}
_UNHASHABLE = {"list", "dict", "set", "typed-dict", "generator"}
_CHOICES = {"union", "tagged-union", "nullable"}
_READ_FROM_TEXT = {"literal", "enum", "none", "nullable"}
"""Kinds of keys that pydantic does not read from text, unless their values are text."""
_TIMES_AND_NUMBERS = {"date", "datetime", "time", "timedelta", "decimal"}
"""Kinds of keys that it reads from the text of JSON only."""


class ImpossibleTypeError(Exception):
    """No JSON can hold a value of the type; the text says why."""


def eager_validator(adapter: TypeAdapter[Any]) -> SchemaValidator:
    """Return the validator of a type that reads an answer completely.

    Raises
    ------
    ImpossibleTypeError
        No JSON can hold a value of the type.
    """
    from pydantic_core import SchemaValidator  # noqa: PLC0415  an extra, used by typed answers only

    core: Any = adapter.core_schema
    definitions = {part["ref"]: part for part in _parts(core) if "ref" in part}
    for part in _parts(core):
        _check(part, definitions)
    eager: Any = _eager(core, definitions)
    try:
        # a class has its own validator, which would be used instead of the changed schema
        return SchemaValidator(eager, _use_prebuilt=False)
    except TypeError:  # old versions of pydantic-core have no such choice, and no such validators
        return SchemaValidator(eager)


def _parts(node: object) -> Iterator[dict[str, Any]]:
    """Yield a schema and all schemas in it that validate JSON."""
    if isinstance(node, dict):
        if isinstance(node.get("type"), str):
            yield node
        for name, inner in node.items():
            if name not in _OPAQUE and name != "python_schema":
                yield from _parts(inner)
    elif isinstance(node, list | tuple):
        for inner in node:
            yield from _parts(inner)


def _eager(node: Any, definitions: Mapping[str, Any]) -> Any:  # noqa: ANN401  of a core schema
    """Return a copy of a schema with eager lists and keys that are read from text."""
    if isinstance(node, list | tuple):
        return type(node)(_eager(inner, definitions) for inner in node)
    if not isinstance(node, dict):
        return node
    copy = {
        name: inner if name in _OPAQUE else _eager(inner, definitions)
        for name, inner in node.items()
    }
    if node.get("type") == "generator":
        names = ("items_schema", "min_length", "max_length", "ref", "metadata")
        return {"type": "list"} | {name: copy[name] for name in names if name in copy}
    if node.get("type") == "dict" and "keys_schema" in node:
        kinds = _kinds(node["keys_schema"], definitions)
        if kinds & _READ_FROM_TEXT and not kinds & _TIMES_AND_NUMBERS:
            function = {"type": "no-info", "function": _read_key}
            keys = {"type": "function-wrap", "function": function, "schema": copy["keys_schema"]}
            copy["keys_schema"] = keys
    return copy


def _read_key(text: Any, read: ValidatorFunctionWrapHandler) -> object:  # noqa: ANN401
    """Return the key that a JSON text represents."""
    from pydantic_core import ValidationError  # noqa: PLC0415  as above

    try:
        return read(text)
    except ValidationError as error:
        try:
            return read(json.loads(text))  # a number, true, false or null
        except (ValueError, RecursionError):  # also a `ValidationError`
            raise error from None


def _check(part: dict[str, Any], definitions: Mapping[str, Any]) -> None:
    """Raise if no JSON can hold a value of this part of a type."""
    kind = part["type"]
    if kind == "dict" and "keys_schema" in part:
        for key in _impossible(part["keys_schema"], definitions, _UNREADABLE_KEYS):
            raise ImpossibleTypeError(
                f"the keys of a JSON object are text, and a key of this dict is"
                f" {_UNREADABLE_KEYS[key]}"
            )
    if kind in ("set", "frozenset"):
        for item in _impossible(part.get("items_schema"), definitions, _UNHASHABLE):
            raise ImpossibleTypeError(f"a {kind} cannot contain a {item}")
    if kind == "enum" and "missing" not in part:  # which reads other values
        for member in part["members"]:
            if not isinstance(member.value, str | int | float | None):
                value = type(member.value).__name__
                raise ImpossibleTypeError(f"the value of {member} is a {value}")
    if kind == "literal" and any(isinstance(choice, bytes) for choice in part["expected"]):
        raise ImpossibleTypeError("a Literal of bytes is not supported")
    if kind == "is-subclass":
        raise ImpossibleTypeError("a class is not supported")


def _impossible(schema: object, definitions: Mapping[str, Any], refused: Iterable[str]) -> set[str]:
    """Return the refused kinds of a schema, unless another kind or a function may be read."""
    kinds = _kinds(schema, definitions)
    has_choice = any(kind in _CHOICES or kind.startswith("function") for kind in kinds)
    return set() if has_choice else kinds.intersection(refused)


def _kinds(schema: object, definitions: Mapping[str, Any]) -> set[str]:
    """Return the types of a schema below references, functions, defaults and unions."""
    kinds: set[str] = set()
    pending, seen = [schema], set()
    while pending:
        node = pending.pop()
        if isinstance(node, tuple):  # a choice of a union with its label
            node = node[0]
        if not isinstance(node, dict) or id(node) in seen:
            continue
        seen.add(id(node))
        kinds.add(node["type"])
        if node["type"] not in _UNREADABLE_KEYS:
            pending += [definitions.get(node.get("schema_ref", "")), node.get("schema")]
            pending += [node.get("json_schema"), *node.get("choices", ())]
    return kinds
