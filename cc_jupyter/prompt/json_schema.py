"""Convert a JSON schema to one that strict decoding accepts in both wire formats.

Both require every object to be closed and support few keywords. Other keywords go into the
description, where the model reads them; the answer is checked against them in any case. OpenAI also
requires every property, so an optional property becomes one that can be null, and `drop_unset`
removes these nulls from the answer: then the default applies, as if the property were missing.

Sources: OpenAI guide "Structured outputs", section "Supported schemas"; Claude platform page
"Structured outputs", section "JSON Schema limitations" (read 2026-11-22).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
)
_NOTED = (
    *("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "pattern", "format"),
    *("minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "propertyNames"),
    "examples",
)
_NULL = {"type": "null"}
_MAX_COPIES = 100  # of definitions that replace references to them
_MAX_DEFAULT_CHARS = 80


@dataclass(frozen=True, slots=True)
class ClosedSchema:
    """A schema ready to send."""

    schema: dict[str, Any]
    strict: bool
    """Whether every object is closed and everything has a type."""
    recursive: bool
    """Whether it refers to itself."""


def close(schema: Mapping[str, Any]) -> ClosedSchema:
    """Close a schema whose root is an object.

    References are replaced by their definitions, since some upstream providers do not support them.
    They stay only in a recursive schema, or in one that would grow too large.
    """
    defs = schema.get("$defs", {})
    copies = _copies(schema, defs)
    closing = _Closing(defs, inline=copies <= _MAX_COPIES)
    closed = closing.node(_resolved(schema, defs))
    if not closing.inline:
        closed["$defs"] = {name: closing.node(each) for name, each in defs.items()}
    return ClosedSchema(closed, closing.strict, recursive=math.isinf(copies))


def inlined(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Replace references by their definitions, as `close` does, and change nothing else."""
    defs = schema.get("$defs", {})
    if _copies(schema, defs) > _MAX_COPIES:
        return dict(schema)
    found: dict[str, Any] = _inlined(dict(schema) | {"$defs": {}}, defs)
    return {name: rule for name, rule in found.items() if name != "$defs"}


