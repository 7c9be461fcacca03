"""What a model picker chooses from, and what its choice does: the session as the picker sees it.

It knows models, figures and settings; the widget knows the browser.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from cc_jupyter.config.config_file import save_setting
from cc_jupyter.conversation.speeds import speeds, timings_of
from cc_jupyter.core.errors import CcError, did_you_mean
from cc_jupyter.favourites import note_use
from cc_jupyter.models.catalog import load_catalog
from cc_jupyter.models.filter import matching
from cc_jupyter.models.registry import LOCAL, local_model
from cc_jupyter.picker_choice import Choice
from cc_jupyter.picker_rows import COLUMNS, Figures, picker_rows

if TYPE_CHECKING:
    from pathlib import Path

    from cc_jupyter.conversation.speeds import Speed
    from cc_jupyter.core.events import Usage
    from cc_jupyter.models.registry import KnownModel
    from cc_jupyter.session.session import Session

_PARAMETERS = ("temperature", "max_tokens", "effort")


class PickerSource:
    """The models of a session, or those of them that fit some words.

    Parameters
    ----------
    words
        As `%cmd models` takes them; none: all models.
    """

    def __init__(self, session: Session, words: str = "") -> None:
        self._session = session
        self._words = words.split()
        self.models: dict[str, KnownModel] = {}
        """All models by id, those that do not fit the words included."""
        self.trouble = ""
        """What could not be read, in words; empty: nothing."""
        self.load()

    def load(self) -> list[KnownModel]:
        """Take the models as they are known now; give those that fit, in their order."""
        settings = self._session.settings()
        known = self._session.models.known(settings)
        self.models = known if LOCAL in known else {**known, LOCAL: local_model()}
        return matching(self.models.values(), self._words)

    def table(self) -> dict[str, Any]:
        """Give the rows for the browser, and their names."""
        figures = Figures(self._session.now(), self._last_usage(), self._speeds())
        return {"columns": list(COLUMNS), "rows": picker_rows(self.load(), figures)}

    def caption(self) -> str:
        """Say how many models there are, of which day their prices are, and how old the list is."""
        number = len(self.models)
        shown = f"{len(self.load())} of {number}" if self._words else f"{number}"
        words = f" for “{' '.join(self._words)}”" if self._words else ""
        prices = f"prices of {load_catalog().price_date} in USD per million tokens"
        return f"{shown} models{words}; {prices}; {self.age()}"

    # ── the provider's list

    def age(self) -> str:
        """Say how old the provider's list is."""
        settings = self._session.settings()
        if settings.base_url == LOCAL:
            return "the local model answers"
        listed = self._session.models.listed(settings.api_root)
        if not listed.models:
            return "no list of the provider's yet"
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(listed.fetched_at_s))
        return f"the provider's list of {when}"

    def is_stale(self) -> bool:
        """Tell whether the list should be asked for again before models are shown."""
        settings = self._session.settings()
        if settings.base_url == LOCAL:
            return False
        return not self._session.models.listed(settings.api_root).is_fresh

    def refresh(self) -> None:
        """Ask the provider for its list.

        Raises
        ------
        ConnectError
            It cannot be had; the old list stays.
        """
        settings = self._session.settings()
        if settings.base_url != LOCAL:
            self._session.models.refresh(settings.api_root)

    def named(self, name: str) -> str | None:
        """Give the id that an id or alias means; `None`: there is no such model."""
        model_id = self._session.settings().alias.get(name, name)
        return model_id if model_id in self.models else None

    def close_to(self, name: str) -> str:
        """Give a hint that names models like one that does not exist."""
        return did_you_mean(name, self.models) or "%cmd models lists them"

    # ── the choice

    def standing(self) -> Choice:
        """Give what holds in the session now."""
        session = self._session
        settings = session.settings()
        chosen: dict[str, Any] = {name: session.choices.get(name) for name in _PARAMETERS}
        model = None if settings.model is None else self.named(settings.model)
        return Choice(model, thread=session.conversations.current, **chosen)

    def threads(self) -> list[str]:
        """Give the threads of this session."""
        return list(self._session.conversations.names)

    def apply(self, choice: Choice) -> None:
        """Let a choice hold for the session, as `%cmd use` and `%config` do."""
        choices = self._session.choices
        choices["model"] = choice.model
        for name in _PARAMETERS:
            value = getattr(choice, name)
            if value is None:
                choices.pop(name, None)
            else:
                choices[name] = value

    def tell(self) -> None:
        """Let the front end know that something was chosen beside its cells."""
        self._session.in_flight.changed()

    def save(self, choice: Choice) -> Path:
        """Make the model the default of all sessions; give the file that says so.

        Raises
        ------
        ConfigError
            The file cannot be written.
        """
        return save_setting(("model",), choice.model)

    def note_use(self, choice: Choice) -> None:
        """Remember the model among those used last; a disk that refuses costs no choice."""
        try:
            note_use(choice.model or "")
        except CcError as error:
            self.trouble = str(error)

    # ── the user's own figures

    def _last_usage(self) -> Usage | None:
        """Give what was last reported of this session."""
        usages = (record.usage for record in reversed(self._session.history.records()))
        full = (each for each in usages if None not in (each.input_tokens, each.output_tokens))
        return next(full, None)

    def _speeds(self) -> dict[str, Speed]:
        """Give what was measured, from the history if there is one."""
        history = self._session.history
        try:
            if self._session.settings().history:
                return speeds(history.store.timings())
        except CcError as error:
            self.trouble = str(error)
        return speeds(timings_of(history.records()))
