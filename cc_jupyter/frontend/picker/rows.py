"""The rows of the model picker, small enough to be sent once, and the code of a choice.

Figures have marks: `~` for an estimate from the user's last prompt, `?` for an unpublished value.
Nothing here depends on widgets; the browser shows the texts as they are. A choice becomes code, the
commands that a user would type, so that running the notebook again needs no clicks.
"""

from __future__ import annotations

import html
import re
import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cc_jupyter.conversation.speeds import speeds, timings_of
from cc_jupyter.conversation.thread import DEFAULT_THREAD
from cc_jupyter.core.errors import CcError, did_you_mean
from cc_jupyter.core.events import Usage
from cc_jupyter.core.money import format_usd
from cc_jupyter.frontend.picker.favourites import load_favourites, note_use
from cc_jupyter.models.catalog import load_catalog
from cc_jupyter.models.filter import NAMED, blended_usd, matching
from cc_jupyter.models.pricing import price
from cc_jupyter.models.registry import LOCAL, local_model
from cc_jupyter.render.usage_line import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from cc_jupyter.conversation.speeds import Speed
    from cc_jupyter.models.catalog import Rates
    from cc_jupyter.models.registry import ModelEntry
    from cc_jupyter.session.session import Session


COLUMNS = (
    *("id", "name", "maker", "input", "output", "cost", "band", "window", "ceiling"),
    *("hottest", "endpoint", "efforts", "image", "reasons", "notes", "last", "speed", "words"),
    "group",
)
"""The values of each row, in this order; `widget.js` reads them by these names."""

BANDS = ((Decimal(0), "free"), (Decimal(1), "low"), (Decimal(5), "middle"))
"""The highest price of each band, in USD for a million tokens of the answer."""

_MAX_TEMPERATURES = {"/messages": 1, "/chat/completions": 2}
"""The highest temperature that each wire format accepts.

Source: OpenAI, API reference, "Create chat completion" (between 0 and 2); Anthropic, API
reference, "Messages" (from 0 to 1).
"""


@dataclass(frozen=True, slots=True)
class UserStats:
    """The user's own figures: the usage of the last prompt and measured speeds."""

    now: datetime
    """When the next prompt would be sent, which decides whether peak rates apply."""
    last: Usage | None = None
    """The last reported usage; `None`: nothing yet."""
    speeds: Mapping[str, Speed] = field(default_factory=dict)
    """By model id."""


def picker_rows(
    models: Iterable[ModelEntry], figures: UserStats, groups: Mapping[str, str] | None = None
) -> list[list[Any]]:
    """Return a row for each model, its values as `COLUMNS` names them.

    Parameters
    ----------
    groups
        `favourite` or `recent` by model id; these models come first, in this order.
    """
    groups = groups or {}
    places = {model_id: place for place, model_id in enumerate(groups)}
    ordered = sorted(models, key=lambda each: places.get(each.id, len(places)))  # stable
    rows = ({**_row(each, figures), "group": groups.get(each.id, "")} for each in ordered)
    return [[row[name] for name in COLUMNS] for row in rows]


def ceiling_of(model: ModelEntry) -> int | None:
    """Return the longest possible answer of a model in tokens; `None`: unknown."""
    most, window = model.spec.max_output_tokens, model.spec.context_tokens
    return most if most is None or window is None else min(most, window)


def most_tokens_of(model: ModelEntry) -> int | None:
    """Return the highest `max_tokens`: the ceiling, else the whole window."""
    ceiling = ceiling_of(model)
    return model.spec.context_tokens if ceiling is None else ceiling


def max_temperature(model: ModelEntry) -> int:
    """Return the highest temperature that a model accepts."""
    return max((_MAX_TEMPERATURES[endpoint] for endpoint in model.spec.endpoints[:1]), default=2)


def _row(model: ModelEntry, figures: UserStats) -> dict[str, Any]:
    spec, rates = model.spec, model.rates
    return {
        "id": model.id,
        "name": spec.name,
        "maker": spec.maker,
        "input": _rate(rates.input if rates else None),
        "output": _rate(rates.output if rates else None),
        "cost": None if (usd := blended_usd(model)) is None else float(usd),
        "band": _band(rates),
        "window": spec.context_tokens,
        "ceiling": ceiling_of(model),
        "hottest": max_temperature(model),
        "endpoint": spec.endpoints[0] if spec.endpoints else "?",
        "efforts": list(spec.efforts),
        "image": spec.image_input,
        "reasons": spec.reasons,
        "notes": model.notes,
        "last": _last(model, figures),
        "speed": _speed(figures.speeds.get(model.id)),
        "words": [word for word, fits in NAMED.items() if fits(model)],
    }


