"""The commands about money and requests: usage, budget, receipt, and what was sent.

`%cmd sent` shows a request as JSON or as a script; keys are never in it.
"""

from __future__ import annotations

import json
import pprint
import shlex
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

from cc_jupyter.commands.parsing import place_of
from cc_jupyter.config.base_url import api_root, masked_url
from cc_jupyter.conversation.history import history_off
from cc_jupyter.core.display import Card, TextOutput
from cc_jupyter.core.errors import OptionError, did_you_mean
from cc_jupyter.core.money import format_usd
from cc_jupyter.core.redaction import redact
from cc_jupyter.models.catalog import load_catalog
from cc_jupyter.models.registry import LOCAL
from cc_jupyter.usage.budget import Budget, load_budget, parse_budget, save_budget

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cc_jupyter.conversation.records import LedgerRow, TurnRecord
    from cc_jupyter.session.execution import ExecutionContext
    from cc_jupyter.session.session import Session


_END = "END_OF_BODY"
_ZDR = "x-cmd-zdr"
_NAMED = {
    "/chat/completions": ("model", "messages", "stream", "stream_options"),
    "/messages": ("model", "max_tokens", "messages", "system", "stream"),
}
"""What every release of the SDKs names; all other fields go into their `extra_body`."""


def show_sent(
    record: TurnRecord, body: bytes, url: str, form: str, *, zdr: bool = False
) -> TextOutput:
    """Return a request as `json`, or as a script that sends it again: `curl` or `python`.

    A body without anything like a key is shown byte for byte.

    Parameters
    ----------
    zdr
        Whether zero data retention was requested; the scripts then request it as well.

    Raises
    ------
    OptionError
        There is no such form of it, or what was kept is no request.
    """
    text, sent = _read(body)
    match form:
        case "json":
            return TextOutput(json.dumps(sent, ensure_ascii=False, indent=2))
        case "curl":
            return TextOutput(_curl(record, text, url, zdr=zdr))
        case "python":
            return TextOutput(_python(record, sent, url, zdr=zdr))
        case _:
            raise OptionError(
                "the Command Code CLI has no documented call for a single request",
                hint="%cmd sent --as curl and --as python send it again",
            )


def _read(body: bytes) -> tuple[str, dict[str, Any]]:
    """Return a body as text and as parsed JSON, both without keys."""
    try:
        text = body.decode()
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise OptionError("the stored request is not JSON", hint="%cmd history shows the turn")
    clean: dict[str, Any] = _redacted(parsed)
    if clean != parsed:
        text = json.dumps(clean, ensure_ascii=False, separators=(",", ":"))
    return text, clean


def _redacted(value: Any) -> Any:  # noqa: ANN401  JSON
    """Redact each string separately: escapes in the encoded text hide where a key begins."""
    match value:
        case str():
            return redact(value)
        case list():
            return [_redacted(each) for each in value]
        case dict():
            return {redact(name): _redacted(each) for name, each in value.items()}
        case _:
            return value


def _curl(record: TurnRecord, text: str, url: str, *, zdr: bool) -> str:
    headers = [
        "Content-Type: application/json",
        *(["anthropic-version: 2023-06-01"] if record.endpoint == "/messages" else []),
        *([f"{_ZDR}: 1"] if zdr else []),
    ]
    # a body is one line of JSON: no line of it can be the end mark, and the line end that the
    # shell adds is the only one
    return "\n".join(
        [
            f"tr -d '\\n' <<'{_END}' | curl --no-buffer {shlex.quote(url)} \\",
            '  --header "Authorization: Bearer $CMD_API_KEY" \\',
            *(f"  --header {shlex.quote(header)} \\" for header in headers),
            "  --data-binary @-",
            text,
            _END,
        ]
    )


