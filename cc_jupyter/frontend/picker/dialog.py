"""The picker that `%cmd pick` shows: its buttons apply the choice, then it turns into plain text.

One of its buttons, Enter or Esc closes it. The saved notebook keeps the plain text that replaces
it: the chosen model and the code that makes the same choice.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from traitlets import TraitError

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.paths import short_path
from cc_jupyter.frontend.picker.rows import code_cells, plain_form
from cc_jupyter.frontend.picker.widget import ModelPicker

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.frontend.picker.rows import PickerSource


_AGAIN = "run the cell to choose another"


class PickerDialog(ModelPicker):
    """A picker with buttons.

    Parameters
    ----------
    source
        What it chooses from, and what is done with the choice.
    go_on_in
        Goes on in a thread by its name, as `%cmd thread` does.
    cell_id
        The cell that shows it, below which code is written; empty: not known.
    """

    def __init__(
        self, source: PickerSource, go_on_in: Callable[[str], object], cell_id: str
    ) -> None:
        super().__init__(_source=source)
        self._go_on_in = go_on_in
        standing = asdict(source.standing())
        standing["value"] = standing.pop("model")
        for name, value in standing.items():
            with suppress(TraitError):  # it was set elsewhere, and this model does not take it
                setattr(self, name, value)
        self._say(dialog=True, cell_id=cell_id, id=self.model_id)

    def _act(self, content: dict[str, Any]) -> None:
        match content.get("type"):
            case "use":
                self._take_choice(content)
                self._use(f"Model of this notebook: {self.value}", "chosen with %cmd pick")
            case "write":
                self._take_choice(content)
                self.send({"type": "write", "cells": code_cells(self.choice)})
                self._use(f"Model of this notebook: {self.value}", "chosen with %cmd pick")
            case "default":
                self._take_choice(content)
                where = short_path(self._source.save(self.choice))
                headline = f"Model of this notebook, and the default of new ones: {self.value}"
                self._use(headline, f"chosen with %cmd pick; saved in {where}")
            case "cancel":
                current = self._source.standing().model or "none"
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

    def _use(self, headline: str, remark: str) -> None:
        choice = self.choice
        self._source.apply(choice)
        self._source.note_use(choice)
        if choice.thread and choice.thread != self._source.standing().thread:
            self._go_on_in(choice.thread)
        self._source.tell()
        if choice.system:
            remark = f"{remark}; the system prompt holds from its %%cmd line on"
        self._end(headline, f"{remark}; {_AGAIN}", chosen=True)

    def _end(self, headline: str, remark: str, *, chosen: bool = False) -> None:
        """Replace the widget with its plain form, in the file and on every screen."""
        choice = self.choice if chosen else self._source.standing()
        cells = code_cells(choice)
        self._table = {}
        bundle = plain_form(headline, choice, remark)
        outcome = {"headline": headline, "remark": remark, "bundle": bundle}
        self._say(outcome=outcome, cells=cells, busy=False)
        self._settle(bundle)

    def _bundle(self) -> dict[str, Any]:
        return self._plain() if self._board.get("outcome") else super()._bundle()

    def _plain(self) -> dict[str, str]:
        """Return the plain form: the outcome, or the current choice while the dialog is open."""
        outcome = self._board.get("outcome")
        if outcome:
            return dict(outcome["bundle"])
        current = self._source.standing().model or "none"
        return plain_form(
            f"Model of this notebook: {current}",
            self._source.standing(),
            "the picker was open and nothing was chosen; run the cell to choose",
        )
