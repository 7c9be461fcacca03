"""Writes the types of the browser protocol from its schema: `python scripts/generate_protocol.py`.

`src/protocol.ts` is never edited; a test runs this anew and compares.
"""  # noqa: INP001  a script

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parents[1]
SCHEMA = FOLDER.parent / "cc_jupyter" / "comm_schema.json"
TARGET = FOLDER / "src" / "kernel" / "protocol.ts"

_PRIMITIVES = {
    "string": "string",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "null": "null",
}
_HEAD = """\
/**
 * The types of the browser protocol, generated from cc_jupyter/comm_schema.json by
 * scripts/generate_protocol.py; never edited.
 */

"""


class Types:
    """The types of one schema.

    Parameters
    ----------
    schema
        Of the subset of JSON Schema that `comm_schema.json` needs.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._parts: dict[str, dict[str, Any]] = schema["$defs"]

    def module(self) -> str:
        """Give the text of the module."""
        version = self._schema["properties"]["v"]["const"]
        blocks = [f"export const PROTOCOL = {version};\n"]
        blocks += [
            self._interface(name, part)
            for name, part in self._parts.items()
            if part.get("properties")
        ]
        blocks += self._maps()
        return _HEAD + "\n".join(blocks)

    def _interface(self, name: str, part: dict[str, Any]) -> str:
        lines = [f"/** {part['description']} */", f"export interface {_interface_name(name)} {{"]
        for member, schema in part["properties"].items():
            if "description" in schema:
                lines.append(f"  /** {schema['description']} */")
            optional = "" if member in part.get("required", ()) else "?"
            lines.append(f"  readonly {member}{optional}: {self._type(schema)};")
        return "\n".join([*lines, "}\n"])

    def _maps(self) -> Iterator[str]:
        """Give what each question holds and what answers it."""
        asked = {name: part for name, part in self._parts.items() if "x-reply" in part}
        yield "\n".join(
            [
                "/** What each question holds, by its type. */",
                "export interface IRequests {",
                *(f"  readonly {name}: {self._body(name)};" for name in asked),
                "}\n",
            ]
        )
        yield "\n".join(
            [
                "/** What answers each question, by the type of the question. */",
                "export interface IReplies {",
                *(
                    f"  readonly {name}: {self._body(part['x-reply'])};"
                    for name, part in asked.items()
                ),
                "}\n",
            ]
        )
        yield "\n".join(
            [
                "/** The type of the answer to each question. */",
                "export const REPLY_TYPES = {",
                ",\n".join(f"  {name}: '{part['x-reply']}'" for name, part in asked.items()),
                "} as const;\n",
            ]
        )

    def _body(self, name: str) -> str:
        has_members = self._parts[name].get("properties")
        return _interface_name(name) if has_members else "Record<string, never>"

    def _type(self, schema: dict[str, Any]) -> str:
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/$defs/")
            part = self._parts[name]
            return _interface_name(name) if "properties" in part else self._type(part)
        if "const" in schema or "enum" in schema:
            values = schema.get("enum", [schema.get("const")])
            return " | ".join(f"'{value}'" for value in values)
        if "anyOf" in schema:
            return " | ".join(self._type(each) for each in schema["anyOf"])
        return self._of_kind(schema)

    def _of_kind(self, schema: dict[str, Any]) -> str:
        kind = schema["type"]
        if isinstance(kind, list):
            return " | ".join(_PRIMITIVES[each] for each in kind)
        if kind == "array":
            inner = self._type(schema["items"])
            return f"readonly ({inner})[]" if " " in inner else f"readonly {inner}[]"
        if kind == "object":
            values = schema.get("additionalProperties")
            return f"Readonly<Record<string, {self._type(values) if values else 'unknown'}>>"
        return _PRIMITIVES[kind]


def _interface_name(name: str) -> str:
    return "I" + "".join(word.capitalize() for word in name.split("_"))


def generated() -> str:
    """Give what `protocol.ts` has to be."""
    return Types(json.loads(SCHEMA.read_text(encoding="utf-8"))).module()


if __name__ == "__main__":
    TARGET.write_text(generated(), encoding="utf-8")
