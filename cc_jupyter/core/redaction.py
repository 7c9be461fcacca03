"""Remove secrets from every text that may be shown, logged or saved.

`redact` recognizes keys by their shape: keys seen in the wild start with `user_`, `cc_` or `sk-`.
A key of another shape is found by its letters, in any of its spellings, so callers that know the
key pass it; `SecretFilter` does that for a text that arrives in pieces. Code and
messages that the user did not pick line by line hold more: passwords in literals and addresses,
keys of other services, variables with a telling name. Each becomes `[key]`; `restored` puts it
back into a corrected cell.
"""

from __future__ import annotations

import re
from itertools import islice
from types import ModuleType
from typing import TYPE_CHECKING

from cc_jupyter.core.spellings import SHORTEST_SECRET, Spellings, spellings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


MASK = "[key]"
_SHAPES = re.compile(
    # a digit, or a length no ordinary word has: `bearer token` and `user_messages` are no keys;
    # in JSON a backslash ends a key, and the letter of an escape is no part of the word behind it
    r"(?i)(?P<scheme>\bbearer\s+)(?=[^\s\"',;}\]\\]*[\d_]|[^\s\"',;}\]\\]{16})[^\s\"',;}\]\\]+"
    r"|(?:\b|(?<=\\[nrtbf])|(?<=\\u[0-9a-f]{4}))(?:user_|cc_|sk-)"
    r"(?:(?=[A-Za-z_\-]*\d)[A-Za-z0-9_\-]{8,}|[A-Za-z0-9_\-]{20,})"
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Replace each secret in any spelling, and all that looks like a key, by `[key]`."""
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            text = spellings(secret).replace(text, MASK)
    return _SHAPES.sub(lambda found: f"{found['scheme'] or ''}[key]", text)


_STRONG = (
    r"(?:password|passwd|passphrase|secret|credential"
    r"|(?:api|access|account|private|auth|signing|encryption|master|client)[_-]?(?:key|token))"
)
_STRONG_NAME = re.compile(rf"(?i){_STRONG}")
# a loop's `key` and a tokenizer's `token` are ordinary words: there the value decides too
_WEAK_NAME = re.compile(r"(?i)(?:^|_)(?:key|token|auth|cookie|bearer|pwd|dsn|pat)$")
_WEAK_VALUE = re.compile(r"(?=\S*\d)(?=\S*[A-Za-z])\S{16,}")
_SHORTEST_VALUE = 6
_LOOKED_AT = 1_000

# possessive, so that no text costs more than its length
_LITERAL = re.compile(
    r"""(?ix)
    (?P<before> (?<![\w-]) (?P<name> [\w-]{1,80}+ ) ["']? \]? [ \t]*+
        (?: :[ \t]*+ [\w.\[\]|\x20]{1,60}? = | [:=] ) [ \t]*+ [rbuf]{0,2} )
    (?P<quote> ["']{1,3} ) (?P<value> [^"'\n]+ ) (?P=quote)
    """
)
_CREDENTIAL_SHAPES = re.compile(
    r"""(?x)
      (?P<kept> (?i: --(?:password|passwd|token|api-key|secret)[=\x20]
              | \bauthorization["']?\s*[:=]\s*["']?(?:basic|token)\s+ ) ) [^\s"']+
    | (?P<address> (?<![a-z0-9+.-]) [a-z][a-z0-9+.-]{0,20}://[^\s/:@"']*: ) [^\s/@"']+ (?=@)
    | \b (?: gh[pousr]_ | github_pat_ | glpat- | hf_ | xox[abprs]- | AKIA | AIza | npm_ | pypi- )
      [A-Za-z0-9_-]{12,}
    | -----BEGIN\ [A-Z\ ]*PRIVATE\ KEY-----.{1,8000}?-----END\ [A-Z\ ]*PRIVATE\ KEY-----
    """,
    re.DOTALL,
)


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """Replace what is, or is named like, a secret by `[key]`."""
    return redact(_CREDENTIAL_SHAPES.sub(_shape, _LITERAL.sub(_literal, text)), secrets)


def is_secret(name: str, value: object) -> bool:
    """Return whether the value of a variable must not be shown, going by its name."""
    if _STRONG_NAME.search(name):
        return True
    return (
        isinstance(value, str)
        and _WEAK_NAME.search(name) is not None
        and _WEAK_VALUE.fullmatch(value) is not None
    )


def secrets_in(variables: Mapping[str, object]) -> list[str]:
    """Return the secret texts among variables, longest first, to be removed by their own letters.

    Dicts and objects are looked into, one level deep. Plain words are left out: removing
    `password = "test"` everywhere would garble the code.
    """
    found = {
        value
        for name, value in _named(variables)
        if type(value) is str
        and len(value) >= _SHORTEST_VALUE
        and not value.isalpha()
        and is_secret(name, value)
    }
    return sorted(found, key=len, reverse=True)


def _named(variables: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in list(variables.items()):
        yield name, value
        held = value if type(value) is dict else instance_dict(value)
        for key, inner in islice(held.items(), _LOOKED_AT):
            if isinstance(key, str):
                yield key, inner


def instance_dict(value: object) -> dict[str, object]:
    """Return what an object stores in itself, without asking its class; of a module nothing."""
    if isinstance(value, ModuleType | type):
        return {}
    try:
        held = object.__getattribute__(value, "__dict__")
    except (AttributeError, TypeError):
        return {}
    return held if type(held) is dict else {}


class SecretFilter:
    """Removes secrets from a text that arrives in pieces, wherever it is cut.

    What may be the beginning of a secret waits for the next piece; `flush` returns it.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        finders = [spellings(each) for each in secrets if len(each) >= SHORTEST_SECRET]
        # a function, so that no object holds a secret that a traceback could show
        self._finders: Callable[[], list[Spellings]] = lambda: finders
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return the text that can be shown now."""
        text = self._held + piece
        for each in self._finders():
            text = each.replace(text, MASK, whole=False)
        end = min((each.open_at(text) for each in self._finders()), default=len(text))
        self._held = text[end:]
        return text[:end]

    def flush(self) -> str:
        """Return what was held back: the text ended, mostly before a secret did."""
        held, self._held = self._held, ""
        for each in self._finders():
            held = each.replace(held, MASK)
        return held


def restored(text: str, original: str, secrets: Iterable[str] = ()) -> str:
    """Put back the lines of `original` that were sent masked and came back as they were.

    A mask that stays, because its line was changed or stood for several, is for the user to fill.
    """
    secrets = list(secrets)
    by_masked: dict[str, str | None] = {}
    for line in map(str.strip, original.split("\n")):
        hidden = masked(line, secrets)
        if hidden != line:
            by_masked[hidden] = line if by_masked.get(hidden, line) == line else None
    lines = []
    for line in text.split("\n"):
        whole = by_masked.get(line.strip())
        lines.append(line if whole is None else line.replace(line.strip(), whole, 1))
    return "\n".join(lines)


def _literal(found: re.Match[str]) -> str:
    if not is_secret(found["name"].strip("-"), found["value"]):
        return found[0]
    return f"{found['before']}{found['quote']}{MASK}{found['quote']}"


def _shape(found: re.Match[str]) -> str:
    return (found["kept"] or found["address"] or "") + MASK
