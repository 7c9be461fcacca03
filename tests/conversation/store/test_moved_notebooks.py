"""Whose history it is when a notebook is renamed or copied."""

from __future__ import annotations

import shutil
import types
from decimal import Decimal

import pytest
from support import provider as scripted
from support.plain_server import MODEL

from cc_jupyter.commands.threads import ThreadCommands
from cc_jupyter.core.messages import PromptSpec
from cc_jupyter.frontend.handlers import Actions
from cc_jupyter.frontend.state import StateReader
from cc_jupyter.render.base import NullRenderer
from cc_jupyter.session.execution import ExecutionContext
from cc_jupyter.usage.budget import Budget, load_budget, save_budget


class Kernel:
    """A session with the notebook that its kernel was started for."""

    def __init__(self, session, provider):
        self.session, self._provider = session, provider
        self._shell = types.SimpleNamespace(user_ns={}, execution_count=0, get_parent=self._parent)
        self._cell_id = None
        self.cell = ExecutionContext(self._shell)
        self.state = StateReader(session, self.cell, {}, lambda: False)
        self.threads = ThreadCommands(session, self.cell)

    def _parent(self):
        self._shell.execution_count += 1
        header = {"msg_id": str(self._shell.execution_count)}
        return {"header": header, "metadata": {"cellId": self._cell_id}}

    def say(self, prompt, cell_id):
        """Run a cell; return what it sent."""
        self._cell_id = cell_id
        self._provider.play(scripted.answer(f"on {prompt}"))
        spec = PromptSpec(prompt, model=MODEL, turn_key=self.cell.turn_key())
        self.session.run(self.session.prepare(spec), NullRenderer())
        return [each["content"] for each in self._provider.posts[-1].json["messages"]]

    def page(self, notebook, *cells):
        """Take what the page sends when its cells or its path have changed."""
        Actions(self.state).by_type["set_order"]({"notebook": notebook, "cells": [*cells]})

    def load(self, **options):
        return self.threads.thread("default", **options)["contains"]


@pytest.fixture
def opened(new_session, provider, monkeypatch, tmp_path):
    """Return what starts a kernel for a notebook in the folder of the server."""

    def open_(name):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        monkeypatch.setenv("JPY_SESSION_NAME", str(path))
        return Kernel(new_session(), provider)

    return open_


@pytest.mark.parametrize(
    ("new", "reported"),
    [
        ("analysis.ipynb", "analysis.ipynb"),
        ("done/analysis.ipynb", "done/analysis.ipynb"),
        ("analysis.ipynb", "RTC:analysis.ipynb"),
    ],
)
def test_the_history_follows_a_notebook_that_is_renamed_while_it_is_open(
    opened, tmp_path, new, reported
):
    kernel = opened("Untitled.ipynb")
    old = kernel.cell.notebook
    kernel.say("one", "a")
    kernel.say("two", "b")
    save_budget(Budget(Decimal(2), "notebook"), old)
    (tmp_path / new).parent.mkdir(exist_ok=True)
    (tmp_path / "Untitled.ipynb").rename(tmp_path / new)
    kernel.page(reported, "a", "b")
    assert kernel.cell.notebook == str(tmp_path / new)
    assert kernel.say("one again", "a") == ["one again"]
    assert len(kernel.session.conversations.thread().slots) == 2
    total, scope = kernel.state.sums(kernel.session.settings())
    assert (total.requests, scope) == (3, "notebook")
    assert (load_budget(str(tmp_path / new)), load_budget(old)) == (
        Budget(Decimal(2), "notebook"),
        None,
    )
    assert opened(new).load() == "2 turns"
    assert opened("Untitled.ipynb").load() == "0 turns"  # another notebook of the old name


@pytest.mark.parametrize(
    ("gone", "cells"),
    [(False, ("a",)), (True, ("other",))],
    ids=["a copy on the same kernel", "another notebook on the kernel of a deleted one"],
)
def test_only_the_notebook_itself_takes_its_history_along(opened, tmp_path, gone, cells):
    kernel = opened("first.ipynb")
    kernel.say("one", "a")
    shutil.copy(tmp_path / "first.ipynb", tmp_path / "second.ipynb")
    if gone:
        (tmp_path / "first.ipynb").unlink()
    kernel.page("second.ipynb", *cells)
    assert opened("first.ipynb").load() == "1 turn"
    assert opened("second.ipynb").load() != "1 turn"


def test_a_notebook_renamed_while_closed_continues_by_an_explicit_choice(opened, tmp_path):
    kernel = opened("before.ipynb")
    kernel.say("one", "a")
    kernel.say("two", "b")
    (tmp_path / "before.ipynb").rename(tmp_path / "after.ipynb")
    kernel = opened("after.ipynb")
    assert "before.ipynb" in kernel.threads.thread("default")["elsewhere"]
    assert kernel.load(from_="before.ipynb") == "2 turns"
    # its cell replaces its own turn, and is stale for the later one
    assert kernel.say("one again", "a") == ["one again"]
    first, second = kernel.session.conversations.thread().slots
    assert [turn.prompt for turn in first.versions] == ["one", "one again"]
    assert second.stale
    assert opened("after.ipynb").load() == "2 turns"


def test_a_run_in_a_copy_changes_nothing_in_the_original(opened, tmp_path):
    original = opened("original.ipynb")
    original.say("one", "a")
    original.say("two", "b")
    shutil.copy(tmp_path / "original.ipynb", tmp_path / "copy.ipynb")
    (shown,) = (slot.turn.id for slot in original.session.conversations.thread().slots[:1])
    copy = opened("copy.ipynb")
    assert copy.state.spots() == {}
    # the answer is on the page of the copy, too: "Bring back" names it
    Actions(copy.state).by_type["bring_back"]({"cell_id": "a", "turn_id": shown})
    assert copy.say("one of the copy", "a") == ["one of the copy"]
    copy.threads.rewind()
    assert len(copy.session.conversations.thread().slots) == 1
    first, second = original.session.conversations.thread().slots
    assert [len(first.versions), len(second.versions), second.stale] == [1, 1, False]
    again = opened("original.ipynb")
    assert again.load() == "2 turns"
    prompts = [slot.turn.prompt for slot in again.session.conversations.thread().slots]
    assert prompts == ["one", "two"]
