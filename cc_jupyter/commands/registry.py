"""The `%cmd` commands: one table for the parser, help, documentation and completion.

Each command is a function whose keyword parameters are the arguments declared here; the other
modules of this package define the functions. `Commands` runs the one that a line names.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from cc_jupyter.commands.arguments import Argument, CommandSpec, parse_arguments
from cc_jupyter.core.display import TextOutput
from cc_jupyter.core.errors import OptionError, did_you_mean
from cc_jupyter.core.escaping import scrollable
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
        "[@NAME] [options] [[-> NAME[: TYPE]] --] text",
        "send the rest of the line as a prompt",
        _OPTION_LINE,
        details="-- ends the options, so that a prompt may begin with a dash. -> NAME or"
        " -> NAME: TYPE in front of -- stores the answer in a variable. In a loop or a function"
        " each request of a cell has its own turn.",
        example="%cmd ask -m opus what is {{ x }}?",
    ),
    CommandSpec(
        "continue",
        "[options]",
        "continue the last answer in the same turn",
        _OPTION_LINE,
        details="It works on an answer that was cut at a limit, interrupted or broken off, if it is"
        " the last one of the thread. The cell shows the whole answer. A turn with tools keeps its"
        " calls and results; --tools offers functions again, without it the model answers from the"
        " results.",
        example="%cmd continue --max-tokens 4000",
    ),
    CommandSpec(
        "status",
        "",
        "show the current model, key and thread, and the cost so far",
        details="A plain %cmd does the same. It names the setting that chose the model.",
        example="%cmd status",
    ),
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
        details="Without arguments it lists all aliases. They are saved in your config.toml.",
        example="%cmd alias fast deepseek/deepseek-v4-flash",
    ),
    CommandSpec(
        "local",
        "[setup|start|stop|status]",
        "set up, start or stop the model on this machine, or show its status",
        (Argument("action", "choice", ("setup", "start", "stop", "status")),),
        details="The model is small and needs no key: `setup` downloads it once, and it starts with"
        " the first prompt after %cmd use local.",
        example="%cmd local setup",
    ),
    CommandSpec(
        "retry",
        "",
        "send again what failed or was interrupted in the last grid",
        details="The values in the prompts and the numbers of the samples stay as they were. After"
        " a kernel restart they are unknown, so the grid's cell must run again.",
        example="%cmd retry",
    ),
    CommandSpec(
        "new",
        "[NAME]",
        "start over in this thread, or in thread NAME",
        (Argument("name"),),
        details="Later prompts do not send what was said before; nothing is deleted. --new does the"
        " same for a single cell.",
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
    CommandSpec(
        "threads",
        "",
        "list the threads of this session and the stored ones",
        details="Stored threads of other notebooks are listed with their notebook; %cmd thread NAME"
        " --from NOTEBOOK loads one.",
        example="%cmd threads",
    ),
    CommandSpec(
        "history",
        "[--full]",
        "list the turns of this thread",
        (Argument("--full", "switch"),),
        details="--full shows whole prompts and answers. The numbers of the turns are those that"
        " rewind, versions, diff and sent take.",
        example="%cmd history --full",
    ),
    CommandSpec(
        "rewind",
        "[N]",
        "undo the last turn, or the last N; nothing is deleted",
        (Argument("turns", "number"),),
        details="Later prompts no longer send these turns. In JupyterLab the cells are marked, and"
        " a click brings a turn back.",
        example="%cmd rewind 2",
    ),
    CommandSpec(
        "fork",
        "NAME",
        "continue in a new thread that shares the conversation so far",
        (Argument("name", required=True),),
        details="The thread that you leave stays as it is; %cmd thread NAME returns to it.",
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
        details="2 is the second version of the last turn, 3.2 the second version of turn 3.",
        example="%cmd diff 3.1 3.2",
    ),
    CommandSpec(
        "vote",
        "[NAME] [--pairs]",
        "vote on the answers of a grid without seeing their models and prices",
        (Argument("name", "grid"), Argument("--pairs", "switch")),
        "It takes the last grid, or the one bound to NAME. A ballot holds one answer of each"
        " combination; with --pairs, or with more than six combinations, two. Keys: arrows move,"
        " 1-9 best, 0 tie, - all bad, Space skip, U undo, N note, D differences, R reveal and end."
        " Some ballots come back with their sides swapped, which shows how consistent you are. At"
        " the end the first answer of the combination with most wins becomes the active version.",
        "%cmd vote g --pairs",
    ),
    CommandSpec(
        "votes",
        "[--export FILE.jsonl]",
        "add up all votes: wins, ties, losses, preference and cost ratio",
        (Argument("--export", "file"),),
        "Votes on grids whose models were visible are counted apart, as open ones. --export writes"
        " each preferred answer with the one it was preferred to, as JSON lines. When you assign"
        " the result, it is a DataFrame if pandas is installed, otherwise a list.",
        "%cmd votes --export preferences.jsonl",
    ),
    CommandSpec(
        "reveal",
        "[NAME]",
        "show the models, prices and tempo of a grid that ran with --blind",
        (Argument("name", "grid"),),
        example="%cmd reveal g",
    ),
    CommandSpec(
        "search",
        "TEXT",
        "find turns of all sessions that contain these words",
        (Argument("text", "text", required=True),),
        details="It searches prompts and answers in the history of all notebooks. The found words"
        " are marked.",
        example="%cmd search glaciers",
    ),
    CommandSpec(
        "export",
        "PATH [--overwrite]",
        "save this thread as .md, .json or .ipynb",
        (Argument("path", "file", required=True), Argument("--overwrite", "switch")),
        details="The ending decides on the form: Markdown to read, JSON with all versions, or a"
        " notebook with one cell for each turn.",
        example="%cmd export notes.md",
    ),
    CommandSpec(
        "save",
        "NAME [TURN] [--project] [--no-examples] [--overwrite]",
        "save the last prompt, or that of a turn, with its options as @NAME",
        (
            Argument("name", "prompt", required=True),
            Argument("turn"),
            Argument("--project", "switch"),
            Argument("--no-examples", "switch"),
            Argument("--overwrite", "switch"),
        ),
        "%%cmd @NAME sends it again; options on that line override its own, {{ }} is filled in from"
        " your variables, and the text of the cell is added below. TURN is a number, an id, or 3.2"
        " for version 2 of turn 3. --project saves it in the folder prompts of the project, for"
        " everyone who works on it. The file has the beginning of each value as an example, without"
        " keys; --no-examples leaves them out.",
        "%cmd save summary",
    ),
    CommandSpec(
        "prompts",
        "[--remove NAME]",
        "list your saved prompts and those of the project, or delete one",
        (Argument("--remove", "prompt"),),
        "@NAME is your own prompt, or the project's if you have none of that name; @./NAME is the"
        " project's.",
        "%cmd prompts --remove summary",
    ),
    CommandSpec(
        "forget",
        "turn N|thread NAME|rows [NAME|all]|everything",
        "delete a turn, a thread, finished rows or the whole history for good",
        (
            Argument("what", "choice", ("turn", "thread", "rows", "everything"), required=True),
            Argument("name", "thread"),
        ),
        details="It cannot be undone. The outputs in the notebook stay as they are. Rows that are"
        " forgotten are sent and paid for again; without a name, rows lists what there is.",
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
        details="The cost of a prompt is estimated before it is sent; one that exceeds the rest of"
        " the budget is refused, and an answer is stopped when the budget is used up."
        " Without arguments it shows the budget.",
        example="%cmd budget 0.50 --per day",
    ),
    CommandSpec(
        "receipt",
        "[--since WHEN] [--notebook]",
        "write a paragraph for a paper about what was used and spent",
        (_SINCE, _THIS_NOTEBOOK),
        details="It names the models, the period, the tokens and the costs.",
        example="%cmd receipt --since month",
    ),
    CommandSpec(
        "insert",
        "[N]",
        "put the code blocks of the last answer, or its block N, into a new cell",
        (Argument("block", "number"),),
        details="The new cell is not run.",
        example="%cmd insert 2",
    ),
    CommandSpec(
        "explain",
        "[options]",
        "explain the error of the last failed cell",
        _OPTION_LINE,
        details="It sends the cell, its error and the variables in it. The answer is not part of a"
        " thread unless --thread names one.",
        example="%cmd explain -m opus",
    ),
    CommandSpec(
        "fix",
        "[options]",
        "correct the last failed cell: show the changes and add the new cell",
        _OPTION_LINE,
        details="The corrected cell is added below and is not run. The answer is not part of a"
        " thread unless --thread names one.",
        example="%cmd fix -m opus",
    ),
    CommandSpec(
        "sent",
        "[N|ID] [--step K] [--as FORM]",
        "show exactly what was sent, as json, curl or python",
        (
            Argument("turn"),
            Argument("--step", "number"),
            Argument("--as", "choice", ("json", "curl", "python")),
        ),
        "curl and python are scripts that send the request again; they never contain the key. There"
        " is no form for the Command Code CLI, which has no documented call for a single request."
        " A turn with tools has several requests: --step shows one of them, by default the last.",
        "%cmd sent 3 --as curl",
    ),
    CommandSpec(
        "trace",
        "[N|ID]",
        "show the calls of the last turn with tools, or of turn N",
        (Argument("turn"),),
        "Each call with its arguments, result and time; _cmd.steps has the same as objects. When"
        " you assign the result, it is a DataFrame if pandas is installed, otherwise a list.",
        "%cmd trace 3",
    ),
    CommandSpec(
        "cassette",
        "[record|replay|auto|off|diff] [PATH] [--speed N]",
        "record answers in a file and replay them, without key and network",
        (
            Argument("action", "choice", ("record", "replay", "auto", "off", "diff")),
            Argument("path", "file"),
            Argument("--speed", "number"),
        ),
        "record sends every request and keeps its latest answer; replay answers from the file alone"
        " and needs no key; auto replays what is recorded, and sends and records the rest. The file"
        " is NOTEBOOK.cassette.jsonl next to the notebook, or PATH; PATH may be a folder to replay"
        " from. --speed 1 replays at the recorded pace. diff shows how the last request that was"
        " not recorded differs from the nearest one. Without an argument it shows the cassette in"
        " use. Secrets are removed before anything is written.",
        "%cmd cassette record",
    ),
    CommandSpec(
        "login",
        "",
        "enter a key, optionally check it, and store it in the keyring or a private file",
        details="Never type the key on the line: %cmd login asks for it.",
        example="%cmd login",
        may_hold_key=True,
    ),
    CommandSpec(
        "logout",
        "",
        "remove the key that login stored; variables and the CLI's login are not changed",
        details="A key in CMD_API_KEY or in the CLI's own login is still used.",
        example="%cmd logout",
        may_hold_key=True,
    ),
    CommandSpec(
        "doctor",
        "[--check]",
        "check the set-up and suggest fixes; safe to paste into an issue",
        (Argument("--check", "switch"),),
        details="Keys, and secrets in addresses, are masked. A key that the server rejected in this"
        " session is a failure; --check tests it with one small request to a free model.",
        example="%cmd doctor --check",
        may_hold_key=True,
    ),
    CommandSpec(
        "help",
        "[options|COMMAND]",
        "show this help, the options of %%cmd and %cmd ask, or details of a command",
        (Argument("topic", "topic"),),
        example="%cmd help versions",
    ),
)
"""All commands, in the order of the help."""

BY_NAME: Mapping[str, CommandSpec] = {spec.name: spec for spec in COMMANDS}

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Prompts": ("ask", "continue", "explain", "fix", "insert"),
    "Models": ("models", "pick", "use", "alias", "local"),
    "Conversations": (
        *("new", "thread", "threads", "history", "rewind", "fork", "versions", "diff"),
        *("search", "export", "forget"),
    ),
    "Reuse and reproduce": ("save", "prompts", "cassette"),
    "Grids": ("retry", "vote", "reveal", "votes"),
    "Costs and requests": ("usage", "budget", "receipt", "sent", "trace"),
    "Set-up": ("status", "login", "logout", "doctor", "help"),
}
"""The commands by what they are about, as the help lists them."""


_CELL_USAGE = ("%%cmd [@NAME] [options] [-> NAME[: TYPE]]", "send the text of the cell as a prompt")
_CELL_EXAMPLE = (_CELL_USAGE[0], _CELL_USAGE[1], "%%cmd -m opus -> answer")
_MORE_HELP = "%cmd help COMMAND says more about one; %cmd help options lists the options of %%cmd."
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
        return _overview()
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


class HelpPage(TextOutput):
    """The help on all commands; a page shows it as a table with an example for each."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        left = ' style="text-align: left"'
        usage, meaning, example = _CELL_EXAMPLE
        cells = (_code(usage), meaning, _code(example))
        rows = [f"<tr>{''.join(_cell(text, left) for text in cells)}</tr>"]
        for group, names in GROUPS.items():
            rows.append(f'<tr><th colspan="3"{left}>{group}</th></tr>')
            for spec in (BY_NAME[name] for name in names):
                texts = (_code(_usage(spec)), html.escape(spec.summary), _code(spec.example))
                rows.append(f"<tr>{''.join(_cell(text, left) for text in texts)}</tr>")
        head = "".join(f"<th{left}>{name}</th>" for name in ("command", "what it does", "example"))
        body = "".join(rows)
        note = f"<p>{html.escape(_MORE_HELP)}</p>"
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f"{scrollable(table)}{note}"


def help_page(topic: str = "") -> TextOutput:
    """Return the help as a result that displays itself.

    Raises
    ------
    OptionError
        There is no such command.
    """
    return TextOutput(help_text(topic)) if topic else HelpPage(help_text())


def _overview() -> str:
    """Return one line for each command, under the headings of its group."""
    lines = [_line(*_CELL_USAGE)]
    for group, names in GROUPS.items():
        specs = (BY_NAME[name] for name in names)
        lines += ["", group, *(_line(_usage(spec), spec.summary) for spec in specs)]
    return "\n".join([*lines, "", _MORE_HELP])


def _cell(text: str, style: str) -> str:
    return f"<td{style}>{text}</td>"


def _code(text: str) -> str:
    return f"<code>{html.escape(text)}</code>"


def _command_help(spec: CommandSpec) -> str:
    parts = [_line(_usage(spec), spec.summary)]
    if spec.details:
        parts.append(_wrapped(spec.details))
    if spec.example:
        parts.append(f"For example: {spec.example}")
    if spec.arguments == _OPTION_LINE:
        parts.append(option_help())
    return "\n\n".join(parts)


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
