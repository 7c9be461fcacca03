r"""Fills in the `{{ expression }}` parts of a prompt, once; inserted text is never expanded again.

An expression ends at the first `}}` before which it compiles. `_closing` finds that position in one
pass, so a prompt full of braces costs no more than its length. Single braces are text, and `\{{`
stands for `{{`. `values` formats the results.

Values can also be looked up later without running user code, if the expression is plain: a name,
its attributes, items by a constant. Only what an object stores in itself and what a plain container
holds is read; properties, methods and custom attribute lookups are never called.
"""

from __future__ import annotations

import ast
import hashlib
import re
import warnings
from dataclasses import dataclass
from itertools import islice
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from cc_jupyter.core.errors import OptionError, did_you_mean
from cc_jupyter.core.redaction import instance_dict
from cc_jupyter.core.text import describe, excerpt, quote_expression

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import CodeType

    from cc_jupyter.core.messages import Image
    from cc_jupyter.prompt.values import Rendered


class _Missing:
    """Why there is no value."""


GONE: Final = _Missing()
"""The name, or the item, is no longer there."""
UNTOLD: Final = _Missing()
"""Only code of the user's could tell."""

_OF_IPYTHON = {"In", "Out"}
_LONGEST = 1_000
_CONTAINERS = (dict, list, tuple)
_USUAL_WAYS = (object.__getattribute__, SimpleNamespace.__getattribute__)


