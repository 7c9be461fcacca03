r"""Defines and parses the option line of `%%cmd` and `%cmd ask`.

One table, `OPTIONS`, is shared by parsing, help, completion and the README. A quote opens at the
start of a word, right after `=` or inside brackets, so `don't` is a word. A backslash is an
ordinary character (`"C:\"` is complete), except inside brackets, where it escapes a quote as in
Python code. `template` fills in `{{ }}`.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from dataclasses import dataclass, field, fields
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn, TypeAlias

from cc_jupyter.core.errors import OptionError, did_you_mean
from cc_jupyter.core.messages import UNSHOWN_FIELDS, Parameters
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable


ARROW = "->"
_RESERVED = ("In", "Out", "get_ipython", "exit", "quit", "_", "__", "___", "_ih", "_oh", "_dh")
"""Names that IPython keeps in the user's namespace, and that sessions break without."""

_QUOTES = "\"'"
_CLOSERS = {"(": ")", "[": "]", "{": "}"}


class Word(NamedTuple):
    """A word of the option line as typed, quotes included."""

    text: str
    start: int
    """Its position in the line: `line[start:end] == text`."""
    end: int

    @property
    def value(self) -> str:
        """The word without enclosing quotes."""
        return unquoted(self.text)


def next_word(line: str, position: int, *, arrow: bool = True) -> Word | None:
    """Return the first word at or after `position`, or `None` at the end of the line.

    Parameters
    ----------
    line
        The option line.
    position
        Where to start: among blanks or at the start of a word.
    arrow
        Whether `->` outside quotes is a separate word, even inside `a->b`.

    Raises
    ------
    OptionError
        A quote or bracket in this word is not closed.
    """
    start = skip_blanks(line, position)
    if start == len(line):
        return None
    if arrow and line.startswith(ARROW, start):
        return Word(ARROW, start, start + len(ARROW))
    end = _word_end(line, start, arrow=arrow)
    return Word(line[start:end], start, end)


def skip_blanks(line: str, position: int) -> int:
    """Return the position of the first character at or after `position` that is not a blank."""
    while position < len(line) and line[position].isspace():
        position += 1
    return position


def unquoted(text: str) -> str:
    """Return `text` without enclosing quotes; `"a"b`, `df["a"]` and `don't` are unchanged."""
    return text[1:-1] if is_quoted(text) else text


def is_quoted(text: str) -> bool:
    """Return whether `text` starts with a quote that closes at its end."""
    return len(text) > 1 and text[0] in _QUOTES and text.find(text[0], 1) == len(text) - 1


def shown(text: str) -> str:
    """Return a word as messages quote it: short, on one line, with keys redacted."""
    return f"`{excerpt(redact(text))}`"


def read_text(option: str, text: str) -> str:
    """Return the text, which must not be empty."""
    if not text:
        raise OptionError(
            f"the value of `{option}` is empty", hint="add a value, or remove the option"
        )
    return text


def number_reader(highest: float) -> Callable[[str, str], float]:
    """Return a reader of numbers from 0 to `highest`."""

    def read_number(option: str, text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if 0 <= number <= highest:
            return number
        raise OptionError(
            f"`{option}` takes a number from 0 to {highest:g}, not {shown(text)}",
            hint=f"for example {option} 0.7",
        )

    return read_number


def read_count(option: str, text: str) -> int:
    """Return a whole number of at least 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number >= 1:
        return number
    raise OptionError(
        f"`{option}` takes a whole number from 1 up, not {shown(text)}",
        hint=f"for example {option} 1000",
    )


def read_rows(option: str, text: str) -> int | Literal["all"]:
    """Return a number of rows, or `all`."""
    try:
        return "all" if text == "all" else read_count(option, text)
    except OptionError as error:
        raise OptionError(
            f"`{option}` takes a whole number from 1 up, or all, not {shown(text)}",
            hint=f"for example {option} 500",
        ) from error


def read_format(option: str, text: str) -> str:
    """Return one of the formats of `-f`."""
    if text in _FORMATS:
        return text
    raise OptionError(
        f"`{option}` cannot be {shown(text)}", hint=f"use one of {', '.join(_FORMATS)}"
    )


def read_variable(option: str, text: str) -> str:
    """Return the name of an environment variable; the error does not repeat a possible key."""
    looks_like_a_key = redact(text) != text and not text.isupper()
    if re.fullmatch(r"[A-Za-z_]\w*", text, re.ASCII) and not looks_like_a_key:
        return text
    raise OptionError(
        f"the value of `{option}` is not the name of an environment variable",
        hint=f"name the variable that contains the key, never the key itself: {option} MY_KEY",
    )


def read_field(option: str, text: str) -> tuple[str, Any]:
    """Return the key and the JSON value of `KEY=JSON`."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise OptionError(
            f"`{option}` takes KEY=JSON, not {shown(text)}", hint=f"for example {option} seed=7"
        )
    if value.startswith("'"):
        value = unquoted(value)
    try:
        return key, json.loads(value, parse_float=_finite, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise OptionError(
            f"the value {shown(value)} of `{option}` {shown(key)} is not JSON",
            hint=f'text needs double quotes: {option} {excerpt(key)}="..."',
        ) from error


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)


