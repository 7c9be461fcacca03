"""Defines and parses the option line of `%%cmd` and `%cmd ask`.

One table, `OPTIONS`, is shared by parsing, help, completion and the documentation.
`option_line.words` splits the line, `option_line.values` reads the values, `template` fills in
`{{ }}`.
"""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from keyword import iskeyword
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from cc_jupyter.core.errors import OptionError, did_you_mean
from cc_jupyter.core.messages import Parameters, unshown_field
from cc_jupyter.prompt.option_line.values import (
    VARIED_FIELDS,
    blank_in_list,
    number_reader,
    quote_hint,
    read_count,
    read_expression,
    read_field,
    read_list,
    read_rows,
    read_text,
    read_usd,
    read_variable,
    read_variation,
    same_value,
    word_reader,
)
from cc_jupyter.prompt.option_line.words import (
    ARROW,
    Word,
    is_quoted,
    next_word,
    shown,
    skip_blanks,
    unquoted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from decimal import Decimal


_RESERVED = ("In", "Out", "get_ipython", "exit", "quit", "_", "__", "___", "_ih", "_oh", "_dh")
"""Names that IPython keeps in the user's namespace, and that sessions break without."""


class OptionSpec(NamedTuple):
    """One option, as parsing, help, documentation and completion use it."""

    names: tuple[str, ...]
    """The names as typed, the long one last."""
    help: str
    metavar: str | None = None
    """The placeholder for the value in the help; `None` for a flag."""
    read: Callable[[str, str], object] = read_text
    """Returns the value for the option's name as typed and the text; raises `OptionError`."""
    repeatable: bool = False
    choices: tuple[str, ...] = ()
    list_of: Literal["words", "numbers"] | None = None
    """What a comma-separated list of it contains; `None`: it takes no list."""
    is_expression: bool = False
    """Whether its value is Python, in which blanks are likely."""

    @property
    def field(self) -> str:
        """The field of `CellOptions`, or of its `Parameters`, for the value."""
        return self.names[-1].removeprefix("--").replace("-", "_")

    @property
    def usage(self) -> str:
        """The names and the placeholder, as the help shows them."""
        names = ", ".join(self.names)
        more = f"[,{self.metavar}]" if self.list_of else ""
        return names if self.metavar is None else f"{names} {self.metavar}{more}"


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


class Axis(NamedTuple):
    """What a grid varies: an option with its values, or a name of the prompt."""

    name: str
    """A field of `CellOptions` or `Parameters`, or the NAME of `--vary`."""
    values: tuple[Any, ...] = ()
    """The values of an option, in the order they were typed."""
    expression: str | None = None
    """The EXPRESSION of `--vary`, whose value has the values of the name."""


class GridOptions(NamedTuple):
    """What makes a cell a grid."""

    axes: tuple[Axis, ...] = ()
    """In the order they were typed; all combinations are sent."""
    samples: int = 1
    """How many answers each combination gets."""
    blind: bool = False
    """Whether answers are shown without model, price, counts and tempo."""


_Given: TypeAlias = dict[str, list[Any]]
"""The values of each option by field, in the order typed; of `--vary`, by `_VARY_KEY` and name."""
_VARY_KEY = "--vary "


class SavedPrompt(NamedTuple):
    """A prompt from a file, ready to be sent."""

    name: str
    """As typed after `@`: `./NAME` is the project's."""
    text: str
    """With `{{ }}` not filled in."""
    given: Mapping[str, list[Any]] = MappingProxyType({})
    """Its options, which those on the line override."""
    type: str | None = None
    """The type of its answer, as written."""
    examples: Mapping[str, str] = MappingProxyType({})
    """An example of each name that it needs, as far as the file has them."""
    notice: str | None = None
    """What the reader of the answer should know about it."""

    def followed_by(self, text: str) -> str:
        """Return its text with that of the cell below it."""
        return f"{self.text}\n\n{text}" if text.strip() else self.text


class EachOptions(NamedTuple):
    """What `--each` and the options that need it say."""

    table: str
    """The expression of the table, as written."""
    preview: int | None = None
    concurrency: int | None = None
    fresh: bool = False
    on_error: Literal["keep", "raise", "stop"] = "keep"
    retry: tuple[str, ...] = ()


class CellOptions(NamedTuple):
    """The values of an option line; `None` and `False`: not given."""

    model: str | None = None
    """An id or an alias; `None` too if a grid varies it."""
    system: str | None = None
    """The system prompt, with `{{ }}` not yet filled in; empty: remove the thread's. `None` too if
    a grid varies it."""
    parameters: Parameters = Parameters()
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
    check: tuple[str, ...] = ()
    """The expressions of `--check`, as written."""
    fail_on_check: bool = False
    until_pass: bool = False
    models: tuple[str, ...] = ()
    """The models of `--until-pass`, in the order they are asked; `model` is the first."""
    tools: tuple[str, ...] = ()
    """The functions that the model may call, as written: names or expressions."""
    allow: tuple[str, ...] = ()
    """The names of tools that run without asking."""
    max_steps: int | None = None
    """The most requests of a turn with tools."""
    live_tools: bool = False
    """Whether a replayed turn runs its functions."""
    max_usd: Decimal | None = None
    max_requests: int | None = None
    grid: GridOptions | None = None
    """`None`: the cell has one answer."""
    each: EachOptions | None = None
    """`None`: the prompt is sent once, not for each row of a table."""
    saved: SavedPrompt | None = None
    """The prompt of `@NAME`; its options are included."""


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
}
_FORMATS = ("md", "text", "code", "json")
_FORMAT = "text: without Markdown; code: put its code blocks in a new cell; json: an object"
_IMAGE = "send an image: https URL, file, or expression; repeatable"
_TABLE_ROWS = "send this many rows of each table in {{ }}, or all of them"
_SYSTEM = "the thread's system prompt from now on; '' removes it; {{ }} is filled in; repeatable"
_TEMPERATURE = "randomness of the answer, 0 to 2"
_TOP_P = "sample only from the most likely tokens up to this share, 0 to 1"
_MAX_TOKENS = "limit the tokens of the answer"
_EFFORT = "reasoning effort, in the model's own words"
_KEY_ENV = "read the key from this environment variable"
_MODEL = "use this model, by id or alias; repeatable"
_SAMPLES = "ask for this many answers of each combination"
_VARY = "vary a name in {{ }}: over an iterable, or a dict whose keys are labels; repeatable"
_CHECK = "fail unless this expression is true of the answer (in a grid: a column); repeatable"
_IN_TURN = "ask the models of -m in turn until an answer passes its checks and type"
_TOOLS = "let the model call these functions, separated by commas; each call asks first"
_ALLOW = "run this function of --tools without asking, as grids and --each need it; repeatable"
_MAX_STEPS = "send at most this many requests in a turn with tools (8)"
_LIVE_TOOLS = "run the functions of a replayed turn, and name results that differ"
_EACH = "send the prompt for each row of this table: its columns are names in {{ }}"
_PREVIEW = "send only this many rows, drawn with a fixed seed, and project the bill"
_ON_ERRORS = ("keep", "raise", "stop")
_ON_ERROR = "when a row fails: keep the others, fail at the end, or stop at once"
RETRY_WORDS: Final = ("stop", "length", "content_filter", "type")
"""How the answer to a row can have ended; `type`: two answers did not fit the type."""
_RETRY = "send rows again that ended so: stop, length, content_filter or type; repeatable"
_MAX_USD = "spend at most this many US dollars in this cell, in place of the usual limit"
_MAX_REQUESTS = "send at most this many requests in this cell; more than 50 without a price need it"