def digest_of(text: str) -> str:
    """Return the digest that is stored for a text inserted into a prompt."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def plain_name(expression: str) -> str | None:
    """Return the name that a plain expression begins with; `None`: it is no plain one.

    Names of IPython's own, which change with each cell, count as none.
    """
    node = _parsed(expression)
    while not isinstance(node, ast.Name):
        if not isinstance(node, ast.Attribute) and not (
            isinstance(node, ast.Subscript) and _constant(node.slice) is not UNTOLD
        ):
            return None
        node = node.value
    name = node.id
    return None if name.startswith("_") or name in _OF_IPYTHON else name


def look_up(expression: str, user_ns: Mapping[str, object]) -> object:
    """Return the value that a plain expression names now, `GONE` or `UNTOLD`."""
    return _value(_parsed(expression), user_ns)


def _value(node: ast.expr | None, user_ns: Mapping[str, object]) -> object:
    match node:
        case ast.Name(id=name):
            return user_ns.get(name, GONE)
        case ast.Attribute(value=inner, attr=name):
            return _attribute(_value(inner, user_ns), name)
        case ast.Subscript(value=inner, slice=at):
            return _item(_value(inner, user_ns), _constant(at))
        case _:
            return UNTOLD


def _attribute(value: object, name: str) -> object:
    """Return what an object stores in itself, where its class has no say in it."""
    if isinstance(value, _Missing):
        return value
    kind = type(value)
    says = any(name in vars(each) for each in kind.__mro__)
    if says or kind.__getattribute__ not in _USUAL_WAYS:
        return UNTOLD
    return instance_dict(value).get(name, UNTOLD)


def _item(value: object, at: object) -> object:
    if isinstance(value, _Missing):
        return value
    if type(value) not in _CONTAINERS or isinstance(at, _Missing):
        return UNTOLD
    try:
        return value[at]  # type: ignore[index]  # one of three kinds, which take what they take
    except (LookupError, TypeError):
        return GONE


def _constant(node: ast.expr) -> object:
    if isinstance(node, ast.Constant):
        return node.value
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))):
            return -number
        case _:
            return UNTOLD


def _parsed(expression: str) -> ast.expr | None:
    if len(expression) > _LONGEST:  # nobody writes a plain one so long
        return None
    try:
        return ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


_FILE = "<prompt>"
_AS_TEXT = r"to send the braces themselves write `\{{`, or `--raw` for the whole prompt"

_TOKEN = re.compile(
    r"""
      (?P<string> \"{3} (?: [^"\\] | \\. | "(?!"") )*+ \"{3}
                | '{3}  (?: [^'\\] | \\. | '(?!'') )*+ '{3}
                | "     (?: [^"\\\n] | \\. )*+ "
                | '     (?: [^'\\\n] | \\. )*+ ' )
    | (?P<endless> ["'] )
    | (?P<comment> \#[^\n]*+ )
    | (?P<open>    [(\[{] )
    | (?P<close>   [)\]}] )
    """,
    re.VERBOSE | re.DOTALL,
)
_PAIRS = {"(": ")", "[": "]", "{": "}"}

# Since Python 3.12 an f-string may hold its own quotes, which `_closing` does not follow: then
# the first few `}}` are tried one by one.
_TRIES = 200
_TRIED_CHARACTERS = 10_000


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that is sent unchanged."""

    text: str


@dataclass(frozen=True, slots=True)
class Expression:
    """The text between the braces, without surrounding white space."""

    source: str


Part: TypeAlias = Literal | Expression


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """The prompt as it is sent."""

    text: str
    notices: tuple[str, ...] = ()
    """What to tell the user: values that were cut."""
    images: tuple[Image, ...] = ()
    """Images among the values; the text has a marker in the place of each."""
    values: tuple[tuple[str, str], ...] = ()
    """Each expression with the digest of its text; images are left out."""


def parse_template(text: str) -> tuple[Part, ...]:
    """Split a prompt into text and expressions.

    Raises
    ------
    OptionError
        A `{{` is not closed, or what it opens is not an expression; nothing was evaluated.
    """
    return tuple(_parts(text))


def render(
    text: str,
    evaluate: Callable[[str], object],
    to_text: Callable[[object, str], Rendered],
) -> RenderedPrompt:
    """Fill the expressions of a prompt, each once, in their order.

    Parameters
    ----------
    text
        The prompt as typed.
    evaluate
        Gives the value of an expression.
    to_text
        Writes a value, given with its expression, as text.
    """
    pieces: list[str] = []
    notices: list[str] = []
    images: list[Image] = []
    values: list[tuple[str, str]] = []
    for part in parse_template(text):
        match part:
            case Literal(piece):
                pieces.append(piece)
            case Expression(source):
                rendered = to_text(evaluate(source), source)
                pieces.append(rendered.text)
                if rendered.notice is not None:
                    notices.append(rendered.notice)
                if rendered.image is not None:
                    images.append(rendered.image)
                else:
                    values.append((source, digest_of(rendered.text)))
            case _:
                assert_never(part)
    return RenderedPrompt("".join(pieces), tuple(notices), tuple(images), tuple(values))


def evaluate(
    expression: str, user_ns: Mapping[str, object], local_ns: Mapping[str, object]
) -> object:
    """Return the value of an expression that `parse_template` found; `local_ns` is seen first.

    Both namespaces are copied: a `:=` leaves no name behind.

    Raises
    ------
    OptionError
        A name is unknown, or the expression failed; chained from its exception.
    """
    namespace = {**user_ns, **local_ns}
    try:
        return eval(_compiled(expression), namespace)  # noqa: S307  the user's own code
    except NameError as error:
        if error.name and _raised_in_prompt(error):
            raise _unknown(expression, error.name, namespace) from error
        raise _failed(expression, error) from error
    except Exception as error:
        raise _failed(expression, error) from error


def _parts(text: str) -> Iterator[Part]:
    position = 0
    while (opening := text.find("{{", position)) >= 0:
        if opening > position and text[opening - 1] == "\\":
            yield Literal(text[position : opening - 1] + "{{")
            position = opening + 2
            continue
        if opening > position:
            yield Literal(text[position:opening])
        end = _end(text, opening)
        yield Expression(text[opening + 2 : end].strip())
        position = end + 2
    if position < len(text):
        yield Literal(text[position:])


def _end(text: str, opening: int) -> int:
    """Return the place of the `}}` that ends the expression opened at `opening`."""
    start = opening + 2
    closing = _closing(text, start)
    if closing is not None and _compiles(text[start:closing]):
        return closing
    for place in islice(_closings(text, start, start + _TRIED_CHARACTERS), _TRIES):
        if _compiles(text[start:place]):
            return place
    raise _not_an_expression(text, opening, closing)


def _closing(text: str, start: int) -> int | None:
    """Find the only `}}` before which the code from `start` can compile, if there is one.

    Before it a string or bracket is open; after it a `}` closes nothing.
    """
    brackets: list[str] = []
    for token in _TOKEN.finditer(text, start):
        match token.lastgroup:
            case "open":
                brackets.append(_PAIRS[token[0]])
            case "close" if not brackets:
                return token.start() if text.startswith("}}", token.start()) else None
            case "close" if brackets.pop() != token[0]:
                return None
            case "endless":
                return None
            case "comment" if not brackets and (inside := token[0].find("}}")) >= 0:
                return token.start() + inside
            case _:
                pass
    return None


def _closings(text: str, start: int, stop: int) -> Iterator[int]:
    place = text.find("}}", start, stop)
    while place >= 0:
        yield place
        place = text.find("}}", place + 1, stop)


def _compiles(source: str) -> bool:
    return _complaint(source) is None


def _complaint(source: str) -> str | None:
    """Return Python's syntax error for this expression, or `None`."""
    try:
        _compiled(source)
    except SyntaxError as error:
        return excerpt(error.msg)
    except (ValueError, RecursionError, MemoryError) as error:
        return describe(error)
    return None


def _compiled(source: str) -> CodeType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape in a prompt is no program's fault
        code: CodeType = compile(source.strip(), _FILE, "eval", dont_inherit=True)
    return code


def _not_an_expression(text: str, opening: int, closing: int | None) -> OptionError:
    start = opening + 2
    line = text.count("\n", 0, opening) + 1
    end = text.find("}}", start) if closing is None else closing
    source = text[start : end if end >= 0 else None]
    if end < 0 or "{{" in source:
        shown = excerpt(source.partition("{{")[0].strip().partition("\n")[0], 40)
        return OptionError(
            f"the `{{{{ {shown}` on line {line} of the prompt is never closed",
            hint="close it with `}}`; " + _AS_TEXT,
        )
    complaint = "nothing stands in it" if not source.strip() else _complaint(source)
    return OptionError(
        f"{quote_expression(source)} on line {line} of the prompt is not a Python expression:"
        f" {complaint}",
        hint=_AS_TEXT,
    )


def _raised_in_prompt(error: NameError) -> bool:
    """Tell a name unknown to the expression from one unknown to a function that it calls."""
    last = None
    traceback = error.__traceback__
    while traceback is not None:
        last = traceback.tb_frame.f_code.co_filename
        traceback = traceback.tb_next
    return last == _FILE


def _unknown(expression: str, name: str, namespace: Mapping[str, object]) -> OptionError:
    private = name.startswith("_")
    known = [key for key in map(str, namespace) if private or not key.startswith("_")]
    hint = did_you_mean(name, known) or "run the cell that defines it first."
    return OptionError(
        f"the name `{excerpt(name)}` in {quote_expression(expression)} is unknown",
        hint=f"{hint} {_AS_TEXT.capitalize()}",
    )


def _failed(expression: str, error: Exception) -> OptionError:
    return OptionError(
        f"{quote_expression(expression)} failed: {describe(error)}",
        hint="nothing was sent; try the expression in a cell of its own",
    )
