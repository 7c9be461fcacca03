"""The commands on costs and requests: `usage`, `budget`, `receipt` and `sent`.

`%cmd sent` shows a request as JSON or as a script, always without keys.
"""

from __future__ import annotations

import json
import pprint
import shlex
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cc_jupyter.client.endpoint import replay_endpoint
from cc_jupyter.commands.threads import turn_record
from cc_jupyter.config.base_url import masked_url
from cc_jupyter.conversation.history import history_off
from cc_jupyter.core.display import Card, TextOutput
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.money import format_usd
from cc_jupyter.core.redaction import redact
from cc_jupyter.models.catalog import load_catalog
from cc_jupyter.models.registry import LOCAL
from cc_jupyter.session.budget_guard import prescribed_budget
from cc_jupyter.usage.budget import Budget, save_budget

if TYPE_CHECKING:
    from cc_jupyter.conversation.records import LedgerRow, TurnRecord
    from cc_jupyter.conversation.store import Store
    from cc_jupyter.session.execution import ExecutionContext
    from cc_jupyter.session.session import Session
    from cc_jupyter.usage.budget import Period as BudgetPeriod


By: TypeAlias = Literal["model", "thread", "notebook", "day", "cell"]
Since: TypeAlias = Literal["session", "day", "week", "month", "all"]
Form: TypeAlias = Literal["json", "curl", "python"]

_DAYS_BEFORE_TODAY = {"day": 0, "week": 6, "month": 29}
"""The number of days before today on which a period begins."""
_PERIOD_TEXTS: dict[Since, str] = {
    "session": "this session",
    "day": "today",
    "week": "the last 7 days",
    "month": "the last 30 days",
    "all": "the whole history",
}

_END = "END_OF_BODY"
_ZDR = "x-cmd-zdr"
_NAMED = {
    "/chat/completions": ("model", "messages", "stream", "stream_options"),
    "/messages": ("model", "max_tokens", "messages", "system", "stream"),
}
"""The parameters that every release of the SDKs has; all other fields go into `extra_body`."""


