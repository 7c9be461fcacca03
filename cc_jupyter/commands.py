"""The commands of `%cmd` but `ask`: each gives a value that shows itself."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING

from cc_jupyter.catalog import ModelSpec, load_catalog
from cc_jupyter.command_words import nothing
from cc_jupyter.cost import format_usd
from cc_jupyter.errors import CcError, ConnectError, OptionError, did_you_mean
from cc_jupyter.local_command import local_command
from cc_jupyter.models import LOCAL, chosen_model
from cc_jupyter.options import option_help
from cc_jupyter.tables import Card, Page, Row, Table
from cc_jupyter.target import api_root, find_target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cc_jupyter.code_commands import CodeCommands
    from cc_jupyter.model_list import ListedModel, ModelList
    from cc_jupyter.session import Session

_FRESH_S = 3600.0
"""A list of models older than this is asked for again when models are shown."""
_HELP = """\
%%cmd [options] [-> NAME]        the text of the cell is the prompt
%cmd ask [options] [--] text     the rest of the line is the prompt
%cmd                             where one stands: model, key, thread, spent so far
%cmd models [WORDS] [--refresh]  the models there are, with prices; each word must occur
%cmd use MODEL                   the model for this session; `local` is the one on this machine
%cmd local [setup|start|stop]    the model on this machine: how it stands, or get, start, stop it
%cmd new [NAME]                  start the thread anew, or go on in a new thread NAME
%cmd thread [NAME]               go on with a thread: of this session, of the history, or a new one
%cmd threads                     the threads there are, in this session and in the history
%cmd history [--full]            the turns of this thread
%cmd rewind [N]                  take the last turn back, or the last N; nothing is deleted
%cmd fork NAME                   go on in a new thread that shares everything said so far
%cmd versions [N] [--use V]      all answers of the last turn, or of turn N; let version V count
%cmd diff [A B]                  the last two answers of the last turn word by word; or A and B
%cmd continue [options]          carry the last answer on, in the same turn
%cmd search TEXT                 turns of all sessions that hold these words
%cmd export PATH [--overwrite]   this thread as .md, .json or .ipynb
%cmd forget turn N               remove a turn for good; also: thread NAME, everything
%cmd usage [--by WHAT]           what was spent, by model, thread, notebook, day or cell
           [--since WHEN]        this session; day, week, month or all look further back
           [--notebook] [--plot] this notebook alone; as a picture
%cmd budget [AMOUNT|off]         the most that may be spent: [--per session|day|notebook]
%cmd receipt [--since WHEN]      the same as a paragraph for a paper
%cmd sent [N|ID] [--as FORM]     what exactly went out: json, curl or python
%cmd insert [N]                  the code blocks of the last answer, or the Nth, into a new cell
%cmd explain [options]           what went wrong in the cell that failed last
%cmd fix [options]               the failed cell corrected: what changes, and a new cell with it
%cmd help [options|COMMAND]      this text, or the options of %%cmd and %cmd ask
"""


class Commands:
    """The commands, by name."""

    def __init__(
        self, session: Session, code: CodeCommands, others: Mapping[str, Callable[[str], object]]
    ) -> None:
        self._session = session
        self._by_name: dict[str, Callable[[str], object]] = {
            "models": self._models,
            "use": self._use,
            "local": local_command,
            "insert": code.insert,
            "explain": code.explain,
            "fix": code.fix,
            "status": self._status,
            "help": self._help,
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
        command = self._by_name.get(name or "status")
        if command is None:
            known = ["ask", *self._by_name]
            raise OptionError(
                f"unknown command {name!r}",
                hint=did_you_mean(name, known) or f"there are: {', '.join(known)}",
            )
        return command(rest)

    def _help(self, topic: str) -> Page:
        if not topic:
            return Page(_HELP.rstrip())
        if topic in ("options", "ask", "%%cmd"):
            return Page(option_help())
        lines = [line for line in _HELP.splitlines() if line.startswith(f"%cmd {topic} ")]
        if not lines:
            raise OptionError(
                f"there is no help on {topic!r}",
                hint=did_you_mean(topic, [*self._by_name, "options"]) or "try %cmd help",
            )
        return Page("\n".join(lines))

    def _status(self, rest: str) -> Card:
        nothing("status", rest)
        session, settings = self._session, self._session.settings()
        card = Card(model="", endpoint="", key="", thread=session.conversations.current, spent="")
        try:
            name = chosen_model(None, settings)
            card["model"] = name
            card["model from"] = settings.sources.get("model", "base_url = local")
            if LOCAL in (name, settings.base_url):
                card["endpoint"], card["key"] = "the local model", "none needed"
            else:
                target = find_target(settings)
                model = session.models.find(name, target)
                card["endpoint"] = f"{target.api_root}{model.endpoint}"
                card["key"] = f"from {target.key.source}"
        except CcError as error:
            card["missing"] = f"{error} ({error.hint})"
        card["spent"] = _spent(session)
        return Card({name: value for name, value in card.items() if value != ""})

    def _use(self, rest: str) -> Card:
        words = rest.split()
        if len(words) != 1:
            raise OptionError("%cmd use takes one model", hint="an example: %cmd use local")
        session = self._session
        settings = session.settings()
        name = settings.alias.get(words[0], words[0])
        if LOCAL not in (name, settings.base_url):
            session.models.find(name, find_target(settings))
        session.choices["model"] = words[0]
        return self._status("")

    def _models(self, rest: str) -> Table:
        words = rest.split()
        refresh = "--refresh" in words
        words = [word for word in words if word != "--refresh"]
        for word in words:
            if word.startswith("-"):
                raise OptionError(f"%cmd models has no option {word}", hint="it has --refresh")
        settings = self._session.settings()
        if settings.base_url == LOCAL:
            return _local_table()
        root = api_root(settings.base_url, allow_http=settings.allow_http)
        listed, note = self._listed(root, refresh=refresh)
        rows = _rows(listed)
        shown = [row for row in rows if all(_matches(row, word) for word in words)]
        return Table(shown, f"{len(shown)} of {len(rows)} models; {note}")

    def _listed(self, root: str, *, refresh: bool) -> tuple[ModelList, str]:
        """Give the provider's list, no older than an hour unless it cannot be had."""
        models = self._session.models
        catalog = load_catalog()
        prices = f"prices of {catalog.price_date} in USD per million tokens"
        listed = models.listed(root)
        if refresh or time.time() - listed.fetched_at_s > _FRESH_S:
            try:
                listed = models.refresh(root)
            except ConnectError as error:
                if refresh:
                    raise
                age = "no list yet" if not listed.models else f"list of {_day(listed)}"
                return listed, f"{prices}; {age}: {error}"
        return listed, f"{prices}; list of {_day(listed)}"