def _read_param(option: str, text: str) -> tuple[str, Any]:
    key = text.partition("=")[0]
    if key in _NOT_A_FIELD:
        raise OptionError(f"`{option}` cannot set {shown(key)}", hint=_NOT_A_FIELD[key])
    value = None if unshown_field(key, None) else read_field(option, text)[1]
    if (unshown := unshown_field(key, value)) is not None:
        raise OptionError(f"`{option}` cannot set {shown(unshown[0])}", hint=unshown[1])
    return key, value


OPTIONS: tuple[OptionSpec, ...] = (
    OptionSpec(("-m", "--model"), _MODEL, "ID", repeatable=True, list_of="words"),
    OptionSpec(("-s", "--system"), _SYSTEM, "TEXT", lambda _, text: text, repeatable=True),
    OptionSpec(("-t", "--temperature"), _TEMPERATURE, "X", number_reader(2), list_of="numbers"),
    OptionSpec(("--top-p",), _TOP_P, "X", number_reader(1), list_of="numbers"),
    OptionSpec(("--max-tokens",), _MAX_TOKENS, "N", read_count, list_of="numbers"),
    OptionSpec(("--stop",), "end the answer before this text; repeatable", "S", repeatable=True),
    OptionSpec(("--effort",), _EFFORT, "LEVEL", list_of="words"),
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
        word_reader(*_FORMATS),
        choices=_FORMATS,
    ),
    OptionSpec(("-i", "--image"), _IMAGE, "X", repeatable=True),
    OptionSpec(("--table-rows",), _TABLE_ROWS, "N|all", read_rows, choices=("all",)),
    OptionSpec(("-n", "--samples"), _SAMPLES, "N", read_count),
    OptionSpec(
        ("--vary",), _VARY, "NAME=EXPR", read_variation, repeatable=True, is_expression=True
    ),
    OptionSpec(("--blind",), "show a grid without its models, prices and tempo until %cmd reveal"),
    OptionSpec(("--check",), _CHECK, "EXPR", read_expression, repeatable=True, is_expression=True),
    OptionSpec(("--fail-on-check",), "let a grid fail if a check is false"),
    OptionSpec(("--until-pass",), _IN_TURN),
    OptionSpec(("--max-usd",), _MAX_USD, "X", read_usd),
    OptionSpec(("--max-requests",), _MAX_REQUESTS, "N", read_count),
    OptionSpec(("--tools",), _TOOLS, "EXPR", repeatable=True, is_expression=True),
    OptionSpec(("--allow",), _ALLOW, "NAME", repeatable=True, list_of="words"),
    OptionSpec(("--max-steps",), _MAX_STEPS, "N", read_count),
    OptionSpec(("--live-tools",), _LIVE_TOOLS),
    OptionSpec(("--each",), _EACH, "TABLE", read_expression, is_expression=True),
    OptionSpec(("--preview",), _PREVIEW, "N", read_count),
    OptionSpec(("--concurrency",), "send at most this many rows at once", "N", read_count),
    OptionSpec(("--fresh",), "send all rows again, also those answered before"),
    OptionSpec(
        ("--on-error",),
        _ON_ERROR,
        "|".join(_ON_ERRORS),
        word_reader(*_ON_ERRORS),
        choices=_ON_ERRORS,
    ),
    OptionSpec(
        ("--retry",),
        _RETRY,
        "WORD",
        word_reader(*RETRY_WORDS),
        repeatable=True,
        choices=RETRY_WORDS,
    ),
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
    rows.append(("-> NAME", "store the text of the answer, or the whole grid, in a variable"))
    rows.append(("-> NAME: TYPE", "ask for a value of that type, check it and store it"))
    width = max(len(usage) for usage, _ in rows)
    return "\n".join(
        [
            "%%cmd [@NAME] [options] [-> NAME[: TYPE]]",
            "the prompt; {{ expression }} is replaced by its value",
            "",
            "%cmd ask [@NAME] [options] [[-> NAME[: TYPE]] --] the prompt, to the end of the line",
            "",
            "@NAME is a saved prompt, to which the text is added; its own options come first, and",
            "those on the line override them. %cmd prompts lists the saved prompts.",
            "",
            "Several values make a grid, which sends all combinations: lists (-m a,b -t 0,1), -m",
            "or -s again, --vary, -n.",
            "",
            "--each TABLE sends the prompt once for each row: %%cmd --each df -> labels: int",
            "",
            *(f"  {usage:{width}}  {meaning}" for usage, meaning in rows),
        ]
    )