class OptionSpec(NamedTuple):
    """One option, as parsing, help, README and completion use it."""

    names: tuple[str, ...]
    """The names as typed, the long one last."""
    help: str
    metavar: str | None = None
    """The placeholder for the value in the help; `None` for a flag."""
    read: Callable[[str, str], object] = read_text
    """Returns the value for the option's name as typed and the text; raises `OptionError`."""
    repeatable: bool = False
    choices: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """The field of `CellOptions`, or of its `Parameters`, for the value."""
        return self.names[-1].removeprefix("--").replace("-", "_")

    @property
    def usage(self) -> str:
        """The names and the placeholder, as the help shows them."""
        names = ", ".join(self.names)
        return names if self.metavar is None else f"{names} {self.metavar}"


def _word_end(line: str, start: int, *, arrow: bool) -> int:
    """Return the end of the word that starts at `start`."""
    brackets: list[int] = []
    at = start
    while at < len(line) and not (arrow and line.startswith(ARROW, at)):
        letter = line[at]
        if letter in _QUOTES and (at == start or brackets or line[at - 1] == "="):
            at = _closing_quote(line, at, code=bool(brackets))
        elif letter in _CLOSERS:
            brackets.append(at)
        elif brackets and letter == _CLOSERS[line[brackets[-1]]]:
            brackets.pop()
        elif letter.isspace() and not brackets:
            break
        at += 1
    if brackets:
        raise _unclosed("bracket", line[brackets[-1] : at])
    return at


def _closing_quote(line: str, opening: int, *, code: bool) -> int:
    """Return the position of the quote that closes the one at `opening`."""
    at = opening + 1
    while at < len(line):
        if line[at] == line[opening]:
            return at
        at += 2 if code and line[at] == "\\" else 1
    raise _unclosed("quote", line[opening:])


def _unclosed(what: str, rest: str) -> OptionError:
    return OptionError(
        f"the {what} {rest[0]} in {shown(rest)} is not closed",
        hint=f'close it; to use a {what} as plain text, quote the value: -s "it\'s (so)"',
    )


def _parse_binding(text: str) -> tuple[str, str | None]:
    """Parse the text after `->`: the name of a variable and, if given, its type as written."""
    name, colon, kind = (part.strip() for part in text.partition(":"))
    if not name:
        raise OptionError("`->` needs the name of a variable", hint="for example -> answer")
    if not name.isidentifier() or iskeyword(name):
        raise OptionError(
            f"{shown(name)} after `->` is not the name of a variable",
            hint="use one name, such as -> answer; options go before the `->`",
        )
    if name in _RESERVED:
        raise OptionError(
            f"`{name}` after `->` is a name that IPython uses itself", hint="choose another name"
        )
    if colon and not kind:
        raise OptionError(f"`-> {name}:` needs a type", hint=f"for example -> {name}: int")
    # normalized as Python normalizes names; `type_parser` evaluates the type
    return unicodedata.normalize("NFKC", name), kind if colon else None


Format: TypeAlias = Literal["md", "text", "code", "json"]


@dataclass(frozen=True, slots=True)
class CellOptions:
    """The values of an option line; `None` and `False`: not given."""

    model: str | None = None
    """An id or an alias."""
    system: str | None = None
    """The system prompt, with `{{ }}` not yet filled in; empty: remove the thread's."""
    parameters: Parameters = field(default_factory=Parameters)
    thread: str | None = None
    new: bool = False
    once: bool = False
    format: Format | None = None
    raw: bool = False
    dry_run: bool = False
    quiet: bool = False
    key_env: str | None = None
    """The environment variable that contains the key."""
    zdr: bool = False
    help: bool = False
    name: str | None = None
    """The variable of `-> NAME`."""
    type: str | None = None
    """The TYPE of `-> NAME: TYPE`, as written."""
    image: tuple[str, ...] = ()
    """URLs, files or expressions, as written."""
    table_rows: int | Literal["all"] | None = None
    """The rows of each table in the prompt."""


