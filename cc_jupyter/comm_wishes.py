"""What a front end may change: by the same commands that a user has, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.comm_fields import Answer, Body, number_in, path_in, text_in, texts_in, word_in
from cc_jupyter.comm_turns import answer_body
from cc_jupyter.commands.parsing import place_of
from cc_jupyter.core.errors import OptionError, did_you_mean
from cc_jupyter.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.comm_state import StateReader
    from cc_jupyter.conversation.thread import Thread


class Wishes:
    """Does what is asked for.

    Parameters
    ----------
    line
        Runs a `%cmd` line, as in a cell.
    """

    def __init__(self, state: StateReader, line: Callable[[str], object]) -> None:
        self._state = state
        self._session = state.session
        self._line = line
        self.by_type: dict[str, Callable[[Body], Answer]] = {
            "set_model": self._and_told(self._set_model),
            "set_thread": self._and_told(self._set_thread),
            "set_order": self._set_order,
            "fork": self._and_told(self._fork),
            "choose_version": self._and_told(self._choose_version),
        }

    def stop(self, body: Body) -> Answer:
        """Stop what a cell asked; the cell then ends in its own thread."""
        return "stopped", {"stopped": self._session.in_flight.stop(text_in(body, "cell_id"))}

    def _and_told(self, wish: Callable[[Body], Answer]) -> Callable[[Body], Answer]:
        """Give a wish that other pages hear of when it has come true."""

        def do(body: Body) -> Answer:
            answer = wish(body)
            self._session.in_flight.changed()
            return answer

        return do

    def _set_model(self, body: Body) -> Answer:
        model = word_in(body, "model")
        self._line(f"use {model}{' --save' if body.get('save') is True else ''}")
        return _done(f"model {model}")

    def _set_thread(self, body: Body) -> Answer:
        name = word_in(body, "thread")
        self._line(f"thread {name}")
        return _done(f"thread {name}")

    def _set_order(self, body: Body) -> Answer:
        cells = texts_in(body, "cells")
        self._session.document_order.tell(path_in(body, "notebook"), cells)
        return _done("")

    def _fork(self, body: Body) -> Answer:
        name, turn = word_in(body, "name"), number_in(body, "turn")
        thread = self._live(text_in(body, "thread"))
        conversations = self._session.conversations
        if name in conversations.names:
            raise OptionError(
                f"there is a thread {name!r} already", hint="choose another name for a fork"
            )
        place = place_of(thread, turn)
        forked = thread.fork(name)
        forked.rewind(sum(slot.turn is not None for slot in forked.slots[place + 1 :]))
        conversations.put(forked)
        self._save(forked)
        turns = counted(sum(slot.turn is not None for slot in forked.slots), "turn")
        return _done(f"thread {name}, a fork of {thread.name} with {turns}")

    def _choose_version(self, body: Body) -> Answer:
        spot, number = self._state.spot(text_in(body, "cell_id")), number_in(body, "version")
        thread = self._live(spot.thread)
        versions = spot.slot.versions
        if number > len(versions) or not versions[number - 1].answer:
            raise OptionError(
                f"the cell has no version {number} with an answer",
                hint=f"it has {counted(len(versions), 'version')}",
            )
        thread.choose(spot.place, number - 1, self._session.page(spot.slot.key))
        self._save(thread)
        slot = thread.snapshot()[spot.place]
        return "answer", answer_body(slot, self._session.history, self._session.settings())

    def _live(self, name: str) -> Thread:
        """Give a thread of this session in which no cell waits for an answer."""
        conversations = self._session.conversations
        if name not in conversations.names:
            raise OptionError(
                f"there is no thread {name!r} in this session",
                hint=did_you_mean(name, conversations.names) or f"%cmd thread {name} makes it",
            )
        if any(running.thread == name for running in self._session.in_flight.now):
            raise OptionError(
                f"a cell is running in the thread {name}", hint="wait for its answer, or stop it"
            )
        return conversations.thread(name)

    def _save(self, thread: Thread) -> None:
        on_disk = self._session.settings().history
        self._session.history.save_thread(thread, on_disk=on_disk)


def _done(said: str) -> Answer:
    return "done", {"said": said}
