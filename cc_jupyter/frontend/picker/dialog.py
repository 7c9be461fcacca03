"""The picker of `%cmd pick`: its buttons apply the choice, then plain text replaces it.

A button, Enter or Esc closes it. The saved notebook contains the plain text: the chosen model and
the code that makes the same choice.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from traitlets import TraitError

from cc_jupyter.core.errors import OptionError
from cc_jupyter.frontend.picker.rows import code_cells, plain_form
from cc_jupyter.frontend.picker.widget import ModelPicker

if TYPE_CHECKING:
    from cc_jupyter.commands.models import ModelCommands
    from cc_jupyter.commands.threads import ThreadCommands
    from cc_jupyter.frontend.picker.rows import PickerSource


_REOPEN = "run the cell to choose another"


class PickerDialog(ModelPicker):
    """A picker with buttons, which apply the choice with `%cmd use` and `%cmd thread`.

    Parameters
    ----------
    source
        The models to choose from.
    cell_id
        The cell that shows it, below which code is added; empty if unknown.
    """

    def __init__(
        self, source: PickerSource, models: ModelCommands, threads: ThreadCommands, cell_id: str
    ) -> None:
        super().__init__(_source=source)
        self._models = models
        self._threads = threads
        current = asdict(source.current_choice())
        current["value"] = current.pop("model")
        for name, value in current.items():
            with suppress(TraitError):  # it was set elsewhere, and this model does not accept it
                setattr(self, name, value)
        self._change_board(dialog=True, cell_id=cell_id, id=self.model_id)

    def _act(self, content: dict[str, Any]) -> None:
        match content.get("type"):
            case "use":
                self._take_choice(content)
                self._apply("chosen with %cmd pick")
            case "write":
                self._take_choice(content)
                self.send({"type": "write", "cells": code_cells(self.choice)})
                self._apply("chosen with %cmd pick")
            case "default":
                self._take_choice(content)
                self._apply("chosen with %cmd pick", save="user")
            case "cancel":
                current = self._source.current_choice().model or "none"
                self._end(f"Model of this notebook: {current}", "nothing was chosen")
            case _:
                super()._act(content)

    def _take_choice(self, content: dict[str, Any]) -> None:
        """Read the choice from the message: changed traits may arrive after it."""
        choice: dict[str, Any] = content.get("choice") or {}
        for name in ("value", "temperature", "max_tokens", "effort", "system", "thread"):
            if name in choice:
                setattr(self, name, choice[name])
        if self.value is None:
            raise OptionError("no model is chosen", hint="choose one in the list")

    def _apply(self, remark: str, *, save: Literal["user"] | None = None) -> None:
        """Apply the choice to the session, save the model if asked to, and close the picker."""
        choice = self.choice
        card = self._models.use(choice.model or "", save=save)
        self._source.set_parameters(choice)
        self._source.note_use(choice)
        if choice.thread and choice.thread != self._source.current_choice().thread:
            self._threads.thread(choice.thread)
        self._source.announce()
        headline = f"Model of this notebook: {choice.model}"
        if save is not None:
            headline = f"Model of this notebook and default of new ones: {choice.model}"
            remark = f"{remark}; saved in {card['saved in']}"
        if choice.system:
            remark = f"{remark}; the system prompt applies from its %%cmd line on"
        self._end(headline, f"{remark}; {_REOPEN}", chosen=True)

    def _end(self, headline: str, remark: str, *, chosen: bool = False) -> None:
        """Replace the widget with its plain form, in the saved notebook and on every screen."""
        choice = self.choice if chosen else self._source.current_choice()
        cells = code_cells(choice)
        self._table = {}
        bundle = plain_form(headline, choice, remark)
        outcome = {"headline": headline, "remark": remark, "bundle": bundle}
        self._change_board(outcome=outcome, cells=cells, busy=False)
        self._settle(bundle)

    def _bundle(self) -> dict[str, Any]:
        return self._plain() if self._board.get("outcome") else super()._bundle()

    def _plain(self) -> dict[str, str]:
        """Return the plain form: the outcome, or the current choice while the dialog is open."""
        outcome = self._board.get("outcome")
        if outcome:
            return dict(outcome["bundle"])
        current = self._source.current_choice().model or "none"
        return plain_form(
            f"Model of this notebook: {current}",
            self._source.current_choice(),
            "the picker was open and nothing was chosen; run the cell to choose",
        )
