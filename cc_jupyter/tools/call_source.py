"""Write a call as Python source: what a person reads before allowing it, and in the trace.

The source is exact: what it evaluates to is what the function gets. Escapes show control
characters, marks that turn the writing direction and other invisible ones. A text of several lines
goes on several lines, so that code and letters can be read. What is typed in its place is read back
as literals; nothing is evaluated.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

WIDTH = 88
_INDENT = "    "
_SHORT_CHARS = 40
"""Of one argument on a line of the trace."""
_EXAMPLE = 'write names with values, for example city="Rome", limit=10'


def call_source(name: str, arguments: Mapping[str, Any], width: int = WIDTH) -> str:
    """Return a call with every argument in full."""
    pieces = [f"{argument}={_literal(value)}" for argument, value in _named(arguments)]
    line = f"{name}({', '.join(pieces)})"
    if len(line) <= width and "\\n" not in line:
        return line
    lines = [
        f"{_INDENT}{argument}={_layout(value, 1, width)},\n"
        for argument, value in _named(arguments)
    ]
    return f"{name}(\n{''.join(lines)})"


def short_call(name: str, arguments: Mapping[str, Any]) -> str:
    """Return a call on one line, with long arguments cut."""
    pieces = (f"{argument}={_short(value)}" for argument, value in _named(arguments))
    return f"{name}({', '.join(pieces)})"


def read_arguments(text: str) -> dict[str, Any]:
    """Return the arguments in `city="Rome", limit=10`; `...` stands for one that is left out.

    Only literals are read, and nothing is evaluated.

    Raises
    ------
    OptionError
        The text is not a list of keywords with literal values.
    """
    source = text.strip()
    try:
        node = ast.parse(f"f({source}\n)", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", None) or str(error)
        raise OptionError(
            f"`{excerpt(source)}` is not a list of arguments: {excerpt(reason)}", hint=_EXAMPLE
        ) from None
    is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    if not isinstance(node, ast.Call) or not is_call or node.args or not node.keywords:
        raise OptionError(f"`{excerpt(source)}` has no names for its values", hint=_EXAMPLE)
    found: dict[str, Any] = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise OptionError(f"`{excerpt(source)}` has a dict with **", hint=_EXAMPLE)
        if keyword.arg in found:  # Python itself refuses it at compile time only
            raise OptionError(f"the argument {keyword.arg} is given twice", hint="give it once")
        found[keyword.arg] = _value(keyword)
    return found


def _value(keyword: ast.keyword) -> object:
    try:
        return ast.literal_eval(keyword.value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        value = excerpt(ast.unparse(keyword.value))
        raise OptionError(
            f"the value of {keyword.arg}, `{value}`, is not a literal",
            hint="write numbers, texts in quotes, True, False, None, lists or dicts",
        ) from None


def _named(arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield names and values; a name that Python has no keyword for is shown as a text."""
    for name, value in arguments.items():
        yield (name if name.isidentifier() else _literal(name)), value


def _literal(value: Any) -> str:  # noqa: ANN401  any JSON
    """Return a value on one line."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return (
            f"{{{', '.join(f'{_text(name)}: {_literal(each)}' for name, each in value.items())}}}"
        )
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, float) and value - value != 0:  # infinite or not a number
        return f'float("{value}")'
    return repr(value)


def _text(text: str) -> str:
    """Return a text in double quotes, unless it contains them."""
    shown = repr(text)
    return f'"{shown[1:-1]}"' if shown[0] == "'" and '"' not in text else shown


def _layout(value: Any, depth: int, width: int) -> str:  # noqa: ANN401  any JSON
    """Return a value on as many lines as it needs."""
    line = _literal(value)
    if len(line) + len(_INDENT) * (depth + 1) <= width and "\\n" not in line:
        return line
    if isinstance(value, str) and value:
        return _block("(", map(_text, value.splitlines(keepends=True)), ")", depth, "")
    if isinstance(value, dict) and value:
        items = (
            f"{_text(name)}: {_layout(each, depth + 1, width)}" for name, each in value.items()
        )
        return _block("{", items, "}", depth, ",")
    if isinstance(value, list) and value:
        return _block("[", (_layout(each, depth + 1, width) for each in value), "]", depth, ",")
    return line


def _block(opening: str, items: Iterable[str], closing: str, depth: int, end: str) -> str:
    pieces = list(items)
    if len(pieces) == 1 and not end:
        return pieces[0]
    inner, outer = _INDENT * (depth + 1), _INDENT * depth
    lines = [opening, *(f"{inner}{piece}{end}" for piece in pieces), f"{outer}{closing}"]
    return "\n".join(lines)


def _short(value: Any) -> str:  # noqa: ANN401  any JSON
    if isinstance(value, str) and len(value) > _SHORT_CHARS:
        return f"{_text(value[:_SHORT_CHARS])[:-1]}…"
    shown = _literal(value)
    return shown if len(shown) <= _SHORT_CHARS else f"{shown[:_SHORT_CHARS]}…"
