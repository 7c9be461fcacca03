"""Read the parameters' descriptions out of a docstring: NumPy, Google and Sphinx form.

What is not understood stays in the description, so the model reads all that the author wrote.
"""

from __future__ import annotations

import inspect
import re
from typing import NamedTuple

_PARAMETER_TITLES = frozenset({"parameters", "other parameters", "args", "arguments", "params"})
_TITLES = _PARAMETER_TITLES | {
    *("returns", "return", "yields", "yield", "raises", "warns", "warnings", "examples", "example"),
    *("notes", "note", "see also", "references", "attributes", "todo"),
}
_NUMPY_HEAD = re.compile(r"(?P<names>\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?")
_GOOGLE_HEAD = re.compile(r"(?P<names>\*{0,2}\w+)\s*(?:\([^)]*\))?\s*:(?:\s+(?P<text>.*))?")
_SPHINX_HEAD = re.compile(r":param(?:\s+[^:]+?)?\s+(?P<names>\w+)\s*:\s*(?P<text>.*)")


class Docstring(NamedTuple):
    """A docstring without its parameters, and their descriptions by name."""

    description: str
    parameters: dict[str, str]


class _Section(NamedTuple):
    title: str
    """In lower case; empty for the text before the first title."""
    head: list[str]
    """The lines of the title."""
    body: list[str]
    is_numpy: bool


def read_docstring(text: str | None) -> Docstring:
    """Return the description and the parameters of a docstring."""
    lines = inspect.cleandoc(text or "").split("\n")
    parameters: dict[str, str] = {}
    rest: list[str] = []
    for section in _sections(lines):
        if section.title in _PARAMETER_TITLES:
            pattern = _NUMPY_HEAD if section.is_numpy else _GOOGLE_HEAD
            found = _described(section.body, pattern)
            parameters |= found
            if found:
                continue
        rest += [*section.head, *_without_sphinx(section.body, parameters)]
    description = re.sub(r"\n{3,}", "\n\n", "\n".join(rest)).strip()
    return Docstring(description, parameters)


def _sections(lines: list[str]) -> list[_Section]:
    sections = [_Section("", [], [], is_numpy=False)]
    at = 0
    while at < len(lines):
        line, below = lines[at], lines[at + 1] if at + 1 < len(lines) else ""
        title = line.strip().rstrip(":").casefold()
        underlined = bool(re.fullmatch(r"-{3,}", below.strip()))
        indented = below.startswith((" ", "\t"))
        if title in _TITLES and underlined:
            sections.append(_Section(title, [line, below], [], is_numpy=True))
            at += 2
            continue
        if title in _TITLES and line.rstrip().endswith(":") and line[:1].strip() and indented:
            sections.append(_Section(title, [line], [], is_numpy=False))
        else:
            sections[-1].body.append(line)
        at += 1
    return sections


def _described(lines: list[str], head: re.Pattern[str]) -> dict[str, str]:
    """Return the descriptions in a section: each name is followed by deeper lines."""
    body = inspect.cleandoc("\n" + "\n".join(lines)).split("\n")
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in body:
        matched = None if line[:1].isspace() else head.fullmatch(line.rstrip())
        if matched is None:
            current.append(line.strip())
            continue
        current = [matched.groupdict().get("text") or ""]
        for name in matched["names"].split(","):
            found[name.strip().lstrip("*")] = current
    return {name: " ".join(filter(None, text)) for name, text in found.items() if any(text)}


def _without_sphinx(lines: list[str], parameters: dict[str, str]) -> list[str]:
    """Return the lines without `:param name: text`, whose text goes to `parameters`."""
    rest: list[str] = []
    current: str | None = None
    for line in lines:
        matched = _SPHINX_HEAD.fullmatch(line.strip())
        if matched is not None:
            current = matched["names"]
            parameters[current] = matched["text"]
        elif current is not None and line.startswith((" ", "\t")):
            parameters[current] = f"{parameters[current]} {line.strip()}".strip()
        else:
            current = None
            rest.append(line)
    return rest