def option_table_markdown() -> str:
    """Return the table of options for the documentation."""
    lines = ["| option | meaning |", "| --- | --- |"]
    for spec in OPTIONS:
        usage = spec.usage.replace("|", r"\|").replace(", ", "`, `")
        lines.append(f"| `{usage}` | {spec.help.replace('{{ }}', '`{{ }}`')} |")
    return "\n".join(lines)


def parse_cell_line(
    line: str, load_prompt: Callable[[str], SavedPrompt] | None = None
) -> CellOptions:
    """Parse the text after `%%cmd`.

    Parameters
    ----------
    load_prompt
        Returns the saved prompt of a name, or raises `OptionError`; `None`: no name is known.

    Raises
    ------
    OptionError
        The line is invalid; the message names the word.
    """
    if "@" in line:
        return _parse_cell_line(line, load_prompt)
    return _parsed_before(line)


@functools.lru_cache(maxsize=64)  # cells run again, and many have the same line
def _parsed_before(line: str) -> CellOptions:
    return _parse_cell_line(line, None)


def _parse_cell_line(line: str, load_prompt: Callable[[str], SavedPrompt] | None) -> CellOptions:
    given: _Given = {}
    saved: SavedPrompt | None = None
    position = 0
    while (word := next_word(line, position)) is not None:
        if word.text == ARROW:
            return _build(given, saved, *_parse_binding(line[word.end :].strip()))
        if word.text.startswith("@") and load_prompt is not None:
            if saved is not None:
                raise OptionError(
                    f"{shown(word.text)} is the second saved prompt on the line, after"
                    f" {shown(f'@{saved.name}')}",
                    hint="use one; `{{ }}` and the text of the cell can add to it",
                )
            saved, position = load_prompt(word.text[1:]), word.end
            continue
        if not _OPTION_LIKE.match(word.text):
            raise _stray(word)
        position = _take(line, word, given, arrow=True)
    return _build(given, saved)


