"""Where in a prompt a `{{ }}` is still open; in prose there is nothing to complete."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cc_jupyter.completion.offers import Offer

if TYPE_CHECKING:
    from cc_jupyter.completion.offers import Names

_LONGEST_EXPRESSION = 10_000
"""An expression that began further back than so many characters is not looked for."""
_TOKEN = re.compile(
    r"""
      (?P<string> \"{3} (?: [^"\\] | \\. | "(?!"") )*+ \"{3}
                | '{3}  (?: [^'\\] | \\. | '(?!'') )*+ '{3}
                | "     (?: [^"\\\n] | \\. )*+ "
                | '     (?: [^'\\\n] | \\. )*+ ' )
    | (?P<endless> ["'] )
    | (?P<open>    [(\[{] )
    | (?P<close>   [)\]}] )
    """,
    re.VERBOSE | re.DOTALL,
)


def in_prompt(before: str, after: str, names: Names) -> Offer:
    """Complete the expression the cursor stands in; in prose there is nothing to complete."""
    expression = open_expression(before[-_LONGEST_EXPRESSION:])
    if expression is None:
        return Offer()
    return names.python(expression.lstrip(), after.partition("}}")[0])


def open_expression(text: str) -> str | None:
    r"""Give what stands behind a `{{` that is not closed yet; `None`: the text ends in prose.

    `\{{` opens nothing. An expression that can't become one ends at the next `}}`.
    """
    position = 0
    while (opening := text.find("{{", position)) >= 0:
        position = opening + 2
        if opening > 0 and text[opening - 1] == "\\":
            continue
        end = _end(text, position)
        if end is None:
            return text[position:]
        position = end
    return None


def _end(text: str, start: int) -> int | None:
    """Give the place behind the `}}` that ends an expression; `None`: it is open."""
    depth = 0
    broken = len(text)
    for token in _TOKEN.finditer(text, start):
        match token.lastgroup:
            case "open":
                depth += 1
            case "close" if depth == 0 and text.startswith("}}", token.start()):
                return token.start() + 2
            case "close" if depth > 0:
                depth -= 1
            case "string":
                pass
            case _:
                broken = token.start()
                break
    place = text.find("}}", broken)
    return None if place < 0 else place + 2
