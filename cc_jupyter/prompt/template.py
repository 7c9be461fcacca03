r"""Fills in the `{{ expression }}` parts of a prompt, once; inserted text is never expanded again.

An expression ends at the first `}}` before which it compiles. `_closing` finds that position in one
pass, so the cost grows only with the prompt's length, however many braces it has. Single braces are
text, and `\{{` is a literal `{{`. `values` formats the results.

Values can also be looked up later without running user code, if the expression is plain: a name,
its attributes, items by a constant. Only instance attributes and items of plain containers are
read; properties, methods and custom attribute lookups are never called.
"""

from __future__ import annotations

import ast
import builtins
import functools
import hashlib
import re
import warnings
from dataclasses import dataclass
from itertools import islice
from traceback import walk_tb
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from cc_jupyter.core.errors import OptionError, did_you_mean
from cc_jupyter.core.messages import RenderedPrompt
from cc_jupyter.core.redaction import instance_dict
from cc_jupyter.core.text import describe, excerpt, quote_expression

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import CodeType

    from cc_jupyter.core.messages import Image
    from cc_jupyter.prompt.values import Rendered


class _NoValue:
    """The reason why a look-up has no value."""


MISSING: Final = _NoValue()
"""The name or the item no longer exists."""
UNKNOWN: Final = _NoValue()
"""Finding the value would need to run user code."""

_IPYTHON_NAMES = {"In", "Out"}
_MAX_PLAIN_CHARS = 1_000  # no one writes a longer plain expression
_CONTAINERS = (dict, list, tuple)
_DEFAULT_LOOKUPS = (object.__getattribute__, SimpleNamespace.__getattribute__)

_FILE = "<prompt>"
_ESCAPE_HINT = r"to send the braces themselves write `\{{`, or use `--raw` for the whole prompt"
_LEXEME = r"""(?xs)
      (?P<string> \"{3} (?: [^"\\] | \\. | "(?!"") )*+ \"{3}
                | '{3}  (?: [^'\\] | \\. | '(?!'') )*+ '{3}
                | "     (?: [^"\\\n] | \\. )*+ "
                | '     (?: [^'\\\n] | \\. )*+ ' )
    | (?P<unclosed_string> ["'] )
    | (?P<comment> \#[^\n]*+ )
    | (?P<open>    [(\[{] )
    | (?P<close>   [)\]}] )
    """  # a text: most prompts have no expression, and a session's first one waits for its imports
_CLOSING_BRACES = re.compile(r"(?=\}\})")
_PAIRS = {"(": ")", "[": "]", "{": "}"}

# Since Python 3.12 an f-string may contain its own quotes, which `_closing` does not follow: then
# the first few `}}` are tried one by one.
_TRIES = 200
_PLACE_CHARS = 30
_EXAMPLE_CHARS = 1_000
"""More than is shown: keys in it are redacted before it is cut."""
_TRIED_CHARACTERS = 10_000