def parse_ask_line(
    line: str,
    *,
    one_answer: bool = False,
    find_prompt: Callable[[str], SavedPrompt | None] = lambda _: None,
) -> tuple[CellOptions, str]:
    """Parse the text after `%cmd ask`: the options, then the prompt exactly as typed.

    The prompt starts at the first word that is neither an option nor a saved prompt, or one blank
    after `--`, and goes to the end of the line; `->`, quotes and braces are part of it. After the
    options, `-> NAME: TYPE` in front of `--` binds the answer, as on the line of a cell.

    Parameters
    ----------
    one_answer
        Whether the line belongs to a command that cannot have several answers.
    find_prompt
        Returns the saved prompt of a name; `None`: there is none, and `@NAME` is text.

    Raises
    ------
    OptionError
        The options or the variable are invalid; the message names the word.
    """
    given: _Given = {}
    saved: SavedPrompt | None = None
    position = skip_blanks(line, 0)
    while True:
        if saved is None and line.startswith("@", position):
            end = next((at for at in range(position, len(line)) if line[at].isspace()), len(line))
            name = line[position + 1 : end]
            if (saved := find_prompt(name)) is None:
                break
            position = skip_blanks(line, end)
        elif _OPTION_LIKE.match(line, position):
            word = next_word(line, position, arrow=False)
            if word is None:
                break
            position = skip_blanks(line, _take(line, word, given, arrow=False))
        else:
            break
    binding, rest = _take_binding(line[position:])
    if rest == "--" or (rest.startswith("--") and rest[2].isspace()):
        rest = rest[3:]
    options = _build(given, saved, *binding)
    if one_answer and options.name is not None:
        raise OptionError(
            f"this command does not bind {shown(options.name)} after `->`",
            hint="the reply is in _cmd; %%cmd and %cmd ask take `->`",
        )
    if one_answer and (options.grid or options.until_pass or options.each):
        raise OptionError(
            "this command asks for one answer; lists, -n, --vary, --until-pass and --each are for"
            " %%cmd and %cmd ask",
            hint="use one value for each option",
        )
    return options, rest


_LIKE_TYPED_NAME = re.compile(r"->\s*[^\W\d]\w*\s*:")


def _take_binding(rest: str) -> tuple[tuple[str, str | None] | tuple[()], str]:
    """Return the variable and the type in front of `--`, if there are any, and what follows.

    Raises
    ------
    OptionError
        The variable is invalid, or has a type but no `--` after it.
    """
    if not rest.startswith(ARROW):
        return (), rest
    word = next_word(rest, len(ARROW), arrow=False)
    while word is not None and word.text != "--":
        word = next_word(rest, word.end, arrow=False)
    if word is not None:
        return _parse_binding(rest[len(ARROW) : word.start].strip()), rest[word.start :]
    if _LIKE_TYPED_NAME.match(rest):
        raise OptionError(
            f"no prompt follows {shown(rest)}",
            hint="put `--` between the type and the prompt: -> x: int -- how many?;"
            " a prompt that begins with an arrow goes after `--`",
        )
    return (), rest


