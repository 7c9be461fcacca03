"""The options of `%%cmd` and `%cmd ask`: one table that parsing, help and README share.

Which options there are is said here, what a word, an option and a value look like in `optionline`.
Filling `{{ }}` is left to `template`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias

from cc_jupyter.core.errors import OptionError, did_you_mean
from cc_jupyter.core.messages import Parameters
from cc_jupyter.optionline import (
    ARROW,
    OptionSpec,
    Word,
    choice_reader,
    next_word,
    number_reader,
    read_any_text,
    read_capture,
    read_count,
    read_field,
    read_text,
    read_variable,
    shown,
    skip_blanks,
    unquoted,
)

Format: TypeAlias = Literal["md", "text", "code", "json"]


@dataclass(frozen=True, slots=True)
class CellOptions:
    """What the option line says; `None` and `False` are not given."""

    model: str | None = None
    """An id or an alias."""
    system: str | None = None
    """The system prompt, `{{ }}` not yet filled; empty: remove the thread's."""
    parameters: Parameters = field(default_factory=Parameters)
    thread: str | None = None
    new: bool = False
    once: bool = False
    format: Format | None = None
    raw: bool = False
    dry_run: bool = False
    quiet: bool = False
    key_env: str | None = None
    """The environment variable that holds the key."""
    zdr: bool = False
    help: bool = False
    name: str | None = None
    """The variable that `-> NAME` binds."""
    type: str | None = None
    """The TYPE of `-> NAME: TYPE`, as written."""
    image: tuple[str, ...] = ()
    """URLs, files or expressions, as written."""


_NOT_A_FIELD = {
    "model": "-m names the model",
    "system": "-s sets the system prompt",
    "messages": "the prompt and --thread say what is sent",
    "stream": "answers are always streamed",
    "temperature": "--temperature sets it",
    "top_p": "--top-p sets it",
    "max_tokens": "--max-tokens sets it",
    "stop": "--stop sets it",
    "stop_sequences": "--stop sets it",
    "effort": "--effort sets it",
    "reasoning_effort": "--effort sets it",
}
_FORMATS = ("md", "text", "code", "json")
_FORMAT = "text: no Markdown; code: its code blocks into a new cell; json: an object"
_IMAGE = "an image: https URL, file, or expression; repeatable"
_SYSTEM = "system prompt of the thread from this turn on; '' removes it; {{ }} works in it"
_TOP_P = "choose among this share of the likeliest words, 0 to 1"
_KEY_ENV = "the environment variable that holds the key"


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
    OptionSpec(("-m", "--model"), "one model, by its id or alias", "ID", _read_model),
    OptionSpec(("-s", "--system"), _SYSTEM, "TEXT", read_any_text),
    OptionSpec(
        ("-t", "--temperature"), "how freely to choose words, 0 to 2", "X", number_reader(2)
    ),
    OptionSpec(("--top-p",), _TOP_P, "X", number_reader(1)),
    OptionSpec(("--max-tokens",), "the most tokens the answer may have", "N", read_count),
    OptionSpec(("--stop",), "end the answer before this text; repeatable", "S", repeatable=True),
    OptionSpec(("--effort",), "how hard to think, in the model's own words", "LEVEL"),
    OptionSpec(
        ("--param",), "any other field; repeatable", "KEY=JSON", _read_param, repeatable=True
    ),
    OptionSpec(("--thread",), "the conversation to continue", "NAME"),
    OptionSpec(("--new",), "start the conversation anew"),
    OptionSpec(("--once",), "send without history and leave none"),
    OptionSpec(
        ("-f", "--format"),
        _FORMAT,
        "|".join(_FORMATS),
        choice_reader(_FORMATS),
        choices=_FORMATS,
    ),
    OptionSpec(("-i", "--image"), _IMAGE, "X", repeatable=True),
    OptionSpec(("--raw",), "no {{ }}: the prompt goes out to the letter"),
    OptionSpec(("--dry-run",), "show what would be sent; send nothing"),
    OptionSpec(("--quiet",), "show nothing but errors"),
    OptionSpec(("--key-env",), _KEY_ENV, "NAME", read_variable),
    OptionSpec(("--zdr",), "ask for zero data retention"),
    OptionSpec(("-h", "--help"), "show this help; send nothing"),
)
"""All options, in the order of the help."""