def digest_of(text: str) -> str:
    """Return the digest that is stored for a text inserted into a prompt."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def plain_name(expression: str) -> str | None:
    """Return the name that a plain expression begins with; `None`: the expression is not plain.

    IPython's own names do not count: their values change with each cell.
    """
    node = _parsed(expression)
    while not isinstance(node, ast.Name):
        if not isinstance(node, ast.Attribute) and not (
            isinstance(node, ast.Subscript) and _constant(node.slice) is not UNKNOWN
        ):
            return None
        node = node.value
    name = node.id
    return None if name.startswith("_") or name in _IPYTHON_NAMES else name


def names_used(text: str) -> frozenset[str]:
    """Return the names that the expressions of a prompt use; nothing is evaluated.

    Raises
    ------
    OptionError
        A `{{` is not closed, or its content is not an expression.
    """
    parts = parse_template(text) if "{{" in text else ()
    sources = (part.source for part in parts if isinstance(part, Expression))
    return frozenset[str]().union(*map(names_in, sources))


def names_in(expression: str) -> frozenset[str]:
    """Return the names that an expression uses; none if it is not Python."""
    node = _parsed(expression)
    found = () if node is None else ast.walk(node)
    return frozenset(each.id for each in found if isinstance(each, ast.Name))


def names_needed(text: str) -> dict[str, str]:
    """Return the names that the expressions of a prompt need, each with the first such expression.

    Python's own names, and names that an expression defines itself, are not needed.

    Raises
    ------
    OptionError
        A `{{` is not closed, or its content is not an expression.
    """
    found: dict[str, str] = {}
    parts = parse_template(text) if "{{" in text else ()
    for source in (part.source for part in parts if isinstance(part, Expression)):
        node = _parsed(source)
        nodes = [] if node is None else list(ast.walk(node))
        names = [each for each in nodes if isinstance(each, ast.Name)]
        own = {each.id for each in names if not isinstance(each.ctx, ast.Load)}
        own |= {each.arg for each in nodes if isinstance(each, ast.arg)}
        for each in names:
            if each.id not in own and not hasattr(builtins, each.id):
                found.setdefault(each.id, source)
    return found


def escaped(text: str) -> str:
    r"""Return a template that sends the text exactly: its `{{` are written `\{{`."""
    return text.replace("{{", r"\{{")


def look_up(expression: str, user_ns: Mapping[str, object]) -> object:
    """Return the present value of a plain expression, or `MISSING`, or `UNKNOWN`."""
    return _value(_parsed(expression), user_ns)


def _value(node: ast.expr | None, user_ns: Mapping[str, object]) -> object:
    match node:
        case ast.Name(id=name):
            return user_ns.get(name, MISSING)
        case ast.Attribute(value=inner, attr=name):
            return _attribute(_value(inner, user_ns), name)
        case ast.Subscript(value=inner, slice=at):
            return _item(_value(inner, user_ns), _constant(at))
        case _:
            return UNKNOWN


def _attribute(value: object, name: str) -> object:
    """Return an instance attribute, unless the class defines the name or its own look-up."""
    if isinstance(value, _NoValue):
        return value
    kind = type(value)
    is_in_class = any(name in vars(each) for each in kind.__mro__)
    if is_in_class or kind.__getattribute__ not in _DEFAULT_LOOKUPS:
        return UNKNOWN
    return instance_dict(value).get(name, UNKNOWN)


def _item(value: object, at: object) -> object:
    if isinstance(value, _NoValue):
        return value
    if type(value) not in _CONTAINERS or isinstance(at, _NoValue):
        return UNKNOWN
    try:
        return value[at]  # type: ignore[index]  # a key of the wrong type raises
    except (LookupError, TypeError):
        return MISSING


def _constant(node: ast.expr) -> object:
    if isinstance(node, ast.Constant):
        return node.value
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))):
            return -number
        case _:
            return UNKNOWN


def _parsed(expression: str) -> ast.expr | None:
    if len(expression) > _MAX_PLAIN_CHARS:
        return None
    try:
        return ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that is sent unchanged."""

    text: str


@dataclass(frozen=True, slots=True)
class Expression:
    """The text between the braces, without surrounding white space."""

    source: str


Part: TypeAlias = Literal | Expression


def parse_template(text: str) -> tuple[Part, ...]:
    """Split a prompt into text and expressions.

    Raises
    ------
    OptionError
        A `{{` is not closed, or its content is not an expression; nothing was evaluated.
    """
    parts: list[Part] = []
    position = 0
    while (opening := text.find("{{", position)) >= 0:
        if opening > position and text[opening - 1] == "\\":
            parts.append(Literal(text[position : opening - 1] + "{{"))
            position = opening + 2
            continue
        if opening > position:
            parts.append(Literal(text[position:opening]))
        end = _end(text, opening + 2)
        parts.append(Expression(text[opening + 2 : end].strip()))
        position = end + 2
    if position < len(text):
        parts.append(Literal(text[position:]))
    return tuple(parts)


def render(
    text: str,
    evaluate: Callable[[str], object],
    to_text: Callable[[object, str], Rendered],
) -> RenderedPrompt:
    """Fill in the expressions of a prompt, each once, in order.

    Parameters
    ----------
    text
        The prompt as typed.
    evaluate
        Returns the value of an expression.
    to_text
        Formats a value, passed with its expression, as text.
    """
    pieces: list[str] = []
    notices: list[str] = []
    images: list[Image] = []
    values: list[tuple[str, str]] = []
    examples: dict[str, str] = {}
    for part in parse_template(text):
        match part:
            case Literal(piece):
                pieces.append(piece)
            case Expression(source):
                rendered = to_text(evaluate(source), source)
                pieces.append(rendered.text)
                examples.setdefault(source, rendered.text[:_EXAMPLE_CHARS])
                notices += rendered.notices
                images += rendered.images
                if not rendered.images:
                    values.append((source, digest_of(rendered.text)))
            case _:
                assert_never(part)
    return RenderedPrompt(
        "".join(pieces), tuple(notices), tuple(images), tuple(values), tuple(examples.items())
    )


def evaluate(
    expression: str, user_ns: Mapping[str, object], local_ns: Mapping[str, object]
) -> object:
    """Return the value of an expression that `parse_template` found; `local_ns` comes first.

    Both namespaces are copied, so a `:=` leaves no name behind.

    Raises
    ------
    OptionError
        A name is unknown, or the expression failed; chained from its exception.
    """
    namespace = {**user_ns, **local_ns}
    try:
        return eval(_compiled(expression), namespace)  # noqa: S307  the user's own code
    except Exception as error:  # the user's code may raise anything
        if isinstance(error, NameError) and error.name and _raised_in_prompt(error):
            raise _unknown(expression, error.name, namespace) from error
        raise OptionError(
            f"{quote_expression(expression)} failed: {describe(error)}",
            hint="nothing was sent; try the expression in a separate cell",
        ) from error