def _take(line: str, word: Word, given: _Given, *, arrow: bool) -> int:
    """Add one option with its value to `given`, and return the position after it."""
    name, equals, text = word.text.partition("=")
    spec = _BY_NAME.get(name)
    if spec is None:
        raise _unknown(word, arrow=arrow)
    if spec.metavar is None:
        if equals:
            raise OptionError(f"`{name}` takes no value, but has {shown(text)}", hint=spec.help)
        _add(given, spec, name, [True])
        return word.end
    value = None if equals else next_word(line, word.end, arrow=arrow)
    if value is not None and not _is_option(value):
        text = value.text
    if not text:
        raise OptionError(f"`{name}` needs a value", hint=f"{spec.usage}: {spec.help}")
    end = word.end if value is None else value.end
    if not is_quoted(text):
        _check_end(line, end, spec, name, text, arrow=arrow)
    if spec.list_of is None:
        values = [spec.read(name, unquoted(text))]
    else:
        values = read_list(name, unquoted(text), spec.read, numbers=spec.list_of == "numbers")
    _add(given, spec, name, values)
    return end


def _is_option(word: Word) -> bool:
    return word.text in {ARROW, "--"} or word.text.partition("=")[0] in _BY_NAME


_OPERATOR = r"(?:[<>]=?|[=!]=|[-+*/%|&]|(?:and|or|in|is|not|if|for)\b)(?=\s|$)"


def _check_end(  # noqa: PLR0913  a word and its place
    line: str, end: int, spec: OptionSpec, name: str, text: str, *, arrow: bool
) -> None:
    """Refuse a value without quotes that goes on after a blank."""
    rest = line[skip_blanks(line, end) :]
    if spec.is_expression and (spec.field != "vary" or "=" in text):
        # in a cell only an option may follow; `ask` has its prompt there
        goes_on = not _OPTION_LIKE.match(rest) and not rest.startswith(ARROW) if arrow else False
        if rest and (goes_on or re.match(_OPERATOR, rest)):
            following = rest.split(None, 1)[0]
            raise OptionError(
                f"{shown(following)} after `{name}` {shown(text)} is not an option",
                hint=quote_hint(name),
            )
    elif spec.list_of is not None:
        at_blank = text.endswith(",") and rest and not _OPTION_LIKE.match(rest)
        if (at_blank and not rest.startswith(ARROW)) or rest.startswith(","):
            raise blank_in_list(name, f"{text} {rest.split(None, 1)[0]}")


def _add(given: _Given, spec: OptionSpec, name: str, values: list[Any]) -> None:
    key = spec.field
    if key == "vary":
        key, values = f"{_VARY_KEY}{values[0][0]}", [values[0][1]]
        if key in given:
            raise OptionError(f"`{key}` is given twice", hint="keep one of them")
    elif key in given and not spec.repeatable:
        lists = ", or write them as a list, with a comma" if spec.list_of else ""
        raise OptionError(f"`{spec.names[-1]}` is given twice", hint=f"keep one of them{lists}")
    before = given.setdefault(key, [])
    for value in values:
        if key in VARIED_FIELDS and value in before:
            raise same_value(name, str(value), str(value))
        before.append(value)


def _build(
    on_line: _Given,
    saved: SavedPrompt | None = None,
    name: str | None = None,
    kind: str | None = None,
) -> CellOptions:
    """Return the options of a whole line, which must fit together with those of its prompt."""
    given = {key: [*values] for key, values in on_line.items()}
    if saved is not None:
        kind = saved.type if kind is None else kind
        own = {key for key, _ in given.get("param", ())}
        others = [each for each in saved.given.get("param", ()) if each[0] not in own]
        given = {key: [*values] for key, values in saved.given.items()} | given
        given["param"] = others + on_line.get("param", [])
    extra: dict[str, Any] = {}
    for key, value in given.pop("param", ()):
        if key in extra:
            raise OptionError(f"`--param` sets {shown(key)} twice", hint="keep one of them")
        extra[key] = value
    chosen: dict[str, Any] = {"name": name, "type": kind, "saved": saved}
    if "until_pass" in given:
        chosen["models"] = _models_in_turn(given, has_type=kind is not None)
    if "each" in given:
        _refuse_with_each(given, name)
    chosen["grid"] = _take_grid(given)
    chosen["each"] = _take_each(given)
    for each in ("stop", "image", "check", "tools", "allow"):
        chosen[each] = tuple(given.pop(each, ()))
    chosen |= {each: values[0] for each, values in given.items()}
    names = [each for each in Parameters.__match_args__ if each in chosen]
    parameters = Parameters(**{each: chosen.pop(each) for each in names}, extra=extra)
    options = CellOptions(**chosen, parameters=parameters)
    _check_combination(options)
    return options


