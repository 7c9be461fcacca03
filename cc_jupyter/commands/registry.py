"""The `%cmd` commands: one table for the help, the README, completion and error messages.

`Commands` finds the command that a line names and runs it. The modules of this package say what
each one does; `ask` belongs to the cell runner.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from cc_jupyter.commands.local import local_command
from cc_jupyter.commands.parsing import nothing
from cc_jupyter.core.display import Card, TextOutput
from cc_jupyter.core.errors import OptionError, did_you_mean
from cc_jupyter.prompt.options import OPTIONS, option_help
from cc_jupyter.session.status import current_status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cc_jupyter.session.session import Session


Kind: TypeAlias = Literal[
    "model", "filter", "thread", "alias", "file", "topic", "options", "number", "text"
]
"""What a word of a command can be, where it is none of a few known ones."""


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One command: how it is called and what it gives."""

    name: str
    usage: str
    """What may stand behind the name, as the help writes it; may be empty."""
    summary: str
    group: str
    more: str = ""
    """What `%cmd help NAME` says besides, in whole sentences; may be empty."""
    words: tuple[str, ...] = ()
    """The words it knows, such as `setup` and `start`."""
    takes: tuple[Kind, ...] = ()
    """What its other words are, by their place; the last one also for all that follow."""
    flags: Mapping[str, tuple[str, ...] | Kind | None] = field(default_factory=dict)
    """Its options: the values each can have, or their kind; `None`: it takes none."""


_PERIODS = ("session", "day", "week", "month", "all")

COMMANDS: tuple[CommandSpec, ...] = (
    CommandSpec(
        "ask",
        "[options] [--] text",
        "the rest of the line is the prompt",
        "asking",
        takes=("options",),
    ),
    CommandSpec(
        "continue",
        "[options]",
        "carry the last answer on, in the same turn",
        "asking",
        takes=("options",),
    ),
    CommandSpec("status", "", "where one stands: model, key, thread, spent so far", "asking"),
    CommandSpec(
        "models",
        "[WORDS] [--refresh] [--sort BY]",
        "the models there are, with prices; each word must fit",
        "models",
        "A word is part of an id, a name or a maker, or one of: free, cheap (cheapest first),"
        " image, reasoning, zdr, mine (of config.toml), messages, chat; or a size of the context"
        " window such as >200k; or the most that a million tokens of the answer may cost, <$ and"
        " the amount."
        " The list comes from the provider, is kept for an hour, and the last good one stays when"
        " the provider cannot be reached. Assigned to a name it is a DataFrame, or a list.",
        words=("free", "cheap", "image", "reasoning", "zdr", "mine", "messages", "chat", ">200k"),
        takes=("filter",),
        flags={"--refresh": None, "--sort": ("name", "price", "window")},
    ),
    CommandSpec(
        "pick",
        "[WORDS]",
        "choose a model by search, price and ability, with all that is known of each",
        "models",
        "Works by keyboard: type to search, arrows, Enter. cc_jupyter.ModelPicker is the same as"
        " a Python object. Its button writes a %cmd use line into a new cell.",
        words=("free", "cheap", "image", "reasoning", "zdr", "mine"),
        takes=("filter",),
    ),
    CommandSpec(
        "use",
        "MODEL [--save [project]]",
        "the model for this session; `local` is the one on this machine",
        "models",
        "--save also writes it into your config.toml, for all sessions; --save project into the"
        " nearest pyproject.toml, for all who work there.",
        words=("local",),
        takes=("model",),
        flags={"--save": ("project",)},
    ),
    CommandSpec(
        "alias",
        "[NAME [MODEL|--remove]]",
        "a short name for a model, kept for all sessions; alone: those there are",
        "models",
        takes=("alias", "model"),
        flags={"--remove": None},
    ),
    CommandSpec(
        "local",
        "[setup|start|stop|status]",
        "the model on this machine: how it stands, or get, start, stop it",
        "models",
        words=("setup", "start", "stop", "status"),
    ),
    CommandSpec(
        "new", "[NAME]", "start the thread anew, or go on in a new thread NAME", "conversation"
    ),
    CommandSpec(
        "thread",
        "[NAME]",
        "go on with a thread: of this session, of the history, or a new one",
        "conversation",
        takes=("thread",),
    ),
    CommandSpec(
        "threads", "", "the threads there are, in this session and in the history", "conversation"
    ),
    CommandSpec(
        "history",
        "[--full]",
        "the turns of this thread",
        "conversation",
        flags={"--full": None},
    ),
    CommandSpec(
        "rewind",
        "[N]",
        "take the last turn back, or the last N; nothing is deleted",
        "conversation",
        takes=("number",),
    ),
    CommandSpec(
        "fork", "NAME", "go on in a new thread that shares everything said so far", "conversation"
    ),
    CommandSpec(
        "versions",
        "[N] [--use V]",
        "all answers of the last turn, or of turn N; let version V count",
        "conversation",
        takes=("number",),
        flags={"--use": "number"},
    ),
    CommandSpec(
        "diff",
        "[A B]",
        "the last two answers of the last turn word by word; or A and B",
        "conversation",
    ),
    CommandSpec(
        "search",
        "TEXT",
        "turns of all sessions that hold these words",
        "conversation",
        takes=("text",),
    ),
    CommandSpec(
        "export",
        "PATH [--overwrite]",
        "this thread as .md, .json or .ipynb",
        "conversation",
        takes=("file",),
        flags={"--overwrite": None},
    ),
    CommandSpec(
        "forget",
        "turn N|thread NAME|everything",
        "remove for good what was said",
        "conversation",
        words=("turn", "thread", "everything"),
        takes=("text", "thread"),
    ),
    CommandSpec(
        "usage",
        "[--by WHAT] [--since WHEN] [--notebook] [--plot]",
        "what was spent, by model, thread, notebook, day or cell",
        "money",
        "This session, if --since does not look further back: day, week, month or all. --notebook:"
        " this notebook alone. --plot: as a picture. Assigned to a name it is a DataFrame, or a"
        " list.",
        flags={
            "--by": ("model", "thread", "notebook", "day", "cell"),
            "--since": _PERIODS,
            "--notebook": None,
            "--plot": None,
        },
    ),
    CommandSpec(
        "budget",
        "[AMOUNT|off] [--per PERIOD]",
        "the most that may be spent per session, day or notebook",
        "money",
        words=("off",),
        flags={"--per": ("session", "day", "notebook")},
    ),
    CommandSpec(
        "receipt",
        "[--since WHEN]",
        "what was used and spent, as a paragraph for a paper",
        "money",
        flags={"--since": _PERIODS},
    ),
    CommandSpec(
        "insert",
        "[N]",
        "the code blocks of the last answer, or the Nth, into a new cell",
        "code",
        takes=("number",),
    ),
    CommandSpec(
        "explain",
        "[options]",
        "what went wrong in the cell that failed last",
        "code",
        takes=("options",),
    ),
    CommandSpec(
        "fix",
        "[options]",
        "the failed cell corrected: what changes, and a new cell with it",
        "code",
        takes=("options",),
    ),
    CommandSpec(
        "sent",
        "[N|ID] [--as FORM]",
        "what exactly went out: json, curl or python",
        "trust",
        takes=("number",),
        flags={"--as": ("json", "curl", "python")},
    ),
    CommandSpec(
        "login",
        "",
        "keep a key: asked for unseen, checked if you like, in the keyring or a private file",
        "trust",
    ),
    CommandSpec(
        "logout", "", "remove the key that login kept; variables and the CLI's login stay", "trust"
    ),
    CommandSpec(
        "doctor",
        "",
        "what works and what does not, each with what to do; safe to paste into an issue",
        "trust",
    ),
    CommandSpec(
        "help",
        "[options|COMMAND]",
        "this text, the options of %%cmd and %cmd ask, or more on a command",
        "trust",
        takes=("topic",),
    ),
)
"""All commands, in the order of the help."""