def _rate(rate: Decimal | None) -> str:
    return "?" if rate is None else f"${rate.normalize():f}"


def _band(rates: Rates | None) -> str:
    """Return the price band by the answer's rate; a model with a paid prompt is never free."""
    if rates is None:
        return "?"
    free = not rates.input and not rates.output
    fitting = (name for most, name in BANDS if rates.output <= most and (most or free))
    return next(fitting, "high")


def _last(model: ModelEntry, figures: UserStats) -> str:
    """Return the cost of the last prompt and answer with this model, without a cache."""
    if figures.last is None:
        return ""
    usage = Usage(figures.last.input_tokens, figures.last.output_tokens)
    usd = price(model.spec, usage, figures.now, price_date=model.spec.price_date).usd
    return "?" if usd is None else format_usd(usd, estimated=True)


def _speed(speed: Speed | None) -> str:
    if speed is None:
        return ""
    rate = "" if speed.tokens_per_s is None else f"{speed.tokens_per_s:,.0f} tok/s · "
    of = "your last answer" if speed.answers == 1 else f"median of your last {speed.answers}"
    return f"{rate}{seconds(speed.first_token_s)} to first token ({of})"


_VARIABLE = "system_prompt"
_PLAIN_ID = re.compile(r"[\w./:@+-]+")


@dataclass(frozen=True, slots=True)
class Choice:
    """A model and its parameters; `None` and empty values change nothing."""

    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    effort: str | None = None
    system: str = ""
    thread: str = ""


def code_cells(choice: Choice) -> list[str]:
    """Return the cells that make the same choice; none without a model.

    A system prompt belongs to a turn of its thread, so it gets a separate `%%cmd` cell, in which
    the user writes the prompt.
    """
    if choice.model is None:
        return []
    lines = [f"%cmd use {choice.model}"]
    if not _PLAIN_ID.fullmatch(choice.model):  # a list may contain any text, and this is code
        lines = [f"%config CmdMagics.model = {choice.model!r}"]
    for name in ("temperature", "max_tokens", "effort"):
        value = getattr(choice, name)
        if value is not None:
            lines.append(f"%config CmdMagics.{name} = {value!r}")
    if choice.thread not in ("", DEFAULT_THREAD):
        lines.append(f"%cmd thread {choice.thread}")
    if not choice.system:
        return ["\n".join(lines)]
    quoted = _quoted(choice.system)
    if quoted is None:  # an option line is a single line, in which `{{ }}` is an expression
        lines.append(f"{_VARIABLE} = {choice.system!r}")
        quoted = f'"{{{{ {_VARIABLE} }}}}"'
    return ["\n".join(lines), f"%%cmd -s {quoted}\n"]


def plain_form(headline: str, choice: Choice, remark: str) -> dict[str, str]:
    """Return what a saved notebook shows, without scripts and widgets, which could be missing."""
    code = "\n\n".join(code_cells(choice))
    shown = f"<pre><code>{html.escape(code)}</code></pre>" if code else ""
    return {
        "text/plain": "\n".join(filter(None, (f"{headline} ({remark})", code))),
        "text/html": f"<div><strong>{html.escape(headline)}</strong>"
        f" <small>({html.escape(remark)})</small>{shown}</div>",
    }


def _quoted(text: str) -> str | None:
    """Return a text quoted for the option line; `None`: it cannot be quoted."""
    if "{{" in text or any(ord(char) < ord(" ") or char in "\x7f\x85\u2028\u2029" for char in text):
        return None
    return next((f"{quote}{text}{quote}" for quote in "\"'" if quote not in text), None)


_PARAMETERS = ("temperature", "max_tokens", "effort")