def _python(record: TurnRecord, body: dict[str, Any], url: str, *, zdr: bool) -> str:
    messages = record.endpoint == "/messages"
    names = _NAMED[record.endpoint]
    known = {name: value for name, value in body.items() if name in names}
    extra = {name: value for name, value in body.items() if name not in names}
    root = url.removesuffix(record.endpoint)
    if messages:
        make = [
            "client = anthropic.Anthropic(",
            '    auth_token=os.environ["CMD_API_KEY"],',
            f"    base_url={root.removesuffix('/v1')!r},",
            "    # no release may add the key of another provider from the environment",
            '    default_headers={"X-Api-Key": anthropic.Omit()},',
            ")",
        ]
        call, package = "client.messages.create", "anthropic"
    else:
        make = [f'client = openai.OpenAI(api_key=os.environ["CMD_API_KEY"], base_url={root!r})']
        call, package = "client.chat.completions.create", "openai"
    headers = f', extra_headers={{"{_ZDR}": "1"}}' if zdr else ""
    return "\n".join(
        [
            "import os",
            "",
            f"import {package}",
            "",
            *make,
            f"body = {pprint.pformat(known, sort_dicts=False, width=100)}",
            f"extra = {pprint.pformat(extra, sort_dicts=False, width=100)}",
            f"for event in {call}(**body, extra_body=extra{headers}):",
            "    print(event)",
        ]
    )


By = Literal["model", "thread", "notebook", "day", "cell"]
_PERIODS = ("session", "day", "week", "month", "all")
_FORMS = ("json", "curl", "python", "cli")
_DAYS = {"day": 0, "week": 6, "month": 29}
"""The number of days before today on which a period begins."""