def _end(text: str, start: int) -> int:
    """Return the position of the `}}` that ends the expression whose code begins at `start`."""
    closing, _ = _closing(text, start)
    if closing is not None and _compiles(text[start:closing]):
        return closing
    for found in islice(_CLOSING_BRACES.finditer(text, start, start + _TRIED_CHARACTERS), _TRIES):
        if _compiles(text[start : found.start()]):
            return found.start()
    raise _not_an_expression(text, start, closing)


def _closing(text: str, start: int) -> tuple[int | None, int]:
    """Return the only `}}` before which the code can compile, and where reading stopped.

    Before it a string or bracket is open; after it a `}` closes nothing. `None`: there is none,
    because the code is invalid where reading stopped or because the text ends.
    """
    brackets: list[str] = []
    for token in re.compile(_LEXEME).finditer(text, start):
        place = token.start()
        match token.lastgroup:
            case "open":
                brackets.append(_PAIRS[token[0]])
            case "close" if not brackets and text.startswith("}}", place):
                return place, place
            case "close" if not brackets or brackets.pop() != token[0]:
                return None, place
            case "unclosed_string":
                return None, place
            case "comment" if not brackets and (inside := token[0].find("}}")) >= 0:
                return place + inside, place
            case _:
                pass
    return None, len(text)


def open_expression(text: str) -> str | None:
    r"""Return the text after a `{{` that is not closed yet; `None`: the text ends outside braces.

    `\{{` opens nothing. An invalid expression ends at the next `}}`.
    """
    position = 0
    while (opening := text.find("{{", position)) >= 0:
        position = opening + 2
        if opening > 0 and text[opening - 1] == "\\":
            continue
        closing, stopped = _closing(text, position)
        if closing is None:
            closing = text.find("}}", stopped)
        if closing < 0:
            return text[position:]
        position = closing + 2
    return None


def _compiles(source: str) -> bool:
    return complaint(source) is None


def complaint(source: str) -> str | None:
    """Return Python's syntax error for an expression, with its place; `None`: it compiles."""
    try:
        _compiled(source)
    except SyntaxError as error:
        return f"{excerpt(error.msg)}{_place(source.strip(), error)}"
    except (ValueError, RecursionError, MemoryError) as error:
        return describe(error)
    return None


def _place(source: str, error: SyntaxError) -> str:
    """Return where a syntax error is: the text from there on; empty if there are several lines."""
    if error.offset is None or "\n" in source:
        return ""
    rest = source[error.offset - 1 :].strip() if error.offset else ""
    return f", at `{excerpt(rest, _PLACE_CHARS)}`" if rest else ", at its end"


@functools.lru_cache(maxsize=256)
def _compiled(source: str) -> CodeType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about an invalid escape, which is fine in a prompt
        code: CodeType = compile(source.strip(), _FILE, "eval", dont_inherit=True)
    return code


def _not_an_expression(text: str, start: int, closing: int | None) -> OptionError:
    line = text.count("\n", 0, start) + 1
    end = text.find("}}", start) if closing is None else closing
    source = text[start : end if end >= 0 else None]
    if end < 0 or "{{" in source:
        shown = excerpt(source.partition("{{")[0].strip().partition("\n")[0], 40)
        return OptionError(
            f"the `{{{{ {shown}` on line {line} of the prompt is never closed",
            hint="close it with `}}`; " + _ESCAPE_HINT,
        )
    problem = complaint(source) if source.strip() else "it is empty"
    return OptionError(
        f"{quote_expression(source)} on line {line} of the prompt is not a Python expression:"
        f" {problem}",
        hint=_ESCAPE_HINT,
    )


def _raised_in_prompt(error: NameError) -> bool:
    """Return whether the expression itself, not a function it calls, uses the unknown name."""
    *_, (frame, _) = walk_tb(error.__traceback__)
    return frame.f_code.co_filename == _FILE


def _unknown(expression: str, name: str, namespace: Mapping[str, object]) -> OptionError:
    private = name.startswith("_")
    known = [key for key in map(str, namespace) if private or not key.startswith("_")]
    hint = did_you_mean(name, known) or "run the cell that defines it first."
    return OptionError(
        f"the name `{excerpt(name)}` in {quote_expression(expression)} is unknown",
        hint=f"{hint} {_ESCAPE_HINT.capitalize()}",
    )
