"""The model picker: a widget to search all models and choose one with its parameters.

`%cmd pick` shows it with buttons that apply the choice; `cc_jupyter.ModelPicker` is the same as a
Python object whose traits can be observed. The browser's half is `widget.js`; rows and choices are
in `rows`.

A saved notebook contains no widget, so every display of a picker also has a plain form, which
replaces the widget when the choice is made.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from traitlets import Dict, Float, Int, TraitError, Unicode, observe, validate

from cc_jupyter.core.errors import CcError, OptionError, did_you_mean
from cc_jupyter.frontend.picker.favourites import Favourites, load_favourites, mark
from cc_jupyter.frontend.picker.rows import (
    Choice,
    PickerSource,
    code_cells,
    max_temperature,
    most_tokens_of,
    plain_form,
)
from cc_jupyter.frontend.replaced_widget import ReplacedWidget, style_sheet
from cc_jupyter.session.session import shared_session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cc_jupyter.models.registry import ModelEntry


_HERE = Path(__file__).parent
_CHOICE = ("value", "temperature", "max_tokens", "effort", "system", "thread")


class ModelPicker(ReplacedWidget):
    """Choose a model: search, filter, compare prices, speeds and abilities.

    Parameters
    ----------
    filter
        The models to choose from, in the words of `%cmd models`: `"cheap image"`, `">200k"`.
    value
        The initial model: an id or an alias; `None`: none.
    **traits
        The initial `temperature`, `max_tokens`, `effort`, `system` and `thread`.

    Raises
    ------
    TraitError
        There is no such model or trait, or the model does not accept such a value.
    """

    _esm = _HERE / "widget.js"
    _css = style_sheet(_HERE / "widget.css")

    value = Unicode(None, allow_none=True, help="The chosen model's id.").tag(sync=True)
    temperature = Float(None, allow_none=True, help="Randomness.").tag(sync=True)
    max_tokens = Int(None, allow_none=True, help="Longest answer, in tokens.").tag(sync=True)
    effort = Unicode(None, allow_none=True, help="Reasoning effort.").tag(sync=True)
    system = Unicode("", help="The system prompt; empty: none.").tag(sync=True)
    thread = Unicode("", help="The thread; empty: the current one.").tag(sync=True)
    _table = Dict(help="All rows, sent when they change.").tag(sync=True)

    def __init__(
        self,
        filter: str = "",  # noqa: A002  its public name
        value: str | None = None,
        *,
        _source: PickerSource | None = None,
        **traits: Any,  # noqa: ANN401  checked by the traits
    ) -> None:
        for name in traits.keys() - set(self.class_trait_names()):
            known = ("filter", *self.class_trait_names(sync=True))
            hint = did_you_mean(name, known) or f"it has filter, {', '.join(_CHOICE)}"
            raise TraitError(f"a ModelPicker has no {name!r}; {hint}")
        self._source = _source or PickerSource(shared_session(), filter.split())
        self._was_refreshed = False
        super().__init__(value=value, **traits)
        self._table = self._source.table()
        self._board = {
            "caption": self._source.caption(),
            "busy": False,
            "said": self._source.problem,
            "current": self._source.current_choice().model,
            "threads": self._source.threads(),
            "outcome": None,
            "cells": code_cells(self.choice),
            "dialog": False,
            **_marks(self._favourites()),
        }

    @property
    def choice(self) -> Choice:
        """The whole choice as one value."""
        return Choice(*(getattr(self, name) for name in _CHOICE))

    @validate("value")
    def _check_value(self, proposal: Mapping[str, Any]) -> str | None:
        name = proposal["value"]
        if name is None:
            return None
        model_id = self._source.named(name)
        if model_id is None:
            raise TraitError(f"unknown model {name!r}; {self._source.close_to(name)}")
        return model_id

    @validate("effort")
    def _check_effort(self, proposal: Mapping[str, Any]) -> str | None:
        effort, model = proposal["value"], self._model
        if effort is None or model is None or effort in model.spec.efforts:
            return cast("str | None", effort)
        known = ", ".join(model.spec.efforts) or "no known effort"
        hint = did_you_mean(effort, model.spec.efforts) or f"it accepts {known}"
        raise TraitError(f"{model.id} has no effort {effort!r}; {hint}")

    @validate("temperature")
    def _check_temperature(self, proposal: Mapping[str, Any]) -> float | None:
        value, model = proposal["value"], self._model
        most = 2 if model is None else max_temperature(model)
        if value is not None and not 0 <= value <= most:
            raise TraitError(f"temperature = {value!r} is out of range; it goes from 0 to {most}")
        return cast("float | None", value)

    @validate("max_tokens")
    def _check_max_tokens(self, proposal: Mapping[str, Any]) -> int | None:
        value, model = proposal["value"], self._model
        most = None if model is None else most_tokens_of(model)
        if value is not None and (value < 1 or (most is not None and value > most)):
            limit = "from 1 up" if most is None else f"from 1 to {most:,}"
            raise TraitError(f"max_tokens = {value!r} is out of range; it goes {limit}")
        return cast("int | None", value)

    @validate("thread")
    def _check_thread(self, proposal: Mapping[str, Any]) -> str:
        name = cast("str", proposal["value"]).strip()
        if len(name.split()) > 1:
            raise TraitError(f"the name of a thread has no blanks, not {name!r}")
        return name

    @property
    def _model(self) -> ModelEntry | None:
        return None if self.value is None else self._source.models.get(self.value)

    @observe("value")
    def _fit(self, _change: object) -> None:
        """Drop values that the newly chosen model does not accept."""
        model = self._model
        if model is None:
            return
        if self.effort is not None and self.effort not in model.spec.efforts:
            self.effort = None
        if self.temperature is not None:
            self.temperature = min(self.temperature, float(max_temperature(model)))
        most = most_tokens_of(model)
        if self.max_tokens is not None and most is not None:
            self.max_tokens = min(self.max_tokens, most)

    @observe(*_CHOICE)
    def _show_code(self, _change: object) -> None:
        if self._board:
            self._change_board(cells=code_cells(self.choice))

    def __repr__(self) -> str:
        """Return the chosen model, for notebooks that cannot show the widget."""
        return f"ModelPicker(value={self.value!r})"

    def _plain(self) -> dict[str, str]:
        headline = "No model chosen yet" if self.value is None else f"Model: {self.value}"
        return plain_form(headline, self.choice, "a model picker; run the cell to open it")

    def _act(self, content: dict[str, Any]) -> None:
        match content.get("type"):
            case "refresh":
                self._refresh()
            case "ready":
                if not self._was_refreshed and self._source.is_stale():
                    self._refresh()
            case "favourite":
                self._change_board(**_marks(mark(str(content["id"]), on=bool(content["on"]))))
            case _:  # a message of a later version
                pass

    def _refresh(self) -> None:
        """Fetch the provider's list and show progress and result."""
        self._was_refreshed = True
        self._change_board(busy=True, said="fetching the provider's list …")
        try:
            self._source.refresh()
        except CcError as error:
            age = self._source.age()
            raise OptionError(f"{error}; the last known models are shown: {age}") from error
        self._table = self._source.table()
        self._change_board(
            busy=False, said="the list is up to date", caption=self._source.caption()
        )

    def _favourites(self) -> Favourites:
        with contextlib.suppress(CcError):  # adding a favourite reports what is wrong with the file
            return load_favourites()
        return Favourites()


def _marks(favourites: Favourites) -> dict[str, list[str]]:
    return {"marked": list(favourites.marked), "recent": list(favourites.recent)}