_NOT_A_FIELD = {
    "model": "-m sets the model",
    "system": "-s sets the system prompt",
    "messages": "the prompt and --thread decide what is sent",
    "stream": "answers are always streamed",
    "temperature": "--temperature sets it",
    "top_p": "--top-p sets it",
    "max_tokens": "--max-tokens sets it",
    "stop": "--stop sets it",
    "stop_sequences": "--stop sets it",
    "effort": "--effort sets it",
    "reasoning_effort": "--effort sets it",
    **UNSHOWN_FIELDS,
}
_FORMATS = ("md", "text", "code", "json")
_FORMAT = "text: without Markdown; code: put its code blocks in a new cell; json: an object"
_IMAGE = "send an image: https URL, file, or expression; repeatable"
_TABLE_ROWS = "send this many rows of each table in {{ }}, or all of them"
_SYSTEM = "set the thread's system prompt from this turn on; '' removes it; {{ }} is filled in"
_TEMPERATURE = "randomness of the answer, 0 to 2"
_TOP_P = "sample only from the most likely tokens up to this share, 0 to 1"
_KEY_ENV = "read the key from this environment variable"


def _read_model(option: str, text: str) -> str:
    first, comma, second = read_text(option, text).partition(",")
    if comma:
        raise _two_models(first, second)
    return text


def _read_param(option: str, text: str) -> tuple[str, Any]:
    key = text.partition("=")[0]
    if key in _NOT_A_FIELD:
        raise OptionError(f"`{option}` cannot set {shown(key)}", hint=_NOT_A_FIELD[key])
    return read_field(option, text)


OPTIONS: tuple[OptionSpec, ...] = (
    OptionSpec(("-m", "--model"), "use this model, by id or alias", "ID", _read_model),
    OptionSpec(("-s", "--system"), _SYSTEM, "TEXT", lambda _, text: text),
    OptionSpec(("-t", "--temperature"), _TEMPERATURE, "X", number_reader(2)),
    OptionSpec(("--top-p",), _TOP_P, "X", number_reader(1)),
    OptionSpec(("--max-tokens",), "limit the tokens of the answer", "N", read_count),
    OptionSpec(("--stop",), "end the answer before this text; repeatable", "S", repeatable=True),
    OptionSpec(("--effort",), "reasoning effort, in the model's own words", "LEVEL"),
    OptionSpec(
        ("--param",),
        "set any other field of the request; repeatable",
        "KEY=JSON",
        _read_param,
        repeatable=True,
    ),
    OptionSpec(("--thread",), "continue this conversation", "NAME"),
    OptionSpec(("--new",), "start the conversation over"),
    OptionSpec(("--once",), "send without the conversation and do not add to it"),
    OptionSpec(
        ("-f", "--format"),
        _FORMAT,
        "|".join(_FORMATS),
        read_format,
        choices=_FORMATS,
    ),
    OptionSpec(("-i", "--image"), _IMAGE, "X", repeatable=True),
    OptionSpec(("--table-rows",), _TABLE_ROWS, "N|all", read_rows, choices=("all",)),
    OptionSpec(("--raw",), "send the prompt exactly as typed; {{ }} is not filled in"),
    OptionSpec(("--dry-run",), "show what would be sent, without sending it"),
    OptionSpec(("--quiet",), "show only errors"),
    OptionSpec(("--key-env",), _KEY_ENV, "NAME", read_variable),
    OptionSpec(("--zdr",), "ask for zero data retention"),
    OptionSpec(("-h", "--help"), "show this help, without sending anything"),
)
"""All options, in the order of the help."""

_BY_NAME = {name: spec for spec in OPTIONS for name in spec.names}
_OPTION_LIKE = re.compile(r"--?[^\W\d_]")


def option_help() -> str:
    """Return the text that `-h` shows."""
    rows = [(spec.usage, spec.help) for spec in OPTIONS]
    rows.append(("-> NAME", "store the text of the answer in a variable"))
    rows.append(("-> NAME: TYPE", "ask for a value of that type, check it and store it"))
    width = max(len(usage) for usage, _ in rows)
    return "\n".join(
        [
            "%%cmd [options] [-> NAME[: TYPE]]",
            "the prompt; {{ expression }} is replaced by its value",
            "",
            "%cmd ask [options] [--] the prompt, to the end of the line",
            "",
            *(f"  {usage:{width}}  {meaning}" for usage, meaning in rows),
        ]
    )


def option_table_markdown() -> str:
    """Return the table of options for the README."""
    lines = ["| option | meaning |", "| --- | --- |"]
    for spec in OPTIONS:
        usage = spec.usage.replace("|", r"\|").replace(", ", "`, `")
        lines.append(f"| `{usage}` | {spec.help.replace('{{ }}', '`{{ }}`')} |")
    return "\n".join(lines)


