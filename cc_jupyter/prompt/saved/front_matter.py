"""The file of a saved prompt: TOML front matter between two lines of `+++`, then the prompt.

The front matter has options by their long names (`read_options` reads them), `type`, the tables
`variables` (an example of each name that the prompt needs) and `origin`. A file without front
matter is a prompt without options.

A file of a project may come from a stranger's repository, so it is data: its `{{ }}` take names
only, and it can set only `PROJECT_OPTIONS`, with one value each.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import ConfigError, OptionError
from cc_jupyter.core.text import excerpt, quote_expression
from cc_jupyter.prompt.options import SavedPrompt, read_options
from cc_jupyter.prompt.template import Expression, parse_template, plain_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


PROJECT_OPTIONS = (
    *("model", "system", "temperature", "top-p", "max-tokens", "stop", "effort", "format", "type"),
)
"""What the prompt of a project can set."""
_FENCE = "+++"
_TABLES = ("variables", "origin")
_TYPES = frozenset({"bool", "dict", "float", "frozenset", "int", "list", "set", "str", "tuple"})
_TOML_HINT = 'write options as in temperature = 0.2 or system = "Be brief"'
_MAX_TYPE_CHARS = 1_000
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_PLACE = re.compile(r"\s*\(at (?:line (?P<line>\d+), column \d+|end of document)\)\Z")


@dataclass(frozen=True, slots=True)
class PromptFile:
    """The contents of the file of a saved prompt."""

    text: str
    """The prompt, with `{{ }}` not filled in."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """By long name without dashes, `type` included."""
    examples: Mapping[str, str] = field(default_factory=dict)
    """An example of each name that the prompt needs."""
    origin: Mapping[str, Any] = field(default_factory=dict)
    """Where it comes from; only shown."""

    def to_text(self) -> str:
        """Return the file's text."""
        lines = [f"{name} = {_toml(value)}" for name, value in self.options.items()]
        for name, table in (("variables", self.examples), ("origin", self.origin)):
            if table:
                lines += ["", f"[{name}]"]
                lines += [f"{_key(each)} = {_toml(value)}" for each, value in table.items()]
        head = "\n".join(lines).strip("\n")
        return f"{_FENCE}\n{head}\n{_FENCE}\n\n{self.text}\n"

    def to_prompt(self, name: str, notice: str | None = None) -> SavedPrompt:
        """Return the prompt with its options read.

        Raises
        ------
        OptionError
            An option is invalid.
        """
        options = dict(self.options)
        kind = options.pop("type", None)
        return SavedPrompt(
            name, self.text, read_options(options), kind, dict(self.examples), notice
        )


def parse_prompt_file(content: str, where: str, *, is_project: bool) -> PromptFile:
    """Return the contents of the file of a saved prompt, which is checked completely.

    Parameters
    ----------
    where
        The path, as messages show it.
    is_project
        Whether the file belongs to a project.

    Raises
    ------
    ConfigError
        The file cannot be used; the message names the file and the line.
    """
    head, text, first_line = _split(content.replace("\r\n", "\n"), where)
    values = _parsed(head, where)
    try:
        file = _file(values, text)
        if is_project:
            check_project_file(file)
        for name, value in values.items():
            if name != "type":
                with _naming(name):
                    read_options({name: value})
    except _FieldError as error:
        line = _line_of(head, error.key)
        raise ConfigError(f"{where}, line {line}: {error}", hint=error.hint) from error
    try:
        parse_template(text)
        if is_project:
            check_plain(text)
    except OptionError as error:
        hint = f"{error.hint}; the prompt begins on line {first_line}"
        raise ConfigError(f"{where}: {error}", hint=hint) from error
    return file


class _FieldError(OptionError):
    """A field of the front matter is invalid."""

    def __init__(self, key: str, message: str, hint: str | None) -> None:
        super().__init__(message, hint=hint)
        self.key = key


@contextmanager
def _naming(key: str) -> Iterator[None]:
    """Add the field to an error about its value."""
    try:
        yield
    except OptionError as error:
        raise _FieldError(key, str(error), error.hint) from error


def check_project_file(file: PromptFile) -> None:
    """Refuse options that the prompt of a project cannot set.

    Raises
    ------
    OptionError
        There is one.
    """
    for name, value in file.options.items():
        if name not in PROJECT_OPTIONS:
            raise _FieldError(
                name,
                f"a project's prompt cannot set `{excerpt(name)}`",
                f"it can set {', '.join(PROJECT_OPTIONS)}; write all else on the line of the cell",
            )
        if name == "type" and not is_plain_type(value):
            raise _FieldError(
                name,
                f"a project's prompt cannot use the type `{excerpt(str(value))}`",
                'use built-in types and Literal, such as list[str] or Literal["yes", "no"]',
            )
        if name in ("type", "stop"):
            continue
        with _naming(name):
            (values,) = read_options({name: value}).values()
            if name == "system":
                check_plain(str(values[0]))
        if len(values) > 1:
            raise _FieldError(
                name,
                f"a project's prompt takes one `{name}`, not a list",
                "write a list, which makes a grid, on the line of the cell",
            )