def read_options(options: Mapping[str, object]) -> _Given:
    """Read the options of a saved prompt: by their long names, with values as on a line.

    A list has several values of an option that takes them; `true` is a flag.

    Raises
    ------
    OptionError
        A name or a value is invalid.
    """
    given: _Given = {}
    for name, value in options.items():
        option = f"--{name}"
        spec = _BY_NAME.get(option)
        if spec is None or spec.field == "help":
            names = [each.names[-1].removeprefix("--") for each in OPTIONS]
            raise OptionError(
                f"{shown(name)} is not an option of a saved prompt",
                hint=did_you_mean(name, names) or f"the options are: {', '.join(names[:-1])}, type",
            )
        values = _read_value(spec, option, value)
        for part in [[each] for each in values] if spec.repeatable else [values]:
            _add(given, spec, option, part)
    return given


def _read_value(spec: OptionSpec, option: str, value: object) -> list[Any]:
    """Return the values of an option in a file."""
    if spec.metavar is None:
        if value is not True:
            raise OptionError(f"`{option}` takes true, or is left out", hint=spec.help)
        return [True]
    each = value if isinstance(value, list) else [value]
    if isinstance(value, list) and not (value and (spec.list_of or spec.repeatable)):
        raise OptionError(f"`{option}` does not take the list {value}", hint=spec.help)
    wrong = [one for one in each if isinstance(one, bool) or not isinstance(one, str | int | float)]
    if wrong:
        raise OptionError(
            f"`{option}` takes a text or a number, not {shown(str(wrong[0]))}", hint=spec.help
        )
    if spec.list_of is not None and not isinstance(value, list):
        return read_list(option, str(value), spec.read, numbers=spec.list_of == "numbers")
    return [spec.read(option, str(one)) for one in each]