def parse_cell_line(line: str) -> CellOptions:
    """Parse the text after `%%cmd`.

    Raises
    ------
    OptionError
        The line is invalid; the message names the word.
    """
    given: dict[str, Any] = {}
    position = 0
    while (word := next_word(line, position)) is not None:
        if word.text == ARROW:
            return _build(given, *_parse_binding(line[word.end :].strip()))
        if not _OPTION_LIKE.match(word.text):
            raise _stray(word)
        position = _take(line, word, given, arrow=True)
    return _build(given)


def parse_ask_line(line: str) -> tuple[CellOptions, str]:
    """Parse the text after `%cmd ask`: the options, then the prompt exactly as typed.

    The prompt starts at the first word that is not an option, or one blank after `--`, and goes to
    the end of the line; `->`, quotes and braces are part of it.
    """
    given: dict[str, Any] = {}
    position = skip_blanks(line, 0)
    while _OPTION_LIKE.match(line, position) and (word := next_word(line, position, arrow=False)):
        position = skip_blanks(line, _take(line, word, given, arrow=False))
    rest = line[position:]
    if rest == "--" or (rest.startswith("--") and rest[2].isspace()):
        rest = rest[3:]
    return _build(given), rest


def _take(line: str, word: Word, given: dict[str, Any], *, arrow: bool) -> int:
    """Add one option with its value to `given`, and return the position after it."""
    name, equals, text = word.text.partition("=")
    spec = _BY_NAME.get(name)
    if spec is None:
        raise _unknown(word, arrow=arrow)
    if spec.metavar is None:
        if equals:
            raise OptionError(f"`{name}` takes no value, but has {shown(text)}", hint=spec.help)
        _add(given, spec, value=True)
        return word.end
    value = None if equals else next_word(line, word.end, arrow=arrow)
    if value is not None and not _is_option(value):
        text = value.text
    if not text:
        raise OptionError(f"`{name}` needs a value", hint=f"{spec.usage}: {spec.help}")
    _add(given, spec, value=spec.read(name, unquoted(text)))
    return word.end if value is None else value.end


def _is_option(word: Word) -> bool:
    return word.text in {ARROW, "--"} or word.text.partition("=")[0] in _BY_NAME


def _add(given: dict[str, Any], spec: OptionSpec, *, value: object) -> None:
    if spec.repeatable:
        given.setdefault(spec.field, []).append(value)
    elif spec.field not in given:
        given[spec.field] = value
    elif spec.field == "model":
        raise _two_models(given["model"], str(value))
    else:
        raise OptionError(f"`{spec.names[-1]}` is given twice", hint="keep one of them")


def _build(given: dict[str, Any], name: str | None = None, kind: str | None = None) -> CellOptions:
    extra: dict[str, Any] = {}
    for key, value in given.pop("param", ()):
        if key in extra:
            raise OptionError(f"`--param` sets {shown(key)} twice", hint="keep one of them")
        extra[key] = value
    for repeated in ("stop", "image"):
        given[repeated] = tuple(given.get(repeated, ()))
    names = [each.name for each in fields(Parameters) if each.name in given]
    parameters = Parameters(**{name: given.pop(name) for name in names}, extra=extra)
    options = CellOptions(**given, parameters=parameters, name=name, type=kind)
    if options.once and (options.new or options.thread is not None):
        other = "--new" if options.new else f"--thread {options.thread}"
        raise OptionError(
            f"`--once` uses no thread, so it cannot be combined with {shown(other)}",
            hint="keep one of them",
        )
    return options


def _two_models(first: str, second: str) -> OptionError:
    return OptionError(
        f"two models are given, {shown(first)} and {shown(second)}",
        hint="use one model per cell; asking several at once is not supported yet",
    )


def _unknown(word: Word, *, arrow: bool) -> OptionError:
    name = word.text.partition("=")[0]
    short = _BY_NAME.get(name[:2])
    hint = did_you_mean(name, _BY_NAME)
    if hint is None and short is not None and short.metavar is not None:
        hint = f"put a blank between {name[:2]} and its value."
    if not arrow:
        hint = f"{hint or ''} Put a prompt that starts with a dash after `--`".strip()
    hint = hint or "%%cmd -h lists the options"
    return OptionError(f"{shown(name)} is not an option", hint=hint)


def _stray(word: Word) -> OptionError:
    return OptionError(
        f"{shown(word.text)} is not an option",
        hint="write the prompt below the %%cmd line (`%cmd ask …` takes it on the same line), and"
        " put a value with blanks in quotes",
    )
