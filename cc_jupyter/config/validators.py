"""Readers of setting values: each checks a value from a file or variable and returns it.

An invalid value raises a `ValueError` whose text says what is expected.
"""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, NamedTuple

from cc_jupyter.config.base_url import api_root
from cc_jupyter.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def read_text(value: object) -> str:
    """Return a string without surrounding white space; it must not be blank."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a string that is not blank")
    return value.strip()


def word_reader(*words: str) -> Callable[[object], str]:
    """Return a reader that accepts one of the given words, in any case."""

    def read(value: object) -> str:
        word = value.strip().casefold() if isinstance(value, str) else ""
        if word not in words:
            raise ValueError(" or ".join(words))
        return word

    return read


def whole_reader(minimum: int) -> Callable[[object], int]:
    """Return a reader of whole numbers that are at least `minimum`."""

    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise ValueError(f"a whole number of at least {minimum}")
        return value

    return read


def count_or_all(value: object) -> int | None:
    """Return a whole number of at least 1, or `None` for the word `all`."""
    if isinstance(value, str) and value.strip().casefold() == "all":
        return None
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)  # `%config` has one type for words and numbers
    try:
        return whole_reader(1)(value)
    except ValueError as error:
        raise ValueError(f"{error}, or all") from None


def number_reader(minimum: float, maximum: float) -> Callable[[object], float]:
    """Return a reader of numbers in a range."""
    kind = "a positive number"
    if maximum < math.inf:
        kind = f"a number from {minimum:g} to {maximum:g}"

    def read(value: object) -> float:
        number = value if isinstance(value, (int, float)) else math.nan
        if isinstance(value, bool) or not minimum <= number <= maximum or math.isinf(number):
            raise ValueError(kind)
        return float(number)

    return read


def read_amount(value: object) -> Decimal:
    """Return an amount in US dollars."""
    try:
        amount = Decimal(str(value)) if not isinstance(value, bool) else Decimal("nan")
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or amount < 0:
        raise ValueError("an amount in US dollars")
    return amount


_SWITCH = {"1": True, "on": True, "true": True, "0": False, "off": False, "false": False}


def read_switch(value: object) -> bool:
    """Return whether a switch is on."""
    word = value.strip().casefold() if isinstance(value, str) else ""
    if not isinstance(value, bool) and word not in _SWITCH:
        raise ValueError("on or off")
    return value if isinstance(value, bool) else _SWITCH[word]


class CassetteChoice(NamedTuple):
    """Which cassette is used, and how."""

    mode: str
    """`record`, `replay`, `auto` or `off`."""
    path: str = ""
    """A file or a folder; empty: next to the notebook."""
    speed: float | None = None
    """How fast answers are replayed: 1 as recorded; `None`: at once."""

    def __str__(self) -> str:
        return f"{self.mode}:{self.path}" if self.path else self.mode


_CASSETTE_MODES = ("record", "replay", "auto", "off")
_CASSETTE_FORM = 'record, replay, auto or off, also with a path, as in "auto:demo.cassette.jsonl"'


def read_cassette(value: object) -> CassetteChoice:
    """Return a choice of cassette: from `MODE[:PATH]`, or a table of mode, path and speed."""
    if isinstance(value, CassetteChoice):
        return value
    if isinstance(value, str):
        mode, _, path = value.strip().partition(":")
        value = {"mode": mode, "path": path.strip()}
    if not isinstance(value, dict) or not {"mode"} <= value.keys() <= {"mode", "path", "speed"}:
        raise ValueError(_CASSETTE_FORM)
    path, speed = value.get("path", ""), value.get("speed")
    mode = str(value["mode"]).strip().casefold()
    if not isinstance(path, str) or mode not in _CASSETTE_MODES or (mode == "off" and path):
        raise ValueError(_CASSETTE_FORM)
    if speed is not None:
        speed = number_reader(_SLOWEST, math.inf)(speed)
    return CassetteChoice(mode, path, speed)


_SLOWEST = 0.001


def read_project_cassette(value: object, project: Path) -> CassetteChoice:
    """Return a project's choice of cassette: `replay` with an absolute path inside it.

    With another mode a cloned repository could record what is asked in it.
    """
    choice = read_cassette(value)
    folder = project.parent.resolve()
    path = (folder / choice.path).resolve()
    if choice.mode != "replay" or not choice.path or not path.is_relative_to(folder):
        raise ValueError(
            'replay with a path inside the project, such as "replay:demo.cassette.jsonl"'
        )
    return choice._replace(path=str(path))


def read_names(value: object) -> Mapping[str, str]:
    """Return a table of strings."""
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ValueError("a table of strings")
    return value


def read_tables(value: object, expected: str) -> Mapping[str, Mapping[str, object]]:
    """Return a table of tables; `expected` describes it in the error."""
    if not isinstance(value, dict) or not all(isinstance(each, dict) for each in value.values()):
        raise ValueError(expected)
    return value


def read_hosts(value: object) -> Mapping[str, Mapping[str, str]]:
    """Return the table with its URLs normalized to API roots, so that they can be compared."""
    kind = 'tables like [hosts."https://…"] with key_env = "NAME"'
    hosts = {}
    for url, host in read_tables(value, kind).items():
        unknown = ", ".join(sorted(host.keys() - {"key_env"}))
        key_env = host.get("key_env")
        if unknown or not isinstance(key_env, str):
            raise ValueError(f"{kind}, not {unknown}" if unknown else kind)
        try:
            hosts[api_root(url, allow_http=True)] = {"key_env": key_env}
        except ConfigError as error:
            raise ValueError(f"{kind}: {error}") from None
    return hosts


def from_variable(text: str) -> int | float | str:
    """Parse the text of an environment variable as a number if it is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