BY_NAME: Mapping[str, CommandSpec] = {spec.name: spec for spec in COMMANDS}


_HEAD = (("%%cmd [options] [-> NAME[: TYPE]]", "the text of the cell is the prompt"),)
_WIDEST = 38
"""Usages up to here stand beside what they mean; longer ones on a line above it."""


def help_text(topic: str = "") -> str:
    """Return the help: all commands a line each, the options, or more on one command.

    Raises
    ------
    OptionError
        There is no such command.
    """
    if not topic:
        rows = [*_HEAD, *((_usage(spec), spec.summary) for spec in COMMANDS)]
        return "\n".join(_line(usage, meaning) for usage, meaning in rows)
    if topic in ("options", "%%cmd"):
        return option_help()
    spec = BY_NAME.get(topic)
    if spec is None:
        known = [*BY_NAME, "options", *(name for each in OPTIONS for name in each.names)]
        raise OptionError(
            f"there is no help on {topic!r}",
            hint=did_you_mean(topic, known) or "%cmd help lists what there is",
        )
    return _on_command(spec)


def _on_command(spec: CommandSpec) -> str:
    parts = [_line(_usage(spec), spec.summary)]
    if spec.more:
        parts.append(_wrapped(spec.more))
    if "options" in spec.takes:
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
    if len(usage) > _WIDEST:
        return f"{usage}\n{'':{_WIDEST}}  {meaning}"
    return f"{usage:{_WIDEST}}  {meaning}"


def _wrapped(text: str) -> str:
    import textwrap  # noqa: PLC0415  a page of help is seldom asked for

    return textwrap.fill(text, 88)


class Commands:
    """The commands, by name; each gives a value that shows itself."""

    def __init__(self, session: Session, others: Mapping[str, Callable[[str], object]]) -> None:
        self._session = session
        self.by_name: dict[str, Callable[[str], object]] = {
            "local": local_command,
            "status": self._status,
            "help": lambda topic: TextOutput(help_text(topic)),
            **others,
        }

    def run(self, name: str, rest: str) -> object:
        """Run a command.

        Raises
        ------
        OptionError
            There is no such command, or it does not take what was given.
        """
        if name in ("-h", "--help"):
            name = "help"
        command = self.by_name.get(name or "status")
        if command is None:
            raise OptionError(
                f"unknown command {name!r}",
                hint=did_you_mean(name, BY_NAME) or f"there are: {', '.join(BY_NAME)}",
            )
        return command(rest)

    def _status(self, rest: str) -> Card:
        nothing("status", rest)
        return current_status(self._session)
