"""Remove secrets from every text that may be shown, logged or saved.

`redact` recognizes keys by their shape: keys seen in the wild start with `user_`, `cc_` or `sk-`.
A key of another shape is matched literally, in any of its spellings, so callers that know the key
pass it; `SecretFilter` does that for a text that arrives in pieces. Code and messages that the user
did not choose line by line can contain more: passwords in literals and URLs, keys of other
services, variables whose name says that they are secret. `masked` handles these too. Each becomes
`[key]`; `restored` puts it back into a corrected cell.
"""

from __future__ import annotations

import re
from itertools import islice
from types import ModuleType
from typing import TYPE_CHECKING

from cc_jupyter.core.spellings import SHORTEST_SECRET, Spellings, spellings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping


MASK = "[key]"
# all patterns here are texts: `re` compiles each on first use and keeps it
_SHAPE_SIGNS = ("user_", "cc_", "sk-", "bearer")
"""One of these is in every match of `_SHAPES`."""
_SHAPES = (
    # requires a digit or the length of no ordinary word: `bearer token` is not a key, nor is
    # `user_messages`; in JSON a backslash ends a key, and the letter of an escape sequence is not
    # part of the word that follows
    r"(?i)(?P<scheme>\bbearer\s+)(?=[^\s\"',;}\]\\]*[\d_]|[^\s\"',;}\]\\]{16})[^\s\"',;}\]\\]+"
    r"|(?:\b|(?<=\\[nrtbf])|(?<=\\u[0-9a-f]{4}))(?:user_|cc_|sk-)"
    r"(?:(?=[A-Za-z_\-]*\d)[A-Za-z0-9_\-]{8,}|[A-Za-z0-9_\-]{20,})"
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Replace each secret in any spelling, and everything that looks like a key, by `[key]`."""
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            text = spellings(secret).replace(text, MASK)
    folded = text.casefold()  # as long as the text is, much faster than searching for the shapes
    if not any(sign in folded for sign in _SHAPE_SIGNS):
        return text
    return re.sub(_SHAPES, lambda found: f"{found['scheme'] or ''}[key]", text)


_STRONG = (
    r"(?:password|passwd|passphrase|secret|credential"
    r"|(?:api|access|account|private|auth|signing|encryption|master|client)[_-]?(?:key|token))"
)
_STRONG_NAME = rf"(?i){_STRONG}"
# a loop's `key` and a tokenizer's `token` are ordinary names: there the value decides too
_WEAK_NAME = r"(?i)(?:^|_)(?:key|token|auth|cookie|bearer|pwd|dsn|pat)$"
_WEAK_VALUE = r"(?=\S*\d)(?=\S*[A-Za-z])\S{16,}"
_SHORTEST_VALUE = 6
_MAX_MEMBERS = 1_000

# possessive, so that the time grows only with the length of the text
_LITERAL = r"""(?ix)
    (?P<before> (?<![\w-]) (?P<name> [\w-]{1,80}+ ) ["']? \]? [ \t]*+
        (?: :[ \t]*+ [\w.\[\]|\x20]{1,60}? = | [:=] ) [ \t]*+ [rbuf]{0,2} )
    (?P<quote> ["']{1,3} ) (?P<value> [^"'\n]+ ) (?P=quote)
    """
_CREDENTIAL_SHAPES = r"""(?sx)
      (?P<option> (?i: --(?:password|passwd|token|api-key|secret)[=\x20]
              | \bauthorization["']?\s*[:=]\s*["']?(?:basic|token)\s+ ) ) [^\s"']+
    | (?P<address> (?<![a-z0-9+.-]) [a-z][a-z0-9+.-]{0,20}://[^\s/:@"']*: ) [^\s/@"']+ (?=@)
    | \b (?: gh[pousr]_ | github_pat_ | glpat- | hf_ | xox[abprs]- | AKIA | AIza | npm_ | pypi- )
      [A-Za-z0-9_-]{12,}
    | -----BEGIN\ [A-Z\ ]*PRIVATE\ KEY-----.{1,8000}?-----END\ [A-Z\ ]*PRIVATE\ KEY-----
    """

_CREDENTIAL_SIGNS = (
    *_SHAPE_SIGNS,
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "hf_", "xox", "akia"),
    *("aiza", "npm_", "pypi-", "private key", "--password", "--passwd", "--token"),
    *("--api-key", "--secret", "authorization"),
)
"""One is in every match of `_SHAPES` and `_CREDENTIAL_SHAPES`, but for the password of a URL."""
_URL_CREDENTIAL = r"://[^\s/:@\"']*:[^\s/@\"']+@"


def contains_key(text: str) -> bool:
    """Return whether a part of a text looks like a key or another credential.

    Takes 2 us for a text of 200 characters without any (2026-11-30).
    """
    folded = text.casefold()
    if any(sign in folded for sign in _CREDENTIAL_SIGNS):
        return bool(re.search(_SHAPES, text) or re.search(_CREDENTIAL_SHAPES, text))
    return "@" in text and re.search(_URL_CREDENTIAL, text) is not None


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """Replace everything that is a secret, or named like one, by `[key]`."""
    text = re.sub(
        _CREDENTIAL_SHAPES,
        lambda found: (found["option"] or found["address"] or "") + MASK,
        re.sub(_LITERAL, _masked_literal, text),
    )
    return redact(text, secrets)


def is_secret(name: str, value: object) -> bool:
    """Return whether the value of a variable must not be shown, judging by its name."""
    if re.search(_STRONG_NAME, name):
        return True
    return (
        isinstance(value, str)
        and re.search(_WEAK_NAME, name) is not None
        and re.fullmatch(_WEAK_VALUE, value) is not None
    )


def secrets_in(variables: Mapping[str, object]) -> list[str]:
    """Return the secret strings among variables, longest first, to be removed literally.

    Dicts and objects are searched too, one level deep. Plain words are left out: removing the
    `test` of `password = "test"` everywhere would garble the code.
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
        members = value if type(value) is dict else instance_dict(value)
        for key, inner in islice(members.items(), _MAX_MEMBERS):
            if isinstance(key, str):
                yield key, inner


def instance_dict(value: object) -> dict[str, object]:
    """Return an object's own attributes, without running code of its class; empty for modules."""
    if isinstance(value, ModuleType | type):
        return {}
    try:
        attributes = object.__getattribute__(value, "__dict__")
    except (AttributeError, TypeError):
        return {}
    return attributes if type(attributes) is dict else {}


class SecretFilter:
    """Removes secrets from a text that arrives in pieces, wherever it is cut.

    What may be the beginning of a secret waits for the next piece; `flush` returns it.
    """

    def __init__(self, secrets: Collection[str]) -> None:
        # a function, so that no object holds a secret that a traceback could show
        self._finders: Callable[[], list[Spellings]] = lambda: [
            spellings(each) for each in secrets if len(each) >= SHORTEST_SECRET
        ]
        self._held = ""
        self.has_found = False
        """Whether the text so far held a secret."""

    def feed(self, piece: str) -> str:
        """Return the text that can be shown now."""
        text, finders = self._held + piece, self._finders()
        for each in finders:
            text, before = each.replace(text, MASK, whole=False), text
            self.has_found |= text != before
        end = min((each.open_at(text) for each in finders), default=len(text))
        self._held = text[end:]
        return text[:end]

    def flush(self) -> str:
        """Return what was held back: the text ended, mostly before a secret did."""
        held, self._held = self._held, ""
        for each in self._finders():
            held, before = each.replace(held, MASK), held
            self.has_found |= held != before
        return held


def restored(text: str, original: str, secrets: Iterable[str] = ()) -> str:
    """Put back the lines of `original` that were sent masked and came back unchanged.

    A mask stays, for the user to fill in, if its line was changed or could be one of several.
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


def _masked_literal(found: re.Match[str]) -> str:
    if not is_secret(found["name"].strip("-"), found["value"]):
        return found[0]
    return f"{found['before']}{found['quote']}{MASK}{found['quote']}"