def _inlined(node: Any, defs: Mapping[str, Any]) -> Any:  # noqa: ANN401  any JSON
    if isinstance(node, list):
        return [_inlined(each, defs) for each in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        node = _resolved(node, defs)
    return {name: _inlined(rule, defs) for name, rule in node.items()}


def is_object(schema: Mapping[str, Any]) -> bool:
    """Return whether a schema describes objects and nothing else."""
    return _resolved(schema, schema.get("$defs", {})).get("type") == "object"


def wrap(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an object whose only property, `value`, has the given schema."""
    inner = {name: rule for name, rule in schema.items() if name != "$defs"}
    outer = {"type": "object", "properties": {"value": inner}, "required": ["value"]}
    return outer | ({"$defs": schema["$defs"]} if "$defs" in schema else {})


def drop_unset(value: Any, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401  any JSON
    """Remove each null that only means that a property was left out.

    `schema` is the original one, before it was closed: a null that it allows is a value and stays.
    """
    return _without_unset(value, schema, schema.get("$defs", {}))


def _without_unset(value: Any, schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Any:  # noqa: ANN401
    schema = _resolved(schema, defs)
    for branch in _branches(schema):
        value = _without_unset(value, branch, defs)
    if isinstance(value, list):
        first, rest = schema.get("prefixItems", ()), schema.get("items", {})
        rules = [*first, *[rest] * (len(value) - len(first))]
        return [_without_unset(item, rule, defs) for item, rule in zip(value, rules, strict=False)]
    if not isinstance(value, dict):
        return value
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    unset = {
        name
        for name, member in value.items()
        if member is None
        and name in properties
        and name not in schema.get("required", ())
        and not _takes_null(properties[name], defs)
    }
    return {
        name: _without_unset(member, properties.get(name, others), defs)
        for name, member in value.items()
        if name not in unset
    }


class _Closing:
    """Closes the parts of one schema, and records whether all of them could be closed."""

    def __init__(self, defs: Mapping[str, Any], *, inline: bool) -> None:
        self._defs = defs
        self.inline = inline
        self.strict = True

    def node(self, schema: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON
        """Close one part."""
        if isinstance(schema, dict) and "$ref" in schema and not self.inline:
            return {"$ref": schema["$ref"]}
        schema = _resolved(schema, self._defs)
        closed = {name: schema[name] for name in ("type", "description", "enum") if name in schema}
        if "const" in schema:
            closed["enum"] = [schema["const"]]
        if schema.get("format") in _FORMATS:
            closed["format"] = schema["format"]
        if branches := _branches(schema):
            closed["anyOf"] = [self.node(branch) for branch in branches]
        notes = [
            f"{name}: {json.dumps(self._noted(schema[name]), ensure_ascii=False)}"
            for name in _NOTED
            if name in schema and name not in closed
        ]
        if schema.get("type") == "array":
            notes += self._close_array(schema, closed)
        elif schema.get("type") == "object":
            self._close_object(schema, closed)
        if closed.keys().isdisjoint({"type", "enum", "anyOf"}):
            self.strict = False
        return _described(closed, notes)

    def _noted(self, rule: Any) -> Any:  # noqa: ANN401  any JSON
        """Return a rule for a description: without references, and without a class name."""
        if not isinstance(rule, dict) or "$ref" not in rule:
            return rule
        return {
            name: value for name, value in _resolved(rule, self._defs).items() if name != "title"
        }

    def _close_array(self, schema: Mapping[str, Any], closed: dict[str, Any]) -> list[str]:
        """Close the items; those of a tuple may have any of its types, and a note has the order."""
        prefix = schema.get("prefixItems", ())
        if not prefix:
            closed["items"] = self.node(schema.get("items", {}))
            return []
        kinds: list[dict[str, Any]] = []
        for item in map(self.node, prefix):
            if item not in kinds:
                kinds.append(item)
        closed["items"] = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
        places = [str(item.get("title") or item.get("type") or "any") for item in prefix]
        return [f"items in this order: {', '.join(places)}"]

    def _close_object(self, schema: Mapping[str, Any], closed: dict[str, Any]) -> None:
        properties = schema.get("properties", {})
        required = schema.get("required", ())
        closed["properties"] = {
            name: self.node(member) if name in required else self._optional(member)
            for name, member in properties.items()
        }
        closed["required"] = list(properties)
        others = schema.get("additionalProperties", "properties" not in schema)
        if others is not False:
            self.strict = False
        closed["additionalProperties"] = self.node(others) if isinstance(others, dict) else others

    def _optional(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Close an optional property: null means that it was left out."""
        closed = self.node(schema)
        default = _default(_resolved(schema, self._defs))
        if _takes_null(schema, self._defs):
            known = default is not None and default != "null"
            return _described(closed, [f"default: {default}"] if known else [])
        description = closed.pop("description", None)
        branches = closed["anyOf"] if closed.keys() == {"anyOf"} else [closed]
        nullable: dict[str, Any] = {"anyOf": [*branches, _NULL]}
        if description is not None:
            nullable["description"] = description
        note = "null if it is not known" if default is None else f"null for the default, {default}"
        return _described(nullable, [note])


def _described(closed: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """Add notes to the description of a part."""
    if notes:
        noted = "; ".join(notes)
        description = closed.get("description")
        closed["description"] = f"{description} ({noted})" if description else noted
    return closed


def _default(schema: Mapping[str, Any]) -> str | None:
    """Return the default as JSON; `None` if there is none or it is too long."""
    if "default" not in schema:
        return None
    default = json.dumps(schema["default"], ensure_ascii=False)
    return default if len(default) <= _MAX_DEFAULT_CHARS else None


def _branches(schema: Mapping[str, Any]) -> list[Any]:
    return list(schema.get("anyOf") or schema.get("oneOf") or ())


def _takes_null(schema: Any, defs: Mapping[str, Any]) -> bool:  # noqa: ANN401  any JSON
    schema = _resolved(schema, defs)
    if branches := _branches(schema):
        return any(_takes_null(branch, defs) for branch in branches)
    if "enum" in schema or "const" in schema:
        return None in schema.get("enum", [schema.get("const")])
    kinds = schema.get("type", "null")
    return "null" in (kinds if isinstance(kinds, list) else [kinds])


def _resolved(schema: Any, defs: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401  any JSON
    """Replace a reference by its target; keywords next to the reference take precedence."""
    if not isinstance(schema, dict):
        return {}
    rest = {name: rule for name, rule in schema.items() if name not in ("$ref", "allOf", "$defs")}
    if "$ref" in schema:
        return _resolved(defs.get(_name(schema["$ref"]), {}), defs) | rest
    if len(schema.get("allOf", ())) == 1:
        return _resolved(schema["allOf"][0], defs) | rest
    return rest


def _copies(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> float:
    """Count the copies of definitions if no reference stays; infinite if one contains itself."""
    known: dict[str, float] = {}

    def weight(name: str) -> float:
        if name not in known:
            known[name] = math.inf  # if it is reached again before it is counted
            known[name] = 1 + sum(map(weight, _references(defs.get(name))))
        return known[name]

    root = {name: rule for name, rule in schema.items() if name != "$defs"}
    return sum(map(weight, _references(root)))


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield _name(schema["$ref"])
        for rule in schema.values():
            yield from _references(rule)
    elif isinstance(schema, list):
        for rule in schema:
            yield from _references(rule)


def _name(reference: str) -> str:
    return reference.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
