"""The `%cmd` commands: one table for the parser, help, README and completion.

Each command is a function whose keyword parameters are the arguments declared here; the other
modules of this package define the functions. `Commands` runs the one that a line names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.commands.arguments import Argument, CommandSpec, parse_arguments
from cc_jupyter.core.errors import OptionError, did_you_mean
from cc_jupyter.prompt.options import OPTIONS, option_help

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


_OPTION_LINE = (Argument("line", "options"),)
_ABILITIES = ("free", "cheap", "image", "reasoning", "zdr", "mine")
_SINCE = Argument("--since", "choice", ("session", "day", "week", "month", "all"))
_THIS_NOTEBOOK = Argument("--notebook", "switch")

COMMANDS: tuple[CommandSpec, ...] = (
    CommandSpec(
        "ask",
        "[options] [--] text",
        "send the rest of the line as a prompt",
        _OPTION_LINE,
    ),
    CommandSpec(
        "continue",
        "[options]",
        "continue the last answer in the same turn",
        _OPTION_LINE,
    ),
    CommandSpec("status", "", "show the current model, key and thread, and the cost so far"),
    CommandSpec(
        "models",
        "[WORDS] [--refresh] [--sort BY]",
        "list the models and their prices; every word must match",
        (
            Argument("words", "filter", (*_ABILITIES, "messages", "chat", ">200k")),
            Argument("--refresh", "switch"),
            Argument("--sort", "choice", ("name", "price", "window")),
        ),
        "A word is part of an id, a name or a maker, or one of: free, cheap (cheapest first),"
        " image, reasoning, zdr, mine (from config.toml), messages, chat; or a size of the context"
        " window such as >200k; or <$ and an amount, the limit for a million answer tokens."
        " The list comes from the provider and is cached for an hour; if the provider cannot be"
        " reached, the last list is used. When you assign the result, it is a DataFrame if pandas"
        " is installed, otherwise a list.",
        "%cmd models cheap image --sort price",
    ),
    CommandSpec(
        "pick",
        "[WORDS]",
        "open a searchable list of models with their prices and abilities",
        (Argument("words", "filter", _ABILITIES),),
        "It works with the keyboard: type to search, then use the arrow keys and Enter. A button"
        " writes the choice as a %cmd use line into a new cell. cc_jupyter.ModelPicker is the same"
        " picker as a Python object.",
        "%cmd pick cheap image",
    ),
    CommandSpec(
        "use",
        "MODEL [--save [project]]",
        "select the model for this session; `local` is the model on this machine",
        (
            Argument("model", "model", ("local",), required=True),
            Argument("--save", "choice", ("project",), bare="user"),
        ),
        "--save also writes it to your config.toml, for all sessions; --save project writes it to"
        " the nearest pyproject.toml, for everyone who works on that project.",
        "%cmd use local",
    ),
    CommandSpec(
        "alias",
        "[NAME [MODEL|--remove]]",
        "define a short name for a model in all sessions, or list these names",
        (
            Argument("name", "alias"),
            Argument("model", "model"),
            Argument("--remove", "switch"),
        ),
        example="%cmd alias fast deepseek/deepseek-v4-flash",
    ),
    CommandSpec(
        "local",
        "[setup|start|stop|status]",
        "set up, start or stop the model on this machine, or show its status",
        (Argument("action", "choice", ("setup", "start", "stop", "status")),),
    ),
    CommandSpec(
        "retry",
        "",
        "send again what failed or was interrupted in the last grid",
        details="The values in the prompts and the numbers of the samples stay as they were. After"
        " a kernel restart they are unknown, so the grid's cell must run again.",
    ),
    CommandSpec(
        "new",
        "[NAME]",
        "start over in this thread, or in thread NAME",
        (Argument("name"),),
        example="%cmd new essay",
    ),
    CommandSpec(
        "thread",
        "[NAME] [--from NOTEBOOK]",
        "switch to a thread of this notebook, or start a new one",
        (Argument("name", "thread"), Argument("--from")),
        "Threads of earlier sessions of this notebook are loaded from the history. --from loads a"
        " thread of another notebook, given by its path or the end of it; its conversation is then"
        " sent from here.",
        "%cmd thread essay --from drafts.ipynb",
    ),
    CommandSpec("threads", "", "list the threads of this session and the stored ones"),
    CommandSpec(
        "history",
        "[--full]",
        "list the turns of this thread",
        (Argument("--full", "switch"),),
    ),
    CommandSpec(
        "rewind",
        "[N]",
        "undo the last turn, or the last N; nothing is deleted",
        (Argument("turns", "number"),),
        example="%cmd rewind 2",
    ),
    CommandSpec(
        "fork",
        "NAME",
        "continue in a new thread that shares the conversation so far",
        (Argument("name", required=True),),
        example="%cmd fork bolder",
    ),
    CommandSpec(
        "versions",
        "[N] [--use V]",
        "list all versions of the last turn, or of turn N; activate version V",
        (Argument("turn", "number"), Argument("--use", "number")),
        "A version is a prompt, its options and the answer. The answers of a grid have the same"
        " number under `grid`.",
        "%cmd versions 3 --use 1",
    ),
    CommandSpec(
        "diff",
        "[A B]",
        "compare the last two answers of the last turn word by word, or A and B",
        (Argument("first"), Argument("second")),
        example="%cmd diff 3.1 3.2",
    ),
    CommandSpec(
        "search",
        "TEXT",
        "find turns of all sessions that contain these words",
        (Argument("text", "text", required=True),),
        example="%cmd search glaciers",
    ),
    CommandSpec(
        "export",
        "PATH [--overwrite]",
        "save this thread as .md, .json or .ipynb",
        (Argument("path", "file", required=True), Argument("--overwrite", "switch")),
        example="%cmd export notes.md",
    ),
    CommandSpec(
        "forget",
        "turn N|thread NAME|everything",
        "delete a turn, a thread or the whole history for good",
        (
            Argument("what", "choice", ("turn", "thread", "everything"), required=True),
            Argument("name", "thread"),
        ),
        example="%cmd forget turn 3",
    ),
    CommandSpec(
        "usage",
        "[--by WHAT] [--since WHEN] [--notebook] [--plot]",
        "show tokens and costs by model, thread, notebook, day or cell",
        (
            Argument("--by", "choice", ("model", "thread", "notebook", "day", "cell")),
            _SINCE,
            _THIS_NOTEBOOK,
            Argument("--plot", "switch"),
        ),
        "It covers this session unless --since names a longer period: day, week, month or all."
        " --notebook limits it to this notebook, --plot shows a plot. When you assign the result,"
        " it is a DataFrame if pandas is installed, otherwise a list.",
        "%cmd usage --by thread --since week",
    ),
    CommandSpec(
        "budget",
        "[AMOUNT|off] [--per PERIOD]",
        "limit the spending per session, day or notebook",
        (
            Argument("amount", "amount", ("off",)),
            Argument("--per", "choice", ("session", "day", "notebook")),
        ),
        example="%cmd budget 0.50 --per day",
    ),
    CommandSpec(
        "receipt",
        "[--since WHEN] [--notebook]",
        "write a paragraph for a paper about what was used and spent",
        (_SINCE, _THIS_NOTEBOOK),
        example="%cmd receipt --since month",
    ),
    CommandSpec(
        "insert",
        "[N]",
        "put the code blocks of the last answer, or its block N, into a new cell",
        (Argument("block", "number"),),
        example="%cmd insert 2",
    ),
    CommandSpec(
        "explain",
        "[options]",
        "explain the error of the last failed cell",
        _OPTION_LINE,
    ),
    CommandSpec(
        "fix",
        "[options]",
        "correct the last failed cell: show the changes and add the new cell",
        _OPTION_LINE,
    ),
    CommandSpec(
        "sent",
        "[N|ID] [--as FORM]",
        "show exactly what was sent, as json, curl or python",
        (Argument("turn"), Argument("--as", "choice", ("json", "curl", "python"))),
        "curl and python are scripts that send the request again; they never contain the key. There"
        " is no form for the Command Code CLI, which has no documented call for a single request.",
        "%cmd sent 3 --as curl",
    ),
    CommandSpec(
        "login",
        "",
        "enter a key, optionally check it, and store it in the keyring or a private file",
        may_hold_key=True,
    ),
    CommandSpec(
        "logout",
        "",
        "remove the key that login stored; variables and the CLI's login are not changed",
        may_hold_key=True,
    ),
    CommandSpec(
        "doctor",
        "",
        "check the set-up and suggest fixes; safe to paste into an issue",
        may_hold_key=True,
    ),
    CommandSpec(
        "help",
        "[options|COMMAND]",
        "show this help, the options of %%cmd and %cmd ask, or details of a command",
        (Argument("topic", "topic"),),
    ),
)
"""All commands, in the order of the help."""

BY_NAME: Mapping[str, CommandSpec] = {spec.name: spec for spec in COMMANDS}


_CELL_USAGE = ("%%cmd [options] [-> NAME[: TYPE]]", "send the text of the cell as a prompt")
_USAGE_COLUMNS = 38
"""The width of the usage column; a longer usage has its meaning on the next line."""


def help_text(topic: str = "") -> str:
    """Return the help: one line per command, the options, or the details of one command.

    Raises
    ------
    OptionError
        There is no such command.
    """
    if not topic:
        rows = [_CELL_USAGE, *((_usage(spec), spec.summary) for spec in COMMANDS)]
        return "\n".join(_line(usage, meaning) for usage, meaning in rows)
    if topic in ("options", "%%cmd"):
        return option_help()
    spec = BY_NAME.get(topic)
    if spec is None:
        known = [*BY_NAME, "options", *(name for each in OPTIONS for name in each.names)]
        raise OptionError(
            f"there is no help on {topic!r}",
            hint=did_you_mean(topic, known) or "%cmd help lists all commands",
        )
    return _command_help(spec)


def _command_help(spec: CommandSpec) -> str:
    parts = [_line(_usage(spec), spec.summary)]
    if spec.details:
        parts.append(_wrapped(spec.details))
    if spec.example:
        parts.append(f"For example: {spec.example}")
    if spec.arguments == _OPTION_LINE:
        parts.append(option_help())
    return "\n\n".join(parts)


def command_table_markdown() -> str:
    """Return the table of commands for the README."""
    lines = ["| command | what it does |", "| --- | --- |"]
    for spec in COMMANDS:
        usage = _usage(spec).replace("|", r"\|")
        lines.append(f"| `{usage}` | {spec.summary} |")
    return "\n".join(lines)


def _usage(spec: CommandSpec) -> str:
    return f"%cmd {spec.name} {spec.usage}".rstrip()


def _line(usage: str, meaning: str) -> str:
    if len(usage) > _USAGE_COLUMNS:
        return f"{usage}\n{'':{_USAGE_COLUMNS}}  {meaning}"
    return f"{usage:{_USAGE_COLUMNS}}  {meaning}"


def _wrapped(text: str) -> str:
    import textwrap  # noqa: PLC0415  rarely needed

    return textwrap.fill(text, 88)


class Commands:
    """The functions behind `%cmd`, by name; each returns a value that displays itself."""

    def __init__(self, by_name: Mapping[str, Callable[..., object]]) -> None:
        self.by_name = by_name

    def run(self, name: str, line: str) -> object:
        """Run a command with the arguments on its line.

        Raises
        ------
        OptionError
            There is no such command, or it does not take these arguments.
        """
        if name in ("-h", "--help"):
            name = "help"
        name = name.removesuffix(";") or "status"
        if name not in self.by_name:
            raise OptionError(
                f"unknown command {name!r}",
                hint=did_you_mean(name, BY_NAME) or f"the commands are: {', '.join(BY_NAME)}",
            )
        return self.by_name[name](**parse_arguments(BY_NAME[name], line))
