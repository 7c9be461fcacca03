"""The commands about models: which there are, which one to use, and short names for them."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from cc_jupyter.client.endpoint import keyless_target
from cc_jupyter.config.config_file import PROJECT_TABLE, config_path, save_setting
from cc_jupyter.config.settings import nearest_project
from cc_jupyter.core.display import Card, FigureTable, Row, Table
from cc_jupyter.core.errors import ConnectError, OptionError, did_you_mean
from cc_jupyter.core.paths import short_path
from cc_jupyter.models.catalog import load_catalog
from cc_jupyter.models.filter import ORDERS, hint_for, matching
from cc_jupyter.models.registry import LOCAL, settings_for
from cc_jupyter.session.status import current_status

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal
    from pathlib import Path

    from cc_jupyter.config.settings import Settings
    from cc_jupyter.models.listing import ModelList
    from cc_jupyter.models.registry import ModelEntry
    from cc_jupyter.session.execution import ExecutionContext
    from cc_jupyter.session.session import Session


_ALIAS = re.compile(r"[\w.+-]+")


class ModelCommands:
    """What `%cmd` does with models."""

    def __init__(self, session: Session, cell: ExecutionContext) -> None:
        self._session = session
        self._cell = cell
        self.by_name: dict[str, Callable[[str], object]] = {
            "models": self._models,
            "use": self._use,
            "alias": self._alias,
        }

    # ── which there are

    def _models(self, rest: str) -> object:
        """Return the table, or a DataFrame where it is assigned and pandas is there."""
        words, sort, refresh = _words(rest)
        settings = self._session.settings()
        if settings.base_url == LOCAL:
            note = f"the local model plays whichever is named; {_prices()}"
        else:
            _, note = self.listed(settings, refresh=refresh)
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

    def listed(self, settings: Settings, *, refresh: bool = False) -> tuple[ModelList, str]:
        """Return the provider's list, no older than an hour unless it cannot be had, and its age.

        Raises
        ------
        ConnectError
            It was asked for anew and cannot be had.
        """
        models, root = self._session.models, settings.api_root
        prices = _prices()
        listed = models.listed(root)
        if refresh or not listed.is_fresh:
            try:
                listed = models.refresh(root)
            except ConnectError as error:
                if refresh:
                    raise
                age = "no list yet" if not listed.models else f"stale list of {_when(listed)}"
                return listed, f"{prices}; {age}: {error}"
        return listed, f"{prices}; list of {_when(listed)}"

    # ── which one to use

    def _use(self, rest: str) -> Card:
        words = rest.split()
        save = "--save" in words
        in_project = words[-2:] == ["--save", "project"]
        names = words[:-2] if in_project else [word for word in words if word != "--save"]
        for name in names:
            if name.startswith("-"):
                hint = did_you_mean(name, ("--save",)) or "it has --save and --save project"
                raise OptionError(f"%cmd use has no option {name}", hint=hint)
        if len(names) != 1:
            raise OptionError(
                f"%cmd use takes one model, not {repr(' '.join(names)) if names else 'none'}",
                hint="an example: %cmd use local; --save keeps it, --save project for a project",
            )
        name = names[0]
        _, doubt = self._check(name)
        saved = self._save(name, in_project=in_project) if save else None
        self._session.choices["model"] = name
        card = Card({**current_status(self._session), **doubt})
        if saved is not None:
            card["saved in"] = short_path(saved)
        return card

    def _check(self, name: str) -> tuple[str, Card]:
        """Return the id that a name means, and a word if nobody lists it; no token is spent."""
        session = self._session
        settings = session.settings()
        model_id = settings.alias.get(name, name)
        if LOCAL in (model_id, settings.base_url):
            return model_id, Card()
        target = keyless_target(settings_for(model_id, settings))  # lists are free for all
        session.models.find(model_id, target, settings.models)
        if model_id in session.models.known(settings):
            return model_id, Card()
        close = session.models.close_to(model_id, target, settings.models)
        said = f"no list has it, so it is asked for as it stands{f'; {close}' if close else ''}"
        return model_id, Card(note=said)

    def _save(self, name: str, *, in_project: bool) -> Path:
        if not in_project:
            return save_setting(("model",), name)
        project = nearest_project()
        if project is None:
            raise OptionError(
                "there is no pyproject.toml here or above",
                hint="%cmd use MODEL --save keeps the model in your own config.toml",
            )
        # an alias is the user's own; others in the project would not know it
        model_id = self._session.settings().alias.get(name, name)
        return save_setting((*PROJECT_TABLE, "model"), model_id, project)

    def _alias(self, rest: str) -> Table | Card:
        words = rest.split()
        if not words:
            aliases = self._session.settings().alias
            rows = [{"alias": name, "model": model} for name, model in aliases.items()]
            return Table(rows, "%cmd alias NAME MODEL makes one, --remove takes it away")
        if len(words) == 1 and words != ["--remove"]:
            return Card({"alias": words[0], "model": self._aliased(words[0])})
        if "--remove" in words[:2]:
            return self._without_alias([word for word in words if word != "--remove"])
        if len(words) != 2:  # noqa: PLR2004  a name and a model
            raise OptionError(
                f"%cmd alias takes a name and a model, not {rest!r}",
                hint="an example: %cmd alias fast deepseek/deepseek-v4-flash",
            )
        name, model = words
        if not _ALIAS.fullmatch(name) or name.startswith("-") or name == LOCAL:
            raise OptionError(
                f"{name!r} cannot be an alias",
                hint="letters, digits, dots and dashes; `local` means the model on this machine",
            )
        if name in self._session.models.known(self._session.settings()):
            raise OptionError(f"{name} is a model itself", hint="choose another name")
        model_id, doubt = self._check(model)
        path = save_setting(("alias", name), model_id)
        return Card({"alias": name, "model": model_id, **doubt, "saved in": short_path(path)})

    def _without_alias(self, names: list[str]) -> Card:
        """Take an alias away; say so where it is what names the model in use."""
        if len(names) != 1:
            given = repr(" ".join(names)) if names else "none"
            raise OptionError(
                f"%cmd alias --remove takes one name, not {given}", hint="%cmd alias lists them"
            )
        (name,) = names
        self._aliased(name)
        save_setting(("alias", name), None)
        card = Card({"alias": name, "removed from": short_path(config_path())})
        settings = self._session.settings()
        if settings.model == name:
            where = settings.sources.get("model", "a setting")
            card["note"] = f"{where} still names {name} as the model; %cmd use MODEL names another"
        return card

    def _aliased(self, name: str) -> str:
        aliases = self._session.settings().alias
        if name not in aliases:
            raise OptionError(
                f"there is no alias {name!r}",
                hint=did_you_mean(name, aliases) or "%cmd alias NAME MODEL makes one",
            )
        return aliases[name]


def _words(rest: str) -> tuple[list[str], str | None, bool]:
    """Read `[WORDS] [--refresh] [--sort BY]`."""
    words = rest.replace("--sort=", "--sort ").split()  # as option lines have it
    refresh = "--refresh" in words
    words = [word for word in words if word != "--refresh"]
    sort = None
    if "--sort" in words:
        at = words.index("--sort")
        sort = words[at + 1] if at + 1 < len(words) else ""
        del words[at : at + 2]
        if sort not in ORDERS:
            raise OptionError(
                f"%cmd models --sort cannot be {sort!r}", hint=f"it can be {', '.join(ORDERS)}"
            )
    for word in words:
        if word.startswith("-"):
            hint = did_you_mean(word, ("--refresh", "--sort")) or "it has --refresh and --sort"
            raise OptionError(f"%cmd models has no option {word}", hint=hint)
    return words, sort, refresh


# ── rows


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
    """Return a row to compute with: money as `Decimal`, what is unknown as `None`."""
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