def check_plain(text: str) -> None:
    """Refuse a prompt whose `{{ }}` contain more than names of variables.

    Raises
    ------
    OptionError
        One does, or it is a name that IPython or Python uses itself.
    """
    for part in parse_template(text):
        if isinstance(part, Expression) and not (
            part.source.isidentifier() and plain_name(part.source)
        ):
            raise OptionError(
                f"{quote_expression(part.source)} is not the name of a variable, and a project's"
                " prompt takes nothing else",
                hint="assign the expression to a name, and use the name",
            )


def is_plain_type(source: object) -> bool:
    """Return whether a type consists of built-in types, `Literal` and constants."""
    if not isinstance(source, str) or len(source) > _MAX_TYPE_CHARS:
        return False
    try:
        tree = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return _is_plain(tree)


def _is_plain(node: ast.expr) -> bool:
    """Return whether a type is plain; a text outside of `Literal` would be evaluated as code."""
    match node:
        case ast.Name(name):
            return name in _TYPES
        case ast.Constant(value):
            return value is None or value is Ellipsis
        case ast.BinOp(left, ast.BitOr(), right):
            return _is_plain(left) and _is_plain(right)
        case ast.Subscript(ast.Name("Literal"), inside):
            return all(map(_is_constant, _items(inside)))
        case ast.Subscript(ast.Name() as outer, inside):
            return _is_plain(outer) and all(map(_is_plain, _items(inside)))
        case _:
            return False


def _items(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def _is_constant(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
    return isinstance(node, ast.Constant)


def _split(content: str, where: str) -> tuple[str, str, int]:
    """Return the front matter, the prompt and the prompt's first line in the file, from 1."""
    lines = content.split("\n")
    head, first = "", 0
    if lines[0].rstrip() == _FENCE:
        end = next((at for at, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE), None)
        if end is None:
            raise ConfigError(
                f"{where}, line 1: the front matter is never closed",
                hint=f"put a line {_FENCE} after it",
            )
        head, first = "\n".join(lines[1:end]), end + 1
        if first < len(lines) and not lines[first].strip():
            first += 1  # the empty line between the two
    text = "\n".join(lines[first:]).removesuffix("\n")
    if not text.strip():
        raise ConfigError(
            f"{where}: there is no prompt in it", hint="write the prompt below the front matter"
        )
    return head, text, first + 1


def _parsed(head: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(head)
    except RecursionError as error:
        raise ConfigError(
            f"{where}: the front matter is nested too deeply",
            hint=_TOML_HINT,
        ) from error
    except tomllib.TOMLDecodeError as error:
        found = _PLACE.search(str(error))
        last = head.count("\n") + 1
        line = 1 + (int(found["line"]) if found and found["line"] else last)
        problem = _PLACE.sub("", str(error))
        raise ConfigError(
            f"{where}, line {line}: the front matter is not TOML: {problem}",
            hint=_TOML_HINT,
        ) from error


def _file(values: dict[str, Any], text: str) -> PromptFile:
    for name in _TABLES:
        if not isinstance(values.setdefault(name, {}), dict):
            raise _FieldError(name, f"`{name}` is not a table", f"write it as [{name}]")
    examples, origin = values.pop("variables"), values.pop("origin")
    for name, example in examples.items():
        if not name.isidentifier() or not isinstance(example, str):
            raise _FieldError(
                name,
                f"`{excerpt(name)}` in [variables] is not a name with an example in quotes",
                'for example topic = "rain"',
            )
    kind = values.get("type")
    if kind is not None and not (isinstance(kind, str) and kind.strip()):
        raise _FieldError(
            "type", "`type` is not a type in quotes", 'for example type = "list[str]"'
        )
    return PromptFile(text, values, examples, origin)


def _line_of(head: str, key: str) -> int:
    """Return the line of a key in the file, from 1; the front matter begins on line 2."""
    pattern = rf"""^\s*\[?\s*["']?{re.escape(key)}["']?\s*[=.\]]"""
    found = re.search(pattern, head, re.MULTILINE)
    return 2 + (head.count("\n", 0, found.end()) if found else 0)


def _toml(value: object) -> str:
    """Return a text, number, boolean or list of texts as TOML."""
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        value = re.sub("[\ud800-\udfff]", "\ufffd", value)  # not in UTF-8
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _toml(name)