def saved_options(options: CellOptions) -> dict[str, Any]:
    """Return the options that belong to a prompt wherever it is sent, as `read_options` reads them.

    The conversation, the number of answers and what is shown belong to the cell, not to the prompt.
    """
    parameters = options.parameters
    system = options.system
    if options.raw and system:
        from cc_jupyter.prompt.template import escaped  # noqa: PLC0415  the first cell loads little before it sends

        system = escaped(system)
    given = {
        "model": options.model,
        "system": system,
        "temperature": parameters.temperature,
        "top-p": parameters.top_p,
        "max-tokens": parameters.max_tokens,
        "stop": [*parameters.stop] or None,
        "effort": parameters.effort,
        "format": options.format,
        "type": options.type,
        "check": [*options.check] or None,
        "image": [*options.image] or None,
        "tools": [*options.tools] or None,
        "allow": [*options.allow] or None,
        "max-steps": options.max_steps,
        "table-rows": options.table_rows,
        "param": [f"{key}={json.dumps(value)}" for key, value in parameters.extra.items()] or None,
        "key-env": options.key_env,
        "zdr": options.zdr or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _models_in_turn(given: _Given, *, has_type: bool) -> tuple[str, ...]:
    """Return the models of `--until-pass`, which makes no grid; leave the first as the model."""
    models = tuple(given.get("model", ()))
    if len(models) <= 1:
        raise OptionError(
            "`--until-pass` needs the models to ask, in order",
            hint="for example -m deepseek/deepseek-v4-flash,claude-haiku-5-5",
        )
    if not (has_type or "check" in given or given.get("format") == ["json"]):
        raise OptionError(
            "`--until-pass` needs something to pass: a check or a type",
            hint='add --check "len(answer) < 80", or -> NAME: TYPE',
        )
    given["model"] = [models[0]]
    for key, values in given.items():
        if key == "samples" or key.startswith(_VARY_KEY):
            other = shown("-n" if key == "samples" else key)
        elif key in VARIED_FIELDS and len(values) > 1:
            other = f"a list of `--{key.replace('_', '-')}`"
        else:
            continue
        raise OptionError(
            f"`--until-pass` ends in one answer, so it cannot be combined with {other}",
            hint="only -m takes a list with it: the models to ask, in order",
        )
    return models


def _take_grid(given: _Given) -> GridOptions | None:
    """Remove what makes a grid from `given` and return it; `None`: nothing does."""
    axes = []
    for key in list(given):
        if key.startswith(_VARY_KEY):
            axes.append(Axis(key.removeprefix(_VARY_KEY), expression=given.pop(key)[0]))
        elif key in VARIED_FIELDS and len(given[key]) > 1:
            axes.append(Axis(key, tuple(given.pop(key))))
    samples = given.pop("samples", None)
    blind = bool(given.pop("blind", False))
    if axes or samples:
        return GridOptions(tuple(axes), samples[0] if samples else 1, blind)
    if blind:
        raise OptionError(
            "`--blind` needs several answers to compare",
            hint="add a list of models, such as -m a,b, or -n 2",
        )
    return None


_OF_EACH = ("preview", "concurrency", "fresh", "on_error", "retry")


def _take_each(given: _Given) -> EachOptions | None:
    """Remove what belongs to `--each` from `given` and return it; `None`: there is none."""
    table = given.pop("each", None)
    found = {name: given.pop(name) for name in _OF_EACH if name in given}
    if table is not None:
        retry = tuple(found.pop("retry", ()))
        return EachOptions(
            table[0], retry=retry, **{name: values[0] for name, values in found.items()}
        )
    if found:
        option = f"--{next(iter(found)).replace('_', '-')}"
        raise OptionError(f"`{option}` needs a table", hint=f"for example --each df {option} …")
    return None


def _refuse_with_each(given: _Given, name: str | None) -> None:
    """Raise for what a prompt over rows cannot have: one model and one answer a row."""
    for key, values in given.items():
        if key in VARIED_FIELDS and len(values) > 1:
            option = f"a list of `--{key.replace('_', '-')}`"
        elif key == "samples" or key.startswith(_VARY_KEY):
            option = shown("-n" if key == "samples" else key)
        elif key in ("until_pass", "thread", "new", "blind"):
            option = f"`--{key.replace('_', '-')}`"
        else:
            continue
        raise OptionError(
            f"`--each` asks one model for one answer a row, so it cannot be combined with {option}",
            hint="keep one of them",
        )
    if name is None:
        raise OptionError(
            "`--each` needs a variable for the result",
            hint=f"for example --each {given['each'][0]} -> labels",
        )


def _check_combination(options: CellOptions) -> None:
    if options.once and (options.new or options.thread is not None):
        other = "--new" if options.new else f"--thread {options.thread}"
        raise OptionError(
            f"`--once` uses no thread, so it cannot be combined with {shown(other)}",
            hint="keep one of them",
        )
    for name in ("allow", "max_steps", "live_tools"):
        if getattr(options, name) and not options.tools:
            option = f"--{name.replace('_', '-')}"
            raise OptionError(f"`{option}` needs functions", hint="add --tools lookup,save")
    if options.fail_on_check and not options.check:
        raise OptionError("`--fail-on-check` needs a check", hint='add --check "len(answer) < 80"')
    varied = [each.name for each in options.grid.axes if each.expression] if options.grid else []
    if options.raw and varied:
        raise OptionError(
            f"`--raw` sends {{{{ }}}} as typed, so `--vary {varied[0]}` changes nothing",
            hint="keep one of them",
        )


def _unknown(word: Word, *, arrow: bool) -> OptionError:
    name = word.text.partition("=")[0]
    short = _BY_NAME.get(name[:2])
    hint = did_you_mean(name, _BY_NAME)
    has_number = name[2:3].isdigit() and not name.startswith("--")
    if (hint is None or has_number) and short is not None and short.metavar is not None:
        hint = f"put a blank between {name[:2]} and its value."
    if not arrow:
        hint = f"{hint or ''} Put a prompt that starts with a dash after `--`".strip()
    hint = hint or "%%cmd -h lists the options"
    return OptionError(f"{shown(name)} is not an option", hint=hint)


def _stray(word: Word) -> OptionError:
    if word.text.startswith(","):
        return OptionError(
            f"there is a blank before the comma in {shown(word.text)}",
            hint="write a list without blanks, such as -m a,b",
        )
    return OptionError(
        f"{shown(word.text)} is not an option",
        hint="write the prompt below the %%cmd line (`%cmd ask …` takes it on the same line), and"
        " put a value with blanks in quotes",
    )