_BY_NAME = {name: spec for spec in OPTIONS for name in spec.names}
_OPTION_LIKE = re.compile(r"--?[^\W\d_]")


def option_help() -> str:
    """Give the text that `-h` shows."""
    rows = [(spec.usage, spec.help) for spec in OPTIONS]
    rows.append(("-> NAME", "bind the text of the answer to a variable"))
    rows.append(("-> NAME: TYPE", "ask for a value of that type, check it, bind it"))
    width = max(len(usage) for usage, _ in rows)
    return "\n".join(
        [
            "%%cmd [options] [-> NAME[: TYPE]]",
            "the prompt, in which {{ expression }} becomes its value",
            "",
            "%cmd ask [options] [--] the prompt, up to the end of the line",
            "",
            *(f"  {usage:{width}}  {meaning}" for usage, meaning in rows),
        ]
    )


def option_table_markdown() -> str:
    """Give the table of options for the README."""
    lines = ["| option | meaning |", "| --- | --- |"]
    for spec in OPTIONS:
        usage = spec.usage.replace("|", r"\|").replace(", ", "`, `")
        lines.append(f"| `{usage}` | {spec.help.replace('{{ }}', '`{{ }}`')} |")
    return "\n".join(lines)


# ── parsing


def parse_cell_line(line: str) -> CellOptions:
    """Read what stands behind `%%cmd`.

    Raises
    ------
    OptionError
        The line is wrong; the message names the word.
    """
    given: dict[str, Any] = {}
    position = 0
    while (word := next_word(line, position)) is not None:
        if word.text == ARROW:
            return _build(given, *read_capture(line[word.end :].strip()))
        if not _OPTION_LIKE.match(word.text):
            raise _stray(word)
        position = _take(line, word, given, arrow=True)
    return _build(given)


def parse_ask_line(line: str) -> tuple[CellOptions, str]:
    """Read what stands behind `%cmd ask`: the options, then the prompt to the letter.

    The prompt begins with the first word that is no option, or one blank after `--`, and runs to
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
    """Put one option with its value into `given`; give the place behind it."""
    name, equals, text = word.text.partition("=")
    spec = _BY_NAME.get(name)
    if spec is None:
        raise _unknown(word, arrow=arrow)
    if spec.metavar is None:
        if equals:
            raise OptionError(f"`{name}` takes no value, not even {shown(text)}", hint=spec.help)
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
    steering = {
        each.name: given.pop(each.name) for each in fields(Parameters) if each.name in given
    }
    parameters = Parameters(**steering, extra=extra)
    options = CellOptions(**given, parameters=parameters, name=name, type=kind)
    if options.once and (options.new or options.thread is not None):
        other = "--new" if options.new else f"--thread {options.thread}"
        raise OptionError(
            f"`--once` sends without a thread, so {shown(other)} has nothing to act on",
            hint="keep one of them",
        )
    return options


# ── what can be wrong


def _two_models(first: str, second: str) -> OptionError:
    return OptionError(
        f"two models are given, {shown(first)} and {shown(second)}",
        hint="one model per cell; a grid cell that asks several comes later",
    )


def _unknown(word: Word, *, arrow: bool) -> OptionError:
    name = word.text.partition("=")[0]
    short = _BY_NAME.get(name[:2])
    hint = did_you_mean(name, _BY_NAME)
    if hint is None and short is not None and short.metavar is not None:
        hint = f"put a blank between {name[:2]} and its value."
    if not arrow:
        hint = f"{hint or ''} A prompt that starts with a dash goes behind `--`".strip()
    hint = hint or "%%cmd -h lists the options"
    return OptionError(f"{shown(name)} is not an option", hint=hint)


def _stray(word: Word) -> OptionError:
    return OptionError(
        f"{shown(word.text)} is not an option",
        hint="the prompt goes below the %%cmd line (`%cmd ask …` takes it on the line),"
        " a value with blanks into quotes",
    )
