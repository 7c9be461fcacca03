"""The commands on models: list them, select one, give them short names."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Literal

from cc_jupyter.client.endpoint import keyless_target
from cc_jupyter.config.config_file import PROJECT_TABLE, config_path, save_setting
from cc_jupyter.config.settings import nearest_project
from cc_jupyter.core.display import Card, FigureTable, Row, Table
from cc_jupyter.core.errors import ConnectError, OptionError, did_you_mean
from cc_jupyter.core.paths import short_path
from cc_jupyter.models.catalog import load_catalog
from cc_jupyter.models.filter import hint_for, matching
from cc_jupyter.models.registry import LOCAL, settings_for
from cc_jupyter.session.status import current_status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal
    from pathlib import Path

    from cc_jupyter.config.settings import Settings
    from cc_jupyter.models.listing import ModelList
    from cc_jupyter.models.registry import ModelEntry
    from cc_jupyter.session.execution import ExecutionContext
    from cc_jupyter.session.session import Session


_ALIAS = re.compile(r"[\w.+][\w.+-]*")


class ModelCommands:
    """List models, select one and give them short names."""

    def __init__(self, session: Session, cell: ExecutionContext) -> None:
        self._session = session
        self._cell = cell

    def models(
        self,
        words: Sequence[str] = (),
        *,
        refresh: bool = False,
        sort: Literal["name", "price", "window"] | None = None,
    ) -> object:
        """Return a table of models, or a DataFrame if the result is assigned and pandas exists."""
        settings = self._session.settings()
        if settings.base_url == LOCAL:
            note = f"the local model answers under every name; {_prices()}"
        else:
            note = self._list_note(settings, refresh=refresh)
        every = self._session.models.known(settings)
        shown = matching(every.values(), words, sort)
        if words and not shown:
            note += f"; {hint_for(words, every.values())}"
        rows = [_row(model) for model in shown]
        table = FigureTable(
            rows,
            [_figures(model) for model in shown],
            f"{len(rows)} of {len(every)} models; {note}",
            columns=list(_figures(next(iter(every.values())))),
        )
        return table.for_cell(shown=self._cell.is_statement())

    def _list_note(self, settings: Settings, *, refresh: bool) -> str:
        """Return the age of the provider's list, fetched again if it is old or `refresh` is set.

        Raises
        ------
        ConnectError
            `refresh` is set and the list cannot be fetched.
        """
        models, root = self._session.models, settings.api_root
        listed = models.listed(root)
        if refresh or not listed.is_fresh:
            try:
                listed = models.refresh(root)
            except ConnectError as error:
                if refresh:
                    raise
                age = "no list yet" if not listed.models else f"old list of {_when(listed)}"
                return f"{_prices()}; {age}: {error}"
        return f"{_prices()}; list of {_when(listed)}"

    def use(self, model: str, *, save: Literal["user", "project"] | None = None) -> Card:
        """Select the model for this session; save it for the user or the project.

        Raises
        ------
        OptionError
            The provider has no such model, or there is no project to save it in.
        """
        _, note = self._check(model)
        path = None if save is None else self._save(model, in_project=save == "project")
        self._session.choices["model"] = model
        card = Card({**current_status(self._session), **note})
        if path is not None:
            card["saved in"] = short_path(path)
        return card

    def _check(self, name: str) -> tuple[str, Card]:
        """Return the id that a name means, and a note if it is in no list; no tokens are spent."""
        session = self._session
        settings = session.settings()
        model_id = settings.alias.get(name, name)
        if LOCAL in (model_id, settings.base_url):
            return model_id, Card()
        target = keyless_target(settings_for(model_id, settings))  # listing models needs no key
        session.models.find(model_id, target, settings.models)
        if model_id in session.models.known(settings):
            return model_id, Card()
        close = session.models.close_to(model_id, target, settings.models)
        note = f"it is in no list and is sent as typed{f'; {close}' if close else ''}"
        return model_id, Card(note=note)

    def _save(self, name: str, *, in_project: bool) -> Path:
        if not in_project:
            return save_setting(("model",), name)
        project = nearest_project()
        if project is None:
            raise OptionError(
                "there is no pyproject.toml in this folder or above it",
                hint="%cmd use MODEL --save saves the model in your own config.toml",
            )
        # an alias is the user's own; others in the project would not know it
        model_id = self._session.settings().alias.get(name, name)
        return save_setting((*PROJECT_TABLE, "model"), model_id, project)

    def alias(
        self, name: str | None = None, model: str | None = None, *, remove: bool = False
    ) -> Table | Card:
        """List the aliases, show, define or remove one."""
        if remove:
            return self._remove_alias(name, model)
        if name is None:
            aliases = self._session.settings().alias
            rows = [{"alias": each, "model": known} for each, known in aliases.items()]
            return Table(rows, "%cmd alias NAME MODEL defines an alias, --remove removes it")
        if model is None:
            return Card({"alias": name, "model": self._aliased(name)})
        if not _ALIAS.fullmatch(name) or name == LOCAL:
            raise OptionError(
                f"{name!r} cannot be an alias",
                hint="use letters, digits, dots and dashes; `local` is the model on this machine",
            )
        if name in self._session.models.known(self._session.settings()):
            raise OptionError(f"{name} is the id of a model", hint="choose another name")
        model_id, note = self._check(model)
        path = save_setting(("alias", name), model_id)
        return Card({"alias": name, "model": model_id, **note, "saved in": short_path(path)})

    def _remove_alias(self, name: str | None, model: str | None) -> Card:
        """Remove an alias; add a note if the current model is set by it."""
        if name is None or model is not None:
            given = "none" if name is None else repr(f"{name} {model}")
            raise OptionError(
                f"%cmd alias --remove takes one name, not {given}",
                hint="%cmd alias lists the names",
            )
        self._aliased(name)
        save_setting(("alias", name), None)
        card = Card({"alias": name, "removed from": short_path(config_path())})
        settings = self._session.settings()
        if settings.model == name:
            where = settings.sources.get("model", "a setting")
            card["note"] = (
                f"{where} still names {name} as the model; %cmd use MODEL selects another"
            )
        return card

    def _aliased(self, name: str) -> str:
        aliases = self._session.settings().alias
        if name not in aliases:
            raise OptionError(
                f"there is no alias {name!r}",
                hint=did_you_mean(name, aliases) or "%cmd alias NAME MODEL defines one",
            )
        return aliases[name]


def _row(model: ModelEntry) -> Row:
    spec, rates = model.spec, model.rates
    return {
        "model": spec.id,
        "name": spec.name,
        "maker": spec.maker,
        "endpoint": " ".join(spec.endpoints),
        "window": "?" if spec.context_tokens is None else spec.context_tokens,
        "in": _rate(rates.input if rates else None),
        "out": _rate(rates.output if rates else None),
        "cached": _rate(rates.cache_read if rates else None),
        "image": "yes" if spec.image_input else "",
        "efforts": " ".join(spec.efforts) or ("auto" if spec.reasons else ""),
        "note": "; ".join(model.notes),
    }


def _figures(model: ModelEntry) -> Row:
    """Return a row to compute with: money as `Decimal`, unknown values as `None`."""
    spec, rates = model.spec, model.rates
    return {
        "model": spec.id,
        "name": spec.name,
        "maker": spec.maker,
        "endpoints": list(spec.endpoints),
        "context_tokens": spec.context_tokens,
        "max_output_tokens": spec.max_output_tokens,
        "input_usd": rates.input if rates else None,
        "output_usd": rates.output if rates else None,
        "cache_read_usd": rates.cache_read if rates else None,
        "cache_write_usd": rates.cache_write if rates else None,
        "image": spec.image_input,
        "reasons": spec.reasons,
        "efforts": list(spec.efforts),
        "zdr": spec.zdr,
        "listed": model.is_listed,
        "notes": model.notes,
    }


def _rate(rate: Decimal | None) -> str:
    return "?" if rate is None else f"{rate.normalize():f}"


def _prices() -> str:
    return f"prices of {load_catalog().price_date} in USD per million tokens"


def _when(listed: ModelList) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(listed.fetched_at_s))