class LedgerCommands:
    """Report usage and costs, set the budget and show sent requests."""

    def __init__(self, session: Session, cell: ExecutionContext) -> None:
        self._session = session
        self._cell = cell
        self.by_name: dict[str, Callable[[str], object]] = {
            "usage": self._usage,
            "budget": self._budget,
            "receipt": self._receipt,
            "sent": self._sent,
        }

    def _usage(self, rest: str) -> object:
        """Add up requests; return a DataFrame if the value is assigned and pandas is installed."""
        words = _Words("usage", rest, by=get_args(By), since=_PERIODS)
        by = words.given.get("by", "model")
        period = words.given.get("since", "session" if by != "day" else "month")
        here = self._cell.notebook if "--notebook" in words.flags("--notebook", "--plot") else None
        if "--plot" in words.flags("--notebook", "--plot"):
            return self._plot(period, here)
        from cc_jupyter.usage.report import usage_table  # noqa: PLC0415  Decimal sums, seldom needed

        table = usage_table(by, self._ledger(by, period, here), caption=_period_text(period))
        return table.for_cell(shown=self._cell.ends_in_magic())

    def _ledger(self, by: str, period: str, notebook: str | None) -> list[LedgerRow]:
        """Return the sums of a period, from the history or from this session."""
        from cc_jupyter.usage.ledger import add_up  # noqa: PLC0415  as above

        session = self._session
        if period == "session":
            records = session.history.records()
            if notebook is not None:
                records = [each for each in records if each.notebook == notebook]
            return add_up(records, by)
        if not session.settings().history:
            raise history_off()
        since = self._since(period)
        return session.history.store.ledger(by, since=since, notebook=notebook)

    def _since(self, period: str) -> datetime | None:
        """Return the start of a period at local midnight; `None` for all time."""
        if period == "session":
            return self._session.started_at
        if period == "all":
            return None
        today = self._session.now().astimezone().date() - timedelta(days=_DAYS[period])
        return datetime.combine(today, time()).astimezone()

    def _records(self, period: str, notebook: str | None) -> Sequence[TurnRecord]:
        session = self._session
        if period == "session":
            every = session.history.records()
            return [each for each in every if notebook in (None, each.notebook)]
        if not session.settings().history:
            raise history_off()
        return list(session.history.store.all_turns(self._since(period), notebook))

    def _plot(self, period: str, notebook: str | None) -> object:
        from cc_jupyter.usage.report import plot_usage, usage_points  # noqa: PLC0415  matplotlib

        return plot_usage(usage_points(self._records(period, notebook)))

    def _budget(self, rest: str) -> Card:
        spending = self._session.budget_guard
        if rest:
            budget = parse_budget(rest)
            spending.budget, spending.is_off = budget, budget is None
            save_budget(budget, self._cell.notebook)
        else:
            budget = spending.budget or (None if spending.is_off else self._standing_budget())
        if budget is None:
            return Card({"budget": "none", "set one": "%cmd budget 0.50 --per day"})
        return Card({"budget": format_usd(budget.usd), "per": budget.period})

    def _standing_budget(self) -> Budget | None:
        usd = self._session.settings().budget_usd
        kept = load_budget(self._cell.notebook)
        return Budget(usd) if kept is None and usd is not None else kept

    def _receipt(self, rest: str) -> object:
        from cc_jupyter.usage.report import receipt  # noqa: PLC0415  seldom needed

        words = _Words("receipt", rest, since=_PERIODS)
        period = words.given.get("since", "session")
        here = self._cell.notebook if "--notebook" in words.flags("--notebook") else None
        rows = self._ledger("model", period, here)
        threads = {row.group for row in self._ledger("thread", period, here) if row.group}
        return receipt(
            rows,
            self._ledger("server", period, here),
            period=_period_text(period),
            price_date=load_catalog().price_date,
            threads=len(threads),
            now=self._session.now(),
        )

    def _sent(self, rest: str) -> TextOutput:
        """Show the request of a turn: the last one, or one given by number or id."""
        words = _Words("sent", rest, **{"as": _FORMS})
        record = self._turn(" ".join(words.others))
        body = self._session.history.body(record)
        if body is None:
            raise OptionError("no request was sent for this turn, or it was not stored")
        form = words.given.get("as", "json")
        return show_sent(record, body, self._url(record), form, zdr=record.zdr)

    def _turn(self, name: str) -> TurnRecord:
        history = self._session.history
        if not name:
            records = history.records()
            if not records:
                raise OptionError("nothing was sent yet in this session", hint="%cmd sent ID")
            return records[-1]
        found: TurnRecord | None = None
        if name.isdecimal() and len(name) < 8:  # noqa: PLR2004  so long is a short id
            thread = self._session.conversations.thread()
            turn = thread.slots[place_of(thread, int(name))].turn
            found = history.record(turn.id) if turn else None
        elif self._session.settings().history:
            found = history.store.turn(name)
        if found is None:
            raise OptionError(
                f"there is no turn {name!r}", hint="%cmd history and %cmd search name them"
            )
        return found

    def _url(self, record: TurnRecord) -> str:
        settings = self._session.settings()
        if record.served_by == LOCAL:
            from cc_jupyter.client.local.model import running  # noqa: PLC0415  most sessions use no local model

            return f"{running().url}/v1{record.endpoint}"
        root = api_root(settings.base_url, allow_http=settings.allow_http)
        return f"{masked_url(root)}{record.endpoint}"


class _Words:
    """The words of a command line: known options with values, flags and the rest."""

    def __init__(self, command: str, rest: str, **choices: Sequence[str]) -> None:
        self._command = command
        self.given: dict[str, Any] = {}
        self.others: list[str] = []
        words = iter(rest.split())
        for word in words:
            name = word.removeprefix("--")
            if not word.startswith("--") or name not in choices:
                self.others.append(word)
                continue
            value = next(words, "")
            if value not in choices[name]:
                raise OptionError(
                    f"%cmd {command} {word} cannot be {value!r}",
                    hint=did_you_mean(value, choices[name])
                    or f"it can be {', '.join(choices[name])}",
                )
            self.given[name] = value

    def flags(self, *known: str) -> list[str]:
        """Return the remaining words, which must all be known flags."""
        for word in self.others:
            if word not in known:
                raise OptionError(
                    f"%cmd {self._command} does not take {word!r}",
                    hint=did_you_mean(word, known) or f"it takes {', '.join(known)}",
                )
        return self.others


def _period_text(period: str) -> str:
    return {
        "session": "this session",
        "day": "today",
        "week": "the last 7 days",
        "month": "the last 30 days",
        "all": "the whole history",
    }[period]
