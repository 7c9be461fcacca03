"""A value that fits a JSON schema, the same each time: what a model would answer to it."""

from __future__ import annotations

from typing import Any

_DEEPEST = 8
_FORMATS = {
    "date": "2026-10-08",
    "date-time": "2026-10-08T12:00:00Z",
    "time": "12:00:00Z",
    "uuid": "00000000-0000-4000-8000-000000000001",
    "email": "ada@example.org",
    "uri": "https://example.org/",
}


def sample(schema: Any, text: str) -> Any:
    """Return a value for `schema`; free strings are `text`. Patterns are not looked at."""
    return _Sampler(schema, text).value(schema, 0)


class _Sampler:
    def __init__(self, root: Any, text: str) -> None:
        self._root = root
        self._text = text

    def value(self, schema: Any, depth: int) -> Any:
        """Return a value for a part of the schema."""
        schema = self._plain(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = next((word for word in kind if word != "null"), "null")
        if kind == "object":
            return self._object(schema, depth + 1)
        if kind == "array":
            return self._array(schema, depth + 1)
        return self._simple(kind, schema)

    def _plain(self, schema: Any) -> dict[str, Any]:
        """Return `schema` without references and choices: of a choice, the first."""
        if not isinstance(schema, dict):
            return {}
        if "$ref" in schema:
            return self._plain(self._resolve(schema["$ref"]))
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return self._plain(schema[word][0])
        merged = {word: rule for word, rule in schema.items() if word != "allOf"}
        for part in schema.get("allOf", ()):
            merged |= self._plain(part)
        return merged

    def _resolve(self, reference: str) -> Any:
        found = self._root
        for name in reference.removeprefix("#").split("/"):
            found = found[name] if name else found
        return found

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        fields = schema.get("properties", {})
        if depth > _DEEPEST:
            fields = {name: fields[name] for name in schema.get("required", ()) if name in fields}
        if not fields and isinstance(schema.get("additionalProperties"), dict):
            fields = {"first": schema["additionalProperties"]}
        return {name: self.value(part, depth) for name, part in fields.items()}

    def _array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        if "prefixItems" in schema:
            return [self.value(part, depth) for part in schema["prefixItems"]]
        least = schema.get("minItems", 0)
        length = least if depth > _DEEPEST else max(least, min(2, schema.get("maxItems", 2)))
        return [self.value(schema.get("items", {}), depth) for _ in range(length)]

    def _simple(self, kind: str, schema: dict[str, Any]) -> Any:
        match kind:
            case "integer":
                return _integer(schema)
            case "number":
                return _number(schema)
            case "boolean":
                return True
            case "null":
                return None
            case _:
                text: str = _FORMATS.get(schema.get("format", ""), self._text)
                text = text.ljust(schema.get("minLength", 0), ".")
                return text[: schema.get("maxLength", len(text))]


def _integer(schema: dict[str, Any]) -> int:
    least = schema.get("minimum", schema.get("exclusiveMinimum", 2) + 1)
    most = schema.get("maximum", schema.get("exclusiveMaximum", max(3, least) + 1) - 1)
    return int(min(max(3, least), most))


def _number(schema: dict[str, Any]) -> float:
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    most = schema.get("maximum", schema.get("exclusiveMaximum"))
    if least is not None and most is not None:
        return float(least + most) / 2
    if least is not None:
        return max(1.5, float(least) + 1)
    return 1.5 if most is None else min(1.5, float(most) - 1)