class PickerSource:
    """The models of a session that match some words, and the current choice.

    Parameters
    ----------
    words
        The words of `%cmd models`; without any, all models.
    """

    def __init__(self, session: Session, words: Sequence[str] = ()) -> None:
        self._session = session
        self._words = words
        self.models: dict[str, ModelEntry] = {}
        """All models by id, including those that do not match the words."""
        self.problem = ""
        """What could not be read; empty if there was no problem."""
        self.load()

    def load(self) -> list[ModelEntry]:
        """Load the models known now; return the matching ones, in order."""
        settings = self._session.settings()
        known = self._session.models.known(settings)
        self.models = known if LOCAL in known else {**known, LOCAL: local_model()}
        return matching(self.models.values(), self._words)

    def table(self) -> dict[str, Any]:
        """Return the rows for the browser and the names of their columns.

        Favourites come first, then recently used models, unless words decide the order.
        """
        figures = UserStats(self._session.now(), self._last_usage(), self._speeds())
        groups = {} if self._words else self._groups()
        return {"columns": list(COLUMNS), "rows": picker_rows(self.load(), figures, groups)}

    def _groups(self) -> dict[str, str]:
        try:
            known = load_favourites()
        except CcError as error:
            self.problem = str(error)
            return {}
        marked = dict.fromkeys(known.marked, "favourite")
        recent = {each: "recent" for each in known.recent if each not in marked}
        return {**marked, **recent}

    def caption(self) -> str:
        """Return the number of models, the date of the prices and the age of the list."""
        number = len(self.models)
        shown = f"{len(self.load())} of {number}" if self._words else f"{number}"
        words = f" for “{' '.join(self._words)}”" if self._words else ""
        prices = f"prices of {load_catalog().price_date} in USD per million tokens"
        return f"{shown} models{words}; {prices}; {self.age()}"

    def age(self) -> str:
        """Return the age of the provider's list."""
        settings = self._session.settings()
        if settings.base_url == LOCAL:
            return "the local model answers"
        listed = self._session.models.listed(settings.api_root)
        if not listed.models:
            return "no list of the provider yet"
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(listed.fetched_at_s))
        return f"the provider's list of {when}"

    def is_stale(self) -> bool:
        """Return whether the list should be fetched again before models are shown."""
        settings = self._session.settings()
        if settings.base_url == LOCAL:
            return False
        return not self._session.models.listed(settings.api_root).is_fresh

    def refresh(self) -> None:
        """Fetch the provider's list.

        Raises
        ------
        ConnectError
            It cannot be fetched; the old list stays.
        """
        settings = self._session.settings()
        if settings.base_url != LOCAL:
            self._session.models.refresh(settings.api_root)

    def named(self, name: str) -> str | None:
        """Return the id for an id or alias; `None`: there is no such model."""
        model_id = self._session.settings().alias.get(name, name)
        return model_id if model_id in self.models else None

    def close_to(self, name: str) -> str:
        """Return a hint with models whose names are similar."""
        return did_you_mean(name, self.models) or "%cmd models lists all models"

    def current_choice(self) -> Choice:
        """Return what currently applies in the session."""
        session = self._session
        settings = session.settings()
        chosen: dict[str, Any] = {name: session.choices.get(name) for name in _PARAMETERS}
        model = None if settings.model is None else self.named(settings.model)
        return Choice(model, thread=session.conversations.current, **chosen)

    def threads(self) -> list[str]:
        """Return the threads of this session."""
        return list(self._session.conversations.names)

    def set_parameters(self, choice: Choice) -> None:
        """Set the parameters of a choice for the session, as `%config` does."""
        choices = self._session.choices
        for name in _PARAMETERS:
            value = getattr(choice, name)
            if value is None:
                choices.pop(name, None)
            else:
                choices[name] = value

    def announce(self) -> None:
        """Notify the front end of a choice that was not made in a cell."""
        self._session.in_flight.changed()

    def note_use(self, choice: Choice) -> None:
        """Add the model to the recent ones; a file problem does not undo the choice."""
        try:
            note_use(choice.model or "")
        except CcError as error:
            self.problem = str(error)

    def _last_usage(self) -> Usage | None:
        """Return the last complete usage of this session."""
        usages = (record.usage for record in reversed(self._session.history.records()))
        complete = (each for each in usages if None not in (each.input_tokens, each.output_tokens))
        return next(complete, None)

    def _speeds(self) -> dict[str, Speed]:
        """Return the measured speeds, from the history if it is enabled."""
        history = self._session.history
        try:
            if self._session.settings().history:
                return speeds(history.store.timings())
        except CcError as error:
            self.problem = str(error)
        return speeds(timings_of(history.records()))