def show_sent(
    record: TurnRecord, body: bytes, url: str, form: Form, *, zdr: bool = False
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
        What was stored is not a request.
    """
    text, sent = _read(body)
    match form:
        case "json":
            return TextOutput(json.dumps(sent, ensure_ascii=False, indent=2))
        case "curl":
            return TextOutput(_curl(record, text, url, zdr=zdr))
        case "python":
            return TextOutput(_python(record, sent, url, zdr=zdr))


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


class UsageCommands:
    """Report usage and costs, set the budget and show sent requests."""

    def __init__(self, session: Session, cell: ExecutionContext) -> None:
        self._session = session
        self._cell = cell

    def usage(
        self,
        *,
        by: By = "model",
        since: Since | None = None,
        notebook: bool = False,
        plot: bool = False,
    ) -> object:
        """Add up requests; return a DataFrame if the result is assigned and pandas is installed.

        Parameters
        ----------
        since
            By default this session, and a month when the sums are by day.
        notebook
            Whether only the requests of this notebook count.
        """
        from cc_jupyter.usage.report import plot_usage, usage_points, usage_table  # noqa: PLC0415  rarely needed

        period = since or ("month" if by == "day" else "session")
        if plot:
            points = usage_points(self._records(period, notebook=notebook))
            return plot_usage(points, scope=self._scope(period, notebook=notebook))
        rows = self._sums(by, period, notebook=notebook)
        prompts = self._cell_prompts(period, notebook=notebook) if by == "cell" else None
        caption = self._scope(period, notebook=notebook)
        table = usage_table(by, rows, caption=caption, prompts=prompts)
        return table.for_cell(shown=self._cell.is_statement())

    def budget(
        self,
        amount: Decimal | Literal["off"] | None = None,
        *,
        per: BudgetPeriod | None = None,
    ) -> Card:
        """Set the budget in US dollars, remove it, or show the one that applies."""
        guard, notebook = self._session.budget_guard, self._cell.notebook
        if per is not None and not isinstance(amount, Decimal):
            raise OptionError(
                "%cmd budget --per needs an amount in US dollars",
                hint="for example: %cmd budget 0.50 --per day",
            )
        if amount is None:
            budget = guard.effective_budget(self._session.settings(), notebook)
        else:
            budget = Budget(amount, per or "session") if isinstance(amount, Decimal) else None
            guard.budget, guard.is_off = budget, budget is None
            save_budget(budget, notebook)
        card = Card({"budget": "none", "set one": "%cmd budget 0.50 --per day"})
        if budget is not None:
            card = Card({"budget": format_usd(budget.usd), "per": budget.period})
        prescribed = prescribed_budget(self._session.settings())
        if prescribed is not None:
            limit = f"{format_usd(prescribed.usd)} per {prescribed.period}"
            card["limit"] = f"{limit}, by {prescribed.set_by}"
        return card

    def receipt(self, *, since: Since = "session", notebook: bool = False) -> object:
        """Describe the usage of a period as a paragraph for a paper."""
        from cc_jupyter.usage.report import receipt  # noqa: PLC0415  rarely needed

        threads = {row.group for row in self._sums("thread", since, notebook=notebook) if row.group}
        return receipt(
            self._sums("model", since, notebook=notebook),
            self._sums("server", since, notebook=notebook),
            period=self._scope(since, notebook=notebook),
            price_date=load_catalog().price_date,
            threads=len(threads),
            now=self._session.now(),
        )

    def sent(self, turn: str | None = None, *, as_: Form = "json") -> TextOutput:
        """Show the request of the last turn, or of a turn given by its number or id."""
        record = turn_record(self._session, turn)
        body = self._session.history.body(record)
        if body is None:
            raise OptionError(
                "no request was sent for this turn, or it was not stored",
                hint="%cmd history shows the turns of this thread",
            )
        return show_sent(record, body, self._url(record), as_, zdr=record.zdr)

    def _sums(
        self, by: By | Literal["server"], period: Since, *, notebook: bool
    ) -> list[LedgerRow]:
        """Return the sums of a period, from the history or from this session."""
        from cc_jupyter.usage.ledger import add_up  # noqa: PLC0415  rarely needed

        if period == "session":
            return add_up(self._records(period, notebook=notebook), by)
        here = self._cell.notebook if notebook else None
        return self._store().ledger(by, since=self._start(period), notebook=here)

    def _records(self, period: Since, *, notebook: bool) -> list[TurnRecord]:
        here = self._cell.notebook if notebook else None
        if period == "session":
            every = self._session.history.records()
            return [each for each in every if here in (None, each.notebook)]
        return list(self._store().all_turns(self._start(period), here))

    def _cell_prompts(self, period: Since, *, notebook: bool) -> dict[str, str]:
        """Return the last prompt of each cell, by cell id."""
        if period == "session":
            records = self._records(period, notebook=notebook)
            return {each.key.cell_id: each.prompt for each in records if each.key}
        here = self._cell.notebook if notebook else None
        return self._store().cell_prompts(since=self._start(period), notebook=here)

    def _scope(self, period: Since, *, notebook: bool) -> str:
        """Return in words what is added up, and what is missing in its figures from disk."""
        here = ", this notebook only" if notebook else ""
        if period == "session":
            return f"{_PERIOD_TEXTS[period]}{here}"
        everywhere = here or ", all notebooks"
        return f"{_PERIOD_TEXTS[period]}{everywhere}{self._session.history.missing()}"

    def _store(self) -> Store:
        if not self._session.settings().history:
            raise history_off()
        return self._session.history.reading()

    def _start(self, period: Since) -> datetime | None:
        """Return the start of a period at local midnight; `None` for all time."""
        if period == "all":
            return None
        days = timedelta(days=_DAYS_BEFORE_TODAY[period])
        return datetime.combine(self._session.now().astimezone().date() - days, time()).astimezone()

    def _url(self, record: TurnRecord) -> str:
        settings = self._session.settings()
        if record.served_by == LOCAL:
            from cc_jupyter.client.local.model import running  # noqa: PLC0415  most sessions use no local model

            return f"{running().url}/v1{record.endpoint}"
        root = replay_endpoint(settings).api_root  # needs no key; the local model has one as well
        return f"{masked_url(root)}{record.endpoint}"