def _rows(listed: ModelList) -> list[Row]:
    """Merge what is served with what is priced; a model in only one of the two is shown too."""
    catalog = load_catalog().models
    ids = list(listed.models) or list(catalog)
    ids += [name for name in catalog if name not in listed.models and listed.models]
    return [_row(name, catalog.get(name), listed.models.get(name), listed) for name in ids]


def _row(name: str, spec: ModelSpec | None, served: ListedModel | None, listed: ModelList) -> Row:
    rates = spec.tiers[0].rates if spec and spec.tiers else None
    endpoints = (served.endpoints if served else ()) or (spec.endpoints if spec else ())
    window = (served.context_tokens if served else None) or (spec.context_tokens if spec else None)
    note = spec.note if spec else "not in the price table"
    if listed.models and served is None:
        note = "not listed by the provider"
    return {
        "model": name,
        "name": served.name if served else spec.name if spec else name,
        "endpoint": endpoints[0] if endpoints else "",
        "window": window,
        "in": _rate(rates.input if rates else None),
        "out": _rate(rates.output if rates else None),
        "cached": _rate(rates.cache_read if rates else None),
        "image": "yes" if spec and spec.image_input else "",
        "efforts": " ".join(spec.efforts) if spec else "",
        "note": note,
    }


def _rate(rate: Decimal | None) -> str:
    return "?" if rate is None else f"{rate.normalize():f}"


def _matches(row: Row, word: str) -> bool:
    if word.casefold() == "free":
        return bool(row["in"] == "0" and row["out"] == "0")
    return any(word.casefold() in str(value).casefold() for value in row.values())


def _local_table() -> Table:
    from cc_jupyter.local import DISPLAY_NAME, MODEL_ID  # noqa: PLC0415  seldom needed

    row = {"model": MODEL_ID, "name": DISPLAY_NAME, "in": "0", "out": "0"}
    return Table([row], "the local model answers whatever model is named")


def _day(listed: ModelList) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(listed.fetched_at_s))


def _spent(session: Session) -> str:
    """Add up the session; what is unknown is counted, not left out."""
    known = [reply.cost.usd for reply in session.spent if reply.cost.usd is not None]
    unknown = len(session.spent) - len(known)
    total = format_usd(sum(known, Decimal(0)))
    requests = f"{len(session.spent)} request{'' if len(session.spent) == 1 else 's'}"
    return f"{total} in {requests}" + (f", {unknown} of unknown cost" if unknown else "")
